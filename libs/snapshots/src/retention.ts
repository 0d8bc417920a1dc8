import type { Position } from '@nva/ports';

/** A snapshot on disk. */
export interface SnapshotFile {
  readonly position: Position;
  readonly bytes: number;
}

export interface RetentionLimits {
  /** Snapshots at most, and their bytes at most, besides the newest ones, which are kept in any case. */
  readonly snapshots: number;
  readonly bytes: number;
}

/** Number of snapshots that a start needs: the newest, and the one before it in case the newest is damaged. */
export const NEWEST_KEPT = 2;

/** The distance between two snapshots is at most this part of how far the newer of them lies behind the newest. */
const DISTANCES = [0.5, 1, 2, 4, 8, 16, 64, 1_024, Infinity];

/**
 * Which snapshots are kept, so that the fold of any past position is one of them and a bounded tail. The newest ones are. Behind
 * them the distances grow: yesterday's tail is short, that of last year is longer, and their number grows with the logarithm of the
 * log's length. Where the limits are met, the distances grow faster; at last only the newest ones are left.
 *
 * `snapshots` by ascending position. Positions measure the distances, since they grow along the log.
 */
export function keptOf(snapshots: readonly SnapshotFile[], limits: RetentionLimits): readonly SnapshotFile[] {
  const newest = snapshots.slice(-NEWEST_KEPT);
  for (const distance of DISTANCES) {
    const older = thinned(snapshots, distance);
    if (older.length <= limits.snapshots && older.reduce((sum, { bytes }) => sum + bytes, 0) <= limits.bytes) return [...older, ...newest];
  }
  return newest;
}

/** The older snapshots, without those that the distance lets go. Position 0 counts as a snapshot: it is the empty network. */
function thinned(snapshots: readonly SnapshotFile[], distance: number): readonly SnapshotFile[] {
  const head = snapshots.at(-1)?.position ?? 0;
  const older = snapshots.slice(0, -NEWEST_KEPT);
  const kept: SnapshotFile[] = [];
  for (const [i, snapshot] of older.entries()) {
    const before = kept.at(-1)?.position ?? 0;
    const after = snapshots[i + 1]!.position;
    if (after - before > distance * (head - after)) kept.push(snapshot);
  }
  return kept;
}
