import type { Clock, Ids, Position } from '@nva/ports';
import type { PurgeOptions } from './purge.ts';
import type { Owns } from './records.ts';
import type { AccessOptions } from './rights.ts';

/** How often a distributor checks whether the feeds are still the ones that it knew. */
export const LOOK_AT_FEEDS_EVERY_MS = 10_000;

export interface DistributorOptions {
  /** Where the log ended when this process opened it, if nobody else writes to it (`OwnEnd`). */
  readonly endedAt?: Position;
  /** Makes the feeds of another log equal to this one (FEED_ADOPT). */
  readonly adopt: boolean;
  /** If absent, topics of deleted VNs stay. */
  readonly purge?: PurgeOptions;
  /** The VNs that this process distributes; the writer must own their shards. All by default. */
  readonly owns?: Owns;
  /** Grants and revokes NVEs' rights to read. Absent if everybody may read, or if nothing checks rights. */
  readonly access?: AccessOptions;
  /** LOOK_AT_FEEDS_EVERY_MS by default. */
  readonly lookEveryMs?: number;
  readonly clock?: Clock;
  readonly ids?: Ids;
  /** Compares every VN's feed with the fold in turn. Needed if other processes receive the reports of NVEs. */
  readonly verify?: boolean;
}
