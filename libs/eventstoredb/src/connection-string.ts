import { EventStoreDBClient } from '@eventstore/db-client';

/** What the client takes (6.2.1), less what it takes and does not do. It ignores case, «-» and «_» in these names. */
const OPTIONS = new Set(['tls', 'tlscafile', 'usercertfile', 'userkeyfile', 'nodepreference', 'maxdiscoverattempts', 'discoveryinterval', 'gossiptimeout', 'defaultdeadline', 'keepaliveinterval', 'keepalivetimeout', 'connectionname']);
const SCHEME = /^(?:esdb|kurrentdb|kurrent)(\+discover)?:\/\//;
const PREFERENCE = /([?&]node[_-]?preference=)([^&]*)/i;

/** Made by the client's parser, which puts the whole string, the password with it, in a field of the error. */
interface ParseError {
  readonly location?: readonly [from: number, to: number];
  readonly expected?: string;
}

export interface ConnectionString {
  /** For what demands the leader. */
  readonly leader: string;
  /** For what may lag; null where that is the leader too. */
  readonly preferred: string | null;
}

/**
 * Checks a connection string and throws RangeError before the client sees what it would only warn of: it prints the whole string
 * on the console then. No message here repeats the string, and none carries the client's error: both may hold the password.
 */
export function parseConnectionString(url: string): ConnectionString {
  const scheme = SCHEME.exec(url);
  if (!scheme) throw new RangeError('the connection string begins with none of esdb://, kurrentdb://, kurrent://, each with or without +discover');
  const [, query = ''] = url.split('?');
  for (const name of query.split('&').filter(Boolean).map((option) => option.split('=')[0]!)) {
    if (!OPTIONS.has(name.toLowerCase().replaceAll(/[_-]/g, ''))) throw new RangeError(`the connection string has the option «${name}», which is not known or has no effect`);
  }
  // The client knows the old name of the scheme only; they mean the same.
  const known = `esdb${scheme[1] ?? ''}://${url.slice(scheme[0].length)}`;
  try {
    EventStoreDBClient.connectionString(known);
  } catch (error) {
    const { location, expected } = error as ParseError;
    throw new RangeError(location ? `the connection string needs ${expected} after ${location[0] - known.length + url.length} characters` : `the connection string cannot be used: a certificate or key file cannot be read, or a number is out of range`);
  }
  const preference = PREFERENCE.exec(known)?.[2]?.trim().toLowerCase() ?? 'leader';
  return preference === 'leader' ? { leader: known, preferred: null } : { leader: known.replace(PREFERENCE, '$1leader'), preferred: known };
}
