/** Waiting, as something to inject: a test lets time pass by itself. */
export interface Timers {
  /** Calls `act` once after `delayMs`; returns what calls it off. */
  after(delayMs: number, act: () => void): () => void;
}

export const systemTimers: Timers = {
  after: (delayMs, act) => {
    const timer = setTimeout(act, delayMs);
    return () => clearTimeout(timer);
  },
};
