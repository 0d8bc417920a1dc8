import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailable, type Clock, type Logger } from '@nva/ports';

const RETRY_MS = 500;
const TELL_EVERY_MS = 10_000;

export interface Waiting {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/**
 * Makes a step of a start again for as long as the event store cannot answer it, as while its nodes elect a leader: a start that
 * ended there would be begun anew by whoever runs it, and wait no better. The step must come to the same however often it is made.
 * Rejects with what waiting cannot mend, and with StoreUnavailable when the signal aborts.
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

/** What a step resolves with; rejects with StoreUnavailable as soon as the signal aborts, whatever becomes of the step. */
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
