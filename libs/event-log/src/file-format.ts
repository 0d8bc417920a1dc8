/**
 * The file: SQLite in WAL mode with its own application id, and three tables. The key of a frame is the position of its first
 * event. So the table is only appended to, and finding the frame that holds position p takes one descent of its tree.
 */
export const LOG_FILE = 'log.sqlite';
export const LOCK_FILE = 'log.lock';
/** Where the log ends for callers that were answered: see `end-marker.ts`. */
export const MARKER_FILE = 'log.end';
/** A log that is being created; it is renamed to LOG_FILE once it is whole and on the disk. */
export const UNFINISHED_FILE = 'log.sqlite.new';

/** Modes of new files and folders: only the owner can use them. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** "NVAL" in SQLite's header. */
export const APPLICATION_ID = 0x4e56414c;
/** In SQLite's user_version. A newer program wrote a file with a higher one. Since version 2 a log has a marker of its end. */
export const FORMAT_VERSION = 2;
export const FORMAT_WITHOUT_MARKER = 1;
/** Two frames' worth of rows in few pages. Measured against 4, 16 and 32 KiB, this is the best for single commits and bulk together. */
export const PAGE_BYTES = 8_192;

/** Without a journal: an unfinished log is never opened, but created again. */
export const CREATE_SQL = `
  PRAGMA journal_mode = OFF;
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE schemas (fingerprint TEXT PRIMARY KEY, schema TEXT NOT NULL) STRICT;
  CREATE TABLE frames (first INTEGER PRIMARY KEY, frame BLOB NOT NULL) STRICT;
`;

/** The writer's connection. If a long read lets the WAL file grow, it is cut back to four times the size at which a checkpoint runs. */
export const writerSql = (checkpointPages: number): string => `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = ${checkpointPages};
  PRAGMA journal_size_limit = ${4 * checkpointPages * PAGE_BYTES};
`;
