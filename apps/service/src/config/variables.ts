import { LOOK_AT_FEEDS_EVERY_MS, PURGE_AFTER_MS } from '@nva/distributor';
import { MAX_IDENTITY_CHANGES } from '@nva/domain';
import { DEFAULT_COMMAND_PARTITIONS, DEFAULT_PRINCIPAL, SHARDS } from '@nva/kafka';
import { ROLES, type Role } from './roles.ts';

/** What a value must look like. */
type Form =
  | { readonly kind: 'text'; readonly form: RegExp; readonly expected: string; readonly fallback: string }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly fallback: number }
  /** The default, and the greatest value, depend on the process; `otherwise` says how. */
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly fallback: null; readonly otherwise: string }
  | { readonly kind: 'flag'; readonly fallback: 'true' | 'false' }
  | { readonly kind: 'share'; readonly fallback: string }
  | { readonly kind: 'url' }
  /** A path; a relative one is of the working directory. */
  | { readonly kind: 'file'; readonly expected: string }
  /** Its checker stands where it is read. */
  | { readonly kind: 'other'; readonly expected: string; readonly fallback: string | null };

type Declared = Form & {
  /** Roles that do something with it. Every process checks it. */
  readonly roles: readonly Role[];
  /** In sentences, for whoever runs the NVA. */
  readonly meaning: string;
};

const [REGISTRAR, DISTRIBUTOR]: [Role, Role] = ['registrar', 'distributor'];
/** A distributor publishes there; a registrar takes commands from there. */
const ON_KAFKA = [REGISTRAR, DISTRIBUTOR];
/** Feeds in process: only a process with all roles has them. */
const TOGETHER: readonly Role[] = ['distributor', 'admin'];
const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];
const MECHANISMS = ['scram-sha-256', 'scram-sha-512', 'plain'];
const oneOf = (values: readonly string[]) => ({
  kind: 'text' as const,
  form: new RegExp(`^(?:${values.join('|')})$`),
  expected: `one of ${values.join(', ')}`,
});

/**
 * Every variable that a process is configured by. The readers take names, defaults and bounds from here, errors say what is expected from
 * here, and docs/configuration.md is made of it (`npm run docs`), so that none of them can differ from another.
 */
export const VARIABLES = {
  HOST: {
    kind: 'text',
    form: /^[^\s]+$/,
    expected: 'an address or host name',
    fallback: '127.0.0.1',
    roles: ROLES,
    meaning: 'The address on which the process listens. Any other than loopback needs `TOKENS_FILE`.',
  },
  PORT: {
    kind: 'integer',
    min: 0,
    max: 65_535,
    fallback: 3_000,
    roles: ROLES,
    meaning: 'The TCP port on which the process listens. `0` takes a free one, which the log of the process says.',
  },
  LOG_LEVEL: {
    ...oneOf(LOG_LEVELS),
    fallback: 'info',
    roles: ROLES,
    meaning: 'From which level on the process writes lines to its standard output.',
  },
  DATA_DIR: {
    kind: 'text',
    form: /^.+$/,
    expected: 'a directory',
    fallback: './data',
    roles: ROLES,
    meaning: 'The folder of the event log, unless `EVENTSTORE_URL` names one, and of the snapshots. One process at a time has it.',
  },
  EVENTSTORE_URL: {
    kind: 'text',
    form: /^(?:esdb|kurrentdb|kurrent)(?:\+discover)?:\/\/\S+$/,
    expected: 'esdb://host:port or kurrentdb://host:port',
    fallback: '',
    roles: ROLES,
    meaning:
      'Puts the log on EventStoreDB (KurrentDB), where any number of processes share it, instead of in `DATA_DIR`. TLS, credentials, several nodes and node preference: [libs/eventstoredb](../libs/eventstoredb/README.md).',
  },
  EVENTSTORE_PREFIX: {
    kind: 'text',
    form: /^[A-Za-z0-9._]{1,64}-$/,
    expected: '1 to 64 letters, digits and . _, then one dash',
    fallback: 'nvo3-',
    roles: ROLES,
    meaning: 'What the names of the NVA’s streams on the event store begin with.',
  },
  SNAPSHOT_EVERY_EVENTS: {
    kind: 'integer',
    min: 0,
    max: 999_999_999,
    fallback: 500_000,
    roles: ROLES,
    meaning: 'How many events are folded between two snapshots. The next start goes on from the newest one. `0`: none are taken or used.',
  },
  SNAPSHOT_OLDER_MB: {
    kind: 'integer',
    min: 0,
    max: 100_000_000,
    fallback: 4_000,
    roles: ROLES,
    meaning:
      'How many megabytes of older snapshots are kept besides the newest two, at distances that grow with their age. Questions about the past begin from them. `0`: none are kept.',
  },
  HISTORY: {
    kind: 'flag',
    fallback: 'true',
    roles: ['admin'],
    meaning:
      'Whether the process keeps every change of every table in `DATA_DIR/history`, and answers questions about the past (`at`). This is done in a thread of its own, which folds the log too: about as much memory again as the process takes without it.',
  },
  PROOF: {
    kind: 'flag',
    fallback: 'true',
    roles: ['admin'],
    meaning:
      'Whether the process keeps the Merkle tree of the log in `DATA_DIR/history/proof`, signs checkpoints of it, and proves what is in the log (`/v1/tlog/`). It takes about as much disk as the events themselves. Without `HISTORY` there is none.',
  },
  ADMIN_SHARDS: {
    kind: 'other',
    expected: `shards of 0 to ${SHARDS - 1} such as 0-31 or 0,5,32-63`,
    fallback: `0-${SHARDS - 1}`,
    roles: ['admin'],
    meaning: `The shards of which this process keeps the history; VN n is of shard n modulo ${SHARDS}. It passes questions about other VNs on to the admins of ADMINS_FILE. With other shards than before, the history is built anew.`,
  },
  ADMINS_FILE: {
    kind: 'file',
    expected: 'a JSON file of admins',
    roles: ['admin'],
    meaning:
      'Which admins keep the history of which shards, and where they are reached ([several admins](deployment.md#several-admins)). Needed where ADMIN_SHARDS are not all.',
  },
  PROOF_EVERY_MS: {
    kind: 'integer',
    min: 50,
    max: 3_600_000,
    fallback: 1_000,
    roles: ['admin'],
    meaning: 'Milliseconds between two signed checkpoints, at least. There is one only when there are new events.',
  },
  PROOF_KEY_FILE: {
    kind: 'file',
    expected: 'a file with a signer key that only its owner may read',
    roles: ['admin'],
    meaning:
      'The key that signs checkpoints; its name is the name of the log (`nvactl proof key` makes one). Without it the process makes a key beside the tree at its first start.',
  },
  PROOF_WITNESSES_FILE: {
    kind: 'file',
    expected: 'a JSON file of witnesses',
    roles: ['admin'],
    meaning:
      'Other admins and foreign witnesses that cosign the checkpoints of this process, and admins whose checkpoints it cosigns ([witnesses](operations.md#add-a-witness-of-the-proof)).',
  },
  KAFKA_BROKERS: {
    kind: 'other',
    expected: 'host:port[,host:port…]',
    fallback: null,
    roles: ON_KAFKA,
    meaning: 'Puts the feeds on Kafka, at these brokers, instead of in process.',
  },
  FEED_PREFIX: {
    kind: 'text',
    form: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    expected: '1 to 64 letters, digits and . _ -',
    fallback: 'nvo3',
    roles: ON_KAFKA,
    meaning: 'The first part of the name of every topic.',
  },
  DISTRIBUTOR_SHARDS: {
    kind: 'other',
    expected: `shards of 0 to ${SHARDS - 1} such as 0-31 or 0,5,32-63`,
    fallback: `0-${SHARDS - 1}`,
    roles: [DISTRIBUTOR],
    meaning: `The shards of the feeds that this process publishes. VN n is of shard n modulo ${SHARDS}. Processes that share a log give each shard to one of them; one that finds a shard taken over by another ends, and says by whom. Without Kafka, all of them.`,
  },
  FEED_ADOPT: {
    kind: 'flag',
    fallback: 'false',
    roles: [DISTRIBUTOR],
    meaning:
      '`true` makes topics of another log equal to this one instead of refusing to start: what this log does not hold is removed from them, and NVEs drop it. Only for a log that is given up for good; [not needed after a restore](operations.md#back-up-and-restore).',
  },
  FEED_CHECK_EVERY_S: {
    kind: 'integer',
    min: 1,
    max: 3_600,
    fallback: LOOK_AT_FEEDS_EVERY_MS / 1_000,
    roles: [DISTRIBUTOR],
    meaning:
      'How often, in seconds, a distributor asks the brokers whether the topics are still the ones that it knew: a request for each 500.',
  },
  PURGE_AFTER_S: {
    kind: 'integer',
    min: 1,
    max: 315_360_000,
    fallback: PURGE_AFTER_MS / 1_000,
    roles: [DISTRIBUTOR],
    meaning:
      'How long, in seconds, a VN stays deleted before its topic is deleted and its VNID free for any tenant (14 days by default), by time that the log vouches for. `POST /v1/vns/{vnid}/release` does it at once.',
  },
  KAFKA_SASL_USERNAME: {
    kind: 'other',
    expected: 'the name that goes with the password',
    fallback: null,
    roles: ON_KAFKA,
    meaning: 'As whom the NVA logs in to the brokers. Without it and a password, the NVA does not log in.',
  },
  KAFKA_SASL_PASSWORD: {
    kind: 'other',
    expected: 'the password that goes with KAFKA_SASL_USERNAME',
    fallback: null,
    roles: ON_KAFKA,
    meaning: 'The password itself. No message repeats it.',
  },
  KAFKA_SASL_PASSWORD_FILE: {
    kind: 'file',
    expected: 'a file with the password',
    roles: ON_KAFKA,
    meaning: 'A file with the password, instead of `KAFKA_SASL_PASSWORD`; both together are refused.',
  },
  KAFKA_SASL_MECHANISM: {
    ...oneOf(MECHANISMS),
    fallback: 'scram-sha-256',
    roles: ON_KAFKA,
    meaning: 'How the NVA proves that it has the password. `plain` shows the password to the brokers.',
  },
  KAFKA_TLS: { kind: 'flag', fallback: 'false', roles: ON_KAFKA, meaning: '`true` speaks TLS to the brokers.' },
  KAFKA_TLS_CA_FILE: {
    kind: 'file',
    expected: 'a PEM file',
    roles: ON_KAFKA,
    meaning: 'The certificates of the authorities that the NVA trusts. By default, those that Node trusts.',
  },
  KAFKA_TLS_CERT_FILE: {
    kind: 'file',
    expected: 'a PEM file',
    roles: ON_KAFKA,
    meaning: 'The NVA’s own certificate, where the brokers ask for one. It goes together with `KAFKA_TLS_KEY_FILE`.',
  },
  KAFKA_TLS_KEY_FILE: { kind: 'file', expected: 'a PEM file', roles: ON_KAFKA, meaning: 'The private key of that certificate.' },
  KAFKA_ACLS: {
    kind: 'flag',
    fallback: 'false',
    roles: [DISTRIBUTOR],
    meaning:
      '`true`: distributors keep rights on the brokers. Each NVE may read its own topic, the schemas and the topics of its VNs, and nothing else ([libs/kafka](../libs/kafka/README.md), «Who may read»). Needs `KAFKA_BROKERS`, and an authoriser there.',
  },
  KAFKA_PRINCIPAL: {
    kind: 'text',
    form: /^[^\s:{}]+:[^{}]*\{nveId\}[^{}]*$/,
    expected: 'a type, a colon and a name with {nveId} in it once, such as User:{nveId}',
    fallback: DEFAULT_PRINCIPAL,
    roles: [DISTRIBUTOR],
    meaning: 'The principal as which an NVE logs in to the brokers.',
  },
  ACL_GRACE_S: {
    kind: 'integer',
    min: 1,
    max: 86_400,
    fallback: 60,
    roles: [DISTRIBUTOR],
    meaning:
      'How long, in seconds, an NVE that left a VN may still read it. Longer while its heartbeats go on naming the VN, ten times that at most.',
  },
  PEER_TOKEN_FILE: {
    kind: 'file',
    expected: "a file with an operator's token",
    roles: [DISTRIBUTOR],
    meaning:
      'With it a distributor by itself asks registrars what NVEs’ heartbeats name. Without it, where registrars want tokens, the grace time alone decides. Read only with `KAFKA_ACLS=true`.',
  },
  KAFKA_COMMANDS: {
    kind: 'flag',
    fallback: 'false',
    roles: ON_KAFKA,
    meaning:
      '`true`: registrars take [commands of NVEs from Kafka](deployment.md#commands-over-kafka) too, and distributors with `KAFKA_ACLS=true` give NVEs the right to send them. A registrar needs `KAFKA_BROKERS` and `COMMAND_KEYS_FILE` with it.',
  },
  COMMAND_KEYS_FILE: {
    kind: 'file',
    expected: 'the file with the keys of NVEs',
    roles: [REGISTRAR],
    meaning: 'The keys that NVEs sign their commands with. Only the file’s owner may be able to read it.',
  },
  KAFKA_COMMAND_PARTITIONS: {
    kind: 'integer',
    min: 1,
    max: 1_000,
    fallback: DEFAULT_COMMAND_PARTITIONS,
    roles: [REGISTRAR],
    meaning: 'How many partitions the topic of commands gets when it is made. A topic that has another number is refused.',
  },
  GROUPS_FILE: {
    kind: 'file',
    expected: 'a JSON file with the groups',
    roles: ROLES,
    meaning:
      'Several registrars over one log: which group of tenant systems each of them serves. All registrars share the file; other processes show it in `GET /v1/oracles`.',
  },
  GROUP: {
    kind: 'other',
    expected: 'the group of GROUPS_FILE that this registrar serves',
    fallback: null,
    roles: [REGISTRAR],
    meaning: 'The name of the group that this registrar serves. Needed with `GROUPS_FILE`, refused without it.',
  },
  ADVERTISED_URL: {
    kind: 'url',
    roles: [REGISTRAR],
    meaning: 'Where the other registrars reach this one. Needed with `GROUPS_FILE` or `EVENTSTORE_URL`.',
  },
  FORWARD: {
    kind: 'flag',
    fallback: 'true',
    roles: [REGISTRAR],
    meaning: '`false`: a command of another group is refused with where to go, instead of passed on.',
  },
  TOKENS_FILE: {
    kind: 'file',
    expected: 'a JSON file with hashed tokens',
    roles: ROLES,
    meaning:
      'Who may call: [bearer tokens, hashed](operations.md#tokens-and-keys). Without it every caller on this machine is an operator, and the process listens on loopback only.',
  },
  QUOTAS_FILE: {
    kind: 'file',
    expected: 'a JSON file with limits of tenants and NVEs',
    roles: [REGISTRAR, 'admin'],
    meaning:
      'How many tenant systems, bindings and VNs a tenant may have, and an NVE: `{"tenants": {"*": {"tenantSystems": 1000, "bindings": 4000, "vns": 50}, "red": {"vns": 500}}, "nves": {"*": {"tenantSystems": 256}}}`. `*` is everyone without a limit of their own; what is not named is not bounded. `GET /v1/usage` shows what is used.',
  },
  RATE_LIMIT_PER_S: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    fallback: 20_000,
    roles: ROLES,
    meaning: 'Requests a second and caller; those beyond it are refused. An NDJSON request is one.',
  },
  LINE_RATE_LIMIT_PER_S: {
    kind: 'integer',
    min: 0,
    max: 10_000_000,
    fallback: 0,
    roles: [REGISTRAR],
    meaning:
      'Lines of NDJSON a second and caller, over all its requests; those beyond it wait. `0`: no bound, but in turn with other callers.',
  },
  HEADERS_TIMEOUT_S: {
    kind: 'integer',
    min: 1,
    max: 3_600,
    fallback: 10,
    roles: ROLES,
    meaning: 'Seconds for the headers of a request, from the opening of the connection or the end of the request before.',
  },
  BODY_TIMEOUT_S: {
    kind: 'integer',
    min: 1,
    max: 3_600,
    fallback: 30,
    roles: ROLES,
    meaning: 'Seconds for the body of a request. NDJSON has no such bound: it may go on for ever, as long as it goes on.',
  },
  // A feed says something every 15 s.
  IDLE_TIMEOUT_S: {
    kind: 'integer',
    min: 20,
    max: 86_400,
    fallback: 120,
    roles: ROLES,
    meaning: 'Seconds without a byte either way while a request or its answer is on its way.',
  },
  KEEP_ALIVE_S: { kind: 'integer', min: 1, max: 3_600, fallback: 72, roles: ROLES, meaning: 'Seconds between two requests.' },
  MAX_CONNECTIONS: {
    kind: 'integer',
    min: 4,
    max: 1_000_000,
    fallback: null,
    otherwise: '¾ of the files that the process may open, 10000 at most',
    roles: ROLES,
    meaning:
      'Connections in all; more than ¾ of the files that the process may open is refused. Beyond it one without a token makes room, else the longest unused, else the new one.',
  },
  MAX_UNAUTHENTICATED_CONNECTIONS: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    fallback: null,
    otherwise: 'half of `MAX_CONNECTIONS`, 1000 at most',
    roles: ROLES,
    meaning:
      'Connections that have not shown a token, `MAX_CONNECTIONS` at most. Beyond it, the oldest of the address that has most of them is closed.',
  },
  MAX_STREAMS: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    fallback: 4_096,
    roles: TOGETHER,
    meaning:
      'Streams of feeds (Server-Sent Events) open at once, over all callers. An NVE needs one for itself and one for each of its VNs.',
  },
  MAX_STREAMS_PER_CALLER: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    fallback: 1_024,
    roles: TOGETHER,
    meaning: 'The same of one caller.',
  },
  NVE_CHANGES_ALARM: {
    kind: 'integer',
    min: 0,
    max: MAX_IDENTITY_CHANGES - 1,
    fallback: 3,
    roles: ROLES,
    meaning:
      'How often an NVE may tell another site, MAC or addresses without a greater incarnation, within `NVE_CHANGES_ALARM_S`. Beyond it an alarm is raised: two hosts may have its id.',
  },
  NVE_CHANGES_ALARM_S: {
    kind: 'integer',
    min: 1,
    max: 86_400,
    fallback: 600,
    roles: ROLES,
    meaning: 'The time, in seconds, over which those changes are counted.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: 'url',
    roles: ROLES,
    meaning: 'Where OpenTelemetry spans go, by OTLP over HTTP; one trace for each correlation id. Without it nothing is traced.',
  },
  TRACE_RATIO: { kind: 'share', fallback: '1', roles: ROLES, meaning: 'The share of the correlation ids that are traced.' },
} as const satisfies Readonly<Record<string, Declared>>;

export type VariableName = keyof typeof VARIABLES;
/** Names of the variables of a kind. */
export type NameOf<Kind extends Form['kind']> = {
  [Name in VariableName]: (typeof VARIABLES)[Name]['kind'] extends Kind ? Name : never;
}[VariableName];

/** What a value must be, as errors say it after «expected» and the page in its column. `max` where the process bounds it further. */
export function expectedOf(name: VariableName, max?: number): string {
  const variable: Declared = VARIABLES[name];
  switch (variable.kind) {
    case 'integer':
      return `an integer from ${variable.min} to ${max ?? variable.max}`;
    case 'flag':
      return 'true or false';
    case 'share':
      return 'a number from 0 to 1';
    case 'url':
      return 'http://host:port';
    default:
      return variable.expected;
  }
}

/** What holds where it is not set; null where nothing does. */
export function defaultOf(name: VariableName): string | null {
  const variable: Declared = VARIABLES[name];
  return 'fallback' in variable && variable.fallback !== null && variable.fallback !== '' ? String(variable.fallback) : null;
}
