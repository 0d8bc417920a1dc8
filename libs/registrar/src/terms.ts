interface Term {
  readonly lengthMs: number;
  /** In heard time. */
  deadlineMs: number;
}

/**
 * Leases and lifetimes as soft state in heard time (design/registrars, «Terms are soft»): every `nowMs` is of one `HeardTime`. A
 * renewal moves a deadline and nothing else; deadlines sit in one bucket a second, and a term found in its bucket before its time
 * goes to a later one, so that a renewal costs the same whatever their number.
 */
export class Terms {
  readonly #terms = new Map<string, Term>();
  readonly #buckets = new Map<number, Set<string>>();
  #nextBucket: number;

  constructor(nowMs: number) {
    this.#nextBucket = bucketOf(nowMs);
  }

  get size(): number {
    return this.#terms.size;
  }

  start(name: string, lengthMs: number, nowMs: number): void {
    this.#terms.set(name, { lengthMs, deadlineMs: nowMs + lengthMs });
    this.#place(name, nowMs + lengthMs);
  }

  /** Starts a term anew; nothing happens if there is none of that name. */
  renew(name: string, nowMs: number): void {
    const term = this.#terms.get(name);
    if (term) term.deadlineMs = nowMs + term.lengthMs;
  }

  has(name: string): boolean {
    return this.#terms.has(name);
  }

  lengthMs(name: string): number | undefined {
    return this.#terms.get(name)?.lengthMs;
  }

  end(name: string): void {
    this.#terms.delete(name);
  }

  /** Whether `due` would have anything to look at. */
  mayBeDue(nowMs: number): boolean {
    return this.#nextBucket <= bucketOf(nowMs);
  }

  /** The names of the terms that ran out; they are gone. At most `limit`, the rest at the next call. */
  due(nowMs: number, limit: number): string[] {
    const due: string[] = [];
    while (this.#nextBucket <= bucketOf(nowMs) && due.length < limit) {
      const bucket = this.#buckets.get(this.#nextBucket) ?? new Set<string>();
      for (const name of bucket) {
        const term = this.#terms.get(name);
        if (term && term.deadlineMs <= nowMs && due.length >= limit) break;
        bucket.delete(name);
        if (!term) continue;
        if (term.deadlineMs > nowMs) this.#place(name, Math.max(term.deadlineMs, nowMs));
        else {
          this.#terms.delete(name);
          due.push(name);
        }
      }
      if (bucket.size > 0) break;
      this.#buckets.delete(this.#nextBucket);
      this.#nextBucket++;
    }
    return due;
  }

  /** Every term has its whole length before it again. */
  startAllAnew(nowMs: number): void {
    this.#buckets.clear();
    this.#nextBucket = bucketOf(nowMs);
    for (const [name, term] of this.#terms) this.start(name, term.lengthMs, nowMs);
  }

  /** One bucket later than the deadline's own, so that everything in a bucket that is reached can be due. */
  #place(name: string, deadlineMs: number): void {
    const index = Math.max(bucketOf(deadlineMs) + 1, this.#nextBucket + 1);
    const bucket = this.#buckets.get(index);
    if (bucket) bucket.add(name);
    else this.#buckets.set(index, new Set([name]));
  }
}

const bucketOf = (ms: number): number => Math.floor(ms / 1_000);
