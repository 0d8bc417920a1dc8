import { resolve } from 'node:path';
import { PURGE_AFTER_MS } from '@nva/distributor';
import { SHARDS } from '@nva/kafka';
import { ROLES } from './roles.ts';

/** What the process is told from outside, checked. */
export interface NvaConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** Empty: the feeds are in process. */
  readonly kafkaBrokers: readonly string[];
  /** Shards of the feeds that the process publishes, ascending: a VN is of shard VNID modulo SHARDS. */
  readonly distributorShards: readonly number[];
  readonly feedPrefix: string;
  readonly feedAdopt: boolean;
  readonly tokensFile: string | null;
  readonly logLevel: string;
  /** Requests per second and caller; a POST /v1/commands is one. */
  readonly rateLimitPerS: number;
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
    distributorShards: shards(env),
    feedPrefix: text(env, 'FEED_PREFIX', 'nvo3', /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 letters, digits and . _ -'),
    feedAdopt: flag(env, 'FEED_ADOPT'),
    tokensFile: env['TOKENS_FILE'] ? resolve(env['TOKENS_FILE']) : null,
    logLevel: text(env, 'LOG_LEVEL', 'info', new RegExp(`^(?:${LOG_LEVELS.join('|')})$`), `one of ${LOG_LEVELS.join(', ')}`),
    rateLimitPerS: integer(env, 'RATE_LIMIT_PER_S', 20_000, 1, 1_000_000),
    purgeAfterS: integer(env, 'PURGE_AFTER_S', PURGE_AFTER_MS / 1_000, 1, 315_360_000),
  };
  if (!config.tokensFile && !isLoopback(config.host)) {
    throw new ConfigError(`HOST: ${config.host} can be reached from outside, so TOKENS_FILE is needed; without tokens the server listens on 127.0.0.1 only`);
  }
  if (roles.includes('distributor') && !roles.includes('admin') && config.kafkaBrokers.length === 0) {
    throw new ConfigError('KAFKA_BROKERS: expected host:port[,host:port…]: a distributor by itself publishes on Kafka');
  }
  if (roles.includes('distributor') && config.kafkaBrokers.length === 0 && config.distributorShards.length < SHARDS) {
    throw new ConfigError(`DISTRIBUTOR_SHARDS: expected 0-${SHARDS - 1}, or nothing, since without KAFKA_BROKERS no other process can publish the rest, got «${env['DISTRIBUTOR_SHARDS']}»`);
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

function flag(env: Environment, name: string): boolean {
  const value = env[name] ?? 'false';
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

/** Shards and ranges of them, each shard once; all of them if there is no such variable. */
function shards(env: Environment): readonly number[] {
  const value = env['DISTRIBUTOR_SHARDS'] ?? `0-${SHARDS - 1}`;
  const named = new Set<number>();
  for (const part of value.split(',')) {
    const [, from, to] = /^\s*(\d{1,3})(?:-(\d{1,3}))?\s*$/.exec(part) ?? [];
    const first = Number(from);
    const last = Number(to ?? from);
    if (!(first <= last && last < SHARDS)) throw new ConfigError(`DISTRIBUTOR_SHARDS: expected shards of 0 to ${SHARDS - 1} such as 0-31 or 0,5,32-63, got «${value}»`);
    for (let shard = first; shard <= last; shard++) {
      if (named.has(shard)) throw new ConfigError(`DISTRIBUTOR_SHARDS: expected each shard once, got «${value}» with ${shard} twice`);
      named.add(shard);
    }
  }
  return [...named].toSorted((a, b) => a - b);
}
