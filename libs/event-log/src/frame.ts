import { crc32 } from 'node:zlib';

/**
 * A frame: 1 to 256 consecutive events in one row, all of them or none. Integers are little-endian, positions are u64 below 2^53.
 *
 *     header, 24 bytes   magic "NVAF" | version u16 | count u16 | first position u64 | length of the frame u32 | CRC-32 u32
 *     count rows, 32     id 16 | position of the stream's previous event u64, 0 for none | revision u32 | end u32
 *     count entries      length of the stream's name u8 | name, UTF-8 | event in Avro single-object encoding
 *
 * `end` counts from the first entry. The CRC covers everything except itself. An event's position is first + its index. The rows
 * have one size and stand in front, so that the position of an event is enough to find it, and a stream can be read backwards
 * from its head through «previous» without an index entry per event. This takes half the bytes and avoids most of the cost of a
 * row per event.
 */
export const FRAME_MAGIC = 0x4641564e;
export const FRAME_VERSION = 1;
export const HEADER_BYTES = 24;
export const ROW_BYTES = 32;
const CRC_AT = 20;

export const ROW_PREVIOUS = 16;
export const ROW_REVISION = 24;
export const ROW_END = 28;

export const TWO_32 = 2 ** 32;

export function writePosition(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % TWO_32, at);
  target.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}

export const readPosition = (source: Buffer, at: number): number => source.readUInt32LE(at) + source.readUInt32LE(at + 4) * TWO_32;

export interface FrameHeader {
  readonly first: number;
  readonly count: number;
  /** Bytes of the whole frame. */
  readonly length: number;
}

/** The last step of building, done by the writer thread. */
export function sealFrame(frame: Buffer): void {
  frame.writeUInt32LE(checksum(frame), CRC_AT);
}

/** CRC-32 of the sealed frame at `at`, unchecked. */
export const frameCrc = (bytes: Buffer, at = 0): number => bytes.readUInt32LE(at + CRC_AT);

export function writeHeader(frame: Buffer, count: number, first: number): void {
  frame.writeUInt32LE(FRAME_MAGIC, 0);
  frame.writeUInt16LE(FRAME_VERSION, 4);
  frame.writeUInt16LE(count, 6);
  writePosition(frame, first, 8);
  frame.writeUInt32LE(frame.length, 16);
  frame.writeUInt32LE(0, CRC_AT);
}

/** Header of the frame at `at`, unchecked. */
export const readHeader = (bytes: Buffer, at = 0): FrameHeader => ({
  first: readPosition(bytes, at + 8),
  count: bytes.readUInt16LE(at + 6),
  length: bytes.readUInt32LE(at + 16),
});

/** The fault of a row's bytes as a frame, or null. If the CRC is right, rows and entries are trusted. */
export function frameFault(frame: Buffer): string | null {
  if (frame.length < HEADER_BYTES + ROW_BYTES) return `${frame.length} bytes are too few for a frame`;
  if (frame.readUInt32LE(0) !== FRAME_MAGIC) return 'no frame magic';
  const version = frame.readUInt16LE(4);
  if (version !== FRAME_VERSION) return `frame version ${version}, this program reads ${FRAME_VERSION}`;
  const { length, count } = readHeader(frame);
  if (length !== frame.length) return `frame says ${length} bytes, row has ${frame.length}`;
  if (frame.readUInt32LE(CRC_AT) !== checksum(frame)) return 'CRC-32 does not match';
  if (count === 0 || frame.readUInt32LE(HEADER_BYTES + count * ROW_BYTES - 4) + HEADER_BYTES + count * ROW_BYTES !== length)
    return 'rows and entries do not fill the frame';
  return null;
}

const checksum = (frame: Buffer): number => crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, CRC_AT)));

/** One row and its entry, as offsets into the bytes that hold them. */
export interface EntryPlace {
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

/** Where event number `index` of a checked frame stands. */
export function entryPlace(frame: Buffer, count: number, index: number): EntryPlace {
  const row = HEADER_BYTES + index * ROW_BYTES;
  const entries = HEADER_BYTES + count * ROW_BYTES;
  const from = index === 0 ? 0 : frame.readUInt32LE(row - ROW_BYTES + ROW_END);
  return { row, from: entries + from, to: entries + frame.readUInt32LE(row + ROW_END) };
}
