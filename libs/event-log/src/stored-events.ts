import type { EventCodec, NvaEvent } from '@nva/codec';
import type { RecordedEvent } from '@nva/ports';
import { HEADER_BYTES, readHeader, ROW_BYTES, ROW_END, ROW_REVISION } from './frame.ts';
import type { StreamStart } from './protocol.ts';
import { formatUuid } from './uuid.ts';

/**
 * An event read from the file. Its id is converted to text only when it is asked for: this costs as much as a fifth of decoding
 * the event, and a fold never asks. Copy the event field by field; a spread does not include `id`.
 */
class StoredEvent implements RecordedEvent {
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly event: NvaEvent;
  /** Copies of the frame's rows, so that an event that is kept holds 8 KiB at most, and not the chunk that it came in. */
  private readonly rows: Uint8Array;
  private readonly idAt: number;

  constructor(position: number, stream: string, revision: number, event: NvaEvent, rows: Uint8Array, idAt: number) {
    this.position = position;
    this.stream = stream;
    this.revision = revision;
    this.event = event;
    this.rows = rows;
    this.idAt = idAt;
  }

  get id(): string {
    return formatUuid(this.rows, this.idAt);
  }
}

/**
 * Decodes the frame at `at`, except events up to `after`, and appends the events to `into`, with a copy of their bytes if asked for.
 * Returns the offset of the next frame.
 */
export function decodeFrame(codec: EventCodec, bytes: Buffer, at: number, after: number, into: RecordedEvent[], withBytes = false): number {
  const { first, count, length } = readHeader(bytes, at);
  const rowsAt = at + HEADER_BYTES;
  const entries = rowsAt + count * ROW_BYTES;
  const rows = new Uint8Array(bytes.subarray(rowsAt, entries));
  const skipped = Math.max(0, after - first + 1);
  let from = skipped === 0 ? entries : entries + bytes.readUInt32LE(rowsAt + (skipped - 1) * ROW_BYTES + ROW_END);
  for (let i = skipped; i < count; i++) {
    const row = rowsAt + i * ROW_BYTES;
    const to = entries + bytes.readUInt32LE(row + ROW_END);
    const event = decodeEntry(codec, bytes, from, to, first + i, bytes.readUInt32LE(row + ROW_REVISION), rows, i * ROW_BYTES);
    into.push(withBytes ? Object.assign(event, { bytes: new Uint8Array(bytes.subarray(from + 1 + bytes[from]!, to)) }) : event);
    from = to;
  }
  return at + length;
}

/** Decodes events that were gathered one by one, each when it is asked for; `positions` begins with theirs. */
export function* decodeGathered(codec: EventCodec, { bytes: raw, count, positions }: StreamStart): Generator<RecordedEvent, void> {
  const bytes = asBuffer(raw);
  const entries = count * ROW_BYTES;
  const rows = new Uint8Array(bytes.subarray(0, entries));
  let from = entries;
  for (let i = 0; i < count; i++) {
    const row = i * ROW_BYTES;
    const to = entries + bytes.readUInt32LE(row + ROW_END);
    yield decodeEntry(codec, bytes, from, to, positions[i]!, bytes.readUInt32LE(row + ROW_REVISION), rows, row);
    from = to;
  }
}

function decodeEntry(
  codec: EventCodec,
  bytes: Buffer,
  from: number,
  to: number,
  position: number,
  revision: number,
  rows: Uint8Array,
  idAt: number,
): StoredEvent {
  const nameEnd = from + 1 + bytes[from]!;
  return new StoredEvent(position, bytes.toString('utf8', from + 1, nameEnd), revision, codec.decode(bytes, nameEnd, to), rows, idAt);
}

export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
