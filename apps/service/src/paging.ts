import { integer } from './query-readers.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  /** Give it as `after` for the next page; absent on the last. */
  readonly next?: string;
}

/** One item of a list: its key, and how to make it if it is on the page. */
export type Entry<T> = readonly [key: string, make: () => T];

/** One page of a list by key, ascending. `limit` and `after` as they stand in the query. */
export function page<T>(all: Iterable<Entry<T>>, query: Readonly<Record<string, string>>): Page<T> {
  const limit = query['limit'] === undefined ? DEFAULT_LIMIT : integer(query['limit'], 'limit', 1, MAX_LIMIT);
  const found = smallest(all, query['after'], limit + 1);
  const items = found.slice(0, limit).map(([, make]) => make());
  return found.length > limit ? { items, next: found[limit - 1]![0] } : { items };
}

/**
 * The first `count` entries by key that come after a key. One pass that keeps no more than twice as many: a page is small, a table may have
 * a million entries, and writes wait while it is looked through.
 */
function smallest<T>(all: Iterable<Entry<T>>, after: string | undefined, count: number): Entry<T>[] {
  const kept: Entry<T>[] = [];
  let bound: string | undefined;
  const trim = (): void => {
    kept.sort(([a], [b]) => (a < b ? -1 : 1)).splice(count);
    if (kept.length === count) bound = kept[count - 1]![0];
  };
  for (const entry of all) {
    const [key] = entry;
    if ((after !== undefined && key <= after) || (bound !== undefined && key >= bound)) continue;
    kept.push(entry);
    if (kept.length >= 2 * count) trim();
  }
  trim();
  return kept;
}
