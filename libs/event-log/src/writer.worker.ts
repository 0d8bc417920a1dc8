import { parentPort } from 'node:worker_threads';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { join, dirname } from 'node:path';
import { EMPTY_END, EndMarker } from './end-marker.ts';
import { FORMAT_VERSION, LOCK_FILE, writerSql } from './file-format.ts';
import { FilesInPlace } from './files-in-place.ts';
import { frameCrc, readHeader, sealFrame } from './frame.ts';
import { lockHolders } from './lock-holders.ts';
import { failureOf, type Bytes, type OpenWriter, type Reply, type SchemaRow, type WriterRequest } from './protocol.ts';

const SQLITE_BUSY = 5;
/** The low byte of an extended result code. */
const PRIMARY_CODE = 0xff;

/**
 * The only writer of the file and of the end marker; the marker is written after each transaction and before its answer. A
 * transaction that fails is rolled back and ends all writing: the positions of its group are already given out, so everything
 * after it would stand behind a hole.
 */
class Writer {
  readonly #db: DatabaseSync;
  readonly #insertFrame: StatementSync;
  readonly #insertSchema: StatementSync;
  readonly #path: string;
  readonly #busyLimitMs: number;
  readonly #marker: EndMarker;
  readonly #files: FilesInPlace;
  #failed: unknown;

  constructor({ path, markerPath, checkpointPages, busyLimitMs, raiseFormat }: OpenWriter) {
    this.#path = path;
    this.#busyLimitMs = busyLimitMs;
    this.#db = new DatabaseSync(path, { timeout: busyLimitMs });
    try {
      this.#db.exec(writerSql(checkpointPages));
      if (raiseFormat) this.#raiseFormat();
      this.#marker = new EndMarker(markerPath);
      this.#files = new FilesInPlace([path, `${path}-wal`, `${path}-shm`, markerPath, join(dirname(path), LOCK_FILE)]);
      this.#insertFrame = this.#db.prepare('INSERT INTO frames (first, frame) VALUES (?, ?)');
      this.#insertSchema = this.#db.prepare('INSERT INTO schemas (fingerprint, schema) VALUES (?, ?)');
    } catch (error) {
      this.#db.close();
      throw this.#explained(error);
    }
  }

  commit(frames: readonly Bytes[], schemas: readonly SchemaRow[]): void {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const { fingerprint, schema } of schemas) this.#insertSchema.run(fingerprint, schema);
      let end = EMPTY_END;
      for (const bytes of frames) {
        const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        sealFrame(frame);
        const { first, count } = readHeader(frame);
        this.#insertFrame.run(first, frame);
        end = { position: first + count - 1, frameCrc: frameCrc(frame) };
      }
      this.#db.exec('COMMIT');
      this.#marker.advance(end);
      this.#files.assert();
    } catch (error) {
      this.#failed = this.#explained(error);
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw this.#failed;
    }
  }

  /** Throws if the files are no longer at the paths where they are looked for. */
  look(): void {
    this.#files.assert();
  }

  close(): void {
    this.#db.close();
    this.#marker.close();
  }

  /** Only another process can keep the file locked, and SQLite does not say which. */
  #explained(error: unknown): unknown {
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined || (errcode & PRIMARY_CODE) !== SQLITE_BUSY) return error;
    return Object.assign(
      new Error(`another process has kept ${this.#path} locked for ${this.#busyLimitMs} ms${lockHolders(`${this.#path}-shm`)}`, {
        cause: error,
      }),
      { errcode },
    );
  }

  /**
   * From now on no log of this file is opened without its marker. A start decides that by the version in the file itself, so this
   * version must have left the WAL, which may be lost, before anything is acknowledged.
   */
  #raiseFormat(): void {
    this.#db.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
    const result = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    if (result.busy !== 0) throw new Error('it is to be brought to a newer format, and another process reads it');
  }
}

let writer: Writer | undefined;

function answer(request: WriterRequest): void {
  if (request.kind === 'open') writer = new Writer(request);
  else if (request.kind === 'commit') writer!.commit(request.frames, request.schemas);
  else if (request.kind === 'look') writer!.look();
  else writer?.close();
}

parentPort!.on('message', (request: WriterRequest) => {
  let reply: Reply;
  try {
    answer(request);
    reply = { ok: undefined };
  } catch (error) {
    reply = { failed: failureOf(error) };
  }
  parentPort!.postMessage(reply, []);
});
