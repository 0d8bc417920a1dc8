import { EventStoreDBClient } from '@eventstore/db-client';

/** Options that the client accepts (6.2.1), except those that it accepts and ignores. It ignores case, «-» and «_» in these names. */
const OPTIONS = new Set([
  'tls',
  'tlscafile',
  'usercertfile',
  'userkeyfile',
  'nodepreference',
  'maxdiscoverattempts',
  'discoveryinterval',
  'gossiptimeout',
  'defaultdeadline',
  'keepaliveinterval',
  'keepalivetimeout',
  'connectionname',
]);
const SCHEME = /^(?:esdb|kurrentdb|kurrent)(\+discover)?:\/\//;

/** The client's parser makes this error and puts the whole string, including the password, into one of its fields. */
interface ParseError {
  readonly location?: readonly [from: number, to: number];
  readonly expected?: string;
}

/** The address of a node. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export const NODE_PREFERENCES = ['leader', 'follower', 'read-only-replica', 'random'] as const;
export type NodePreference = (typeof NODE_PREFERENCES)[number];

/** The nodes that a connection string names. */
export interface Target {
  /** Nodes that are asked for the others; the only node if `direct`. */
  readonly seeds: readonly Endpoint[];
  /** Exactly this node is meant. If it names another leader, calls that demand the leader still go there. */
  readonly direct: boolean;
  readonly preference: NodePreference;
  /** How long a node may take to report the cluster. */
  readonly gossipTimeoutMs: number;
  /** A connection string to one node alone, with the same credentials and options. */
  at(endpoint: Endpoint): string;
  /** The same for a single question: without keep-alive, because the client may print a warning about it each time. */
  asking(endpoint: Endpoint): string;
}

export interface ConnectionString {
  /** For calls that demand the leader. */
  readonly leader: Target;
  /** For calls that may lag; null if these go to the leader too. */
  readonly preferred: Target | null;
}

const DEFAULT_PORT = 2113;
const GOSSIP_TIMEOUT_MS = 2_000;
/** The client's own grammar: name and password, hosts, options. */
const PARTS = /^([^:]+:[^@]+@)?([^?]*)(\?.*)?$/s;

/**
 * Checks a connection string and throws RangeError before the client sees anything that it would only warn about: it would print
 * the whole string on the console. No message here repeats the string, and none carries the client's error, because both may
 * contain the password.
 */
export function parseConnectionString(url: string): ConnectionString {
  const scheme = SCHEME.exec(url);
  if (!scheme)
    throw new RangeError('the connection string begins with none of esdb://, kurrentdb://, kurrent://, each with or without +discover');
  const [, query = ''] = url.split('?');
  for (const name of query
    .split('&')
    .filter(Boolean)
    .map((option) => option.split('=')[0]!)) {
    if (!OPTIONS.has(flat(name)))
      throw new RangeError(`the connection string has the option «${name}», which is not known or has no effect`);
  }
  // The client knows only the old name of the scheme; both mean the same.
  const known = `esdb${scheme[1] ?? ''}://${url.slice(scheme[0].length)}`;
  try {
    EventStoreDBClient.connectionString(known);
  } catch (error) {
    const { location, expected } = error as ParseError;
    throw new RangeError(
      location
        ? `the connection string needs ${expected} after ${location[0] - known.length + url.length} characters`
        : `the connection string cannot be used: a certificate or key file cannot be read, or a number is out of range`,
    );
  }
  const target = targetOf(url.slice(scheme[0].length), scheme[1] !== undefined);
  return { leader: { ...target, preference: 'leader' }, preferred: target.preference === 'leader' ? null : target };
}

/** The client's parser has accepted `text`; `discover` means that its one host stands for all nodes. */
function targetOf(text: string, discover: boolean): Target {
  const [, credentials = '', hosts = '', query = ''] = PARTS.exec(text.trim().replace(/\/+$/, ''))!;
  const options = new Map(
    query
      .slice(1)
      .split('&')
      .map((option) => option.split('=') as [string, string])
      .map(([name, value]) => [flat(name), value]),
  );
  const seeds = hosts
    .split(/[,/]/)
    .filter((host) => host.trim() !== '')
    .map(endpointIn);
  const seconds = Number(options.get('gossiptimeout'));
  return {
    // The client uses the first host for discovery by name.
    seeds: discover ? seeds.slice(0, 1) : seeds,
    direct: !discover && seeds.length === 1,
    preference: NODE_PREFERENCES.find((name) => flat(name) === flat(options.get('nodepreference') ?? '')) ?? 'leader',
    gossipTimeoutMs: seconds > 0 ? seconds * 1_000 : GOSSIP_TIMEOUT_MS,
    at: ({ host, port }) => `esdb://${credentials}${host}:${port}${query}`,
    asking: ({ host, port }) => `esdb://${credentials}${host}:${port}${withoutKeepAlive(query)}`,
  };
}

function withoutKeepAlive(query: string): string {
  const options = query
    .slice(1)
    .split('&')
    .filter((option) => option !== '' && !/^keepalive(?:interval|timeout)=/.test(flat(option)));
  return options.length > 0 ? `?${options.join('&')}` : '';
}

function endpointIn(text: string): Endpoint {
  const [host, port = DEFAULT_PORT] = text.trim().split(':') as [string, string?];
  return { host, port: Number(port) };
}

const flat = (name: string): string => name.trim().toLowerCase().replaceAll(/[_-]/g, '');
