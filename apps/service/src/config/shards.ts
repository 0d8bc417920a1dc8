import { SHARDS } from '@nva/kafka';

/** Reads shards and ranges of them, each shard once, such as `0,5,32-63`: ascending, or what is wrong. */
export function readShards(text: string): { readonly shards: readonly number[] } | { readonly wrong: 'form' | number } {
  const named = new Set<number>();
  for (const part of text.split(',')) {
    const [, from, to] = /^\s*(\d{1,3})(?:-(\d{1,3}))?\s*$/.exec(part) ?? [];
    const first = Number(from);
    const last = Number(to ?? from);
    if (!(first <= last && last < SHARDS)) return { wrong: 'form' };
    for (let shard = first; shard <= last; shard++) {
      if (named.has(shard)) return { wrong: shard };
      named.add(shard);
    }
  }
  return { shards: [...named].toSorted((a, b) => a - b) };
}
