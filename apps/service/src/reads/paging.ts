import { integer } from './query-readers.ts';
import type { Steps } from '../turns/sliced.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1_000;

/** The text of a list: its items and, unless it is the last page, the value of `after` for the next page. */
export type PageText = string;

/** One item of a list: its key, and a function that makes its JSON value if it is on the page. */
export type Entry<T = unknown> = readonly [key: string, make: () => T];

/** Where a page begins and how long it is. */
export interface PageQuery {
  readonly after: string | undefined;
  readonly limit: number;
}

/** Reads `limit` and `after` from the query. */
export const pageQuery = (query: Readonly<Record<string, string>>): PageQuery => ({
  after: query['after'],
  limit: query['limit'] === undefined ? DEFAULT_LIMIT : integer(query['limit'], 'limit', 1, MAX_LIMIT),
});

/**
 * A page of entries that come in ascending order of their keys, with a pause at each `undefined`. Entries up to `after` are
 * skipped. `text`: for items that need steps of their own.
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
 * The first `count` entries after a key, in order of their keys, from entries in any order. One pass, which keeps at most twice
 * as many entries: a page is small, but the list may not be.
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
