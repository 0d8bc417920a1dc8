import { ErrorType, isCommandError } from '@eventstore/db-client';
import { CodecError } from '@nva/codec';
import { LogRefused, StoreUnavailable } from '@nva/ports';
import type { Endpoint } from './connection-string.ts';

/** gRPC's codes. INVALID_ARGUMENT is what the server says of a place that is none in its log. */
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What a node says that knows of no leader: as the text of a status, or of one append's refusal. */
const NO_LEADER = /no leader info available/i;
/** A call that ended because it was cancelled on this side, which says nothing of the node. */
const CANCELLED_HERE = 'Cancelled on client';

/** A status of gRPC, or what the client has made of one. */
interface Status {
  readonly code?: number;
  readonly details?: string;
  readonly metadata?: { get(name: string): readonly (string | Buffer)[] };
  readonly leader?: { readonly address: string; readonly port: number };
}

const typeOf = (error: unknown): ErrorType | undefined =>
  error instanceof Error && isCommandError(error) ? (error as { type: ErrorType }).type : undefined;
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)) || (typeOf(error) ?? 'no reason given');

/** Thrown on this side: a deadline that passed, a value or a log that is wrong. */
const isOwn = (error: unknown): error is Error =>
  error instanceof LogRefused || error instanceof StoreUnavailable || error instanceof RangeError || error instanceof CodecError;

/** UNKNOWN is, among others, a node that knows of no leader. */
const BREAKS: ReadonlySet<ErrorType> = new Set([
  ErrorType.NOT_LEADER,
  ErrorType.UNAVAILABLE,
  ErrorType.CANCELLED,
  ErrorType.UNKNOWN,
  ErrorType.DEADLINE_EXCEEDED,
  ErrorType.TIMEOUT,
]);

/** The connection or the node gave way, so that the same call may do better on the next one. */
export const isBreak = (error: unknown): boolean => {
  const type = typeOf(error);
  return type === undefined ? !isOwn(error) : BREAKS.has(type);
};

/** Whether a call that failed so has lost its node: it is not there, on its way down, or not the leader. */
export function losesNode(error: unknown): boolean {
  const { code, details } = error as Status;
  if (leaderNamedIn(error)) return true;
  if (code === UNKNOWN) return NO_LEADER.test(messageOf(error));
  return (code === CANCELLED && details !== CANCELLED_HERE) || code === UNAVAILABLE || code === INTERNAL;
}

/** The leader that a node names which is none, in the trailers of its answer; null if it names nobody. */
export function leaderNamedIn(error: unknown): Endpoint | null {
  const { metadata, leader } = error as Status;
  if (leader) return { host: leader.address, port: leader.port };
  const trailer = (name: string): string | undefined => metadata?.get(name)[0]?.toString();
  const [host, port] = [trailer('leader-endpoint-host'), trailer('leader-endpoint-port')];
  return trailer('exception') === ErrorType.NOT_LEADER && host !== undefined && port !== undefined ? { host, port: Number(port) } : null;
}

/** What the port calls an error of the client. Errors of our own pass through. */
export function portError(error: unknown, what: string): Error {
  if (isOwn(error)) return error;
  switch (typeOf(error)) {
    case ErrorType.STREAM_DELETED:
      return new LogRefused(`${what}: the stream has been deleted on the server`, { cause: error });
    case ErrorType.ACCESS_DENIED:
      return new LogRefused(`${what}: access denied by the server`, { cause: error });
    case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
      return new RangeError(`${what}: the server takes at most ${(error as { maxAppendSize?: number }).maxAppendSize} bytes per append`, {
        cause: error,
      });
    default:
  }
  if ((error as Status).code === INVALID_ARGUMENT) return new RangeError(`${what}: ${messageOf(error)}`, { cause: error });
  return new StoreUnavailable(`${what}: ${messageOf(error)}`, { cause: error });
}

/** Whether the server does not know the caller, or not for this: final at a start; while a process runs it may be a server that begins. */
export function isDenied(error: unknown): boolean {
  const { code } = error as Status;
  return (
    code === PERMISSION_DENIED ||
    code === UNAUTHENTICATED ||
    (error instanceof StoreUnavailable && error.cause !== undefined && isDenied(error.cause))
  );
}

export const isStreamNotFound = (error: unknown): boolean => typeOf(error) === ErrorType.STREAM_NOT_FOUND;
/** No retry will mend it. */
export const isFinal = (error: unknown): boolean => isOwn(error) && !(error instanceof StoreUnavailable);
