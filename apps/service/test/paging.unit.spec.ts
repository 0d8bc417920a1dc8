import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { page, type Entry } from '../src/paging.ts';

const entry = (key: string): Entry<string> => [key, () => key];

describe('a page', () => {
  it('is what sorting everything would give, page by page, whatever the order and the size', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (keys, limit) => {
        const seen: string[] = [];
        for (let after: string | undefined; ; ) {
          const { items, next } = page(keys.map(entry), { limit: String(limit), ...(after === undefined ? {} : { after }) });
          seen.push(...items);
          if (next === undefined) break;
          expect(items).toHaveLength(limit);
          after = next;
        }
        expect(seen).toEqual(keys.toSorted((a, b) => (a < b ? -1 : 1)));
      }),
    );
  });

  it('makes only the items that are on it', () => {
    const made: number[] = [];
    const all = Array.from({ length: 1_000 }, (_, i): Entry<number> => [String(999 - i).padStart(3, '0'), () => made.push(999 - i)]);
    expect(page(all, { limit: '3' })).toMatchObject({ next: '002' });
    expect(made).toEqual([0, 1, 2]);
  });
});
