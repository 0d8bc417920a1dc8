/** How much one event may add to the log's time, and how far the clocks of processes that share a log may differ, in milliseconds. */
export const MAX_STEP_MS = 3_600_000;

/** The state in a snapshot. */
export interface LogTimeState {
  readonly timeMs: number;
  readonly timeNewest: number;
  readonly timeOther: number;
}

/**
 * The time that has passed according to the log. It only goes forward, by MAX_STEP_MS an event at most, whatever a clock does. A
 * clock that jumps forward by years adds an hour; a clock that jumps back adds nothing at the jump, and the times after it count
 * again. So an age in this time is too high by an hour at most for each jump forward; a jump back makes it only lower.
 *
 * Two recorded times that are further than MAX_STEP_MS apart count as of two clocks: processes that share the log, one of them
 * wrong, or one clock before and after it was corrected. A change back to the other known clock adds nothing, so two clocks that
 * alternate do not add up.
 *
 * Why not the wall time of the caller: that is one clock, and nothing tells whether it is right.
 */
export class LogTime {
  #ms = 0;
  /** The last recorded times of the clock that wrote last, and of the other clock; 0 before there is any. */
  #newest = 0;
  #other = 0;

  /** Milliseconds; if no clock was ever wrong, about the milliseconds since the epoch. Only differences have a meaning. */
  get ms(): number {
    return this.#ms;
  }

  get state(): LogTimeState {
    return { timeMs: this.#ms, timeNewest: this.#newest, timeOther: this.#other };
  }

  restore({ timeMs, timeNewest, timeOther }: LogTimeState): void {
    this.#ms = timeMs;
    this.#newest = timeNewest;
    this.#other = timeOther;
  }

  /** The recorded time of the log's next event, in milliseconds since the epoch. */
  take(recordedAt: number): void {
    if (this.#newest === 0) this.#ms = this.#newest = recordedAt;
    else if (isOfClock(recordedAt, this.#newest)) {
      if (recordedAt <= this.#newest) return;
      this.#ms += recordedAt - this.#newest;
      this.#newest = recordedAt;
    } else if (this.#other !== 0 && isOfClock(recordedAt, this.#other)) {
      const other = this.#newest;
      this.#newest = Math.max(recordedAt, this.#other);
      this.#other = other;
    } else {
      if (recordedAt > this.#newest) this.#ms += MAX_STEP_MS;
      this.#other = this.#newest;
      this.#newest = recordedAt;
    }
  }
}

const isOfClock = (recordedAt: number, newest: number): boolean => Math.abs(recordedAt - newest) <= MAX_STEP_MS;
