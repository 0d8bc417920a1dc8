import type { FeedRecord } from '@nva/ports';
import { SEGMENT_RECORDS } from './compacted-log.ts';
import type { Changes } from './topic-reader.ts';

/**
 * Latest writes that are kept, however many readers have not received them. A reader that is further behind gets only the records
 * that still stand.
 */
export const MAX_RECENT_RECORDS = 8_192;
/** Writes between two checks which of them all readers have received. */
const LOOK_EVERY_RECORDS = 256;
/** Shared pieces, at most; when a piece is gone, another is made. */
const MAX_PIECES = 64;

/** The latest writes of a topic, including those that were overwritten since: one queue for all of its readers. */
export class Recent {
  #records: FeedRecord[] = [];
  /** Sequence number of the first. */
  #from = 0;
  /** By the sequence number after which each begins. */
  readonly #pieces = new Map<number, Changes>();

  /** `slowest`: the sequence number up to which every reader has received the writes. */
  push(seq: number, record: FeedRecord, slowest: () => number): void {
    if (this.#records.length === 0) this.#from = seq;
    this.#records.push(record);
    if (this.#records.length % LOOK_EVERY_RECORDS === 0)
      this.#drop(Math.max(slowest() + 1 - this.#from, this.#records.length - MAX_RECENT_RECORDS));
  }

  /** Whether all writes after a sequence number are here. */
  covers(seq: number): boolean {
    return this.#records.length > 0 && seq + 1 >= this.#from;
  }

  /** Some of the writes after a sequence number; null if not all of these writes are here. */
  after(seq: number): Changes | null {
    if (!this.covers(seq)) return null;
    const known = this.#pieces.get(seq);
    if (known) return known;
    const records = this.#records.slice(seq + 1 - this.#from, seq + 1 - this.#from + SEGMENT_RECORDS);
    const piece: Changes = { kind: 'changes', records, to: seq + records.length };
    this.#pieces.set(seq, piece);
    if (this.#pieces.size > MAX_PIECES) this.#pieces.delete(this.#pieces.keys().next().value!);
    return piece;
  }

  forget(): void {
    this.#records = [];
    this.#pieces.clear();
  }

  #drop(count: number): void {
    if (count <= 0) return;
    this.#records.splice(0, count);
    this.#from += count;
  }
}
