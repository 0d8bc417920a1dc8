import { resolve } from 'node:path';
import { PURGE_AFTER_MS } from '@nva/distributor';
import { DEFAULT_COMMAND_PARTITIONS } from '@nva/kafka';
import type { Group } from '@nva/registrar';
import { parseUrl, readGroups } from './groups-file.ts';
import { ROLES } from './roles.ts';

/** What the process is told from outside, checked. */
export interface NvaConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** Empty: the feeds are in process. */
  readonly kafkaBrokers: readonly string[];
  readonly feedPrefix: string;
  readonly feedAdopt: boolean;
  /** Take commands of NVEs from Kafka too; for registrars. */
  readonly kafkaCommands: boolean;
  readonly kafkaCommandPartitions: number;
  /** The keys that NVEs sign them with. */
  readonly commandKeysFile: string | null;
  readonly tokensFile: string | null;
  readonly logLevel: string;
  /** Requests per second and caller; a POST /v1/commands is one. */
  readonly rateLimitPerS: number;
  /** Which registrars serve what (R34); null where one process serves all. */
  readonly groups: readonly Group[] | null;
  /** Name of the group that this process serves. */
  readonly group: string | null;
  /** Where other registrars reach this one. */
  readonly advertisedUrl: string | null;
  /** A command of another group is passed on, or refused with where to go. */
  readonly forward: boolean;
  /** How long a VN stays deleted before its topic is deleted and its VNID free. */
  readonly purgeAfterS: number;
}

/** A value that the process cannot start with; the message names it and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

/** Throws ConfigError at the first wrong value, or if a process of these roles could not do its work with them. */
export function readConfig(env: Environment, roles = ROLES): NvaConfig {
  if (env['EVENTSTORE_URL']) throw new ConfigError('EVENTSTORE_URL: this version keeps its log in DATA_DIR only; unset it');
  const config: NvaConfig = {
    host: text(env, 'HOST', '127.0.0.1', /^[^\s]+$/, 'an address or host name'),
    port: integer(env, 'PORT', 3000, 0, 65_535),
    dataDir: resolve(text(env, 'DATA_DIR', './data', /^.+$/, 'a directory')),
    kafkaBrokers: brokers(env),
    feedPrefix: text(env, 'FEED_PREFIX', 'nvo3', /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 letters, digits and . _ -'),
    feedAdopt: flag(env, 'FEED_ADOPT'),
    kafkaCommands: flag(env, 'KAFKA_COMMANDS') && roles.includes('registrar'),
    kafkaCommandPartitions: integer(env, 'KAFKA_COMMAND_PARTITIONS', DEFAULT_COMMAND_PARTITIONS, 1, 1_000),
    commandKeysFile: env['COMMAND_KEYS_FILE'] ? resolve(env['COMMAND_KEYS_FILE']) : null,
    tokensFile: env['TOKENS_FILE'] ? resolve(env['TOKENS_FILE']) : null,
    logLevel: text(env, 'LOG_LEVEL', 'info', new RegExp(`^(?:${LOG_LEVELS.join('|')})$`), `one of ${LOG_LEVELS.join(', ')}`),
    rateLimitPerS: integer(env, 'RATE_LIMIT_PER_S', 20_000, 1, 1_000_000),
    groups: env['GROUPS_FILE'] ? readGroups(resolve(env['GROUPS_FILE'])) : null,
    group: env['GROUP'] ?? null,
    advertisedUrl: env['ADVERTISED_URL'] ? url(env, 'ADVERTISED_URL') : null,
    forward: flag(env, 'FORWARD', 'true'),
    purgeAfterS: integer(env, 'PURGE_AFTER_S', PURGE_AFTER_MS / 1_000, 1, 315_360_000),
  };
  if (config.groups && roles.includes('registrar')) {
    const names = config.groups.map((group) => group.name);
    if (config.group === null || !names.includes(config.group)) throw new ConfigError(`GROUP: expected the group of GROUPS_FILE that this registrar serves, one of ${names.join(', ')}, got «${config.group ?? ''}»`);
    if (config.advertisedUrl === null) throw new ConfigError('ADVERTISED_URL: expected http://host:port, where the registrars of GROUPS_FILE reach this one');
  }
  if (!config.groups && config.group !== null) throw new ConfigError('GROUP: there are no groups without GROUPS_FILE');
  if (config.kafkaCommands && config.kafkaBrokers.length === 0) throw new ConfigError('KAFKA_BROKERS: expected host:port[,host:port…]: KAFKA_COMMANDS takes commands from there');
  if (config.kafkaCommands && config.commandKeysFile === null) throw new ConfigError('COMMAND_KEYS_FILE: expected the file with the keys of NVEs: KAFKA_COMMANDS takes signed commands only');
  if (!config.tokensFile && !isLoopback(config.host)) {
    throw new ConfigError(`HOST: ${config.host} can be reached from outside, so TOKENS_FILE is needed; without tokens the server listens on 127.0.0.1 only`);
  }
  if (roles.includes('distributor') && !roles.includes('admin') && config.kafkaBrokers.length === 0) {
    throw new ConfigError('KAFKA_BROKERS: expected host:port[,host:port…]: a distributor by itself publishes on Kafka');
  }
  return config;
}

function text(env: Environment, name: string, fallback: string, form: RegExp, expected: string): string {
  const value = env[name] ?? fallback;
  if (!form.test(value)) throw new ConfigError(`${name}: expected ${expected}, got «${value}»`);
  return value;
}

function integer(env: Environment, name: string, fallback: number, min: number, max: number): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) throw new ConfigError(`${name}: expected an integer from ${min} to ${max}, got «${value}»`);
  return number;
}

function url(env: Environment, name: string): string {
  try {
    return parseUrl(env[name], name);
  } catch (error) {
    throw new ConfigError(`${name}: expected http://host:port, got «${env[name]}»`, { cause: error });
  }
}

function flag(env: Environment, name: string, fallback: 'true' | 'false' = 'false'): boolean {
  const value = env[name] ?? fallback;
  if (value !== 'true' && value !== 'false') throw new ConfigError(`${name}: expected true or false, got «${value}»`);
  return value === 'true';
}

function brokers(env: Environment): readonly string[] {
  const value = env['KAFKA_BROKERS'];
  if (value === undefined || value === '') return [];
  const list = value.split(',').map((broker) => broker.trim());
  for (const broker of list) {
    const port = /^(?:[^\s:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(broker)?.[1];
    if (!(Number(port) >= 1 && Number(port) <= 65_535)) throw new ConfigError(`KAFKA_BROKERS: expected host:port[,host:port…], got «${value}»`);
  }
  return list;
}
