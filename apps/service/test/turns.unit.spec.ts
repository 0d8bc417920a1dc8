import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../libs/registrar/test/harness.ts';
import { MAX_WORKS_PER_TURN, TURN_MS, Turns } from '../src/turns/turns.ts';

/** Works that take so long each, and what is heard in between: one entry a turn of the event loop, the works done in it. */
async function turnsOf(works: number, eachMs: number): Promise<{ readonly turns: number[]; readonly longestMs: number }> {
  const clock = new ManualClock();
  const line = new Turns(clock);
  const turns: number[] = [];
  let done = 0;
  let before = 0;
  const hear = (): void => {
    if (done > before) turns.push(done - before);
    before = done;
    if (done < works) setImmediate(hear);
  };
  const all = Promise.all(Array.from({ length: works }, () => line.run(() => (clock.advance(eachMs), done++))));
  setImmediate(hear);
  await all;
  if (done > before) turns.push(done - before);
  return { turns, longestMs: line.longestMs };
}

describe('work that can wait', () => {
  it('is done in turns of a few milliseconds, with the network heard between them', async () => {
    const { turns, longestMs } = await turnsOf(20, 1);
    expect(turns.reduce((sum, n) => sum + n)).toBe(20);
    expect(Math.max(...turns)).toBe(TURN_MS);
    expect(longestMs).toBe(TURN_MS);
  });

  it('ends a turn with the piece at hand, and after a number of them however quick', async () => {
    expect(await turnsOf(4, TURN_MS + 1)).toEqual({ turns: [1, 1, 1, 1], longestMs: TURN_MS + 1 });
    expect(Math.max(...(await turnsOf(100, 0)).turns)).toBe(MAX_WORKS_PER_TURN);
  });

  it('keeps its order, and a piece that throws fails alone', async () => {
    const line = new Turns(new ManualClock());
    const order: number[] = [];
    const outcomes = await Promise.allSettled([
      line.run(() => order.push(1)),
      line.run(() => {
        throw new Error('no');
      }),
      line.run(() => order.push(2)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(order).toEqual([1, 2]);
  });
});
