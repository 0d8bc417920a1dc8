import { integer } from './query-readers.ts';
import type { Steps } from '../turns/sliced.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1_000;

/** A list as it is answered: items and, unless it is the last page, what to give as `after` for the next. */
export type PageText = string;

/** One item of a list: its key, and how it is made into JSON if it is on the page. */
export type Entry<T = unknown> = readonly [key: string, make: () => T];

/** Where a page begins and how long it is. */
export interface PageQuery {
  readonly after: string | undefined;
  readonly limit: number;
}

/** `limit` and `after` as they stand in the query. */
export const pageQuery = (query: Readonly<Record<string, string>>): PageQuery => ({
  after: query['after'],
  limit: query['limit'] === undefined ? DEFAULT_LIMIT : integer(query['limit'], 'limit', 1, MAX_LIMIT),
});

/**
 * A page of entries that come in the order of their keys, ascending, with a pause at each `undefined`; entries up to `after` are
 * passed over. `text`: for items that take steps of their own.
 */
export function* page<T>(
  entries: Iterable<Entry<T> | undefined>,
  { after, limit }: PageQuery,
  text?: (made: T) => Steps<string>,
): Steps<PageText> {
  const items: string[] = [];
  let last = '';
  for (const entry of entries) {
    if (!entry) {
      yield;
      continue;
    }
    const [key, make] = entry;
    if (after !== undefined && key <= after) continue;
    if (items.length === limit) return `{"items":[${items.join(',')}],"next":${JSON.stringify(last)}}`;
    items.push(text ? yield* text(make()) : JSON.stringify(make()));
    last = key;
  }
  return `{"items":[${items.join(',')}]}`;
}

/**
 * The first `count` entries by key that come after a key, of entries in any order. One pass that keeps no more than twice as many: a page
 * is small, and what it is of may not be.
 */
export function* smallest(all: Iterable<Entry | undefined>, after: string | undefined, count: number): Steps<readonly Entry[]> {
  const kept: Entry[] = [];
  let bound: string | undefined;
  const trim = (): void => {
    kept.sort(([a], [b]) => (a < b ? -1 : 1)).splice(count);
    if (kept.length === count) bound = kept[count - 1]![0];
  };
  for (const entry of all) {
    if (!entry) {
      yield;
      continue;
    }
    const [key] = entry;
    if ((after !== undefined && key <= after) || (bound !== undefined && key >= bound)) continue;
    kept.push(entry);
    if (kept.length >= 2 * count) trim();
  }
  trim();
  return kept;
}
