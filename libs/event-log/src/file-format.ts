/**
 * The file: SQLite in WAL mode with its own application id, and three tables. Frames are keyed by the position of their first
 * event, which makes the table an append-only run and «the frame that holds position p» one descent of its tree.
 */
export const LOG_FILE = 'log.sqlite';
export const LOCK_FILE = 'log.lock';
/** Where the log ends for whoever was answered: `end-marker.ts`. */
export const MARKER_FILE = 'log.end';
/** A log in the making; becomes LOG_FILE by a rename once it is whole and on the disk. */
export const UNFINISHED_FILE = 'log.sqlite.new';

/** What is made here is its owner's alone. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** "NVAL" in SQLite's header. */
export const APPLICATION_ID = 0x4e56414c;
/** In SQLite's user_version. A higher one was written by a newer program. Since 2 a log has a marker of its end. */
export const FORMAT_VERSION = 2;
export const FORMAT_WITHOUT_MARKER = 1;
/** Two frames' worth of rows in few pages; measured against 4, 16 and 32 KiB, the best of single commits and bulk together. */
export const PAGE_BYTES = 8_192;

/** Without a journal: a log that is not whole is never looked at, and made again. */
export const CREATE_SQL = `
  PRAGMA journal_mode = OFF;
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE schemas (fingerprint TEXT PRIMARY KEY, schema TEXT NOT NULL) STRICT;
  CREATE TABLE frames (first INTEGER PRIMARY KEY, frame BLOB NOT NULL) STRICT;
`;

/** The writer's connection. The WAL file is cut back to four times what a checkpoint waits for, should a long read ever let it grow. */
export const writerSql = (checkpointPages: number): string => `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = ${checkpointPages};
  PRAGMA journal_size_limit = ${4 * checkpointPages * PAGE_BYTES};
`;
