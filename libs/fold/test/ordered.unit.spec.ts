import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeptOrder, OrderedMap } from '../src/ordered.ts';

const ascending = (a: number, b: number): number => a - b;
const everything = <T>(order: KeptOrder<T>): T[] => order.take(() => false, Number.MAX_SAFE_INTEGER);

describe('an order that is kept', () => {
  it('is that of what the map holds, whatever was set and deleted before it was asked for, while it was made, and after', () => {
    const step = fc.tuple(fc.constantFrom('set', 'delete', 'prepare'), fc.integer({ min: 0, max: 400 }));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 400 }), fc.array(step, { maxLength: 400 }), (before, steps) => {
        const map = new OrderedMap<number, number>();
        for (const key of before) map.set(key, key);
        const { order } = map;
        for (const [act, key] of steps) {
          if (act === 'set') map.set(key, key);
          else if (act === 'delete') map.delete(key);
          else order.prepare(16);
        }
        while (!order.prepare(16));
        expect(everything(order)).toEqual([...map.keys()].toSorted(ascending));
      }),
    );
  });

  it('gives so many from a place on, of a hundred thousand too', () => {
    const order = new KeptOrder<number>([].values(), ascending);
    for (let i = 0; i < 100_000; i++) order.add((i * 7_919) % 100_000);
    expect(order.take((element) => element < 54_321, 5)).toEqual([54_321, 54_322, 54_323, 54_324, 54_325]);
    expect(order.take((element) => element <= 99_997, 5)).toEqual([99_998, 99_999]);
    for (let i = 0; i < 100_000; i += 2) order.delete(i);
    expect(order.take((element) => element < 54_320, 3)).toEqual([54_321, 54_323, 54_325]);
    expect(everything(order)).toHaveLength(50_000);
  });

  it('takes in no more at once than it is asked to', () => {
    let met = 0;
    const order = new KeptOrder<number>(
      (function* () {
        for (; met < 1_000; met++) yield met;
      })(),
      ascending,
    );
    expect(order.prepare(64)).toBe(false);
    expect(met).toBeLessThanOrEqual(64);
  });
});
