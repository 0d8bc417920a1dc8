import type { TopicDetails } from './topic-details.ts';

interface Known {
  /** null until a broker has told it. */
  id: string | null;
  /** No record that is written from now on may stand before this offset: what was read or written here stands there. */
  end: number;
}

/**
 * The topics that this process has met, and by what each would be told from another of the same name: its id, and how far it
 * reached. One that is found to be another, or gone, is lost: nothing is written to it until it has been looked at anew and is
 * filled again.
 */
export class KnownTopics {
  readonly #known = new Map<string, Known>();
  readonly #lost = new Map<string, string>();

  get names(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** Why it is lost, null if it is not. */
  lost(topic: string): string | null {
    return this.#lost.get(topic) ?? null;
  }

  lose(topic: string, why: string): void {
    if (!this.#lost.has(topic)) this.#lost.set(topic, why);
  }

  /**
   * It was looked at, or made, and has this id now; from here on it may be written to. True if it is another than was known, or was
   * lost.
   */
  accept(topic: string, id: string): boolean {
    const known = this.#known.get(topic);
    const another = this.#lost.delete(topic) || (known?.id != null && known.id !== id);
    if (!known || another) this.#known.set(topic, { id, end: 0 });
    else known.id = id;
    return another;
  }

  /** Something stands right before that offset. */
  reaches(topic: string, end: number): void {
    const known = this.#known.get(topic);
    if (known && end > known.end) known.end = end;
  }

  /** How far it reached, as far as is known. */
  endOf(topic: string): number {
    return this.#known.get(topic)?.end ?? 0;
  }

  /**
   * Whether a record that came to stand at that offset, when the topic had reached `end` before it was sent, shows that the topic
   * has lost what was there: then it is lost.
   */
  isBehind(topic: string, end: number, offset: number): boolean {
    if (offset >= end) return false;
    this.lose(topic, `a new record got offset ${offset}, although the topic had already reached ${end}: it was emptied or made again`);
    return true;
  }

  /** How far each reached, as far as is known; a topic without any known record is left out. */
  ends(): ReadonlyMap<string, number> {
    return new Map([...this.#known].flatMap(([topic, { end }]) => (end > 0 ? [[topic, end] as const] : [])));
  }

  /**
   * Compares where topics had come to (`ends`, taken before brokers were asked) with where they end now. One that has become
   * shorter is lost, whatever its id.
   */
  compareEnds(reached: ReadonlyMap<string, number>, ends: ReadonlyMap<string, number>): void {
    for (const [topic, end] of ends) {
      const had = reached.get(topic) ?? 0;
      // It was taken for another since it was asked.
      if (this.endOf(topic) < had) continue;
      if (end < had) this.lose(topic, `it ends at offset ${end}, although it had already reached ${had}: it was emptied or cut short`);
      // By whoever wrote there.
      else this.reaches(topic, end);
    }
  }

  /** Compares with what a broker says of some topics, of all that are known by default; returns those that are known and lost now. */
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
