/** The only way to the time: wall time for the record, monotonic time for measuring terms. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z; may jump. */
  wallMs(): number;
  /** Milliseconds on a clock that only goes forward. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
