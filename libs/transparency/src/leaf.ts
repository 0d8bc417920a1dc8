import { hash } from 'node:crypto';
import type { Position } from '@nva/ports';
import { Malformed } from './errors.ts';
import { MAX_ENTRY_BYTES } from './tiles.ts';

/**
 * The entry of a leaf: what the log says at one position. Integers are big-endian.
 *
 *     format u8 | position u64 | revision u64 | event id 16 bytes | length of the stream's name u16 | name, UTF-8 | event
 *
 * Format 1: the event's bytes as the log stores them (Avro single-object encoding), to the end of the entry.
 * Format 2: length of the event's bytes u32 | SHA-256 of them. It is for an event with which format 1 would exceed the 65,535 bytes
 * that a bundle has room for, and for no other. So an event has one entry only, and an entry says one thing only.
 *
 * The bytes are those that are stored, never a new encoding of what they were decoded to: that depends on the schemas of today.
 */
const INLINE = 1;
const HASHED = 2;
const POSITION_AT = 1;
const REVISION_AT = 9;
const ID_AT = 17;
const ID_BYTES = 16;
const NAME_LENGTH_AT = 33;
const NAME_AT = 35;
const HASHED_BYTES = 36;
/** A longer one would leave no room for a hash. Streams of the NVA have names of at most 255 bytes. */
export const MAX_STREAM_BYTES = 1_024;
const MAX_EVENT_BYTES = 2 ** 32 - 1;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface Leaf {
  readonly position: Position;
  readonly stream: string;
  readonly revision: number;
  /** A UUID in lower case. */
  readonly id: string;
}

/** An event as the log stores it. */
export interface StoredLeaf extends Leaf {
  readonly event: Uint8Array;
}

/** What an entry says: the event's bytes, or their number and SHA-256 where they are too many for an entry. */
export type DecodedLeaf = Leaf &
  ({ readonly event: Buffer } | { readonly event: null; readonly eventBytes: number; readonly eventHash: Buffer });

function assertNumber(value: number, what: string, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) throw new Malformed(`the ${what} ${value} is not a whole number from ${least} on`);
}

/** Throws Malformed where a field cannot be said. */
export function encodeLeaf({ position, stream, revision, id, event }: StoredLeaf): Buffer {
  assertNumber(position, 'position', 1);
  assertNumber(revision, 'revision', 0);
  if (!UUID.test(id)) throw new Malformed(`the event id ${JSON.stringify(id)} is not a UUID in lower case`);
  const name = Buffer.from(stream);
  if (!stream.isWellFormed() || name.length === 0 || name.length > MAX_STREAM_BYTES)
    throw new Malformed(`the name of a stream has 1 to ${MAX_STREAM_BYTES} bytes of UTF-8, not ${name.length}`);
  if (event.length === 0 || event.length > MAX_EVENT_BYTES)
    throw new Malformed(`an event has 1 to ${MAX_EVENT_BYTES} bytes, not ${event.length}`);
  const eventAt = NAME_AT + name.length;
  const isInline = eventAt + event.length <= MAX_ENTRY_BYTES;
  const entry = Buffer.allocUnsafe(eventAt + (isInline ? event.length : HASHED_BYTES));
  entry[0] = isInline ? INLINE : HASHED;
  writeU64(entry, position, POSITION_AT);
  writeU64(entry, revision, REVISION_AT);
  entry.write(id.replaceAll('-', ''), ID_AT, 'hex');
  entry.writeUInt16BE(name.length, NAME_LENGTH_AT);
  entry.set(name, NAME_AT);
  if (isInline) {
    entry.set(event, eventAt);
  } else {
    entry.writeUInt32BE(event.length, eventAt);
    entry.set(hash('sha256', event, 'buffer'), eventAt + 4);
  }
  return entry;
}

/** Throws Malformed unless the bytes are what `encodeLeaf` writes. */
export function decodeLeaf(bytes: Uint8Array): DecodedLeaf {
  const entry = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = entry[0];
  if (format !== INLINE && format !== HASHED) throw new Malformed(`the entry is of format ${format}; known are ${INLINE} and ${HASHED}`);
  const nameLength = entry.length < NAME_AT ? 0 : entry.readUInt16BE(NAME_LENGTH_AT);
  const eventAt = NAME_AT + nameLength;
  if (nameLength === 0 || nameLength > MAX_STREAM_BYTES || eventAt >= entry.length || entry.length > MAX_ENTRY_BYTES)
    throw new Malformed(`the entry of ${entry.length} bytes has no stream and event of lengths that can be`);
  const name = entry.subarray(NAME_AT, eventAt);
  const stream = name.toString('utf8');
  if (!Buffer.from(stream).equals(name)) throw new Malformed('the name of the stream is not UTF-8');
  const leaf: Leaf = { position: readU64(entry, POSITION_AT), stream, revision: readU64(entry, REVISION_AT), id: uuidAt(entry, ID_AT) };
  if (leaf.position === 0) throw new Malformed('position 0 stands before the first event');
  if (format === INLINE) return { ...leaf, event: entry.subarray(eventAt) };
  if (entry.length !== eventAt + HASHED_BYTES) throw new Malformed(`${entry.length - eventAt} bytes are no hash of an event`);
  const eventBytes = entry.readUInt32BE(eventAt);
  if (eventAt + eventBytes <= MAX_ENTRY_BYTES)
    throw new Malformed(`an event of ${eventBytes} bytes is not hashed, but stands in its entry`);
  return { ...leaf, event: null, eventBytes, eventHash: entry.subarray(eventAt + 4) };
}

function uuidAt(bytes: Buffer, at: number): string {
  const digits = bytes.toString('hex', at, at + ID_BYTES);
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-');
}

const WORD = 2 ** 32;

function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / WORD), at);
  target.writeUInt32BE(value % WORD, at + 4);
}

function readU64(source: Buffer, at: number): number {
  const value = source.readUInt32BE(at) * WORD + source.readUInt32BE(at + 4);
  if (!Number.isSafeInteger(value)) throw new Malformed('the entry has a number beyond 2^53 - 1');
  return value;
}
