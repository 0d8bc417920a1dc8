import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LogRefused, randomIds, WRITTEN_BY_NEWER, type Clock, type Logger } from '@nva/ports';
import { EMPTY_END, MarkerUnreadable, readMarker, replaceMarker } from './end-marker.ts';
import {
  APPLICATION_ID,
  CREATE_SQL,
  FORMAT_VERSION,
  FORMAT_WITHOUT_MARKER,
  LOCK_FILE,
  LOG_FILE,
  MARKER_FILE,
  PRIVATE_FOLDER,
  UNFINISHED_FILE,
} from './file-format.ts';
import { FileLock, FileLocked, makeEmpty } from './file-lock.ts';
import { lockHolders } from './lock-holders.ts';
import { keepFolderPrivate, OF_THE_VOLUME } from './private-files.ts';

const SQLITE_MAGIC = 'SQLite format 3\0';
const SQLITE_HEADER_BYTES = 100;
const SQLITE_NOTADB = 26;

/**
 * The log's directory, locked by this process until `release`.
 *
 * The lock is SQLite's own exclusive lock on an empty database beside the log, held for as long as the store is open. The kernel
 * releases it with the process, however that ends; a file with a process id in it would outlive a SIGKILL. The lock is not on the
 * log itself, because the log has readers of its own. Never open and close the lock file by other means in this process: POSIX
 * releases all locks of a process on a file with any descriptor that it closes.
 */
export class LogDirectory {
  readonly path: string;
  /** False for a log of the first format, which has no marker yet and gets one. */
  readonly hasMarker: boolean;
  readonly #lock: FileLock;

  private constructor(path: string, lock: FileLock, version: number) {
    this.path = path;
    this.hasMarker = version > FORMAT_WITHOUT_MARKER;
    this.#lock = lock;
  }

  /**
   * Locks the directory, and creates the log if there is none and `clock` is given. Throws LogRefused; then nothing has changed
   * except modes by which others could open the files.
   */
  static take(directory: string, clock: Clock | null, logger: Logger): LogDirectory {
    const path = join(resolve(directory), LOG_FILE);
    try {
      return LogDirectory.#take(resolve(directory), path, clock, logger);
    } catch (error) {
      if (error instanceof LogRefused) throw error;
      throw new LogRefused(`${path} cannot be opened: ${(error as Error).message}`, { cause: error });
    }
  }

  static #take(directory: string, path: string, clock: Clock | null, logger: Logger): LogDirectory {
    if (!clock && !existsSync(path)) throw new LogRefused(`${path} does not exist: there is no log`);
    if (!existsSync(directory)) makeDirectory(directory);
    assertOurs(directory, path);
    const opened = keepFolderPrivate(directory, logger);
    // Opening the log would release the locks of a store that this same process has open on it; such a store has a lock file.
    const locked = existsSync(join(directory, LOCK_FILE)) ? takeLock(directory) : undefined;
    try {
      const version = existsSync(path) ? checkedVersion(path) : FORMAT_VERSION;
      const held = locked ?? takeLock(directory);
      // A process that had the index open may hold locks on it, which would stop the writer; SQLite makes another index from the
      // WAL.
      if (opened.has(`${path}-shm`)) rmSync(`${path}-shm`);
      if (clock && !existsSync(path)) createLog(directory, path, clock);
      return new LogDirectory(path, held, version);
    } catch (error) {
      locked?.release();
      throw error;
    }
  }

  get walPath(): string {
    return `${this.path}-wal`;
  }

  get markerPath(): string {
    return join(dirname(this.path), MARKER_FILE);
  }

  release(): void {
    this.#lock.release();
  }
}

function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: PRIVATE_FOLDER }) ?? directory;
  for (let made = directory; made.startsWith(first); made = dirname(made)) sync(dirname(made));
}

function assertOurs(directory: string, path: string): void {
  const names = readdirSync(directory);
  if (names.includes(LOG_FILE)) return;
  const foreign = names.filter(
    (name) =>
      !name.startsWith(LOCK_FILE) && !name.startsWith(UNFINISHED_FILE) && !isFreshMarker(directory, name) && !OF_THE_VOLUME.has(name),
  );
  const ours = foreign.filter((name) => name === MARKER_FILE || name.startsWith(`${LOG_FILE}-`));
  if (ours.length > 0)
    throw new LogRefused(
      `${path} does not exist, and what belongs to it is there (${ours.join(', ')}): a log was here, and its file was moved or removed. Bring it back from where it went, or the whole folder from a backup. In an empty folder a new log begins, which tells every NVE that there is nothing.`,
    );
  if (foreign.length > 0)
    throw new LogRefused(
      `${path} does not exist, and its directory is not empty (${foreign.slice(0, 3).join(', ')}). Give the log a directory of its own, or bring ${LOG_FILE} back from a backup.`,
    );
}

/** A log that is being created gets its marker before its name. */
function isFreshMarker(directory: string, name: string): boolean {
  if (name === `${MARKER_FILE}.new`) return true;
  try {
    return name === MARKER_FILE && readMarker(join(directory, name)).position === EMPTY_END.position;
  } catch (error) {
    if (error instanceof MarkerUnreadable) return false;
    throw error;
  }
}

function takeLock(directory: string): FileLock {
  const file = join(directory, LOCK_FILE);
  try {
    return FileLock.take(file);
  } catch (error) {
    const busy = error instanceof FileLocked;
    const isOther = (error as { errcode?: number }).errcode === SQLITE_NOTADB;
    throw new LogRefused(
      busy
        ? `${join(directory, LOG_FILE)} is open in another store (lock ${file}${lockHolders(file)}). Stop the other process, or give this one a directory of its own.`
        : isOther
          ? `${file} is not the lock of an event log: ${(error as Error).message}. Nothing was changed; move that file away if no process of the NVA runs on this folder.`
          : `the lock ${file} cannot be taken: ${(error as Error).message}. That comes of the disk or of rights: look there. Do not remove the file: another process may hold it.`,
      { cause: error },
    );
  }
}

/** Reads the file's first bytes without SQLite, which might recover, lock or create something. Returns the version of the format. */
function checkedVersion(path: string): number {
  const header = Buffer.alloc(SQLITE_HEADER_BYTES);
  const fd = openSync(path, 'r');
  const read = readSync(fd, header, 0, SQLITE_HEADER_BYTES, 0);
  closeSync(fd);
  if (read < SQLITE_HEADER_BYTES || header.toString('latin1', 0, 16) !== SQLITE_MAGIC)
    throw new LogRefused(
      `${path} is not an event log: no SQLite file. It was left as it is. If a log was there, keep a copy and bring the whole folder back from a backup; without the file a new log begins, which tells every NVE that there is nothing.`,
    );
  if (header.readUInt32BE(68) !== APPLICATION_ID)
    throw new LogRefused(`${path} is a SQLite database, but not an event log. It was left as it is; give the log a directory of its own.`);
  const version = header.readUInt32BE(60);
  if (version > FORMAT_VERSION)
    throw new LogRefused(`${path} has format version ${version}, this build reads ${FORMAT_VERSION} and below. ${WRITTEN_BY_NEWER}.`);
  if (version !== FORMAT_VERSION && version !== FORMAT_WITHOUT_MARKER)
    throw new LogRefused(
      `${path} has format version ${version}, this build reads ${FORMAT_WITHOUT_MARKER} to ${FORMAT_VERSION}. It was left as it is; open it with the build that wrote it.`,
    );
  const expected = (header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)) * header.readUInt32BE(28);
  const { size } = statSync(path);
  // A crash in the middle of a checkpoint also leaves a short file, but then the WAL holds every missing page.
  if (size < expected && fileSize(`${path}-wal`) === 0)
    throw new LogRefused(`${path} is truncated: ${size} bytes of ${expected}. It was left as it is; bring it back from a backup.`);
  return version;
}

function createLog(directory: string, path: string, clock: Clock): void {
  const unfinished = join(directory, UNFINISHED_FILE);
  const clear = (): void => {
    for (const name of readdirSync(directory)) if (name.startsWith(UNFINISHED_FILE)) rmSync(join(directory, name));
  };
  clear();
  try {
    makeEmpty(unfinished);
    const db = new DatabaseSync(unfinished);
    try {
      db.exec(CREATE_SQL);
      const insert = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
      insert.run('logId', randomIds.uuid());
      insert.run('createdAt', new Date(clock.wallMs()).toISOString());
      db.exec('PRAGMA journal_mode = WAL');
    } finally {
      db.close();
    }
    sync(unfinished);
    replaceMarker(join(directory, MARKER_FILE), EMPTY_END);
    renameSync(unfinished, path);
    sync(directory);
  } catch (error) {
    clear();
    throw error;
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Bytes of a file, 0 if there is none. */
export const fileSize = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
