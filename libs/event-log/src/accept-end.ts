import { existsSync, renameSync } from 'node:fs';
import type { EventCodec } from '@nva/codec';
import { LogRefused, silentLogger, WRITTEN_BY_NEWER, type Position } from '@nva/ports';
import { MarkerNewer, MarkerUnreadable, readMarker, replaceMarker } from './end-marker.ts';
import { inspect } from './inspection.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LogDirectory } from './log-directory.ts';
import { LogReader } from './log-reader.ts';
import { walState } from './wal-header.ts';

export interface AcceptedEnd {
  /** Position of the last event that the log holds: its end from now on. 0 if it holds none. */
  readonly position: Position;
  /**
   * Position up to which events had been acknowledged, as far as the marker tells; null if it cannot be read. Beyond `position`,
   * those between are lost.
   */
  readonly acknowledged: Position | null;
  /** Where a WAL was put whose header is damaged, so that SQLite could read nothing of it; null if there was none. */
  readonly walSetAside: string | null;
}

/**
 * Accepts that a log ends where it does, whatever had been acknowledged: the next `SqliteEventStore.open` takes it. For an operator who
 * has no backup and was told what is missing; whoever calls it gives the log another UUID afterwards, because positions will be used
 * again. The process of the log is stopped. Throws LogRefused, and has changed nothing then, where there is no log, where it is open, and
 * for damage other than a missing end: a frame that is wrong in the middle is not accepted.
 */
export async function acceptEnd({ directory, codec }: { readonly directory: string; readonly codec: EventCodec }): Promise<AcceptedEnd> {
  const held = LogDirectory.take(directory, null, silentLogger);
  const reader = new LogReader(DEFAULT_LIMITS);
  const walSetAside = walState(held.walPath) === 'damaged' ? nameFor(`${held.walPath}.damaged`) : null;
  let moved = false;
  try {
    if (walSetAside !== null) renameSync(held.walPath, walSetAside);
    moved = walSetAside !== null;
    const { end } = await inspect(held, reader, codec, null);
    const acknowledged = positionIn(held.markerPath);
    replaceMarker(held.markerPath, end);
    return { position: end.position, acknowledged, walSetAside };
  } catch (error) {
    if (moved) renameSync(walSetAside!, held.walPath);
    throw error;
  } finally {
    await reader.stop();
    held.release();
  }
}

/** A name that is not taken, so that accepting twice keeps both. */
function nameFor(path: string): string {
  let name = path;
  for (let number = 2; existsSync(name); number++) name = `${path}-${number}`;
  return name;
}

function positionIn(markerPath: string): Position | null {
  try {
    return readMarker(markerPath).position;
  } catch (error) {
    if (error instanceof MarkerUnreadable) return null;
    if (error instanceof MarkerNewer) throw new LogRefused(`${markerPath} ${error.message}. ${WRITTEN_BY_NEWER}.`, { cause: error });
    throw error;
  }
}
