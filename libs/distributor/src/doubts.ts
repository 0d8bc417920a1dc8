import type { Clock } from '@nva/ports';

/** A VN is compared again so long after it was last at the earliest, */
const PAUSE_MS = 60_000;
/** and so many VNs in that time at most: comparisons take their turn with what is published. */
const MAX_TOGETHER = 10;
/** VNs that wait at most; more doubts than that are no news of single VNs. */
const MAX_WAITING = 1_000;

/** VNs whose feed is to be compared with the fold again, because an NVE holds another table than the fold, or because it is their turn. */
export class Doubts {
  readonly #clock: Clock;
  /** By VNID. */
  readonly #waiting = new Set<number>();
  readonly #comparedAtMs = new Map<number, number>();
  readonly counters = { doubts: 0, comparisons: 0, repaired: 0, repairedRecords: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(vnid: number): void {
    this.counters.doubts++;
    if (this.#waiting.size < MAX_WAITING) this.#waiting.add(vnid);
  }

  get isDue(): boolean {
    return this.#next() !== null;
  }

  /** One VN that is due, and not told again for a while. */
  take(): number | null {
    const vnid = this.#next();
    if (vnid === null) return null;
    this.#waiting.delete(vnid);
    this.#comparedAtMs.set(vnid, this.#clock.monotonicMs());
    return vnid;
  }

  compared(records: number): void {
    this.counters.comparisons++;
    this.counters.repairedRecords += records;
    if (records > 0) this.counters.repaired++;
  }

  #next(): number | null {
    if (this.#waiting.size === 0) return null;
    const now = this.#clock.monotonicMs();
    for (const [vnid, atMs] of this.#comparedAtMs) if (now - atMs >= PAUSE_MS) this.#comparedAtMs.delete(vnid);
    if (this.#comparedAtMs.size >= MAX_TOGETHER) return null;
    for (const vnid of this.#waiting) if (!this.#comparedAtMs.has(vnid)) return vnid;
    return null;
  }
}
