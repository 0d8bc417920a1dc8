import type { Position as LogPosition } from '@eventstore/db-client';
import { LogRefused, type Checkpoint, type Position } from '@nva/ports';

/** A place in `$all`, as whole numbers that JavaScript can hold. */
export interface Place {
  readonly commit: number;
  readonly prepare: number;
}

export const START_PLACE: Place = { commit: 0, prepare: 0 };

const CHECKPOINT = /^(\d{1,16})\/(\d{1,16})$/;

/**
 * An event that was written without an explicit transaction commits itself: its commit and prepare position are equal, the byte
 * where its record begins in the transaction log, and each event of a multi-event append has its own. So the commit position is
 * unique and ordered, and serves as the port's Position. The events of an explicit transaction share one commit position; gRPC
 * has no such transactions, and such an event under our prefix is refused. Positions of a log beyond 8 PiB are not safe integers;
 * they are refused as well.
 */
export function placeOf(position: LogPosition | undefined, what: string): Place {
  if (!position) throw new LogRefused(`${what} has no position in $all: the server is too old`);
  const { commit, prepare } = position;
  if (!isPosition(position))
    throw new LogRefused(`${what} is at ${commit}/${prepare} of $all, which is not the position of an event that committed itself`);
  return { commit: Number(commit), prepare: Number(prepare) };
}

/** Whether an answer contains the place of an event. The answer to a repeat may not: older servers give -1 as an unsigned number. */
export function isPosition(position: LogPosition | undefined): position is LogPosition {
  return (
    position !== undefined &&
    position.commit === position.prepare &&
    position.commit > 0n &&
    position.commit <= BigInt(Number.MAX_SAFE_INTEGER)
  );
}

export const checkpointOf = ({ commit, prepare }: Place): Checkpoint => `${commit}/${prepare}`;

/** Throws RangeError. */
export function parseCheckpoint(token: Checkpoint): Place {
  const [, commit, prepare] = CHECKPOINT.exec(token) ?? [];
  const place = { commit: Number(commit), prepare: Number(prepare) };
  if (!Number.isSafeInteger(place.commit) || !Number.isSafeInteger(place.prepare))
    throw new RangeError(`not a checkpoint of this log: «${token}»`);
  return place;
}

export function checkpointAt(position: Position): Checkpoint {
  if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`a position is a whole number from 0, got ${position}`);
  return checkpointOf({ commit: position, prepare: position });
}

export const isAfter = (a: Place, b: Place): boolean => a.commit > b.commit || (a.commit === b.commit && a.prepare > b.prepare);

export const toLogPosition = ({ commit, prepare }: Place): LogPosition => ({ commit: BigInt(commit), prepare: BigInt(prepare) });
