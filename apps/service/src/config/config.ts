import { resolve } from 'node:path';
import { LOOK_AT_FEEDS_EVERY_MS, PURGE_AFTER_MS } from '@nva/distributor';
import { DEFAULT_COMMAND_PARTITIONS, SHARDS, type KafkaSasl, type KafkaTls } from '@nva/kafka';
import { MAX_IDENTITY_CHANGES, type Quotas } from '@nva/domain';
import type { Group } from '@nva/registrar';
import type { IdentityRate } from './alarms.ts';
import { parseUrl, readGroups } from './groups-file.ts';
import { readHttpLimits, type HttpLimits } from './http-limits.ts';
import { readKafkaAcls, readKafkaSecurity, type KafkaAcls } from './kafka-config.ts';
import { readQuotas } from './quotas-file.ts';
import { ROLES } from './roles.ts';

/** What the process is told from outside, checked. */
export interface NvaConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** The log is on EventStoreDB (KurrentDB); null has it in DATA_DIR. */
  readonly eventStore: { readonly url: string; readonly prefix: string } | null;
  /** Empty: the feeds are in process. */
  readonly kafkaBrokers: readonly string[];
  /** As whom, and how, the brokers are reached. */
  readonly kafkaSecurity: { readonly sasl?: KafkaSasl; readonly tls?: KafkaTls };
  /** NVEs' rights are kept on the brokers; null leaves them to others, or everybody may read. */
  readonly kafkaAcls: KafkaAcls | null;
  /** Shards of the feeds that the process publishes, ascending: a VN is of shard VNID modulo SHARDS. */
  readonly distributorShards: readonly number[];
  readonly feedPrefix: string;
  readonly feedAdopt: boolean;
  /** How often a distributor looks whether the topics are still the ones that it knew. */
  readonly feedCheckEveryS: number;
  /** Take commands of NVEs from Kafka too; for registrars. */
  readonly kafkaCommands: boolean;
  readonly kafkaCommandPartitions: number;
  /** The keys that NVEs sign them with. */
  readonly commandKeysFile: string | null;
  readonly tokensFile: string | null;
  readonly logLevel: string;
  /** Requests per second and caller; a POST /v1/commands is one. */
  readonly rateLimitPerS: number;
  /** Lines of NDJSON per second and caller; 0: no bound. */
  readonly lineRateLimitPerS: number;
  /** How much tenants and NVEs may have; null bounds nothing. */
  readonly quotas: Quotas | null;
  readonly http: HttpLimits;
  /** Streams of feeds open at once, over all callers and of one. */
  readonly maxStreams: number;
  readonly maxStreamsPerCaller: number;
  /** Which registrars serve what (R34); null where all of them serve all. */
  readonly groups: readonly Group[] | null;
  /** Name of the group that this process serves. */
  readonly group: string | null;
  /** Where other registrars reach this one. */
  readonly advertisedUrl: string | null;
  /** A command of another group is passed on, or refused with where to go. */
  readonly forward: boolean;
  /** Where spans go; null traces nothing. */
  readonly tracing: { readonly endpoint: string; readonly ratio: number } | null;
  /** How long a VN stays deleted before its topic is deleted and its VNID free. */
  readonly purgeAfterS: number;
  /** How often an NVE may become another, under one id and incarnation, without an alarm. */
  readonly identityRate: IdentityRate;
  /** Events folded between two snapshots; 0: none are taken, and none used. */
  readonly snapshotEveryEvents: number;
}

/** A value that the process cannot start with; the message names it and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** A connection string as it may be shown. */
export const withoutCredentials = (connection: string): string => connection.replace(/\/\/[^/@]*@/, '//…@');

export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

/** Throws ConfigError at the first wrong value, or if a process of these roles could not do its work with them. */
export function readConfig(env: Environment, roles = ROLES): NvaConfig {
  const config: NvaConfig = {
    host: text(env, 'HOST', '127.0.0.1', /^[^\s]+$/, 'an address or host name'),
    port: integer(env, 'PORT', 3000, 0, 65_535),
    dataDir: resolve(text(env, 'DATA_DIR', './data', /^.+$/, 'a directory')),
    eventStore: env['EVENTSTORE_URL']
      ? {
          url: text(
            env,
            'EVENTSTORE_URL',
            '',
            /^(?:esdb|kurrentdb|kurrent)(?:\+discover)?:\/\/\S+$/,
            'esdb://host:port or kurrentdb://host:port',
          ),
          prefix: text(env, 'EVENTSTORE_PREFIX', 'nvo3-', /^[A-Za-z0-9._]{1,64}-$/, '1 to 64 letters, digits and . _, then one dash'),
        }
      : null,
    kafkaBrokers: brokers(env),
    kafkaSecurity: readKafkaSecurity(env),
    kafkaAcls: readKafkaAcls(env),
    distributorShards: shards(env),
    feedPrefix: text(env, 'FEED_PREFIX', 'nvo3', /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 letters, digits and . _ -'),
    feedAdopt: flag(env, 'FEED_ADOPT'),
    feedCheckEveryS: integer(env, 'FEED_CHECK_EVERY_S', LOOK_AT_FEEDS_EVERY_MS / 1_000, 1, 3_600),
    kafkaCommands: flag(env, 'KAFKA_COMMANDS') && roles.includes('registrar'),
    kafkaCommandPartitions: integer(env, 'KAFKA_COMMAND_PARTITIONS', DEFAULT_COMMAND_PARTITIONS, 1, 1_000),
    commandKeysFile: env['COMMAND_KEYS_FILE'] ? resolve(env['COMMAND_KEYS_FILE']) : null,
    tokensFile: env['TOKENS_FILE'] ? resolve(env['TOKENS_FILE']) : null,
    logLevel: text(env, 'LOG_LEVEL', 'info', new RegExp(`^(?:${LOG_LEVELS.join('|')})$`), `one of ${LOG_LEVELS.join(', ')}`),
    rateLimitPerS: integer(env, 'RATE_LIMIT_PER_S', 20_000, 1, 1_000_000),
    lineRateLimitPerS: integer(env, 'LINE_RATE_LIMIT_PER_S', 0, 0, 10_000_000),
    quotas: env['QUOTAS_FILE'] ? readQuotas(resolve(env['QUOTAS_FILE'])) : null,
    http: readHttpLimits(env),
    maxStreams: integer(env, 'MAX_STREAMS', 4_096, 1, 1_000_000),
    maxStreamsPerCaller: integer(env, 'MAX_STREAMS_PER_CALLER', 1_024, 1, 1_000_000),
    groups: env['GROUPS_FILE'] ? readGroups(resolve(env['GROUPS_FILE'])) : null,
    group: env['GROUP'] ?? null,
    advertisedUrl: env['ADVERTISED_URL'] ? url(env, 'ADVERTISED_URL') : null,
    tracing: env['OTEL_EXPORTER_OTLP_ENDPOINT']
      ? { endpoint: url(env, 'OTEL_EXPORTER_OTLP_ENDPOINT'), ratio: share(env, 'TRACE_RATIO') }
      : null,
    forward: flag(env, 'FORWARD', 'true'),
    purgeAfterS: integer(env, 'PURGE_AFTER_S', PURGE_AFTER_MS / 1_000, 1, 315_360_000),
    identityRate: {
      changes: integer(env, 'NVE_CHANGES_ALARM', 3, 0, MAX_IDENTITY_CHANGES - 1),
      withinS: integer(env, 'NVE_CHANGES_ALARM_S', 600, 1, 86_400),
    },
    snapshotEveryEvents: integer(env, 'SNAPSHOT_EVERY_EVENTS', 500_000, 0, 999_999_999),
  };
  if (!config.groups && config.group !== null) throw new ConfigError('GROUP: there are no groups without GROUPS_FILE');
  if (roles.includes('registrar')) checkGroups(config);
  if (config.kafkaCommands && config.kafkaBrokers.length === 0)
    throw new ConfigError('KAFKA_BROKERS: expected host:port[,host:port…]: KAFKA_COMMANDS takes commands from there');
  if (config.kafkaCommands && config.commandKeysFile === null)
    throw new ConfigError('COMMAND_KEYS_FILE: expected the file with the keys of NVEs: KAFKA_COMMANDS takes signed commands only');
  if (!config.tokensFile && !isLoopback(config.host)) {
    throw new ConfigError(
      `HOST: ${config.host} can be reached from outside, so TOKENS_FILE is needed; without tokens the server listens on 127.0.0.1 only`,
    );
  }
  if (roles.length < ROLES.length && !config.eventStore)
    throw new ConfigError(
      'EVENTSTORE_URL: expected esdb://host:port or kurrentdb://host:port: a log in DATA_DIR is one process\u2019s own',
    );
  if (roles.includes('distributor') && !roles.includes('admin') && config.kafkaBrokers.length === 0) {
    throw new ConfigError('KAFKA_BROKERS: expected host:port[,host:port…]: a distributor by itself publishes on Kafka');
  }
  if (config.kafkaAcls && config.kafkaBrokers.length === 0)
    throw new ConfigError('KAFKA_ACLS: expected KAFKA_BROKERS beside it: feeds in process have no brokers that check, got «true»');
  if (roles.includes('distributor') && config.kafkaBrokers.length === 0 && config.distributorShards.length < SHARDS) {
    throw new ConfigError(
      `DISTRIBUTOR_SHARDS: expected 0-${SHARDS - 1}, or nothing, since without KAFKA_BROKERS no other process can publish the rest, got «${env['DISTRIBUTOR_SHARDS']}»`,
    );
  }
  return config;
}

/** Registrars that share a log must know of each other, or each of them would take every term for its own. */
function checkGroups({ groups, group, advertisedUrl, eventStore }: NvaConfig): void {
  if (groups && !groups.some(({ name }) => name === group))
    throw new ConfigError(
      `GROUP: expected the group of GROUPS_FILE that this registrar serves, one of ${groups.map(({ name }) => name).join(', ')}, got «${group ?? ''}»`,
    );
  if ((groups || eventStore) && advertisedUrl === null)
    throw new ConfigError('ADVERTISED_URL: expected http://host:port, where other registrars of the log reach this one');
}

export function text(env: Environment, name: string, fallback: string, form: RegExp, expected: string): string {
  const value = env[name] ?? fallback;
  if (!form.test(value)) throw new ConfigError(`${name}: expected ${expected}, got «${withoutCredentials(value)}»`);
  return value;
}

export function integer(env: Environment, name: string, fallback: number, min: number, max: number): number {
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

function share(env: Environment, name: string): number {
  const value = env[name] ?? '1';
  const number = /^(?:0|1|0?\.\d{1,9})$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw new ConfigError(`${name}: expected a number from 0 to 1, got «${value}»`);
  return number;
}

export function flag(env: Environment, name: string, fallback: 'true' | 'false' = 'false'): boolean {
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
    if (!(Number(port) >= 1 && Number(port) <= 65_535))
      throw new ConfigError(`KAFKA_BROKERS: expected host:port[,host:port…], got «${value}»`);
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
    if (!(first <= last && last < SHARDS))
      throw new ConfigError(`DISTRIBUTOR_SHARDS: expected shards of 0 to ${SHARDS - 1} such as 0-31 or 0,5,32-63, got «${value}»`);
    for (let shard = first; shard <= last; shard++) {
      if (named.has(shard)) throw new ConfigError(`DISTRIBUTOR_SHARDS: expected each shard once, got «${value}» with ${shard} twice`);
      named.add(shard);
    }
  }
  return [...named].toSorted((a, b) => a - b);
}
