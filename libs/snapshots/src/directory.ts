import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotHeader } from '@nva/codec';
import type { Clock, Logger, Position } from '@nva/ports';
import { readHeader, restoreFile, type Restored, type RestoreOptions } from './restoring.ts';
import { SnapshotUnusable } from './unusable.ts';
import { writeFile, type SnapshotContents, type Written } from './writing.ts';

/** Snapshots describe the whole network, so only their owner may open them. */
const PRIVATE_FOLDER = 0o700;
/** Number of snapshots that are kept: the newest, and the one before it in case the newest is damaged. */
export const SNAPSHOTS_KEPT = 2;

/** Positions are padded, so that the names sort by position. */
const nameOf = (position: Position): string => `${String(position).padStart(16, '0')}.snapshot`;
const NAME = /^\d{16}\.snapshot$/;
const OURS = /^\d{16}\.snapshot(?:\.unfinished)?$/;

/**
 * The snapshots of one process. They only save time: a file that is missing, damaged or of something else is skipped with a line
 * in the process's log, and the log is replayed instead.
 */
export class SnapshotDirectory {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #unusable = new Set<string>();

  constructor(path: string, clock: Clock, logger: Logger) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The newest usable snapshot; null if there is none, and the caller has to replay. Never throws. */
  async restore(options: RestoreOptions): Promise<Restored | null> {
    for (const name of (await this.#names())
      .filter((file) => NAME.test(file))
      .toSorted()
      .toReversed()) {
      const from = this.#clock.monotonicMs();
      try {
        const restored = await restoreFile(join(this.#path, name), options);
        this.#logger.info('the fold goes on from a snapshot', {
          snapshot: name,
          position: String(restored.header.position),
          ms: Math.round(this.#clock.monotonicMs() - from),
        });
        return restored;
      } catch (error) {
        this.#unusable.add(name);
        const why = error instanceof SnapshotUnusable ? error.message : String(error);
        this.#logger.warn('a snapshot cannot be used', { snapshot: join(this.#path, name), why });
      }
    }
    return null;
  }

  /**
   * The header of each snapshot, the newest first, whether the rest of the file can be used or not. Skips files that are no
   * snapshots.
   */
  async *headers(): AsyncGenerator<{ readonly path: string; readonly header: SnapshotHeader }> {
    for (const name of (await this.#names())
      .filter((file) => NAME.test(file))
      .toSorted()
      .toReversed()) {
      const path = join(this.#path, name);
      const header = await readHeader(path).catch(() => null);
      if (header) yield { path, header };
    }
  }

  /**
   * Writes a snapshot and removes those that it supersedes. Throws what the file system throws, or the signal's reason; the
   * capture has then ended too.
   */
  async write(contents: SnapshotContents, signal: AbortSignal): Promise<Written> {
    const name = nameOf(contents.header.position);
    try {
      await mkdir(this.#path, { recursive: true, mode: PRIVATE_FOLDER });
    } catch (error) {
      contents.capture.end();
      throw error;
    }
    const written = await writeFile(join(this.#path, name), contents, this.#clock, signal);
    this.#unusable.delete(name);
    await this.#prune(name);
    return written;
  }

  /**
   * Removes snapshots. One that is newer than the snapshot just written is of another past of the log. One that was found
   * unusable would only take the place of a good one.
   */
  async #prune(newest: string): Promise<void> {
    const names = (await this.#names()).filter((name) => OURS.test(name));
    const kept = names
      .filter((name) => NAME.test(name) && name <= newest && !this.#unusable.has(name))
      .toSorted()
      .slice(-SNAPSHOTS_KEPT);
    for (const name of names) if (!kept.includes(name)) await rm(join(this.#path, name), { force: true });
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#logger.warn('the snapshots cannot be listed', { err: error });
      return [];
    }
  }
}
