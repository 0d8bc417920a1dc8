import { ErrorType, isCommandError } from '@eventstore/db-client';
import { CodecError } from '@nva/codec';
import { LogRefused, StoreUnavailable } from '@nva/ports';
import type { Endpoint } from './connection-string.ts';

/** gRPC's codes. The server answers INVALID_ARGUMENT for a place that does not exist in its log. */
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** The text of a node that knows of no leader: in a status, or in the refusal of one append. */
const NO_LEADER = /no leader info available/i;
/** A call that was cancelled on this side, which says nothing about the node. */
const CANCELLED_HERE = 'Cancelled on client';

/** A gRPC status, or what the client made of it. */
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

/** Thrown on this side: a passed deadline, or a wrong value or log. */
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

/** The connection or the node failed, so the same call may succeed on the next one. */
export const isBreak = (error: unknown): boolean => {
  const type = typeOf(error);
  return type === undefined ? !isOwn(error) : BREAKS.has(type);
};

/** Whether the error of a call means that the node is lost: it is gone, shutting down, or not the leader. */
export function losesNode(error: unknown): boolean {
  const { code, details } = error as Status;
  if (leaderNamedIn(error)) return true;
  if (code === UNKNOWN) return NO_LEADER.test(messageOf(error));
  return (code === CANCELLED && details !== CANCELLED_HERE) || code === UNAVAILABLE || code === INTERNAL;
}

/** The leader that another node names in the trailers of its answer; null if it names none. */
export function leaderNamedIn(error: unknown): Endpoint | null {
  const { metadata, leader } = error as Status;
  if (leader) return { host: leader.address, port: leader.port };
  const trailer = (name: string): string | undefined => metadata?.get(name)[0]?.toString();
  const [host, port] = [trailer('leader-endpoint-host'), trailer('leader-endpoint-port')];
  return trailer('exception') === ErrorType.NOT_LEADER && host !== undefined && port !== undefined ? { host, port: Number(port) } : null;
}

/** The port's error for an error of the client. Errors of our own pass unchanged. */
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

/**
 * Whether the server does not know the caller, or refuses it this call. At a start this is final; in a running process the server
 * may be just starting.
 */
export function isDenied(error: unknown): boolean {
  const { code } = error as Status;
  return (
    code === PERMISSION_DENIED ||
    code === UNAUTHENTICATED ||
    (error instanceof StoreUnavailable && error.cause !== undefined && isDenied(error.cause))
  );
}

export const isStreamNotFound = (error: unknown): boolean => typeOf(error) === ErrorType.STREAM_NOT_FOUND;
/** No retry will solve it. */
export const isFinal = (error: unknown): boolean => isOwn(error) && !(error instanceof StoreUnavailable);
