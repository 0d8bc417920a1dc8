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
  /** Position of the last event in the log, which is its end from now on; 0 if it holds none. */
  readonly position: Position;
  /**
   * Position up to which events had been acknowledged, according to the marker; null if the marker cannot be read. Events after
   * `position` and up to this one are lost.
   */
  readonly acknowledged: Position | null;
  /** New path of a WAL whose header is damaged, so that SQLite could read nothing of it; null if there was none. */
  readonly walSetAside: string | null;
}

/**
 * Accepts that a log ends where it does, whatever had been acknowledged: the next `SqliteEventStore.open` opens it. For an
 * operator who has no backup and was told what is missing. The caller gives the log another UUID afterwards, because positions
 * will be used again. The process of the log must be stopped. Throws LogRefused, without any change, if there is no log, if it is
 * open, and for damage other than a missing end: a wrong frame in the middle is not accepted.
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

/** A name that is not used yet, so that accepting twice keeps both files. */
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
