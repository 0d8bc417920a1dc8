import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { entryPlace, frameFault, readHeader, readPosition, ROW_BYTES, ROW_END, ROW_PREVIOUS, ROW_REVISION } from './frame.ts';
import type { Chunk, Gathered, LogHeader, OpenReader, SchemaRow, StreamStart } from './protocol.ts';

/** A row of the file that is not a valid frame. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault';
}

interface Frame {
  readonly first: number;
  readonly count: number;
  readonly bytes: Buffer;
}

/**
 * Reads the file on its own read-only connection, in the reader thread. The CRC of a frame is checked each time it is read: this
 * costs a tenth of decoding, and not on the decoding thread.
 */
export class FrameReader {
  readonly #db: DatabaseSync;
  readonly #from: StatementSync;
  readonly #before: StatementSync;
  readonly #holding: StatementSync;
  /** The frame read last: neighbours in a stream are often neighbours in the log. */
  #last: Frame | undefined;

  constructor({ uri, snapshot, busyLimitMs }: OpenReader) {
    this.#db = new DatabaseSync(uri, { readOnly: true, timeout: busyLimitMs });
    try {
      if (snapshot) this.#db.exec('BEGIN');
      this.#from = this.#db.prepare(
        'SELECT first, frame FROM frames WHERE first >= coalesce((SELECT max(first) FROM frames WHERE first <= ?1), ?1) AND first <= ?2 ORDER BY first',
      );
      this.#holding = this.#db.prepare('SELECT first, frame FROM frames WHERE first <= ? ORDER BY first DESC LIMIT 1');
      this.#before = this.#db.prepare('SELECT first, frame FROM frames WHERE first < ? ORDER BY first DESC');
      this.#from.setReturnArrays(true);
      this.#before.setReturnArrays(true);
      this.#holding.setReturnArrays(true);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  header(): LogHeader {
    const meta = this.#db.prepare('SELECT key, value FROM meta').all() as { key: string; value: string }[];
    const schemas = this.#db.prepare('SELECT fingerprint, schema FROM schemas').all() as unknown as SchemaRow[];
    return {
      meta: Object.fromEntries(meta.map(({ key, value }) => [key, value])),
      schemas: schemas.map(({ fingerprint, schema }) => ({ fingerprint, schema })),
    };
  }

  /** See ReaderRequest. */
  chunk(after: number, upTo: number, maxBytes: number): Chunk {
    const { frames, end } = gathered(this.#from.iterate(after + 1, upTo), maxBytes);
    const last = frames.at(-1);
    return { frames: joined(frames), last: last ? last.first + last.count - 1 : after, end };
  }

  /** See ReaderRequest. */
  chunkBack(before: number, maxBytes: number): Chunk {
    const { frames, end } = gathered(this.#before.iterate(before), maxBytes);
    return { frames: joined(frames), last: frames.at(-1)?.first ?? before, end };
  }

  /**
   * Reads the stream in one pass from its head; this takes 8 bytes an event in memory. Streams are short by design; a long one
   * costs a frame per event.
   */
  stream(head: number, from: number, to: number, maxBytes: number): StreamStart {
    const positions: number[] = [];
    let position = head;
    while (position !== 0) {
      const { bytes, row } = this.#locate(position);
      const revision = bytes.readUInt32LE(row + ROW_REVISION);
      if (revision < from) break;
      if (revision <= to) positions.push(position);
      position = readPosition(bytes, row + ROW_PREVIOUS);
    }
    const ascending = Float64Array.from(positions.toReversed());
    return { positions: ascending, ...this.events(ascending, maxBytes) };
  }

  events(positions: Float64Array, maxBytes: number): Gathered {
    const found: { bytes: Buffer; row: number; from: number; to: number }[] = [];
    let entryBytes = 0;
    for (const position of positions) {
      const place = this.#locate(position);
      const size = place.to - place.from;
      if (found.length > 0 && entryBytes + size > maxBytes) break;
      found.push(place);
      entryBytes += size;
    }
    const all = Buffer.allocUnsafeSlow(found.length * ROW_BYTES + entryBytes);
    let row = 0;
    let end = 0;
    for (const place of found) {
      place.bytes.copy(all, row, place.row, place.row + ROW_BYTES);
      end += place.bytes.copy(all, found.length * ROW_BYTES + end, place.from, place.to);
      all.writeUInt32LE(end, row + ROW_END);
      row += ROW_BYTES;
    }
    return { bytes: all as Uint8Array<ArrayBuffer>, count: found.length };
  }

  close(): void {
    this.#last = undefined;
    this.#db.close();
  }

  #locate(position: number): { bytes: Buffer; row: number; from: number; to: number } {
    const frame = this.#frameHolding(position);
    return { bytes: frame.bytes, ...entryPlace(frame.bytes, frame.count, position - frame.first) };
  }

  #frameHolding(position: number): Frame {
    const last = this.#last;
    if (last && position >= last.first && position < last.first + last.count) return last;
    const row = this.#holding.get(position);
    const frame = row === undefined ? undefined : checkedFrame(row);
    if (!frame || position >= frame.first + frame.count) throw new FrameFault(`no frame holds position ${position}`);
    this.#last = frame;
    return frame;
  }
}

/** Frames while they fit, at least one. */
function gathered(rows: Iterable<unknown>, maxBytes: number): { readonly frames: readonly Frame[]; readonly end: boolean } {
  const frames: Frame[] = [];
  let bytes = 0;
  for (const row of rows) {
    const frame = checkedFrame(row);
    if (frames.length > 0 && bytes + frame.bytes.length > maxBytes) return { frames, end: false };
    frames.push(frame);
    bytes += frame.bytes.length;
  }
  return { frames, end: true };
}

/** Joined in one buffer: a message of thousands of small buffers would cost more than the copy. */
function joined(frames: readonly Frame[]): Uint8Array<ArrayBuffer> {
  const all = Buffer.allocUnsafeSlow(frames.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of frames) at += bytes.copy(all, at);
  return all as Uint8Array<ArrayBuffer>;
}

function checkedFrame(row: unknown): Frame {
  const [rowFirst, blob] = row as [number, Uint8Array];
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const fault = frameFault(bytes);
  if (fault !== null) throw new FrameFault(`the frame at position ${rowFirst} is damaged: ${fault}`);
  const { first, count } = readHeader(bytes);
  if (first !== rowFirst) throw new FrameFault(`the frame at position ${rowFirst} is damaged: it says position ${first}`);
  return { first, count, bytes };
}
