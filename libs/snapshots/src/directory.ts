import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotHeader } from '@nva/codec';
import type { Clock, Logger, Position } from '@nva/ports';
import { readHeader, restoreFile, type Restored, type RestoreOptions } from './restoring.ts';
import { keptOf, type RetentionLimits, type SnapshotFile } from './retention.ts';
import { SnapshotUnusable } from './unusable.ts';
import { writeFile, type SnapshotContents, type Written } from './writing.ts';

/** Snapshots describe the whole network, so only their owner may open them. */
const PRIVATE_FOLDER = 0o700;
/** How many older ones are kept at most: with their growing distances, more than the longest log has. */
const MAX_OLDER = 64;

/** Positions are padded, so that the names sort by position. */
const nameOf = (position: Position): string => `${String(position).padStart(16, '0')}.snapshot`;
const NAME = /^\d{16}\.snapshot$/;
const OURS = /^\d{16}\.snapshot(?:\.unfinished)?$/;
const positionOf = (name: string): Position => Number(name.slice(0, 16));

export interface SnapshotDirectoryOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes of the older snapshots that are kept at growing distances, for the fold of past positions; 0: none are. */
  readonly olderBytes?: number;
}

/**
 * The snapshots of one process. They only save time: a file that is missing, damaged or of something else is skipped with a line
 * in the process's log, and the log is replayed instead.
 */
export class SnapshotDirectory {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: RetentionLimits;
  readonly #unusable = new Set<string>();

  constructor({ path, clock, logger, olderBytes = 0 }: SnapshotDirectoryOptions) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
    this.#limits = { snapshots: MAX_OLDER, bytes: olderBytes };
  }

  /**
   * The newest usable snapshot that does not stand after `notAfter`, and stands after `after`; null if there is none, and the caller
   * has to replay. Never throws.
   */
  async restore(options: RestoreOptions, notAfter: Position = Infinity, after: Position = 0): Promise<Restored | null> {
    for (const name of (await this.#newestFirst()).filter((file) => positionOf(file) <= notAfter && positionOf(file) > after)) {
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

  /** Where snapshots stand, the newest first; none that was found unusable. */
  async positions(): Promise<readonly Position[]> {
    return (await this.#newestFirst()).filter((name) => !this.#unusable.has(name)).map(positionOf);
  }

  /**
   * The header of each snapshot, the newest first, whether the rest of the file can be used or not. Skips files that are no
   * snapshots.
   */
  async *headers(): AsyncGenerator<{ readonly path: string; readonly header: SnapshotHeader }> {
    for (const name of await this.#newestFirst()) {
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
    await this.#prune(name, contents.header.logId);
    return written;
  }

  /**
   * Removes snapshots. One that is newer than the snapshot just written is of another past of the log, and one of another log is of
   * no use. One that was found unusable would only take the place of a good one.
   */
  async #prune(newest: string, logId: string): Promise<void> {
    const names = (await this.#names()).filter((name) => OURS.test(name));
    const files: SnapshotFile[] = [];
    for (const name of names.filter((other) => NAME.test(other) && other <= newest && !this.#unusable.has(other)).toSorted()) {
      if (name === newest || (await this.#isOf(logId, name))) files.push({ position: positionOf(name), bytes: await this.#bytesOf(name) });
    }
    const kept = new Set(keptOf(files, this.#limits).map(({ position }) => nameOf(position)));
    for (const name of names) if (!kept.has(name)) await rm(join(this.#path, name), { force: true });
  }

  /** A file that cannot be read now, for want of a file descriptor for one, may be a good snapshot. */
  async #isOf(logId: string, name: string): Promise<boolean> {
    try {
      return (await readHeader(join(this.#path, name))).logId === logId;
    } catch (error) {
      return (error as NodeJS.ErrnoException).syscall !== undefined;
    }
  }

  async #bytesOf(name: string): Promise<number> {
    return stat(join(this.#path, name)).then(
      ({ size }) => size,
      () => 0,
    );
  }

  async #newestFirst(): Promise<string[]> {
    return (await this.#names())
      .filter((name) => NAME.test(name))
      .toSorted()
      .toReversed();
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
