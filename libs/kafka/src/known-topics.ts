import type { TopicDetails } from './topic-details.ts';

/** The oldest record of a topic, by offset and timestamp (Unix epoch, ms). No other record ever has both. */
export interface FirstRecord {
  readonly offset: number;
  readonly timestampMs: number;
}

/** Where a topic begins and ends, as its leader reports it. */
export interface Extent {
  /** null if the leader knows of no record. */
  readonly first: FirstRecord | null;
  /** The offset of the next record. */
  readonly end: number;
}

interface Known {
  /** null until a broker has reported it. */
  id: string | null;
  /**
   * Records stand up to this offset, because they were read or written here. A record that is written from now on may not get a
   * lower offset.
   */
  end: number;
  /** null until it was written here, or a leader has reported it. Compaction may remove it: then the first one is further on. */
  first: FirstRecord | null;
}

/** What was known of topics at one moment. */
export type Reached = ReadonlyMap<string, { readonly known: object; readonly end: number; readonly first: FirstRecord | null }>;

/**
 * The topics that this process has met, with what distinguishes each from another one of the same name: its id, its first record, and
 * how far it reached. A topic that turns out to be another one, or gone, is lost: nothing is written to it until it was checked again
 * and is filled.
 */
export class KnownTopics {
  readonly #known = new Map<string, Known>();
  readonly #lost = new Map<string, string>();

  get names(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** Why the topic is lost; null if it is not. */
  lost(topic: string): string | null {
    return this.#lost.get(topic) ?? null;
  }

  lose(topic: string, why: string): void {
    if (!this.#lost.has(topic)) this.#lost.set(topic, why);
  }

  /**
   * The topic was checked, or made, and has this id now; from here on it may be written to. Returns true if it is another topic
   * than was known, or was lost.
   */
  accept(topic: string, id: string): boolean {
    const known = this.#known.get(topic);
    const another = this.#lost.delete(topic) || (known?.id != null && known.id !== id);
    if (!known || another) this.#known.set(topic, { id, end: 0, first: null });
    else known.id = id;
    return another;
  }

  /** A record stands right before that offset. */
  reaches(topic: string, end: number): void {
    const known = this.#known.get(topic);
    if (known && end > known.end) known.end = end;
  }

  /** Whether nothing is known to stand on the topic: it has just been made. */
  isFresh(topic: string): boolean {
    const known = this.#known.get(topic);
    return known?.end === 0 && known.first === null;
  }

  /** The record was the first of all on a topic that was fresh. */
  begins(topic: string, first: FirstRecord): void {
    const known = this.#known.get(topic);
    if (known) known.first ??= first;
  }

  /** How far the topic is known to have reached. */
  endOf(topic: string): number {
    return this.#known.get(topic)?.end ?? 0;
  }

  /**
   * `offset` is that of a new record, `end` is how far the topic had reached before the record was sent. If the offset is lower,
   * the topic has lost its records: marks it as lost and returns true.
   */
  isBehind(topic: string, end: number, offset: number): boolean {
    if (offset >= end) return false;
    this.lose(topic, `a new record got offset ${offset}, although the topic had already reached ${end}: it was emptied or made again`);
    return true;
  }

  /** What is known of some topics (by default all known ones) before their leaders are asked. */
  reached(topics: Iterable<string> = this.#known.keys()): Reached {
    return new Map(
      [...topics].flatMap((topic) => {
        const known = this.#known.get(topic);
        return known ? [[topic, { known, end: known.end, first: known.first }] as const] : [];
      }),
    );
  }

  /**
   * Compares what was known (`reached`, taken before the leaders were asked) with where the topics begin and end now. A topic that has
   * become shorter, or begins with another record, is lost, whatever its id. The end alone does not show it: a topic that was emptied
   * may have been written to since then.
   */
  compareExtents(reached: Reached, extents: ReadonlyMap<string, Extent>): void {
    for (const [topic, { first, end }] of extents) {
      const had = reached.get(topic);
      const known = this.#known.get(topic);
      // The topic was accepted as another one since then.
      if (!had || had.known !== known) continue;
      if (end < had.end)
        this.lose(topic, `it ends at offset ${end}, although it had already reached ${had.end}: it was emptied or cut short`);
      else if (had.first && first && isBefore(first, had.first))
        this.lose(topic, `it begins with another record (offset ${first.offset}) than before (${had.first.offset}): it was emptied`);
      else {
        // Another writer has written there.
        this.reaches(topic, end);
        known.first = first ?? known.first;
      }
    }
  }

  /**
   * The same for topics with a failed attempt to write. It may have used up offsets, so the offset of the next record shows nothing. A
   * topic whose first record was not known before the attempt cannot be told from an emptied one, so it is lost too.
   */
  compareDoubtful(reached: Reached, extents: ReadonlyMap<string, Extent>): void {
    this.compareExtents(reached, extents);
    for (const topic of extents.keys()) {
      const had = reached.get(topic);
      if (had && had.known === this.#known.get(topic) && had.first === null && had.end > 0)
        this.lose(topic, 'an attempt to write to it failed before its first record was known, so it may have been emptied meanwhile');
    }
  }

  /** Compares with what a broker reports about some topics (by default all known ones); returns the known topics that are lost now. */
  compare(details: ReadonlyMap<string, TopicDetails>, topics: readonly string[] = this.names): readonly string[] {
    for (const topic of topics) {
      const id = this.#known.get(topic)?.id ?? null;
      const found = details.get(topic);
      if (!found) this.lose(topic, 'the topic is gone');
      else if (found.error === null && id !== null && id !== found.id) this.lose(topic, 'the topic was deleted and made again');
    }
    return [...this.#lost.keys()].filter((topic) => this.#known.has(topic));
  }

  forget(topic: string): void {
    this.#known.delete(topic);
    this.#lost.delete(topic);
  }
}

/** Whether a topic that begins with `now` has lost the record `then`, other than by compaction. */
const isBefore = (now: FirstRecord, then: FirstRecord): boolean =>
  now.offset < then.offset || (now.offset === then.offset && now.timestampMs !== then.timestampMs);
