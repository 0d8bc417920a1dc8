import { integer } from './query-readers.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  /** Give it as `after` for the next page; absent on the last. */
  readonly next?: string;
}

/** One page of a list by key, ascending. `limit` and `after` as they stand in the query. */
export function page<T>(all: Iterable<readonly [key: string, make: () => T]>, query: Readonly<Record<string, string>>): Page<T> {
  const limit = query['limit'] === undefined ? DEFAULT_LIMIT : integer(query['limit'], 'limit', 1, MAX_LIMIT);
  const after = query['after'];
  const rest = [...all].filter(([key]) => after === undefined || key > after).sort(([a], [b]) => (a < b ? -1 : 1));
  const items = rest.slice(0, limit).map(([, make]) => make());
  return rest.length > limit ? { items, next: rest[limit - 1]![0] } : { items };
}
