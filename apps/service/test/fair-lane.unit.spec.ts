import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Refusal } from '@nva/identifiers';
import { FairLane } from '../src/turns/fair-lane.ts';

const BOUNDS = { perCaller: 1_000, inAll: 10_000 };

/** A lane, and who was begun or refused, in order. */
function laneOf(bounds = BOUNDS) {
  const lane = new FairLane(bounds);
  const begun: string[] = [];
  const refused: [string, string][] = [];
  const push = (caller: string, cost = 1, name = caller): void =>
    lane.push(caller, { cost, start: () => begun.push(name), refuse: ({ code }: Refusal) => refused.push([name, code]) });
  const begin = (count: number): string[] => {
    for (let i = 0; i < count; i++) lane.shift()?.start();
    return begun.splice(0);
  };
  return { lane, push, begin, refused };
}

describe('callers in turn', () => {
  it('who bring alike take turns, however much is waiting of each', () => {
    const { push, begin } = laneOf();
    for (let i = 0; i < 100; i++) push('a');
    for (let i = 0; i < 10; i++) push('b');
    const first = begin(20);
    expect(first.filter((caller) => caller === 'b')).toHaveLength(10);
  });

  it('get the same by command, not by chunk: one of chunks of 64 has no more than one of single commands', () => {
    const { push, begin } = laneOf();
    for (let i = 0; i < 10; i++) push('chunks', 64);
    for (let i = 0; i < 640; i++) push('singles');
    let [chunks, singles] = [0, 0];
    for (const caller of begin(65 * 10)) {
      if (caller === 'chunks') chunks += 64;
      else singles++;
      expect(Math.abs(chunks - singles)).toBeLessThanOrEqual(64);
    }
  });

  it('a command of a caller that brings little is next, whatever others have waiting', () => {
    const { push, begin } = laneOf({ perCaller: 100_000, inAll: 100_000 });
    for (let n = 0; n < 12; n++) for (let i = 0; i < 20; i++) push(`heavy-${n}`, 64);
    begin(100);
    push('light');
    expect(begin(1)).toEqual(['light']);
  });

  it('a caller that keeps coming back is no newcomer: it waits for those who have had less', () => {
    const { push, begin } = laneOf();
    push('greedy', 64, 'greedy 1');
    begin(1);
    push('greedy', 64, 'greedy 2');
    push('other', 64, 'other 1');
    expect(begin(2)).toEqual(['other 1', 'greedy 2']);
  });

  it('what one caller brings is begun in its order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 64 })), { maxLength: 100 }), (pushes) => {
        const { push, begin } = laneOf({ perCaller: 10_000, inAll: 10_000 });
        pushes.forEach(([caller, cost], i) => push(caller, cost, `${caller} ${i}`));
        const begun = begin(pushes.length);
        expect(begun).toHaveLength(pushes.length);
        for (const caller of ['a', 'b', 'c']) {
          const order = begun.filter((name) => name.startsWith(caller)).map((name) => Number(name.slice(2)));
          expect(order).toEqual(order.toSorted((x, y) => x - y));
        }
      }),
    );
  });

  it('of callers that all have something waiting, none is ahead of another by more than one piece of each', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 2, maxLength: 12 }), (costs) => {
        const { push, begin } = laneOf({ perCaller: 1_000_000, inAll: 10_000_000 });
        costs.forEach((cost, n) => {
          for (let i = 0; i < 200; i++) push(`${n}`, cost);
        });
        const served = costs.map(() => 0);
        for (const caller of begin(150)) {
          served[Number(caller)]! += costs[Number(caller)]!;
          expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(2 * Math.max(...costs));
        }
      }),
    );
  });
});

describe('a full lane', () => {
  it('refuses a caller what is beyond its own bound, and takes what others bring', () => {
    const { push, begin, refused, lane } = laneOf({ perCaller: 3, inAll: 100 });
    for (let i = 1; i <= 5; i++) push('a', 1, `a ${i}`);
    push('b');
    expect(refused).toEqual([
      ['a 4', 'too-many-waiting'],
      ['a 5', 'too-many-waiting'],
    ]);
    expect(begin(9)).toEqual(['a 1', 'b', 'a 2', 'a 3']);
    expect(lane.waiting).toBe(0);
  });

  it('in all refuses the latest of whoever has most waiting, not the newcomer', () => {
    const { push, begin, refused, lane } = laneOf({ perCaller: 100, inAll: 6 });
    for (let i = 1; i <= 4; i++) push('a', 1, `a ${i}`);
    for (let i = 1; i <= 2; i++) push('b', 1, `b ${i}`);
    push('c');
    push('a', 1, 'a 5');
    expect(refused).toEqual([
      ['a 4', 'overloaded'],
      ['a 5', 'overloaded'],
    ]);
    expect(lane.waiting).toBe(6);
    expect(begin(9).toSorted()).toEqual(['a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'c']);
  });
});
