import { readFileSync } from 'node:fs';
import { ConfigError, integer, type Environment } from './environment.ts';

/** What the server grants a connection before it knows who is there. */
export interface HttpLimits {
  /** From the opening of a connection, or the end of the request before, to the end of the headers. */
  readonly headersTimeoutS: number;
  /** From the headers to the end of a body. NDJSON has none: it may go on for ever, as long as it goes on. */
  readonly bodyTimeoutS: number;
  /** Without a byte either way, while a request or its answer is on its way. */
  readonly idleTimeoutS: number;
  /** Between two requests. */
  readonly keepAliveS: number;
  readonly maxConnections: number;
  /** Connections that have not shown a token; beyond it the oldest of whoever has most of them is closed. */
  readonly maxUnauthenticated: number;
}

/** Above that a single process has no use for more. */
const MOST_CONNECTIONS = 10_000;
const MOST_UNAUTHENTICATED = 1_000;
/** Files that the log, snapshots, brokers and registrars take. */
const MIN_OTHER_FILES = 64;
const DEFAULT_OPEN_FILES = 1_024;

/** Throws ConfigError. `openFiles` is how many the process may have open. */
export function readHttpLimits(env: Environment, openFiles = openFileLimit()): HttpLimits {
  const most = Math.max(8, openFiles - Math.max(MIN_OTHER_FILES, Math.floor(openFiles / 4)));
  const maxConnections = integer(env, 'MAX_CONNECTIONS', { fallback: Math.min(MOST_CONNECTIONS, most) });
  if (maxConnections > most)
    throw new ConfigError(
      `MAX_CONNECTIONS: expected ${most} at most, since this process may have ${openFiles} files open and needs some for other things, got «${maxConnections}»`,
    );
  const half = Math.floor(maxConnections / 2);
  return {
    headersTimeoutS: integer(env, 'HEADERS_TIMEOUT_S'),
    bodyTimeoutS: integer(env, 'BODY_TIMEOUT_S'),
    idleTimeoutS: integer(env, 'IDLE_TIMEOUT_S'),
    keepAliveS: integer(env, 'KEEP_ALIVE_S'),
    maxConnections,
    maxUnauthenticated: integer(env, 'MAX_UNAUTHENTICATED_CONNECTIONS', {
      fallback: Math.min(MOST_UNAUTHENTICATED, half),
      max: maxConnections,
    }),
  };
}

/** Files that this process may have open; where the system does not say it, what systems commonly allow. */
function openFileLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft ?? DEFAULT_OPEN_FILES);
  } catch {
    return DEFAULT_OPEN_FILES;
  }
}
