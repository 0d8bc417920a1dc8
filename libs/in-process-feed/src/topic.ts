import type { FeedRecord, Position } from '@nva/ports';

/** Removals kept per feed, so that a consumer that was away briefly can resume instead of reading everything. */
const MAX_TOMBSTONES = 4_096;

/**
 * One feed in memory: the newest record of every key, and the latest removals. Like a compacted topic, a reader from the start meets each
 * key once; unlike one, records stand in the order in which they were last written, so «everything after a position» is a walk from the end.
 */
export class Topic {
  /** In order of writing, which a Map keeps if a key is deleted before it is set again. */
  readonly #records = new Map<string, FeedRecord>();
  #tombstones = 0;
  /** Resuming at or after this position misses nothing. */
  #floor: Position;
  #position: Position;

  /** `floor`: what happened up to there, the feed does not know. */
  constructor(floor: Position) {
    this.#floor = floor;
    this.#position = floor;
  }

  /** The newest position ever written, or what is known to be before it. */
  get position(): Position {
    return this.#position;
  }

  write(record: FeedRecord): void {
    this.#position = Math.max(this.#position, record.position);
    const former = this.#records.get(record.key);
    if (former?.value === null) this.#tombstones--;
    this.#records.delete(record.key);
    this.#records.set(record.key, record);
    if (record.value === null && ++this.#tombstones > MAX_TOMBSTONES) this.#dropTombstones();
  }

  /** Every record, removals included. */
  records(): Iterable<FeedRecord> {
    return this.#records.values();
  }

  /** Live records. */
  *live(): IterableIterator<FeedRecord> {
    for (const record of this.#records.values()) if (record.value !== null) yield record;
  }

  /** What was written after a position, in order of positions; null if removals since then are forgotten. */
  after(position: Position): FeedRecord[] | null {
    if (position < this.#floor) return null;
    return [...this.#records.values()].filter((record) => record.position > position).toSorted((a, b) => a.position - b.position);
  }

  #dropTombstones(): void {
    let excess = MAX_TOMBSTONES / 2;
    for (const [key, record] of this.#records) {
      if (excess === 0) return;
      if (record.value !== null) continue;
      this.#records.delete(key);
      this.#tombstones--;
      this.#floor = Math.max(this.#floor, record.position);
      excess--;
    }
  }
}
