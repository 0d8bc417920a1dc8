import type { Clock, Ids, Position } from '@nva/ports';
import type { PurgeOptions } from './purge.ts';
import type { Owns } from './records.ts';
import type { AccessOptions } from './rights.ts';

/** How often a distributor looks whether the feeds are still the ones that it knew. */
export const LOOK_AT_FEEDS_EVERY_MS = 10_000;

export interface DistributorOptions {
  /** Where the log ended when this process opened it, if nobody else writes to it (`OwnEnd`). */
  readonly endedAt?: Position;
  /** Make the feeds of another log equal to this one (FEED_ADOPT). */
  readonly adopt: boolean;
  /** Absent: topics of deleted VNs stay. */
  readonly purge?: PurgeOptions;
  /** The VNs that this process distributes; the writer must own their shards. All by default. */
  readonly owns?: Owns;
  /** Grants and revokes NVEs' rights to read. Absent where everybody may, or nobody asks. */
  readonly access?: AccessOptions;
  /** LOOK_AT_FEEDS_EVERY_MS by default. */
  readonly lookEveryMs?: number;
  readonly clock?: Clock;
  readonly ids?: Ids;
  /** Every VN's feed is compared with the fold in turn: where what NVEs report is heard by other processes. */
  readonly verify?: boolean;
}
