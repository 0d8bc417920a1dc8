/** How often a process should call `HeardTime.tick`. */
export const TICK_MS = 100;
/** How much later than that a call may come. Up to this point the time still counts. */
export const TOLERANCE_MS = 50;
/**
 * After a silence of this length connections have broken, and NVEs need time to come back: the process was stopped, the machine
 * asleep, or the brokers away.
 */
export const OUTAGE_MS = 10_000;

/**
 * Time in which this process could hear. It runs with the clock while the process calls `tick` often enough. If a call comes
 * late, the process was busy or stopped, and the time that passed does not count; nor does time in which an input is closed.
 */
export class HeardTime {
  #lookMs: number;
  #heardMs = 0;
  #unheardMs = 0;
  /** Length of the present silence. */
  #silenceMs = 0;
  #deaf = false;

  constructor(nowMs: number) {
    this.#lookMs = nowMs;
  }

  /** Milliseconds that did not count so far. */
  get unheardMs(): number {
    return this.#unheardMs;
  }

  /**
   * Looks at the clock. `deaf`: an input is closed now. Returns the length of the silence that ends with this look, in
   * milliseconds.
   */
  tick(nowMs: number, deaf = false): number {
    const countedMs = this.#countedMs(nowMs);
    // Not computed from the sum of what has counted: the clock has fractions, and the rounding of a sum could give slightly less
    // than zero.
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

  /** Milliseconds that have counted by a time on the clock, which must not be before the last look. */
  at(nowMs: number): number {
    return this.#heardMs + this.#countedMs(nowMs);
  }

  /** The part of the time since the last look that counts. */
  #countedMs(nowMs: number): number {
    return this.#deaf ? 0 : Math.min(nowMs - this.#lookMs, TICK_MS + TOLERANCE_MS);
  }
}
