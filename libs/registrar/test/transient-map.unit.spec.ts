import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TransientMap } from '../src/transient-map.ts';

describe('a map of which entries come and go', () => {
  it('is as a Map is, whatever is put, replaced and deleted', () => {
    const key = fc.nat(400).map((n) => `ts-${n}`);
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
      fc.record({ kind: fc.constant('delete' as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 2_000, size: 'max' }), (steps) => {
        const map = new TransientMap<number>();
        const model = new Map<string, number>();
        for (const one of steps) {
          if (one.kind === 'set') {
            map.set(one.key, one.value);
            model.set(one.key, one.value);
          } else expect(map.delete(one.key)).toBe(model.delete(one.key));
          expect([map.size, map.get(one.key), map.has(one.key)]).toEqual([model.size, model.get(one.key), model.has(one.key)]);
        }
        expect([...map].toSorted()).toEqual([...model].toSorted());
        for (const [name, value] of model) expect(map.get(name)).toBe(value);
      }),
      { numRuns: 200 },
    );
  });

  it('grows for as many as are there at once, and takes no more places for as many as ever were', () => {
    const map = new TransientMap<number>();
    for (let n = 0; n < 20_000; n++) map.set(`a${n}`, n);
    for (let n = 0; n < 20_000; n++) expect(map.get(`a${n}`)).toBe(n);
    for (let n = 0; n < 20_000; n++) expect(map.delete(`a${n}`)).toBe(true);
    expect([map.size, [...map]]).toEqual([0, []]);
    for (let n = 0; n < 200_000; n++) {
      map.set(`b${n}`, n);
      if (n >= 100) map.delete(`b${n - 100}`);
    }
    expect([...map].map(([, n]) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => 199_900 + i));
  });
});
