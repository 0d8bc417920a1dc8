import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Position } from '@nva/ports';
import { HistoryDamaged } from './damaged.ts';

/** "NVAH" in SQLite's header. */
const APPLICATION_ID = 0x4e564148;
const PAGE_BYTES = 8_192;
/** A commit is due after so many bytes of blocks. */
const COMMIT_BYTES = 4 * 1024 * 1024;
const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;
const MIN_CHUNK_BYTES = 4_096;
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };

/** Each row has a checksum of all that it says, since SQLite has none. */
const CREATE_SQL = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA journal_mode = WAL;
  PRAGMA application_id = ${APPLICATION_ID};
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
  CREATE TABLE feeds (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, last INTEGER NOT NULL, blocks INTEGER NOT NULL, live INTEGER NOT NULL,
    since INTEGER NOT NULL, crc INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE blocks (
    feed INTEGER NOT NULL, keyframe INTEGER NOT NULL, first INTEGER NOT NULL, number INTEGER NOT NULL, entries BLOB NOT NULL,
    crc INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX blocks_of_feeds ON blocks (feed, keyframe, first);
  CREATE TABLE instants (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, earliest INTEGER NOT NULL, number INTEGER NOT NULL, events BLOB NOT NULL,
    crc INTEGER NOT NULL
  ) STRICT;
`;

/** What the file says of a feed: how far it is written, and what the next keyframe depends on. */
export interface StoredFeed {
  readonly id: number;
  readonly name: string;
  /** Position of the last change that is written. */
  readonly last: Position;
  /** Number of blocks of changes. */
  readonly blocks: number;
  /** Keys that the table had then, and changes since the last keyframe. */
  readonly live: number;
  readonly since: number;
}

/** Entries of a feed: changes, or the table as it was (a keyframe). */
export interface StoredBlock {
  /** Position of the first change; of a keyframe, that of the last change before it. */
  readonly first: Position;
  /** Blocks of changes are numbered from 1 on, feed by feed; a keyframe has the number of the one before it. */
  readonly number: number;
  readonly entries: Buffer;
}

/** A run of events, for the question which one was the last at a time. */
export interface StoredInstants {
  readonly first: Position;
  readonly last: Position;
  /** The earliest recorded time among them, in milliseconds since the epoch. */
  readonly earliest: number;
  /** From 1 on. */
  readonly number: number;
}

type Row = Readonly<Record<string, string | number | Uint8Array>>;

/**
 * The file of a history: SQLite in WAL mode. It is not synchronised with every commit: after a loss of power its end may be missing,
 * which the log then fills again. Every method throws HistoryDamaged where the file is not what was written.
 */
export class HistoryFile {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #isOpen = false;
  #uncommitted = 0;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec('PRAGMA synchronous = NORMAL');
  }

  /** Opens or creates the file. One that is damaged, or says something else than `meta`, is thrown away; `thrownAway` is told why. */
  static open(path: string, meta: Readonly<Record<string, string>>, thrownAway: (why: string) => void): HistoryFile {
    if (!existsSync(path)) return HistoryFile.#create(path, meta);
    try {
      const file = HistoryFile.#openExisting(path);
      const wrong = Object.entries(meta).find(([key, value]) => file.meta(key) !== value);
      if (!wrong) return file;
      const [key, expected] = wrong;
      thrownAway(`its ${key} is ${file.meta(key) ?? 'not known'}, and ${expected} is expected`);
      file.close();
    } catch (error) {
      if (!(error instanceof HistoryDamaged)) throw error;
      thrownAway(error.message);
    }
    HistoryFile.remove(path);
    return HistoryFile.#create(path, meta);
  }

  static remove(path: string): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  }

  static #openExisting(path: string): HistoryFile {
    const db = new DatabaseSync(path);
    try {
      return guarded(() => {
        const { application_id: id } = db.prepare('PRAGMA application_id').get() as { application_id: number };
        if (id !== APPLICATION_ID) throw new HistoryDamaged('the file is no history');
        return new HistoryFile(db);
      });
    } catch (error) {
      db.close();
      throw error;
    }
  }

  static #create(path: string, meta: Readonly<Record<string, string>>): HistoryFile {
    mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_FOLDER });
    closeSync(openSync(path, 'w', PRIVATE_FILE));
    const db = new DatabaseSync(path);
    try {
      db.exec(CREATE_SQL);
      const file = new HistoryFile(db);
      for (const [key, value] of Object.entries(meta)) file.setMeta(key, value);
      file.commit();
      return file;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  meta(key: string): string | undefined {
    return this.#rows('SELECT key, value, crc FROM meta WHERE key = ?', key)[0]?.['value'] as string | undefined;
  }

  setMeta(key: string, value: string): void {
    this.#put('INSERT OR REPLACE INTO meta', { key, value });
  }

  /** All feeds, by id, which are from 1 on without a gap. */
  feeds(): readonly StoredFeed[] {
    const feeds = this.#rows('SELECT id, name, last, blocks, live, since, crc FROM feeds ORDER BY id') as unknown as StoredFeed[];
    const { most } = guarded(() => this.#statement('SELECT max(feed) AS most FROM blocks').get()) as { most: number | null };
    if (feeds.some(({ id }, i) => id !== i + 1) || (most ?? 0) > feeds.length) throw new HistoryDamaged('the history has lost a feed');
    return feeds;
  }

  putFeed({ id, name, last, blocks, live, since }: StoredFeed): void {
    this.#put('INSERT OR REPLACE INTO feeds', { id, name, last, blocks, live, since });
  }

  addBlock(feed: number, isKeyframe: boolean, { first, number, entries }: StoredBlock): void {
    this.#put('INSERT INTO blocks', { feed, keyframe: Number(isKeyframe), first, number, entries: packed(entries) });
  }

  /** The last keyframe of a feed at or before a position. */
  keyframe(feed: number, position: Position): StoredBlock | null {
    return this.#blocks('keyframe = 1 AND first <= ? ORDER BY first DESC LIMIT 1', feed, position)[0] ?? null;
  }

  /** The blocks of changes that begin after `after`, up to a position. */
  changes(feed: number, after: Position, upTo: Position): readonly StoredBlock[] {
    return this.#blocks('keyframe = 0 AND first > ? AND first <= ? ORDER BY first', feed, after, upTo);
  }

  /** The block of changes with the greatest `first` up to a position. */
  blockHolding(feed: number, position: Position): StoredBlock | null {
    return this.#blocks('keyframe = 0 AND first <= ? ORDER BY first DESC LIMIT 1', feed, position)[0] ?? null;
  }

  /** The first block of changes that begins after a position. */
  blockAfter(feed: number, position: Position): StoredBlock | null {
    return this.#blocks('keyframe = 0 AND first > ? ORDER BY first LIMIT 1', feed, position)[0] ?? null;
  }

  /** The number of the first block of changes that begins after a position; null if there is none. */
  numberAfter(feed: number, position: Position): number | null {
    const [row] = this.#blockRows('keyframe = 0 AND first > ? ORDER BY first LIMIT 1', feed, position);
    return (row?.['number'] as number | undefined) ?? null;
  }

  addInstants({ first, last, earliest, number }: StoredInstants, events: Buffer): void {
    this.#put('INSERT INTO instants', { first, last, earliest, number, events: packed(events) });
  }

  /** All runs, in order, which are numbered from 1 on without a gap. */
  instants(): readonly StoredInstants[] {
    const runs = this.#rows('SELECT first, last, earliest, number, events, crc FROM instants ORDER BY first').map(
      ({ first, last, earliest, number }) => ({ first, last, earliest, number }),
    ) as unknown as StoredInstants[];
    if (runs.some(({ number }, i) => number !== i + 1)) throw new HistoryDamaged('the history has lost a run of instants');
    return runs;
  }

  eventsOf(first: Position): Buffer {
    const [row] = this.#rows('SELECT first, last, earliest, number, events, crc FROM instants WHERE first = ?', first);
    if (!row) throw new HistoryDamaged('the history has lost a run of instants');
    return unpacked(row['events'] as Uint8Array);
  }

  /** Whether enough was written that a commit should follow. */
  get isDue(): boolean {
    return this.#uncommitted >= COMMIT_BYTES;
  }

  commit(): void {
    if (!this.#isOpen) return;
    guarded(() => this.#db.exec('COMMIT'));
    this.#isOpen = false;
    this.#uncommitted = 0;
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #blocks(where: string, ...values: readonly number[]): StoredBlock[] {
    return this.#blockRows(where, ...values).map(
      ({ first, number, entries }) => ({ first, number, entries: unpacked(entries as Uint8Array) }) as StoredBlock,
    );
  }

  #blockRows(where: string, ...values: readonly number[]): readonly Row[] {
    return this.#rows(`SELECT feed, keyframe, first, number, entries, crc FROM blocks WHERE feed = ? AND ${where}`, ...values);
  }

  #rows(sql: string, ...values: readonly (string | number)[]): readonly Row[] {
    return guarded(() => {
      const rows = this.#statement(sql).all(...values) as Row[];
      return rows.map(({ crc, ...row }) => {
        if (crc !== checksum(row)) throw new HistoryDamaged('a row of the history is not what was written');
        return row;
      });
    });
  }

  /** Writes a row with its checksum. */
  #put(into: string, row: Row): void {
    guarded(() => {
      if (!this.#isOpen) this.#db.exec('BEGIN');
      this.#isOpen = true;
      const names = Object.keys(row);
      this.#statement(`${into} (${names.join(', ')}, crc) VALUES (${names.map(() => '?').join(', ')}, ?)`).run(
        ...Object.values(row),
        checksum(row),
      );
      for (const value of Object.values(row)) this.#uncommitted += typeof value === 'number' ? 8 : value.length;
    });
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Over the values in the order of the columns; the only bytes among them are last. */
function checksum(row: Row): number {
  const values = Object.values(row);
  const bytes = values.at(-1);
  const text = values.filter((value) => typeof value !== 'object').join('\0');
  return typeof bytes === 'object' ? crc32(bytes, crc32(text)) : crc32(text);
}

/** Before the compressed bytes stands their length before compression, u32. */
const LENGTH_BYTES = 4;

/**
 * zlib makes its output in chunks of 64 KiB unless it is told how much there will be. These are outside the heap, but they count for the
 * collector: a thread with a large heap would be collected every few hundred questions.
 */
function packed(bytes: Buffer): Buffer {
  const compressed = zstdCompressSync(bytes, { ...COMPRESSION, chunkSize: Math.max(MIN_CHUNK_BYTES, bytes.length >> 1) });
  const whole = Buffer.allocUnsafeSlow(LENGTH_BYTES + compressed.length);
  whole.writeUInt32LE(bytes.length);
  compressed.copy(whole, LENGTH_BYTES);
  return whole;
}

function unpacked(bytes: Uint8Array): Buffer {
  return guarded(() => {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    // One more than is needed: a chunk that is full is taken to be followed by another.
    const content = zstdDecompressSync(bytes.subarray(LENGTH_BYTES), {
      chunkSize: Math.max(MIN_CHUNK_BYTES, length + 1),
      maxOutputLength: Math.max(1, length),
    });
    if (content.length !== length) throw new HistoryDamaged('a row of the history has another length than was written');
    return content;
  });
}

/** SQLite's results that mean that the file is not what was written: SQLITE_ERROR (a table is missing), SQLITE_CORRUPT, SQLITE_NOTADB. */
const DAMAGE: ReadonlySet<number> = new Set([1, 11, 26]);
const PRIMARY_CODE = 0xff;

/** A full disk and the like are no damage, and are thrown as they are. */
function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const { errcode } = cause as { errcode?: number };
    if (cause instanceof HistoryDamaged || (errcode !== undefined && !DAMAGE.has(errcode & PRIMARY_CODE))) throw cause;
    throw new HistoryDamaged(`the history cannot be used: ${(cause as Error).message}`, { cause });
  }
}
