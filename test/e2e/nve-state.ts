import type { FeedValue } from '@nva/codec';
import type { NveClient } from '@nva/nve';

/** A live key of a table: its name, position and value. */
export type Entry = readonly [key: string, position: number, value: FeedValue];

/** What an NVE holds of one VN, as plain JSON, so that an NVE in a process of its own can tell it too. */
export interface VnState {
  readonly vnid: number;
  readonly log: string | null;
  readonly position: number | null;
  readonly digest: string | null;
  readonly degraded: readonly string[];
  readonly entries: readonly Entry[];
}

export function stateOf(client: NveClient): VnState[] {
  return client.status().map(({ vnid, log, position, digest, degraded }) => ({
    vnid,
    log,
    position,
    digest,
    degraded,
    entries: sorted([...(client.table(vnid)?.entries() ?? [])].map(([key, value, at]) => [key, at, value])),
  }));
}

export const sorted = (entries: Entry[]): Entry[] => entries.sort(([a], [b]) => (a < b ? -1 : 1));
