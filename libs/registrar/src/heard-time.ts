/** How often a process should look at its clock (`HeardTime.tick`). */
export const TICK_MS = 100;
/** How much later than that a look may come, and the time until it still counts. */
export const TOLERANCE_MS = 50;
/**
 * After a silence this long connections have broken, and whoever comes back needs its time: the process was stopped, the machine
 * asleep, the brokers away.
 */
export const OUTAGE_MS = 10_000;

/**
 * Time in which this process could hear. It goes on with the clock while the process looks at it often enough. Where a look comes late the
 * process was busy or stood still, and what passed until then counts for nobody; nor does time in which a way in is closed.
 */
export class HeardTime {
  #lookMs: number;
  #heardMs = 0;
  #unheardMs = 0;
  /** Of the silence that goes on. */
  #silenceMs = 0;
  #deaf = false;

  constructor(nowMs: number) {
    this.#lookMs = nowMs;
  }

  /** Milliseconds that did not count, so far. */
  get unheardMs(): number {
    return this.#unheardMs;
  }

  /** Looks at the clock. `deaf`: a way in is closed now. Returns how long the silence was that is over with this look, in milliseconds. */
  tick(nowMs: number, deaf = false): number {
    const countedMs = this.#countedMs(nowMs);
    // Not from the sum of what has counted: the clock has fractions, and a sum that rounds would give a little less than nothing.
    const unheardMs = nowMs - this.#lookMs - countedMs;
    this.#heardMs += countedMs;
    this.#lookMs = nowMs;
    this.#deaf = deaf;
    this.#unheardMs += unheardMs;
    this.#silenceMs += unheardMs;
    if (deaf) return 0;
    const silenceMs = this.#silenceMs;
    this.#silenceMs = 0;
    return silenceMs;
  }

  /** Milliseconds that have counted by a time on the clock, which is not before the last look. */
  at(nowMs: number): number {
    return this.#heardMs + this.#countedMs(nowMs);
  }

  /** What counts of the time since the last look. */
  #countedMs(nowMs: number): number {
    return this.#deaf ? 0 : Math.min(nowMs - this.#lookMs, TICK_MS + TOLERANCE_MS);
  }
}
