import type { Clock } from '@nva/ports';

/** Work in one turn of the event loop stops after this time, when the current piece is done. */
export const TURN_MS = 3;
/** Maximum number of pieces of work in one turn, however quick they are. */
export const MAX_WORKS_PER_TURN = 16;

/**
 * Work that can wait, in turns of the event loop: some of it, then the input from the network, then some more. So requests wait a
 * few milliseconds at most, however much work there is.
 */
export class Turns {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #next = 0;
  #scheduled = false;
  #longestMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The longest time that one turn has taken. */
  get longestMs(): number {
    return this.#longestMs;
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Runs a piece of work when its turn comes, in the order of the calls. Rejects if the work throws. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const startMs = this.#clock.monotonicMs();
    let tookMs = 0;
    for (let works = 0; works < MAX_WORKS_PER_TURN && tookMs < TURN_MS && this.waiting > 0; works++) {
      this.#waiting[this.#next++]!();
      tookMs = this.#clock.monotonicMs() - startMs;
    }
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    if (this.waiting > 0) return this.#schedule();
    this.#waiting = [];
    this.#next = 0;
  }
}
