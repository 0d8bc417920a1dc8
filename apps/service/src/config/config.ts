import { resolve } from 'node:path';
import { formatShards, SHARDS, type KafkaSasl, type KafkaTls } from '@nva/kafka';
import type { Quotas } from '@nva/domain';
import type { RegistrarGroup } from '@nva/registrar';
import { loadKeyFile } from '@nva/transparency';
import { readAdmins, type AdminShare } from './admins-file.ts';
import type { IdentityRate } from './alarms.ts';
import { ConfigError, file, flag, given, integer, refused, share, text, url, type Environment } from './environment.ts';
import { readGroups } from './groups-file.ts';
import { readHttpLimits, type HttpLimits } from './http-limits.ts';
import { readKafkaAcls, readKafkaSecurity, type KafkaAcls } from './kafka-config.ts';
import { readQuotas } from './quotas-file.ts';
import { ROLES } from './roles.ts';
import { readWitnesses, type WitnessConfig } from './witnesses-file.ts';
import { readShards } from './shards.ts';
import { VARIABLES } from './variables.ts';

export { ConfigError, withoutCredentials } from './environment.ts';

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
  /** Shards of which the process keeps the history, ascending. */
  readonly adminShards: readonly number[];
  /** Who keeps the history of which shards, this process perhaps among them. */
  readonly admins: readonly AdminShare[];
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
  readonly groups: readonly RegistrarGroup[] | null;
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
  /** Bytes of the older snapshots that are kept for the fold of past positions. */
  readonly snapshotOlderBytes: number;
  /** Questions about the past are answered; for admins. */
  readonly history: boolean;
  /** How the log's tree is kept and signed; null keeps none. */
  readonly proof: {
    readonly everyMs: number;
    /** null: a key is made beside the tree. */
    readonly keyFile: string | null;
    readonly witnesses: readonly WitnessConfig[];
  } | null;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

/** Throws ConfigError at the first wrong value, or if a process of these roles could not do its work with them. */
export function readConfig(env: Environment, roles = ROLES): NvaConfig {
  const quotasFile = file(env, 'QUOTAS_FILE');
  const groupsFile = file(env, 'GROUPS_FILE');
  const endpoint = url(env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  const config: NvaConfig = {
    host: text(env, 'HOST'),
    port: integer(env, 'PORT'),
    dataDir: resolve(text(env, 'DATA_DIR')),
    eventStore: given(env, 'EVENTSTORE_URL') ? { url: text(env, 'EVENTSTORE_URL'), prefix: text(env, 'EVENTSTORE_PREFIX') } : null,
    kafkaBrokers: brokers(env),
    kafkaSecurity: readKafkaSecurity(env),
    kafkaAcls: readKafkaAcls(env),
    distributorShards: shards(env, 'DISTRIBUTOR_SHARDS'),
    feedPrefix: text(env, 'FEED_PREFIX'),
    feedAdopt: flag(env, 'FEED_ADOPT'),
    feedCheckEveryS: integer(env, 'FEED_CHECK_EVERY_S'),
    kafkaCommands: flag(env, 'KAFKA_COMMANDS') && roles.includes('registrar'),
    kafkaCommandPartitions: integer(env, 'KAFKA_COMMAND_PARTITIONS'),
    commandKeysFile: file(env, 'COMMAND_KEYS_FILE'),
    tokensFile: file(env, 'TOKENS_FILE'),
    logLevel: text(env, 'LOG_LEVEL'),
    rateLimitPerS: integer(env, 'RATE_LIMIT_PER_S'),
    lineRateLimitPerS: integer(env, 'LINE_RATE_LIMIT_PER_S'),
    quotas: quotasFile === null ? null : readQuotas(quotasFile),
    http: readHttpLimits(env),
    maxStreams: integer(env, 'MAX_STREAMS'),
    maxStreamsPerCaller: integer(env, 'MAX_STREAMS_PER_CALLER'),
    groups: groupsFile === null ? null : readGroups(groupsFile),
    group: given(env, 'GROUP') ?? null,
    advertisedUrl: url(env, 'ADVERTISED_URL'),
    tracing: endpoint === null ? null : { endpoint, ratio: share(env, 'TRACE_RATIO') },
    forward: flag(env, 'FORWARD'),
    purgeAfterS: integer(env, 'PURGE_AFTER_S'),
    identityRate: { changes: integer(env, 'NVE_CHANGES_ALARM'), withinS: integer(env, 'NVE_CHANGES_ALARM_S') },
    snapshotEveryEvents: integer(env, 'SNAPSHOT_EVERY_EVENTS'),
    snapshotOlderBytes: integer(env, 'SNAPSHOT_OLDER_MB') * 1_000_000,
    history: flag(env, 'HISTORY'),
    ...admins(env),
    proof: proof(env),
  };
  if (!config.groups && config.group !== null) throw new ConfigError('GROUP: there are no groups without GROUPS_FILE');
  if (roles.includes('registrar')) checkGroups(config);
  if (config.kafkaCommands && config.kafkaBrokers.length === 0)
    throw refused('KAFKA_BROKERS', { why: ': KAFKA_COMMANDS takes commands from there' });
  if (config.kafkaCommands && config.commandKeysFile === null)
    throw refused('COMMAND_KEYS_FILE', { why: ': KAFKA_COMMANDS takes signed commands only' });
  if (!config.tokensFile && !isLoopback(config.host)) {
    throw new ConfigError(
      `HOST: ${config.host} can be reached from outside, so TOKENS_FILE is needed; without tokens the server listens on 127.0.0.1 only`,
    );
  }
  if (config.admins.length > 0 && !config.eventStore)
    throw new ConfigError('ADMINS_FILE: a log in DATA_DIR is one process’s own, and so is its history: EVENTSTORE_URL is needed');
  if (roles.length < ROLES.length && !config.eventStore)
    throw refused('EVENTSTORE_URL', { why: ': a log in DATA_DIR is one process’s own' });
  if (roles.includes('distributor') && !roles.includes('admin') && config.kafkaBrokers.length === 0)
    throw refused('KAFKA_BROKERS', { why: ': a distributor by itself publishes on Kafka' });
  if (config.kafkaAcls && config.kafkaBrokers.length === 0)
    throw new ConfigError('KAFKA_ACLS: expected KAFKA_BROKERS beside it: feeds in process have no brokers that check, got «true»');
  if (roles.includes('distributor') && config.kafkaBrokers.length === 0 && config.distributorShards.length < SHARDS) {
    throw new ConfigError(
      `DISTRIBUTOR_SHARDS: expected ${VARIABLES.DISTRIBUTOR_SHARDS.fallback}, or nothing, since without KAFKA_BROKERS no other process can publish the rest, got «${given(env, 'DISTRIBUTOR_SHARDS')}»`,
    );
  }
  return config;
}

function proof(env: Environment): NvaConfig['proof'] {
  const [isKept, everyMs] = [flag(env, 'PROOF'), integer(env, 'PROOF_EVERY_MS')];
  const [keyFile, witnessesFile] = [file(env, 'PROOF_KEY_FILE'), file(env, 'PROOF_WITNESSES_FILE')];
  if (keyFile !== null) checkKeyFile(keyFile);
  const witnesses = witnessesFile === null ? [] : readWitnesses(witnessesFile);
  return isKept ? { everyMs, keyFile, witnesses } : null;
}

/** The key itself is read by whoever signs. */
function checkKeyFile(path: string): void {
  try {
    loadKeyFile(path);
  } catch (cause) {
    throw refused('PROOF_KEY_FILE', { why: `: ${(cause as Error).message}`, cause });
  }
}

/** Registrars that share a log must know of each other, or each of them would take every deadline for its own. */
function checkGroups({ groups, group, advertisedUrl, eventStore }: NvaConfig): void {
  if (groups && !groups.some(({ name }) => name === group))
    throw refused('GROUP', { why: `, one of ${groups.map(({ name }) => name).join(', ')}`, got: group ?? '' });
  if ((groups || eventStore) && advertisedUrl === null)
    throw refused('ADVERTISED_URL', { why: ', where other registrars of the log reach this one' });
}

function brokers(env: Environment): readonly string[] {
  const value = given(env, 'KAFKA_BROKERS');
  if (value === undefined || value === '') return [];
  const list = value.split(',').map((broker) => broker.trim());
  for (const broker of list) {
    const port = /^(?:[^\s:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(broker)?.[1];
    if (!(Number(port) >= 1 && Number(port) <= 65_535)) throw refused('KAFKA_BROKERS', { got: value });
  }
  return list;
}

/** All shards if there is no such variable. */
function shards(env: Environment, name: 'ADMIN_SHARDS' | 'DISTRIBUTOR_SHARDS'): readonly number[] {
  const value = given(env, name) ?? VARIABLES[name].fallback;
  const read = readShards(value);
  if ('shards' in read) return read.shards;
  if (read.wrong === 'form') throw refused(name, { got: value });
  throw new ConfigError(`${name}: expected each shard once, got «${value}» with ${read.wrong} twice`);
}

function admins(env: Environment): Pick<NvaConfig, 'adminShards' | 'admins'> {
  const [adminShards, adminsFile] = [shards(env, 'ADMIN_SHARDS'), file(env, 'ADMINS_FILE')];
  if (adminsFile === null && adminShards.length < SHARDS)
    throw refused('ADMINS_FILE', { why: `: ADMIN_SHARDS are ${formatShards(adminShards)}, and the others must be somebody's` });
  return { adminShards, admins: adminsFile === null ? [] : readAdmins(adminsFile, adminShards) };
}
