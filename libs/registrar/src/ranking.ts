interface Place {
  readonly count: number;
  /** Index among the names with the same count. */
  index: number;
}

/** Counts by name, and a name with the highest count: both in constant time, however many names there are. */
export class Ranking {
  readonly #places = new Map<string, Place>();
  /** The names with each count, in no order. */
  readonly #having = new Map<number, string[]>();
  #most = 0;

  of(name: string): number {
    return this.#places.get(name)?.count ?? 0;
  }

  /** One of the names with the highest count; undefined if all counts are zero. */
  get first(): string | undefined {
    return this.#having.get(this.#most)?.[0];
  }

  step(name: string, by: 1 | -1): void {
    const place = this.#places.get(name);
    const count = (place?.count ?? 0) + by;
    if (place) this.#leave(place);
    if (count > 0) this.#enter(name, count);
    else this.#places.delete(name);
    if (count > this.#most || !this.#having.has(this.#most)) this.#most = count;
  }

  #enter(name: string, count: number): void {
    let having = this.#having.get(count);
    if (!having) this.#having.set(count, (having = []));
    this.#places.set(name, { count, index: having.push(name) - 1 });
  }

  /** The last name with the same count takes the free place. */
  #leave({ count, index }: Place): void {
    const having = this.#having.get(count)!;
    const last = having.pop()!;
    if (having.length === 0) this.#having.delete(count);
    if (index === having.length) return;
    having[index] = last;
    this.#places.get(last)!.index = index;
  }
}
