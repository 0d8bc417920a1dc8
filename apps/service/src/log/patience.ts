import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailable, type Clock, type Logger } from '@nva/ports';

const RETRY_MS = 500;
const TELL_EVERY_MS = 10_000;

export interface Waiting {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the wait when it aborts. */
  readonly signal: AbortSignal;
}

/**
 * Repeats a step of a start as long as the event store cannot answer it, for example while its nodes elect a leader. If the start
 * failed instead, it would only be run again, and wait no better. The step must have the same effect however often it runs.
 * Rejects with every error that waiting cannot cure, and with StoreUnavailable when the signal aborts.
 */
export async function patiently<T>(step: () => Promise<T>, { clock, logger, signal }: Waiting): Promise<T> {
  for (let toldMs = Number.NEGATIVE_INFINITY; ;) {
    try {
      return await unlessEnded(step(), signal);
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || signal.aborted) throw error;
      if (clock.monotonicMs() - toldMs >= TELL_EVERY_MS) {
        toldMs = clock.monotonicMs();
        logger.warn('the start waits for the event store', { err: error });
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The result of the step. Rejects with StoreUnavailable as soon as the signal aborts, whatever the step does. */
export async function unlessEnded<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new StoreUnavailable('the start was ended before it was done'));
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    return await Promise.race([step, ended.promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
