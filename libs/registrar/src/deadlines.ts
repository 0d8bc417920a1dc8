interface Deadline {
  readonly lengthMs: number;
  /** In heard time. */
  deadlineMs: number;
}

/**
 * Leases and lifetimes as soft state in heard time (design/registrars, «Deadlines are soft»): every `nowMs` comes from one
 * `HeardTime`. A renewal only moves a deadline. Deadlines are in buckets of one second; a deadline that is found in its bucket before
 * its deadline moves to a later bucket. So a renewal costs the same whatever the number of deadlines.
 */
export class Deadlines {
  readonly #deadlines = new Map<string, Deadline>();
  readonly #buckets = new Map<number, Set<string>>();
  #nextBucket: number;

  constructor(nowMs: number) {
    this.#nextBucket = bucketOf(nowMs);
  }

  get size(): number {
    return this.#deadlines.size;
  }

  start(name: string, lengthMs: number, nowMs: number): void {
    this.#deadlines.set(name, { lengthMs, deadlineMs: nowMs + lengthMs });
    this.#place(name, nowMs + lengthMs);
  }

  /** Starts a deadline anew; does nothing if there is no deadline with that name. */
  renew(name: string, nowMs: number): void {
    const deadline = this.#deadlines.get(name);
    if (deadline) deadline.deadlineMs = nowMs + deadline.lengthMs;
  }

  has(name: string): boolean {
    return this.#deadlines.has(name);
  }

  lengthMs(name: string): number | undefined {
    return this.#deadlines.get(name)?.lengthMs;
  }

  end(name: string): void {
    this.#deadlines.delete(name);
  }

  /** Whether `due` has anything to look at. */
  mayBeDue(nowMs: number): boolean {
    return this.#nextBucket <= bucketOf(nowMs);
  }

  /** Removes deadlines that have run out and returns their names: at most `limit`, the rest at the next call. */
  due(nowMs: number, limit: number): string[] {
    const due: string[] = [];
    while (this.#nextBucket <= bucketOf(nowMs) && due.length < limit) {
      const bucket = this.#buckets.get(this.#nextBucket) ?? new Set<string>();
      for (const name of bucket) {
        const deadline = this.#deadlines.get(name);
        if (deadline && deadline.deadlineMs <= nowMs && due.length >= limit) break;
        bucket.delete(name);
        if (!deadline) continue;
        if (deadline.deadlineMs > nowMs) this.#place(name, Math.max(deadline.deadlineMs, nowMs));
        else {
          this.#deadlines.delete(name);
          due.push(name);
        }
      }
      if (bucket.size > 0) break;
      this.#buckets.delete(this.#nextBucket);
      this.#nextBucket++;
    }
    return due;
  }

  /** Every deadline gets its whole length again. */
  startAllAnew(nowMs: number): void {
    this.#buckets.clear();
    this.#nextBucket = bucketOf(nowMs);
    for (const [name, deadline] of this.#deadlines) this.start(name, deadline.lengthMs, nowMs);
  }

  /** Uses the bucket after the deadline's own, so that every deadline in a bucket that is reached can be due. */
  #place(name: string, deadlineMs: number): void {
    const index = Math.max(bucketOf(deadlineMs) + 1, this.#nextBucket + 1);
    const bucket = this.#buckets.get(index);
    if (bucket) bucket.add(name);
    else this.#buckets.set(index, new Set([name]));
  }
}

const bucketOf = (ms: number): number => Math.floor(ms / 1_000);
