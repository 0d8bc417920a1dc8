/** Counts by name, and who has the most of all: both in constant time, however many names there are. */
export class Ranking {
  readonly #counts = new Map<string, number>();
  /** Who has exactly so many. */
  readonly #having = new Map<number, Set<string>>();
  #most = 0;

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** One of those who have the most; undefined where nobody has any. */
  get first(): string | undefined {
    return this.#having.get(this.#most)?.values().next().value;
  }

  step(name: string, by: 1 | -1): void {
    const before = this.of(name);
    const count = before + by;
    this.#leave(name, before);
    if (count > 0) {
      this.#counts.set(name, count);
      const having = this.#having.get(count);
      if (having) having.add(name);
      else this.#having.set(count, new Set([name]));
    } else this.#counts.delete(name);
    if (count > this.#most || !this.#having.has(this.#most)) this.#most = count;
  }

  #leave(name: string, count: number): void {
    const having = this.#having.get(count);
    having?.delete(name);
    if (having?.size === 0) this.#having.delete(count);
  }
}
