import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotHeader } from '@nva/codec';
import type { Clock, Logger, Position } from '@nva/ports';
import { readHeader, restoreFile, type Restored, type RestoreOptions } from './restoring.ts';
import { SnapshotUnusable } from './unusable.ts';
import { writeFile, type SnapshotContents, type Written } from './writing.ts';

/** Snapshots tell of the whole network: their owner alone opens them. */
const PRIVATE_FOLDER = 0o700;
/** Snapshots that stay: the newest, and the one before it for when that is damaged. */
export const SNAPSHOTS_KEPT = 2;

/** Positions padded, so that the names stand in their order. */
const nameOf = (position: Position): string => `${String(position).padStart(16, '0')}.snapshot`;
const NAME = /^\d{16}\.snapshot$/;
const OURS = /^\d{16}\.snapshot(?:\.unfinished)?$/;

/**
 * The snapshots of one process. They are worth nothing but time: whatever is missing, damaged or of something else is passed over with a
 * line in the log, and what it would have saved is replayed.
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

  /** The newest snapshot that can be used; null if there is none, which the caller has to replay for. Never throws. */
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

  /** What each snapshot is of, the newest first, whether the rest of it can be used or not. Passes over what is none. */
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
   * Writes a snapshot and removes what it supersedes. Throws what the file system throws, or the signal's reason; the capture has
   * ended then too.
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

  /** What is newer than the snapshot just written is of another past of the log; what was found unusable would only keep out a good one. */
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
