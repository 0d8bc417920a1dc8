import { systemTimers } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Network } from '@nva/fold';
import { FairQueue } from '../src/turns/fair-queue.ts';
import { inTurns, walk, type Steps } from '../src/turns/sliced.ts';

describe('a walk in order', () => {
  it('meets everything that is there all the time exactly once, whatever comes and goes between its steps', () => {
    const change = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 999 }));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { minLength: 100, maxLength: 600 }),
        fc.array(change, { maxLength: 300 }),
        fc.integer({ min: 1, max: 64 }),
        (keys, changes, perStep) => {
          const { memberships } = new Network().nveNamed('nve1');
          for (const key of keys) memberships.set(key, null as never);
          const lasting = new Set(keys);
          for (const [, key] of changes) lasting.delete(key);
          const met: number[] = [];
          for (const key of walk(memberships.order, () => false, perStep)) {
            if (key !== undefined) {
              met.push(key);
              continue;
            }
            const [added, changed] = changes.shift() ?? [];
            if (changed === undefined) continue;
            if (added) memberships.set(changed, null as never);
            else memberships.delete(changed);
          }
          expect(met).toEqual([...new Set(met)].toSorted((a, b) => a - b));
          expect(met.filter((key) => lasting.has(key))).toEqual([...lasting].toSorted((a, b) => a - b));
        },
      ),
    );
  });
});

describe('reads', () => {
  it('go on for a millisecond at a time, in turns with those of other callers', async () => {
    let nowMs = 0;
    const clock = { ...systemTimers, wallMs: () => nowMs, monotonicMs: () => nowMs };
    const reads = new FairQueue({ clock, bounds: { perCaller: 10, inAll: 100 }, sliceMs: 1 });
    const order: string[] = [];
    const read = function* (name: string): Steps<string> {
      for (let step = 0; step < 12; step++) {
        order.push(name);
        nowMs += 0.25;
        yield;
      }
      return name;
    };
    const callers = ['a', 'b', 'c'];
    expect(await Promise.all(callers.map((caller) => inTurns(reads, clock, caller, read(caller))))).toEqual(callers);
    const turns = Array.from({ length: order.length / 4 }, (_, i) => order.slice(4 * i, 4 * i + 4).join(''));
    expect(turns.slice(0, 3)).toEqual(['aaaa', 'bbbb', 'cccc']);
    expect(turns.toSorted()).toEqual(['aaaa', 'aaaa', 'aaaa', 'bbbb', 'bbbb', 'bbbb', 'cccc', 'cccc', 'cccc']);
  });
});
