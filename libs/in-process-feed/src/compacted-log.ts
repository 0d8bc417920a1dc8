import type { FeedRecord, Position } from '@nva/ports';

/** Maximum number of records of a segment: the unit of encoding, sending and copying, about 64 KiB of a VN's table. */
export const SEGMENT_RECORDS = 256;

/** Some neighbouring records, ascending by sequence number. Once it is shared it never changes. */
export class Segment {
  readonly kind = 'snapshot';
  readonly seqs: number[];
  readonly records: FeedRecord[];
  /** The highest position in the segment. */
  newest: Position;
  /** Part of a capture: to change it, make a copy. */
  shared = false;

  constructor(seqs: number[] = [], records: FeedRecord[] = [], newest: Position = -1) {
    this.seqs = seqs;
    this.records = records;
    this.newest = newest;
  }

  get first(): number {
    return this.seqs[0]!;
  }

  copy(): Segment {
    return new Segment([...this.seqs], [...this.records], this.newest);
  }
}

/**
 * The newest record of every key, in the order of writing, as on a compacted topic. Each write gets the next sequence number of
 * this log. Writing a key again removes its former record and puts the new one at the end.
 *
 * The log consists of segments, which are copied when they are written to after a capture. So a capture is a list of references,
 * captures share the segments that did not change between them, and a reader of a capture holds only its place.
 */
export class CompactedLog {
  #segments: Segment[] = [];
  readonly #seqOf = new Map<string, number>();
  #seq = 0;
  #captured: readonly Segment[] | null = null;

  /** Sequence number of the last write, 0 before the first. */
  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#seqOf.size;
  }

  get(key: string): FeedRecord | undefined {
    const seq = this.#seqOf.get(key);
    if (seq === undefined) return undefined;
    const segment = this.#segments[this.#segmentOf(seq)]!;
    return segment.records[lowerBound(segment.seqs, seq)];
  }

  /** The sequence number of a key's record. */
  seqOf(key: string): number | undefined {
    return this.#seqOf.get(key);
  }

  write(record: FeedRecord): number {
    this.remove(record.key);
    const seq = ++this.#seq;
    this.#seqOf.set(record.key, seq);
    const tail = this.#tail();
    tail.seqs.push(seq);
    tail.records.push(record);
    tail.newest = Math.max(tail.newest, record.position);
    this.#captured = null;
    return seq;
  }

  remove(key: string): void {
    const seq = this.#seqOf.get(key);
    if (seq === undefined) return;
    this.#seqOf.delete(key);
    this.#captured = null;
    const at = this.#segmentOf(seq);
    const segment = this.#own(at);
    const index = lowerBound(segment.seqs, seq);
    segment.seqs.splice(index, 1);
    segment.records.splice(index, 1);
    this.#tidy(at);
  }

  /** All records as they stand at the first call of `next`. */
  *records(): IterableIterator<FeedRecord> {
    for (const { records } of this.capture()) yield* records;
  }

  /** The records that are newer than a position, in order of writing; null if there are more than `limit`. */
  newerThan(position: Position, limit: number): FeedRecord[] | null {
    const newer: FeedRecord[] = [];
    for (const { newest, records } of this.#segments) {
      if (newest <= position) continue;
      for (const record of records) if (record.position > position) newer.push(record);
      if (newer.length > limit) return null;
    }
    return newer;
  }

  /**
   * The records that were written after a sequence number and still stand, in order, at most `limit`; `to` is the sequence number
   * that they reach.
   */
  after(seq: number, limit: number): { readonly records: FeedRecord[]; readonly to: number } {
    const records: FeedRecord[] = [];
    for (let at = Math.max(0, this.#segmentOf(seq)); at < this.#segments.length; at++) {
      const segment = this.#segments[at]!;
      for (let i = lowerBound(segment.seqs, seq + 1); i < segment.seqs.length; i++) {
        records.push(segment.records[i]!);
        if (records.length === limit) return { records, to: segment.seqs[i]! };
      }
    }
    return { records, to: this.#seq };
  }

  /** All records as they stand now; the result never changes. */
  capture(): readonly Segment[] {
    if (this.#captured) return this.#captured;
    for (const segment of this.#segments) segment.shared = true;
    return (this.#captured = [...this.#segments]);
  }

  #tail(): Segment {
    const last = this.#segments.length - 1;
    if (last >= 0 && this.#segments[last]!.seqs.length < SEGMENT_RECORDS) return this.#own(last);
    const segment = new Segment();
    this.#segments.push(segment);
    return segment;
  }

  #own(at: number): Segment {
    const segment = this.#segments[at]!;
    return segment.shared ? (this.#segments[at] = segment.copy()) : segment;
  }

  /**
   * Removes an empty segment, and joins two neighbours that together fill at most half of one, so that reading costs no more than
   * the records.
   */
  #tidy(at: number): void {
    const segment = this.#segments[at]!;
    const next = this.#segments[at + 1];
    if (segment.seqs.length === 0) this.#segments.splice(at, 1);
    else if (next && segment.seqs.length + next.seqs.length <= SEGMENT_RECORDS / 2) {
      this.#segments.splice(
        at,
        2,
        new Segment([...segment.seqs, ...next.seqs], [...segment.records, ...next.records], Math.max(segment.newest, next.newest)),
      );
    }
  }

  /** Index of the last segment that begins at or before a sequence number; -1 if none does. */
  #segmentOf(seq: number): number {
    let [low, high] = [0, this.#segments.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.first <= seq) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Index of the first number that is not below `least`. */
function lowerBound(ascending: readonly number[], least: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
