import type { Clock } from '@nva/ports';

/** Time between two comparisons of the same VN, at least. */
const PAUSE_MS = 60_000;
/** VNs that are compared within that time, at most: comparisons take their turn with publications. */
const MAX_TOGETHER = 10;
/** VNs that wait to be compared, at most. Beyond this, a further doubt says little about a single VN. */
const MAX_WAITING = 1_000;

/**
 * VNs whose feed is to be compared with the fold again, because an NVE holds another table than the fold, or because their turn
 * has come.
 */
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

  /** One VN that is due; the same VN is not returned again for PAUSE_MS. */
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
