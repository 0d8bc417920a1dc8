/** What one event may add to the log's time, and how far the clocks of processes that share a log may be apart, in milliseconds. */
export const MAX_STEP_MS = 3_600_000;

/** As a snapshot keeps it. */
export interface LogTimeState {
  readonly timeMs: number;
  readonly timeNewest: number;
  readonly timeOther: number;
}

/**
 * How much time has passed as far as the log vouches for it: it goes forward only, and by MAX_STEP_MS an event at most, whatever a
 * clock does. A clock that jumps forward by years has added an hour; one that jumps back has added nothing, and what comes after it
 * counts again. So what ages by this time is never too young by a clock that was wrong, and too old by an hour at most.
 *
 * Two clocks are told apart where they are further than MAX_STEP_MS from each other: processes that share the log, one of them
 * wrong, or one clock before and after it was set right. From one to the other nothing counts, so two that take turns do not add
 * up.
 *
 * Why not the wall time of whoever asks: that is one clock, and nothing tells whether it is right.
 */
export class LogTime {
  #ms = 0;
  /** Recorded times up to which the clock that wrote last, and the other one, were heard; 0 before there is any. */
  #newest = 0;
  #other = 0;

  /** Milliseconds; where no clock was ever wrong, about those since the epoch. Only differences mean anything. */
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

  /** Of the next event of the log, in milliseconds since the epoch. */
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
