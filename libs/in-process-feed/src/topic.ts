import type { FeedFilling, FeedRecord, Position } from '@nva/ports';
import { CompactedLog, SEGMENT_RECORDS } from './compacted-log.ts';
import { Recent } from './recent.ts';
import { TopicReader, type Changes, type Generation, type ReaderListener, type ReadTopic } from './topic-reader.ts';

/** Removals kept per feed, so that a consumer that was away briefly can resume instead of reading everything. */
const MAX_TOMBSTONES = 4_096;
/** The same while a reader has not been told of them; it is lost beyond it. */
export const MAX_TOMBSTONES_FOR_READERS = 32_768;
/** Removals between two looks whether some can be forgotten. */
const TOMBSTONES_BETWEEN_LOOKS = 256;
/** Records that a consumer resumes with at most; one that missed more begins anew. */
export const MAX_RESUMED_RECORDS = 8_192;
/** A reader that comes joins the last snapshot if no more was written since than this, or than this share of it. */
const SHARED_FOR_WRITES = 1_024;
const SHARED_FOR_SHARE = 1 / 8;
/** Snapshots of one feed that are being read at once; who comes when there are as many joins the last one. */
export const MAX_GENERATIONS = 4;

/**
 * One feed in memory: the newest record of every key, and the latest removals. Like a compacted topic, a reader from the start
 * meets each key once, and what was written after a place is what stands behind it.
 *
 * Filled from the fold, it holds nothing until somebody reads it: most feeds of a process are read by few, and a million records
 * take a second and 300 MB. Filling may go on in steps; what is published meanwhile is held until it is whole.
 */
export class Topic implements ReadTopic {
  readonly #log = new CompactedLog();
  /** What was written last, as it was. */
  readonly #recent = new Recent();
  /** Removals in order, those written over since among them. */
  #graves: { readonly key: string; readonly seq: number }[] = [];
  #tombstones = 0;
  #lookAt = MAX_TOMBSTONES + 1;
  /** Resuming at or after this position misses nothing. */
  #floor: Position;
  /** The same for readers, by sequence number. */
  #floorSeq = 0;
  #position: Position;
  /** Begins to give what it is to hold, until it is first read. */
  #unread: (() => FeedFilling) | null = null;
  #filling: FeedFilling | null = null;
  /** Removals published before it was read. */
  #removals: FeedRecord[] = [];
  /** Published while it was being filled. */
  #held: FeedRecord[] = [];
  /** What is published up to here, the contents that it was filled with have already. */
  #filledTo: Position = -1;
  readonly #readers = new Set<TopicReader>();
  #generations: Generation[] = [];

  /** `floor`: what happened up to there, the feed does not know. */
  constructor(floor: Position) {
    this.#floor = floor;
    this.#position = floor;
  }

  /** The newest position ever written, or what is known to be before it. */
  get position(): Position {
    return this.#position;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Removals that are remembered, those written over since among them. */
  get graves(): number {
    return this.#graves.length;
  }

  /** See FeedWriter. */
  fillWhenRead(begin: () => FeedFilling): void {
    this.#unread = begin;
  }

  /**
   * Takes records in, and returns what followers are to be told. Of what it was filled with already nothing but the removals:
   * whoever resumed from before them has the key still.
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

  /** Goes on filling it; true once it is whole. A step is short. */
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

  /** It is wanted no longer: its readers are told what is there, and that this is all. */
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
   * What was written after a position, in order of positions, each change ended; null if removals since then are forgotten, if it
   * is more than MAX_RESUMED_RECORDS, or if the feed has not come so far: whoever was told more was told it by another past of the
   * log, or by another process that is ahead, and what it lacks is not known here.
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

  /** How far the reader has come that is furthest behind. */
  #slowest(): number {
    let slowest = this.#log.seq;
    for (const { seq } of this.#readers) slowest = Math.min(slowest, seq);
    return slowest;
  }

  /**
   * Where there are too many, the oldest go, down to half of what is kept; those that a reader has not met stay longer. A key that
   * was written again has no grave.
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
