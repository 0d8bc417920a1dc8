import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PRIVATE_FILE } from './file-format.ts';
import { lockHolders } from './lock-holders.ts';

const SQLITE_BUSY = 5;

/** Another process, or another part of this one, holds the lock. */
export class FileLocked extends Error {
  override readonly name = 'FileLocked';
}

/**
 * A lock that the kernel releases with the process, however that ends: SQLite's exclusive lock on an empty database. Never open and close
 * the file by other means in this process: POSIX releases all locks of a process on a file with any descriptor that it closes.
 */
export class FileLock {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Throws FileLocked, and what SQLite throws where the file cannot be used. */
  static take(path: string): FileLock {
    makeEmpty(path);
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new FileLock(db);
    } catch (cause) {
      db.close();
      if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause;
      throw new FileLocked(`another process holds the lock ${path}${lockHolders(path)}`, { cause });
    }
  }

  release(): void {
    this.#db.close();
  }
}

/**
 * Creates an empty file, which is an empty database, for its owner alone; SQLite gives the files beside it the same mode. An existing
 * file stays.
 */
export function makeEmpty(path: string): void {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
