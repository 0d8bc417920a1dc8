import type { FeedRecord, Position } from '@nva/ports';

/** Records of a segment at most: what is encoded, sent and copied in one go, about 64 KiB of a VN's table. */
export const SEGMENT_RECORDS = 256;

/** Some records that stand next to each other, ascending by sequence number. Once it is shared it never changes. */
export class Segment {
  readonly kind = 'snapshot';
  readonly seqs: number[];
  readonly records: FeedRecord[];
  /** No record of it is newer. */
  newest: Position;
  /** Part of a capture: whoever would change it changes a copy. */
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
 * The newest record of every key, in the order in which they were written, as on a compacted topic. Each write has a sequence number, the
 * next of this log; writing a key again takes its record out of where it stood and puts the new one at the end.
 *
 * It is kept in segments, copied when they are written to after a capture. So a capture is a list of references, any number of them share
 * what did not change between them, and a reader of one holds nothing but its place.
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

  /** Everything as it stands when the first is asked for. */
  *records(): IterableIterator<FeedRecord> {
    for (const { records } of this.capture()) yield* records;
  }

  /** What is newer than a position, in order of writing; null if that is more than `limit` records. */
  newerThan(position: Position, limit: number): FeedRecord[] | null {
    const newer: FeedRecord[] = [];
    for (const { newest, records } of this.#segments) {
      if (newest <= position) continue;
      for (const record of records) if (record.position > position) newer.push(record);
      if (newer.length > limit) return null;
    }
    return newer;
  }

  /** What was written after a sequence number and still stands, in order, `limit` records at most; `to` is how far that reaches. */
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

  /** Everything as it stands now, for good. */
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

  /** An empty segment goes; two neighbours that fill half of one together are joined, so that walking costs what is there. */
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
