import { crc32 } from 'node:zlib';
import type { FeedCursor } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';

/**
 * A record that was handed over, and how to recognise it. Offsets begin anew in a topic that was made anew. If that topic is
 * longer than the reader's place, only the record at that offset shows that it is another topic.
 */
export interface Landmark {
  readonly offset: number;
  /**
   * The record's timestamp and the CRC of its key. Everything in a topic made anew was written later, to the millisecond, than
   * everything in the former topic. The key distinguishes records that were copied with their timestamps.
   */
  readonly print: string;
}

/**
 * Where a follower stands in a topic: `<offset>@<ms>@<print>`, the last record handed over and the time (milliseconds since 1970)
 * at which the table built from it was last known to be whole; 0 while a read from the start is still under way.
 */
export interface Standing {
  readonly landmark: Landmark;
  readonly wholeMs: number;
}

export function printOf({ timestamp, key }: Pick<KafkaMessage, 'timestamp' | 'key'>): string {
  return `${timestamp}-${crc32(key ?? '').toString(16)}`;
}

export function formatCursor({ offset, print }: Landmark, wholeMs: number): FeedCursor {
  return `${offset}@${wholeMs}@${print}`;
}

/** null if it is not a cursor of this transport. */
export function parseCursor(cursor: FeedCursor): Standing | null {
  const match = /^(\d{1,15})@(\d{1,15})@(-?\d{1,19}-[0-9a-f]{1,8})$/.exec(cursor);
  return match ? { landmark: { offset: Number(match[1]), print: match[3]! }, wholeMs: Number(match[2]) } : null;
}
