import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { page, pageQuery, smallest, type Entry } from '../src/reads/paging.ts';
import { stepped, type Steps } from '../src/turns/sliced.ts';

const entry = (key: string): Entry<string> => [key, () => key];
const byKey = (a: string, b: string): number => (a < b ? -1 : 1);

/** What the steps come to, and how many there were. */
function run<T>(steps: Steps<T>): { readonly value: T; readonly steps: number } {
  for (let count = 1; ; count++) {
    const { done, value } = steps.next();
    if (done) return { value, steps: count };
  }
}

const read = (steps: Steps<string>) => JSON.parse(run(steps).value) as { readonly items: string[]; readonly next?: string };
const queryOf = (limit: number, after?: string) => pageQuery({ limit: String(limit), ...(after === undefined ? {} : { after }) });

describe('a page', () => {
  it('is what sorting everything would give, page by page, whatever the size', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme' }), { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (keys, limit) => {
        const sorted = keys.toSorted(byKey);
        const seen: string[] = [];
        for (let after: string | undefined; ;) {
          const { items, next } = read(page(sorted.map(entry), queryOf(limit, after)));
          seen.push(...items);
          if (next === undefined) break;
          expect(items).toHaveLength(limit);
          after = next;
        }
        expect(seen).toEqual(sorted);
      }),
    );
  });

  it('makes only the items that are on it, and looks at one more', () => {
    const made: number[] = [];
    let met = 0;
    const all = (function* (): Generator<Entry<number>> {
      for (let i = 0; i < 1_000; i++, met++) yield [String(i).padStart(3, '0'), () => made.push(i)];
    })();
    expect(read(page(all, queryOf(3)))).toMatchObject({ next: '002' });
    expect(made).toEqual([0, 1, 2]);
    expect(met).toBe(3);
  });

  it('of entries in no order is found in one pass, in steps', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 500 }), fc.integer({ min: 1, max: 20 }), fc.string(), (keys, count, after) => {
        const { value, steps } = run(smallest(stepped(keys.map(entry)), after, count));
        expect(value.map(([key]) => key)).toEqual(
          keys
            .filter((key) => key > after)
            .toSorted(byKey)
            .slice(0, count),
        );
        expect(steps).toBe(1 + Math.floor(keys.length / 64));
      }),
    );
  });
});
