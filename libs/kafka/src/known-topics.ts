import type { TopicDetails } from './topic-details.ts';

interface Known {
  /** null until a broker has reported it. */
  id: string | null;
  /**
   * Records stand up to this offset, because they were read or written here. A record that is written from now on may not get a
   * lower offset.
   */
  end: number;
}

/**
 * The topics that this process has met, with what distinguishes each from another one of the same name: its id, and how far it
 * reached. A topic that turns out to be another one, or gone, is lost: nothing is written to it until it was checked again and is
 * filled.
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
    if (!known || another) this.#known.set(topic, { id, end: 0 });
    else known.id = id;
    return another;
  }

  /** A record stands right before that offset. */
  reaches(topic: string, end: number): void {
    const known = this.#known.get(topic);
    if (known && end > known.end) known.end = end;
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

  /** How far each topic is known to have reached; a topic without any known record is left out. */
  ends(): ReadonlyMap<string, number> {
    return new Map([...this.#known].flatMap(([topic, { end }]) => (end > 0 ? [[topic, end] as const] : [])));
  }

  /**
   * Compares how far topics had reached (`reached`, taken before the brokers were asked) with where they end now (`ends`). A
   * topic that has become shorter is lost, whatever its id.
   */
  compareEnds(reached: ReadonlyMap<string, number>, ends: ReadonlyMap<string, number>): void {
    for (const [topic, end] of ends) {
      const had = reached.get(topic) ?? 0;
      // The topic was accepted as another one since then.
      if (this.endOf(topic) < had) continue;
      if (end < had) this.lose(topic, `it ends at offset ${end}, although it had already reached ${had}: it was emptied or cut short`);
      // Another writer has written there.
      else this.reaches(topic, end);
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
