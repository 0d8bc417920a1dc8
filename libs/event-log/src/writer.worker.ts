import { parentPort } from 'node:worker_threads';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { writerSql } from './file-format.ts';
import { readHeader, sealFrame } from './frame.ts';
import { failureOf, type Bytes, type Reply, type SchemaRow, type WriterRequest } from './protocol.ts';

/**
 * The only writer of the file. A transaction that fails is rolled back and ends all writing: its group's positions are given
 * out already, so whatever came after it would stand behind a hole.
 */
class Writer {
  readonly #db: DatabaseSync;
  readonly #insertFrame: StatementSync;
  readonly #insertSchema: StatementSync;
  #failed: unknown;

  constructor(path: string, checkpointPages: number) {
    this.#db = new DatabaseSync(path);
    try {
      this.#db.exec(writerSql(checkpointPages));
      this.#insertFrame = this.#db.prepare('INSERT INTO frames (first, frame) VALUES (?, ?)');
      this.#insertSchema = this.#db.prepare('INSERT INTO schemas (fingerprint, schema) VALUES (?, ?)');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  commit(frames: readonly Bytes[], schemas: readonly SchemaRow[]): void {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const { fingerprint, schema } of schemas) this.#insertSchema.run(fingerprint, schema);
      for (const bytes of frames) {
        const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        sealFrame(frame);
        this.#insertFrame.run(readHeader(frame).first, frame);
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#failed = error;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }
}

let writer: Writer | undefined;

function answer(request: WriterRequest): void {
  if (request.kind === 'open') writer = new Writer(request.path, request.checkpointPages);
  else if (request.kind === 'commit') writer!.commit(request.frames, request.schemas);
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
