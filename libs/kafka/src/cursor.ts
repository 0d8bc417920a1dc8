import type { FeedCursor } from '@nva/ports';

/**
 * Where a follower stands in a topic: `<offset>@<ms>`, the offset of the last record handed over and the time (milliseconds
 * since 1970) at which the table built from it was last known to be whole; 0 while a read from the start is still under way.
 */
export interface Standing {
  readonly offset: number;
  readonly wholeMs: number;
}

export function formatCursor(offset: number, wholeMs: number): FeedCursor {
  return `${offset}@${wholeMs}`;
}

/** Null if it is no cursor of this transport. */
export function parseCursor(cursor: FeedCursor): Standing | null {
  const match = /^(\d{1,15})@(\d{1,15})$/.exec(cursor);
  return match ? { offset: Number(match[1]), wholeMs: Number(match[2]) } : null;
}
