/**
 * Waiting. Libraries wait for time only through this interface, so that a test or the simulator controls how time passes. The
 * functions that cancel a wait may be called at any time, and repeatedly.
 */
export interface Timers {
  /** Calls `act` once, after at least `delayMs` milliseconds. With `background`, the timer alone does not keep the process alive. */
  after(delayMs: number, act: () => void, options?: { readonly background?: boolean }): () => void;
  /** Calls `act` again and again, first after `periodMs` milliseconds. */
  every(periodMs: number, act: () => void, options?: { readonly background?: boolean }): () => void;
  /** Resolves when everything else that is due in this process has had its turn: requests, answers, other timers. */
  turn(): Promise<void>;
}

/** The only source of time: wall time for the record, monotonic time to measure deadlines, and waiting. */
export interface Clock extends Timers {
  /** Milliseconds since 1970-01-01T00:00:00Z; may jump. */
  wallMs(): number;
  /** Milliseconds on a clock that only goes forward. */
  monotonicMs(): number;
}

/** Real time. */
export const systemTimers: Timers = {
  after: (delayMs, act, { background = false } = {}) => {
    const timer = setTimeout(act, delayMs);
    if (background) timer.unref();
    return () => clearTimeout(timer);
  },
  every: (periodMs, act, { background = false } = {}) => {
    const timer = setInterval(act, periodMs);
    if (background) timer.unref();
    return () => clearInterval(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

export const systemClock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now(), ...systemTimers };

/** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as it aborts. */
export function sleep(
  timers: Pick<Timers, 'after'>,
  ms: number,
  { signal, background = false }: { readonly signal?: AbortSignal; readonly background?: boolean } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const aborted = (): void => {
      callOff();
      reject(signal!.reason as Error);
    };
    const callOff = timers.after(
      ms,
      () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      },
      { background },
    );
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
