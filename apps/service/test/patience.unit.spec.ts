import { LogRefused, silentLogger, StoreUnavailable, type Clock, systemTimers } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { patiently, unlessEnded } from '../src/log/patience.ts';

/** A clock on which a look takes four seconds. */
const slow = (): Clock => {
  let ms = 0;
  return { ...systemTimers, wallMs: () => 0, monotonicMs: () => (ms += 4_000) };
};
const away = new StoreUnavailable('no leader');

describe('a step of a start that the event store cannot answer', () => {
  it('is made again until it is answered, and is told of once in 10 s', async () => {
    const told: string[] = [];
    let steps = 0;
    const step = async (): Promise<string> => {
      if (++steps < 5) throw away;
      return 'done';
    };
    expect(
      await patiently(step, {
        clock: slow(),
        logger: { ...silentLogger, warn: (message) => void told.push(message) },
        signal: new AbortController().signal,
      }),
    ).toBe('done');
    expect([steps, told]).toEqual([5, Array.from({ length: 2 }, () => 'the start waits for the event store')]);
  }, 300_000);

  it.each([new LogRefused('not ours'), new TypeError('a defect')])(
    'is not made again for what waiting does not mend: %s',
    async (error) => {
      let steps = 0;
      const step = async (): Promise<never> => {
        steps++;
        throw error;
      };
      await expect(patiently(step, { clock: slow(), logger: silentLogger, signal: new AbortController().signal })).rejects.toBe(error);
      expect(steps).toBe(1);
    },
  );

  it('ends with the start, while it waits and while it is made', async () => {
    const stop = new AbortController();
    const waiting = [
      patiently(() => Promise.reject(away), { clock: slow(), logger: silentLogger, signal: stop.signal }),
      unlessEnded(new Promise(() => undefined), stop.signal),
    ];
    stop.abort();
    for (const one of waiting) await expect(one).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(unlessEnded(Promise.resolve('late'), stop.signal)).resolves.toBe('late');
  });
});
