import type { FeedRecord, Position } from '@nva/ports';
import { SEGMENT_RECORDS, type Segment } from './compacted-log.ts';

/**
 * What a reader is to be told next. Readers that are to be told the same get the same object, so that whoever encodes it can do so once for
 * all of them; it never changes.
 */
export type Piece =
  /** Records of a snapshot, or of changes in order. Removals among those of a snapshot say nothing to whoever has nothing. */
  | { readonly kind: 'snapshot' | 'changes'; readonly records: readonly FeedRecord[] }
  /** Everything at or before the position has been told. */
  | { readonly kind: 'complete'; readonly position: Position };

/** Changes, up to a sequence number. */
export interface Changes {
  readonly kind: 'changes';
  readonly records: readonly FeedRecord[];
  readonly to: number;
}

/** The whole of a topic at one position; of all its readers together. */
export interface Generation {
  readonly segments: readonly Segment[];
  readonly seq: number;
  readonly position: Position;
  readers: number;
}

/** What a reader asks of its topic. */
export interface ReadTopic {
  /** What was written after a sequence number; null if nothing was, `lost` if that is not known any more. */
  changesAfter(seq: number): Changes | 'lost' | null;
  /** Whether `changesAfter` can still tell it. */
  covers(seq: number): boolean;
  release(generation: Generation): void;
  leave(reader: TopicReader): void;
}

export interface ReaderListener {
  /** There may be something to read. */
  wake(): void;
  /** What is there now is the last: the feed was deleted, or the process stops. */
  ended(): void;
}

/**
 * A place in a topic, and nothing more: first in a snapshot that all readers share, or in what they missed, then among the changes. However
 * slowly one reads, it costs no queue. One that falls behind what is kept for all of them is lost, and has to begin anew.
 */
export class TopicReader {
  readonly start: 'snapshot' | 'resume';
  readonly listener: ReaderListener;
  readonly #topic: ReadTopic;
  #generation: Generation | null;
  #missed: readonly FeedRecord[];
  #at = 0;
  #completeAt: Position | null;
  #seq: number;

  /** From a generation, or from after `missed`, which ends at a sequence number and a position. */
  constructor(
    topic: ReadTopic,
    listener: ReaderListener,
    from: Generation | { readonly missed: readonly FeedRecord[]; readonly seq: number; readonly position: Position },
  ) {
    this.#topic = topic;
    this.listener = listener;
    this.start = 'missed' in from ? 'resume' : 'snapshot';
    this.#generation = 'missed' in from ? null : from;
    this.#missed = 'missed' in from ? from.missed : [];
    this.#completeAt = from.position;
    this.#seq = from.seq;
    if (this.#generation) this.#generation.readers++;
  }

  /** Everything up to here it was told, or is being told. */
  get seq(): number {
    return this.#seq;
  }

  /** What comes next; null if nothing does for now, `lost` if it is too far behind. */
  next(): Piece | 'lost' | null {
    return this.#nextOfSnapshot() ?? this.#nextMissed() ?? this.#complete() ?? this.#nextChanges();
  }

  close(): void {
    this.#release();
    this.#topic.leave(this);
  }

  #nextOfSnapshot(): Segment | 'lost' | null {
    if (!this.#generation) return null;
    // A snapshot that could not be gone on from is of no use.
    if (!this.#topic.covers(this.#seq)) return 'lost';
    const { segments } = this.#generation;
    while (this.#at < segments.length) {
      const segment = segments[this.#at++]!;
      if (segment.records.some(({ value }) => value !== null)) return segment;
    }
    this.#release();
    return null;
  }

  #nextMissed(): Piece | null {
    if (this.#missed.length === 0) return null;
    const records = this.#missed.slice(0, SEGMENT_RECORDS);
    this.#missed = this.#missed.slice(SEGMENT_RECORDS);
    return { kind: 'changes', records };
  }

  #complete(): Piece | null {
    if (this.#completeAt === null) return null;
    const position = this.#completeAt;
    this.#completeAt = null;
    return { kind: 'complete', position };
  }

  #nextChanges(): Changes | 'lost' | null {
    const changes = this.#topic.changesAfter(this.#seq);
    if (changes !== null && changes !== 'lost') this.#seq = changes.to;
    return changes;
  }

  #release(): void {
    if (this.#generation) this.#topic.release(this.#generation);
    this.#generation = null;
  }
}
