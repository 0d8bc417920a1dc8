import { FeedRefused, vnidOf, type FeedBatch, type FeedRecord } from '@nva/ports';

/** Number of shards of the feeds. Writers must agree on it, since each shard has one transactional id. */
export const SHARDS = 64;

/** The shard of everything about a VN: its VNID modulo `shards`. */
export const shardOf = (vnid: number, shards: number): number => vnid % shards;

/** The shards of a writer, ascending; all if none are given. Throws FeedRefused if a shard does not exist, or if the list is empty. */
export function checkedShards(owned: readonly number[] | undefined, shards: number): readonly number[] {
  if (owned === undefined) return Array.from({ length: shards }, (_, shard) => shard);
  const wrong = owned.find((shard) => !Number.isInteger(shard) || shard < 0 || shard >= shards);
  if (wrong !== undefined || owned.length === 0)
    throw new FeedRefused(`A writer owns at least one shard of 0 to ${shards - 1}, received ${wrong ?? 'none'}`);
  return [...new Set(owned)].toSorted((a, b) => a - b);
}

/** Text for people such as `0-31, 40`; `shards` must be ascending. */
export function formatShards(shards: readonly number[]): string {
  const ranges: { from: number; to: number }[] = [];
  for (const shard of shards) {
    const last = ranges.at(-1);
    if (last && last.to === shard - 1) last.to = shard;
    else ranges.push({ from: shard, to: shard });
  }
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}

/**
 * The records of a batch by the shard of the VN that each is about, in order. Shards are written in separate transactions, with
 * no order between them. So on an NVE's feed each shard's part of a change is marked as a whole change: its last record ends it.
 */
export function byShard({ feed, records }: FeedBatch, shards: number): ReadonlyMap<number, readonly FeedRecord[]> {
  if (feed.kind === 'vn') return new Map([[shardOf(feed.vnid, shards), records]]);
  const parts = new Map<number, FeedRecord[]>();
  const inChange = new Set<FeedRecord[]>();
  for (const record of records) {
    const shard = shardOf(vnidOf(feed, record.key), shards);
    let part = parts.get(shard);
    if (!part) parts.set(shard, (part = []));
    part.push(record);
    inChange.add(part);
    if (!record.changeEnd) continue;
    for (const ended of inChange) ended[ended.length - 1] = { ...ended.at(-1)!, changeEnd: true };
    inChange.clear();
  }
  return parts;
}
