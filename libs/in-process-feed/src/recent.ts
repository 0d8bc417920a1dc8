import type { FeedRecord } from '@nva/ports';
import { SEGMENT_RECORDS } from './compacted-log.ts';
import type { Changes } from './topic-reader.ts';

/** Records kept as they were written, however many readers have not been told of them. Who is further behind is told what still stands. */
export const MAX_RECENT_RECORDS = 8_192;
/** Records between two looks which of them every reader has been told. */
const LOOK_EVERY_RECORDS = 256;
/** Pieces that are shared at most; another is made where one has gone. */
const MAX_PIECES = 64;

/** The latest writes of a topic, those written over since among them: one queue for all of its readers. */
export class Recent {
  #records: FeedRecord[] = [];
  /** Sequence number of the first. */
  #from = 0;
  /** By the sequence number after which they begin. */
  readonly #pieces = new Map<number, Changes>();

  /** `slowest`: up to where every reader has been told. */
  push(seq: number, record: FeedRecord, slowest: () => number): void {
    if (this.#records.length === 0) this.#from = seq;
    this.#records.push(record);
    if (this.#records.length % LOOK_EVERY_RECORDS === 0)
      this.#drop(Math.max(slowest() + 1 - this.#from, this.#records.length - MAX_RECENT_RECORDS));
  }

  /** Whether everything after a sequence number is here. */
  covers(seq: number): boolean {
    return this.#records.length > 0 && seq + 1 >= this.#from;
  }

  /** Some of what came after a sequence number; null if that is not all here. */
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
