import type { FeedRecord, Position } from '@nva/ports';
import { SEGMENT_RECORDS, type Segment } from './compacted-log.ts';

/**
 * What a reader receives next. Readers that receive the same get the same object, which never changes, so it can be encoded once
 * for all of them.
 */
export type Piece =
  /**
   * Records of a snapshot, or of changes in order. Removals in a snapshot have no effect on a reader that starts with an empty
   * table.
   */
  | { readonly kind: 'snapshot' | 'changes'; readonly records: readonly FeedRecord[] }
  /** The reader has received everything at or before the position. */
  | { readonly kind: 'complete'; readonly position: Position };

/** Changes up to a sequence number. */
export interface Changes {
  readonly kind: 'changes';
  readonly records: readonly FeedRecord[];
  readonly to: number;
}

/** A whole topic at one position, shared by its readers. */
export interface Generation {
  readonly segments: readonly Segment[];
  readonly seq: number;
  readonly position: Position;
  readers: number;
}

/** The part of a topic that its readers use. */
export interface ReadTopic {
  /** The writes after a sequence number; null if there are none, `lost` if they are no longer known. */
  changesAfter(seq: number): Changes | 'lost' | null;
  /** Whether `changesAfter` still knows all writes after it. */
  covers(seq: number): boolean;
  release(generation: Generation): void;
  leave(reader: TopicReader): void;
}

export interface ReaderListener {
  /** There may be something to read. */
  wake(): void;
  /** No more records will be written: the feed was deleted, or the process stops. */
  ended(): void;
}

/**
 * A place in a topic, and nothing more: first in a snapshot that readers share, or in the missed records; then among the changes.
 * However slowly a reader reads, it needs no queue. A reader that falls behind everything that is kept is lost, and must start
 * again.
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

  /** Starts at a generation, or with `missed`, which ends at a sequence number and a position. */
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

  /** The reader has received everything up to here, or is receiving it. */
  get seq(): number {
    return this.#seq;
  }

  /** The next piece; null if there is none for now, `lost` if the reader is too far behind. */
  next(): Piece | 'lost' | null {
    return this.#nextOfSnapshot() ?? this.#nextMissed() ?? this.#complete() ?? this.#nextChanges();
  }

  close(): void {
    this.#release();
    this.#topic.leave(this);
  }

  #nextOfSnapshot(): Segment | 'lost' | null {
    if (!this.#generation) return null;
    // A snapshot is useless if the changes after it are no longer known.
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
