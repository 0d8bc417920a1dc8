import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEventCodec, schemaFingerprint, type ArchivedEvent, type EventCodec } from '@nva/codec';
import { LogRefused, silentLogger, WRITTEN_BY_NEWER, type Clock } from '@nva/ports';
import { EMPTY_END, replaceMarker, type LogEnd } from './end-marker.ts';
import { MAX_APPEND_BYTES, MAX_STREAM_NAME_BYTES } from './limits.ts';
import { FrameBuilder } from './frame-builder.ts';
import { frameCrc, sealFrame } from './frame.ts';
import { LogDirectory } from './log-directory.ts';
import { parseUuid } from './uuid.ts';

export interface ImportOptions {
  /** The directory that the log gets; it is not there yet, or is empty. */
  readonly directory: string;
  /** UUID of the log. */
  readonly logId: string;
  /** The schemas that the bytes of events may be under. */
  readonly schemas: readonly object[];
  readonly clock: Clock;
  /** Called now and then with the position of the last event written. */
  readonly progress?: (position: number) => void;
}

/** Events that become durable together; a log that is imported is whole or not there. */
const EVENTS_PER_TRANSACTION = 16_384;
const ID_WORDS = 4;

/**
 * Makes the log of a directory from events, each with its position, id and bytes as they were. The log appears when all of it is on the
 * disk; until then it stands beside, in `<directory>.importing`. Returns the position of the last event. Throws LogRefused, which leaves
 * nothing behind, if there is a log already, if the events are not the whole of an embedded log from its first event on, or if the
 * directory cannot be written.
 */
export async function importLog(options: ImportOptions, batches: AsyncIterable<readonly ArchivedEvent[]>): Promise<number> {
  const directory = resolve(options.directory);
  if (existsSync(directory) && readdirSync(directory).length > 0)
    throw new LogRefused(`${directory} is not empty: a log is imported into a directory of its own, and replaces none`);
  const beside = `${directory}.importing`;
  rmSync(beside, { recursive: true, force: true });
  try {
    const end = await write(beside, options, batches);
    if (existsSync(directory)) rmdirSync(directory);
    renameSync(beside, directory);
    sync(dirname(directory));
    return end.position;
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    const { errcode, syscall, message } = error as { readonly errcode?: number; readonly syscall?: string; readonly message: string };
    // Of SQLite, or of the file system; anything else is not of this directory.
    if (errcode === undefined && syscall === undefined) throw error;
    throw new LogRefused(`${directory} cannot be written: ${message}`, { cause: error });
  }
}

async function write(directory: string, options: ImportOptions, batches: AsyncIterable<readonly ArchivedEvent[]>): Promise<LogEnd> {
  const { logId, schemas, clock, progress } = options;
  const held = LogDirectory.take(directory, clock, silentLogger);
  try {
    const db = new DatabaseSync(held.path);
    let end = EMPTY_END;
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN');
      db.prepare("UPDATE meta SET value = ? WHERE key = 'logId'").run(logId);
      const frames = new Frames(db, taught(schemas));
      let told = 0;
      for await (const events of batches) {
        for (const event of events) frames.add(event);
        if (frames.position - told < EVENTS_PER_TRANSACTION) continue;
        told = frames.position;
        db.exec('COMMIT; BEGIN');
        progress?.(told);
      }
      end = frames.close();
      db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      db.close();
    }
    sync(held.path);
    replaceMarker(held.markerPath, end);
    sync(directory);
    return end;
  } finally {
    held.release();
  }
}

/** A codec that can read events under these schemas. */
function taught(schemas: readonly object[]): { readonly codec: EventCodec; readonly byFingerprint: ReadonlyMap<string, string> } {
  const codec = createEventCodec();
  const all = [...codec.schemas.map(({ schema }) => schema as object), ...schemas];
  const byFingerprint = new Map(all.map((schema) => [schemaFingerprint(schema), JSON.stringify(schema)]));
  for (const schema of schemas) {
    if (codec.learn(schema) === null)
      throw new LogRefused(
        `there are events of type ${(schema as { name?: string }).name}, which this build does not know. ${WRITTEN_BY_NEWER}`,
      );
  }
  return { codec, byFingerprint };
}

interface Head {
  readonly revision: number;
  readonly position: number;
}

/** Writes events into frames as an append would have. */
class Frames {
  readonly #insertFrame;
  readonly #insertSchema;
  readonly #codec: EventCodec;
  readonly #schemas: ReadonlyMap<string, string>;
  readonly #written = new Set<string>();
  readonly #heads = new Map<string, Head>();
  readonly #words = new Uint32Array(ID_WORDS);
  #frame: FrameBuilder | null = null;
  #end = EMPTY_END;
  position = 0;

  constructor(db: DatabaseSync, { codec, byFingerprint }: ReturnType<typeof taught>) {
    this.#codec = codec;
    this.#schemas = byFingerprint;
    this.#insertFrame = db.prepare('INSERT INTO frames (first, frame) VALUES (?, ?)');
    this.#insertSchema = db.prepare('INSERT INTO schemas (fingerprint, schema) VALUES (?, ?)');
  }

  add({ position, stream, revision, id, bytes }: ArchivedEvent): void {
    const what = `the event at position ${position}`;
    if (position !== this.position + 1)
      throw new LogRefused(
        `after position ${this.position} comes ${position}: an embedded log has every position, so this is not the whole of one. Events of an event store go back into an event store by its own means`,
      );
    const head = this.#heads.get(stream) ?? { revision: -1, position: 0 };
    if (revision !== head.revision + 1)
      throw new LogRefused(`${what} is revision ${revision} of «${stream}» and follows revision ${head.revision}`);
    const name = Buffer.from(stream);
    if (name.length === 0 || name.length > MAX_STREAM_NAME_BYTES || bytes.length > MAX_APPEND_BYTES)
      throw new LogRefused(`${what} is larger than a log takes`);
    try {
      parseUuid(id, this.#words, 0);
      this.#codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    } catch (cause) {
      throw new LogRefused(`${what} cannot be read: ${(cause as Error).message}`, { cause });
    }
    this.#keepSchema(this.#codec.fingerprintIn(bytes)!);
    const entry = Buffer.concat([Buffer.of(name.length), name, bytes]);
    const frame = this.#room(entry.length);
    const base = frame.addEntries(entry, 0, entry.length);
    frame.addRow(this.#words, 0, head.position, revision, base + entry.length);
    this.#heads.set(stream, { revision, position });
    this.position = position;
  }

  /** Where the log ends then. */
  close(): LogEnd {
    this.#flush();
    return this.#end;
  }

  #room(bytes: number): FrameBuilder {
    if (this.#frame && !this.#frame.fits(1, bytes)) this.#flush();
    return (this.#frame ??= new FrameBuilder(this.position + 1, bytes));
  }

  #flush(): void {
    if (!this.#frame) return;
    const { first } = this.#frame;
    const frame = this.#frame.take();
    sealFrame(frame);
    this.#insertFrame.run(first, frame);
    this.#end = { position: this.position, frameCrc: frameCrc(frame) };
    this.#frame = null;
  }

  #keepSchema(fingerprint: string): void {
    if (this.#written.has(fingerprint)) return;
    this.#insertSchema.run(fingerprint, this.#schemas.get(fingerprint)!);
    this.#written.add(fingerprint);
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
