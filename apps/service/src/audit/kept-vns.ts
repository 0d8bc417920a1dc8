import type { KeptVns } from '@nva/history';
import { formatShards, SHARDS } from '@nva/kafka';

/** The VNs of some shards. */
export function keptVns(shards: readonly number[]): KeptVns {
  const kept = new Set(shards);
  return { name: kept.size === SHARDS ? 'all' : formatShards(shards), has: (vnid) => kept.has(vnid % SHARDS) };
}
