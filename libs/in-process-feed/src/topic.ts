import type { FeedContents, FeedRecord, Position } from '@nva/ports';

/** Removals kept per feed, so that a consumer that was away briefly can resume instead of reading everything. */
const MAX_TOMBSTONES = 4_096;

/**
 * One feed in memory: the newest record of every key, and the latest removals. Like a compacted topic, a reader from the start meets each
 * key once; unlike one, records stand in the order in which they were last written, so «everything after a position» is a walk from the end.
 *
 * Filled from the fold, it holds nothing until somebody reads it: most feeds of a process are read by few, and a million records take a second
 * and 300 MB.
 */
export class Topic {
  /** In order of writing, which a Map keeps if a key is deleted before it is set again. */
  readonly #records = new Map<string, FeedRecord>();
  #tombstones = 0;
  /** Resuming at or after this position misses nothing. */
  #floor: Position;
  #position: Position;
  /** What it is to hold, until it is first read. */
  #contents: (() => FeedContents) | null = null;
  /** Removals published before it was read. */
  #removals: FeedRecord[] = [];
  /** What is published up to here, the contents that it was filled with have already. */
  #filledTo: Position = -1;

  /** `floor`: what happened up to there, the feed does not know. */
  constructor(floor: Position) {
    this.#floor = floor;
    this.#position = floor;
  }

  /** The newest position ever written, or what is known to be before it. */
  get position(): Position {
    return this.#position;
  }

  /** See FeedWriter. */
  fillWhenRead(contents: () => FeedContents): void {
    this.#contents = contents;
  }

  /**
   * Takes records in, and returns what followers are to be told. Of what it was filled with already nothing but the removals: whoever resumed
   * from before them has the key still.
   */
  publish(records: readonly FeedRecord[]): readonly FeedRecord[] {
    if (this.#contents) {
      for (const record of records) {
        this.#position = Math.max(this.#position, record.position);
        if (record.value === null) this.#removals.push(record);
      }
      if (this.#removals.length > MAX_TOMBSTONES) {
        for (const { position } of this.#removals.splice(0, MAX_TOMBSTONES / 2)) this.#floor = Math.max(this.#floor, position);
      }
      return [];
    }
    const news = records.length > 0 && records[0]!.position <= this.#filledTo ? this.#news(records) : records;
    for (const record of news) this.#write(record);
    return news;
  }

  #news(records: readonly FeedRecord[]): FeedRecord[] {
    const news = records.filter((record) => record.position > this.#filledTo || record.value === null);
    return news.map((record, i) => (record.changeEnd || news[i + 1]?.position === record.position ? record : { ...record, changeEnd: true }));
  }

  #fill(): void {
    if (!this.#contents) return;
    const { records, position } = this.#contents();
    this.#contents = null;
    this.#filledTo = position;
    for (const record of [...records, ...this.#removals]) this.#write(record);
    this.#removals = [];
    this.#position = Math.max(this.#position, position);
  }

  #write(record: FeedRecord): void {
    this.#position = Math.max(this.#position, record.position);
    const former = this.#records.get(record.key);
    if (former && record.position <= this.#filledTo && former.position > record.position) return;
    if (former?.value === null) this.#tombstones--;
    this.#records.delete(record.key);
    this.#records.set(record.key, record);
    if (record.value === null && ++this.#tombstones > MAX_TOMBSTONES) this.#dropTombstones();
  }

  /** Every record, removals included. */
  records(): Iterable<FeedRecord> {
    this.#fill();
    return this.#records.values();
  }

  /** Live records. */
  *live(): IterableIterator<FeedRecord> {
    this.#fill();
    for (const record of this.#records.values()) if (record.value !== null) yield record;
  }

  /** The log that its records are of; null while it has none. */
  get log(): string | null {
    this.#fill();
    return this.#records.values().next().value?.log ?? null;
  }

  /**
   * What was written after a position, in order of positions; null if removals since then are forgotten, or the feed has not come so far:
   * whoever was told more was told it by another past of the log, or by another process that is ahead, and what it lacks is not known here.
   */
  after(position: Position): FeedRecord[] | null {
    this.#fill();
    if (position < this.#floor || position > this.#position) return null;
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
