import { sleep, StoreUnavailable, systemClock } from '@nva/ports';

/** Waits; if `signal` aborts, the wait ends early and without an error. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(systemClock, ms, { signal }).catch(() => undefined);
}

/** Rejects with StoreUnavailable if `answer` takes longer; its result is then unknown. */
export async function within<T>(ms: number, what: string, answer: Promise<T>): Promise<T> {
  let callOff = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    callOff = systemClock.after(ms, () => reject(new StoreUnavailable(`${what}: no answer within ${ms} ms`)));
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    callOff();
  }
}
