import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { schemaFingerprint, SchemaNotResolved, type EventCodec } from '@nva/codec';
import { LogRefused, WRITTEN_BY_NEWER } from '@nva/ports';
import { EMPTY_END, type LogEnd } from './end-marker.ts';
import { frameCrc, HEADER_BYTES, readHeader, readPosition, ROW_BYTES, ROW_END, ROW_PREVIOUS, ROW_REVISION } from './frame.ts';
import { PRIVATE_FILE } from './file-format.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogReader } from './log-reader.ts';
import type { AcknowledgedEnd } from './acknowledged-end.ts';
import { asBuffer } from './stored-events.ts';
import { hashBytes, NO_SLOT, StreamHeads } from './stream-heads.ts';
import { walState } from './wal-header.ts';
import type { WorkerFailure } from './worker-client.ts';

const KEEP_A_COPY =
  'Keep a copy of the whole folder before anything else, then bring the folder back from a backup, and see «A log that has lost its end» in docs/operations.md';

/**
 * SQLite's result codes that mean damage of the file: ERROR (a missing table, for example), CORRUPT, NOTADB. An extended code
 * contains its primary code.
 */
const OF_DAMAGE: ReadonlySet<number> = new Set([1, 11, 26]);
const PRIMARY_CODE = 0xff;

export interface Inspected {
  readonly logId: string;
  readonly heads: StreamHeads;
  readonly end: LogEnd;
  /** Fingerprints of the schemas that the file holds. */
  readonly schemas: ReadonlySet<string>;
}

/**
 * Reads the whole log before anything may write to it. It teaches the codec the schemas of the log, checks every frame and the
 * chain of every stream, finds the heads, and compares the end with the acknowledged one (unless `acknowledged` is null). Throws
 * LogRefused and leaves every file as it was, including a WAL.
 *
 * When SQLite reads a database in WAL mode, it makes side files, and a connection that may write empties the WAL when it closes.
 * So a log that was closed properly is read as immutable, without its side files. Any other log is read with `readonly_shm`, for
 * which the index file (-shm) only needs to exist: SQLite then recovers the WAL in memory.
 */
export async function inspect(
  directory: LogDirectory,
  reader: LogReader,
  codec: EventCodec,
  acknowledged: AcknowledgedEnd | null,
): Promise<Inspected> {
  const { path } = directory;
  const index = `${path}-shm`;
  const wal = walState(directory.walPath);
  if (wal === 'damaged')
    throw new LogRefused(
      `${directory.walPath} is damaged: its header is not that of a SQLite WAL. It holds the newest events. It was left as it is. ${KEEP_A_COPY}: with accept-loss the events before it can be kept.`,
    );
  const crashed = wal === 'frames';
  const indexMade = crashed && !existsSync(index);
  if (indexMade) writeFileSync(index, '', { mode: PRIVATE_FILE });
  try {
    await reader.open(`${pathToFileURL(path).href}?${crashed ? 'readonly_shm=1' : 'immutable=1'}`, true);
    try {
      return await scan(path, reader, codec, acknowledged);
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof LogRefused) throw error;
    const { message, sqliteCode } = error as WorkerFailure;
    const damaged = sqliteCode === undefined || OF_DAMAGE.has(sqliteCode & PRIMARY_CODE);
    throw new LogRefused(
      `${path} cannot be read: ${message}. ${damaged ? `It was left as it is. ${KEEP_A_COPY}` : 'That comes of the disk, of rights or of another process, and does not say that the log is damaged: look there first. It was left as it is'}.`,
      { cause: error },
    );
  } finally {
    if (indexMade) rmSync(index);
  }
}

/**
 * Teaches the codec a schema. If a newer build wrote it (its type is not known here, or a field cannot be resolved), returns the
 * name of its type; else null. Throws for a damaged schema, which does not match its fingerprint.
 */
function newerType(codec: EventCodec, fingerprint: string, text: string): string | null {
  const schema = JSON.parse(text) as { readonly name: string };
  const found = schemaFingerprint(schema);
  if (found !== fingerprint) throw new Error(`under ${fingerprint} it has schema ${found}`);
  try {
    return codec.learn(schema) === null ? schema.name : null;
  } catch (error) {
    if (error instanceof SchemaNotResolved) return schema.name;
    throw error;
  }
}

async function scan(path: string, reader: LogReader, codec: EventCodec, acknowledged: AcknowledgedEnd | null): Promise<Inspected> {
  const { meta, schemas } = await reader.header();
  const logId = meta['logId'];
  if (logId === undefined) throw new Error('it has no log id');
  for (const { fingerprint, schema } of schemas) {
    const newer = newerType(codec, fingerprint, schema);
    if (newer !== null)
      throw new LogRefused(
        `${path} holds events of type ${newer} under schema ${fingerprint}, which this build does not know. ${WRITTEN_BY_NEWER}.`,
      );
  }
  const heads = new StreamHeads();
  let end = EMPTY_END;
  for await (const frames of reader.chunks(0, Number.MAX_SAFE_INTEGER)) {
    const bytes = asBuffer(frames);
    for (let at = 0; at < bytes.length;) {
      const { first, count, length } = readHeader(bytes, at);
      if (first !== end.position + 1) throw new Error(`after position ${end.position} comes ${first}`);
      checkChains(bytes, at, first, count, heads);
      end = { position: first + count - 1, frameCrc: frameCrc(bytes, at) };
      acknowledged?.meet(end);
      at += length;
    }
  }
  acknowledged?.assertReached(end);
  return { logId, heads, end, schemas: new Set(schemas.map(({ fingerprint }) => fingerprint)) };
}

function checkChains(bytes: Buffer, at: number, first: number, count: number, heads: StreamHeads): void {
  const entries = at + HEADER_BYTES + count * ROW_BYTES;
  let from = entries;
  for (let i = 0; i < count; i++) {
    const row = at + HEADER_BYTES + i * ROW_BYTES;
    const nameEnd = from + 1 + bytes[from]!;
    const hash = hashBytes(bytes, from + 1, nameEnd);
    let slot = heads.slotOf(bytes, from + 1, nameEnd, hash);
    const revision = bytes.readUInt32LE(row + ROW_REVISION);
    if (revision !== heads.revision(slot) + 1 || readPosition(bytes, row + ROW_PREVIOUS) !== heads.position(slot)) {
      throw new Error(`the event at position ${first + i} does not continue «${bytes.toString('utf8', from + 1, nameEnd)}»`);
    }
    if (slot === NO_SLOT) slot = heads.add(bytes, from + 1, nameEnd, hash);
    heads.advance(slot, revision, first + i);
    from = entries + bytes.readUInt32LE(row + ROW_END);
  }
}
