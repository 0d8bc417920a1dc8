import type { FeedFilling, FeedRecord, Position } from '@nva/ports';
import { CompactedLog, SEGMENT_RECORDS } from './compacted-log.ts';
import { Recent } from './recent.ts';
import { TopicReader, type Changes, type Generation, type ReaderListener, type ReadTopic } from './topic-reader.ts';

/** Removals kept per feed, so that a consumer that was away briefly can resume instead of reading everything. */
const MAX_TOMBSTONES = 4_096;
/** The same while a reader has not received them; a reader that is further behind is lost. */
export const MAX_TOMBSTONES_FOR_READERS = 32_768;
/** Removals between two checks whether some can be forgotten. */
const TOMBSTONES_BETWEEN_LOOKS = 256;
/** Maximum number of records in a resume; a consumer that missed more starts from the beginning. */
export const MAX_RESUMED_RECORDS = 8_192;
/** A new reader shares the last snapshot if no more writes came since than this number, or than this share of the snapshot. */
const SHARED_FOR_WRITES = 1_024;
const SHARED_FOR_SHARE = 1 / 8;
/** Snapshots of one feed that are read at the same time; when there are as many, a new reader joins the last one. */
export const MAX_GENERATIONS = 4;

/**
 * One feed in memory: the newest record of every key, and the latest removals. As on a compacted topic, a reader from the start
 * meets each key once, and the writes after a place are the records that stand behind it.
 *
 * A feed that is filled from the fold holds nothing until somebody reads it: most feeds of a process have few readers, and a
 * million records take a second and 300 MB. It may be filled in steps; publications meanwhile are held until it is whole.
 */
export class Topic implements ReadTopic {
  readonly #log = new CompactedLog();
  /** The latest writes, also those that were overwritten. */
  readonly #recent = new Recent();
  /** Removals in order, including those that were overwritten since. */
  #graves: { readonly key: string; readonly seq: number }[] = [];
  #tombstones = 0;
  #lookAt = MAX_TOMBSTONES + 1;
  /** A resume at or after this position misses nothing. */
  #floor: Position;
  /** The same for readers, by sequence number. */
  #floorSeq = 0;
  #position: Position;
  /** Starts the filling; set until the feed is first read. */
  #unread: (() => FeedFilling) | null = null;
  #filling: FeedFilling | null = null;
  /** Removals that were published before the feed was first read. */
  #removals: FeedRecord[] = [];
  /** Records that were published while the feed was being filled. */
  #held: FeedRecord[] = [];
  /** The filling included everything that is published up to this position. */
  #filledTo: Position = -1;
  readonly #readers = new Set<TopicReader>();
  #generations: Generation[] = [];

  /** The feed does not know what happened up to `floor`. */
  constructor(floor: Position) {
    this.#floor = floor;
    this.#position = floor;
  }

  /** The newest position ever written, or a known earlier bound. */
  get position(): Position {
    return this.#position;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Number of remembered removals, including those that were overwritten since. */
  get graves(): number {
    return this.#graves.length;
  }

  /** See FeedWriter. */
  fillWhenRead(begin: () => FeedFilling): void {
    this.#unread = begin;
  }

  /**
   * Takes records in, and returns those that followers must receive. Of records that the filling already included, these are only
   * the removals: a follower that resumed from before them still has the key.
   */
  publish(records: readonly FeedRecord[]): readonly FeedRecord[] {
    for (const { position } of records) this.#position = Math.max(this.#position, position);
    if (this.#unread) {
      this.#removals.push(...records.filter(({ value }) => value === null));
      if (this.#removals.length > MAX_TOMBSTONES) {
        for (const { position } of this.#removals.splice(0, MAX_TOMBSTONES / 2)) this.#floor = Math.max(this.#floor, position);
      }
      return [];
    }
    if (this.#filling) {
      this.#held.push(...records);
      return [];
    }
    const news = this.#take(records);
    for (const { listener } of this.#readers) listener.wake();
    return news;
  }

  /** Does one short step of the filling; returns true once the feed is whole. */
  fillSome(): boolean {
    if (this.#unread) {
      this.#filling = this.#unread();
      this.#unread = null;
      for (const record of this.#removals) this.#write(record);
      this.#removals = [];
    }
    if (!this.#filling) return true;
    const records = this.#filling.next();
    if (records) {
      for (const record of records) if ((this.#log.get(record.key)?.position ?? -1) < record.position) this.#write(record);
      return false;
    }
    this.#filledTo = this.#filling.position;
    this.#position = Math.max(this.#position, this.#filledTo);
    this.#filling = null;
    const held = this.#held;
    this.#held = [];
    this.#take(held);
    return true;
  }

  /** The feed is no longer wanted: its readers receive what is there, and then end. */
  close(): void {
    this.#filling?.close();
    this.endReaders();
  }

  endReaders(): void {
    for (const { listener } of this.#readers) listener.ended();
  }

  /** Every record, removals included. */
  records(): Iterable<FeedRecord> {
    this.#fill();
    return this.#log.records();
  }

  /** Live records. */
  *live(): IterableIterator<FeedRecord> {
    for (const record of this.records()) if (record.value !== null) yield record;
  }

  /** The log that its records are of; null while it has none. */
  get log(): string | null {
    for (const { log } of this.records()) return log;
    return null;
  }

  /**
   * The records written after a position, in order of positions, with an end for each change. null if removals since then are
   * forgotten, if there are more than MAX_RESUMED_RECORDS, or if the feed has not reached the position: a consumer that is ahead
   * has seen another past of the log, or another process that is ahead, and it is not known here what it lacks.
   */
  after(position: Position): FeedRecord[] | null {
    this.#fill();
    if (position < this.#floor || position > this.#position) return null;
    const newer = this.#log.newerThan(position, MAX_RESUMED_RECORDS)?.toSorted((a, b) => a.position - b.position);
    return (
      newer?.map((record, i) =>
        record.changeEnd || newer[i + 1]?.position === record.position ? record : { ...record, changeEnd: true },
      ) ?? null
    );
  }

  /** A reader from after a position, or from the start. */
  reader(after: Position | null, listener: ReaderListener): TopicReader {
    const missed = after === null ? null : this.after(after);
    this.#fill();
    const reader = new TopicReader(this, listener, missed ? { missed, seq: this.#log.seq, position: this.#position } : this.#generation());
    this.#readers.add(reader);
    return reader;
  }

  changesAfter(seq: number): Changes | 'lost' | null {
    if (seq === this.#log.seq) return null;
    if (!this.covers(seq)) return 'lost';
    return this.#recent.after(seq) ?? { kind: 'changes', ...this.#log.after(seq, SEGMENT_RECORDS) };
  }

  covers(seq: number): boolean {
    return seq >= this.#floorSeq || this.#recent.covers(seq);
  }

  release(generation: Generation): void {
    generation.readers--;
    if (generation.readers === 0) this.#generations = this.#generations.filter((one) => one !== generation);
  }

  leave(reader: TopicReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size === 0) this.#recent.forget();
  }

  #fill(): void {
    while (!this.fillSome());
  }

  #generation(): Generation {
    const last = this.#generations.at(-1);
    const { seq } = this.#log;
    const joined =
      this.#generations.length >= MAX_GENERATIONS ||
      seq - (last?.seq ?? 0) <= Math.max(SHARED_FOR_WRITES, this.#log.size * SHARED_FOR_SHARE);
    if (last && joined && this.covers(last.seq)) return last;
    const generation = { segments: this.#log.capture(), seq, position: this.#position, readers: 0 };
    this.#generations.push(generation);
    return generation;
  }

  #take(records: readonly FeedRecord[]): readonly FeedRecord[] {
    const news = records.length > 0 && records[0]!.position <= this.#filledTo ? this.#news(records) : records;
    for (const record of news) this.#write(record);
    return news;
  }

  #news(records: readonly FeedRecord[]): FeedRecord[] {
    const news = records.filter((record) => record.position > this.#filledTo || record.value === null);
    return news.map((record, i) =>
      record.changeEnd || news[i + 1]?.position === record.position ? record : { ...record, changeEnd: true },
    );
  }

  #write(record: FeedRecord): void {
    const former = this.#log.get(record.key);
    if (former && record.position <= this.#filledTo && former.position > record.position) return;
    const seq = this.#log.write(record);
    if (this.#readers.size > 0) this.#recent.push(seq, record, () => this.#slowest());
    if (former?.value === null) this.#tombstones--;
    if (record.value !== null) return;
    this.#graves.push({ key: record.key, seq });
    this.#tombstones++;
    if (this.#graves.length >= this.#lookAt) this.#dropTombstones();
  }

  /** The sequence number of the reader that is furthest behind. */
  #slowest(): number {
    let slowest = this.#log.seq;
    for (const { seq } of this.#readers) slowest = Math.min(slowest, seq);
    return slowest;
  }

  /**
   * If there are too many removals, forgets the oldest, down to half of the bound; removals that a reader has not received stay
   * longer. A key that was written again has no removal.
   */
  #dropTombstones(): void {
    const slowest = this.#slowest();
    const enough = this.#tombstones <= MAX_TOMBSTONES;
    let dropped = 0;
    for (const { key, seq } of this.#graves) {
      if (enough || this.#tombstones <= MAX_TOMBSTONES / 2 || (seq > slowest && this.#tombstones <= MAX_TOMBSTONES_FOR_READERS)) break;
      dropped++;
      if (this.#log.seqOf(key) !== seq) continue;
      this.#floor = Math.max(this.#floor, this.#log.get(key)!.position);
      this.#floorSeq = seq;
      this.#log.remove(key);
      this.#tombstones--;
    }
    this.#graves = this.#graves.slice(dropped).filter(({ key, seq }) => this.#log.seqOf(key) === seq);
    this.#lookAt = Math.max(MAX_TOMBSTONES + 1, this.#tombstones + TOMBSTONES_BETWEEN_LOOKS);
  }
}
