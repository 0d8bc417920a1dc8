import type { Checkpoint } from '@nva/ports';

/**
 * A token is a position in decimal. A token beyond the head comes from another log: reading on from it would skip the events that
 * are written next.
 */
export function parseCheckpoint(token: Checkpoint, head: number): number {
  const position = /^\d{1,16}$/.test(token) ? Number(token) : Number.NaN;
  if (!Number.isSafeInteger(position)) throw new RangeError(`not a checkpoint of this log: «${token}»`);
  if (position > head) throw new RangeError(`checkpoint «${token}» stands after the head of this log (${head}); it is of another log`);
  return position;
}

export function assertCount(name: string, value: number): void {
  if (value !== Infinity && (!Number.isSafeInteger(value) || value < 0))
    throw new RangeError(`${name} is a whole number from 0, got ${value}`);
}
