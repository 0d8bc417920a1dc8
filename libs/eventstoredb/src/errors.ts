import { ErrorType, isCommandError } from '@eventstore/db-client';
import { CodecError } from '@nva/codec';
import { LogRefused, StoreUnavailable } from '@nva/ports';

/** gRPC's INVALID_ARGUMENT: what the server says of a place that is none in its log. */
const INVALID_ARGUMENT = 3;

const typeOf = (error: unknown): ErrorType | undefined => (error instanceof Error && isCommandError(error) ? (error as { type: ErrorType }).type : undefined);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)) || (typeOf(error) ?? 'no reason given');

/** Thrown on this side: a deadline that passed, a value or a log that is wrong. */
const isOwn = (error: unknown): error is Error => error instanceof LogRefused || error instanceof StoreUnavailable || error instanceof RangeError || error instanceof CodecError;

/** The connection or the node gave way, so that the same call may do better on the next one. */
export const isBreak = (error: unknown): boolean => {
  const type = typeOf(error);
  return type === undefined ? !isOwn(error) : type === ErrorType.NOT_LEADER || type === ErrorType.UNAVAILABLE || type === ErrorType.CANCELLED;
};

/** What the port calls an error of the client. Errors of our own pass through. */
export function portError(error: unknown, what: string): Error {
  if (isOwn(error)) return error;
  switch (typeOf(error)) {
    case ErrorType.STREAM_DELETED:
      return new LogRefused(`${what}: the stream has been deleted on the server`, { cause: error });
    case ErrorType.ACCESS_DENIED:
      return new LogRefused(`${what}: access denied by the server`, { cause: error });
    case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
      return new RangeError(`${what}: the server takes at most ${(error as { maxAppendSize?: number }).maxAppendSize} bytes per append`, { cause: error });
    default:
  }
  if ((error as { code?: number }).code === INVALID_ARGUMENT) return new RangeError(`${what}: ${messageOf(error)}`, { cause: error });
  return new StoreUnavailable(`${what}: ${messageOf(error)}`, { cause: error });
}

export const isStreamNotFound = (error: unknown): boolean => typeOf(error) === ErrorType.STREAM_NOT_FOUND;
/** No retry will mend it. */
export const isFinal = (error: unknown): boolean => isOwn(error) && !(error instanceof StoreUnavailable);
