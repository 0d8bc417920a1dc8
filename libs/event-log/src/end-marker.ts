import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { PRIVATE_FILE } from './file-format.ts';
import { readPosition, writePosition } from './frame.ts';

/**
 * The marker says where the log ends for callers that were answered. It is written and synced after a transaction and before its
 * answer. Reason: SQLite takes damage to its WAL for an unfinished write, and would open the log without the events behind the
 * damage.
 *
 * Two slots of one page each are written alternately, so that a write torn by a crash leaves the former record. A slot holds its
 * record twice, in two sectors, so that one damaged sector loses nothing. The file has its full length from the start and is
 * overwritten in place: syncing it writes one page and no metadata. Integers are little-endian:
 *
 *     record, 36 bytes   magic "NVAE" | version u16 | 0 u16 | sequence u64 | position u64 | CRC-32 of the frame there u32 | 0 u32 |
 *                        CRC-32 of all before u32
 */
const MAGIC = 0x4541564e;
const VERSION = 1;
const RECORD_BYTES = 36;
const CRC_AT = 32;
const SLOTS = 2;
export const SLOT_BYTES = 4_096;
const COPY_BYTES = 512;
const COPIES = 2;
export const MARKER_BYTES = SLOTS * SLOT_BYTES;

/** The last event that may have been acknowledged. */
export interface LogEnd {
  /** 0 in an empty log. */
  readonly position: number;
  /** CRC-32 of the frame that ends there, 0 in an empty log: tells whether marker and log belong together. */
  readonly frameCrc: number;
}

export const EMPTY_END: LogEnd = { position: 0, frameCrc: 0 };

export interface MarkedEnd extends LogEnd {
  readonly sequence: number;
  /**
   * One slot could not be read. If a crash tore it, the log goes beyond the position in the other slot, because the transaction
   * is written first.
   */
  readonly torn: boolean;
}

/** It cannot be determined where the log ended. */
export class MarkerUnreadable extends Error {
  override readonly name = 'MarkerUnreadable';
}

/** A newer program wrote the marker; only that program understands it. */
export class MarkerNewer extends Error {
  override readonly name = 'MarkerNewer';
}

function encode(sequence: number, { position, frameCrc }: LogEnd): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUInt32LE(MAGIC, 0);
  record.writeUInt16LE(VERSION, 4);
  writePosition(record, sequence, 8);
  writePosition(record, position, 16);
  record.writeUInt32LE(frameCrc, 24);
  record.writeUInt32LE(crc32(record.subarray(0, CRC_AT)), CRC_AT);
  const copies = Buffer.alloc(COPIES * COPY_BYTES);
  for (let copy = 0; copy < COPIES; copy++) record.copy(copies, copy * COPY_BYTES);
  return copies;
}

function decode(record: Buffer): (LogEnd & { readonly sequence: number }) | null {
  if (record.readUInt32LE(0) !== MAGIC || record.readUInt32LE(CRC_AT) !== crc32(record.subarray(0, CRC_AT))) return null;
  const version = record.readUInt16LE(4);
  if (version > VERSION) throw new MarkerNewer(`is of version ${version}, and this build reads ${VERSION}`);
  if (version !== VERSION) throw new MarkerUnreadable(`is of version ${version}, this program reads ${VERSION}`);
  return { sequence: readPosition(record, 8), position: readPosition(record, 16), frameCrc: record.readUInt32LE(24) };
}

/**
 * The newest end in the marker. Throws MarkerUnreadable or MarkerNewer, whose message continues a sentence that begins with the
 * file's name.
 */
export function readMarker(path: string): MarkedEnd {
  const bytes = contents(path);
  if (bytes.length !== MARKER_BYTES) throw new MarkerUnreadable(`has ${bytes.length} bytes instead of ${MARKER_BYTES}`);
  const slots = Array.from({ length: SLOTS }, (_, slot) =>
    Array.from({ length: COPIES }, (__, copy) =>
      decode(bytes.subarray(slot * SLOT_BYTES + copy * COPY_BYTES, slot * SLOT_BYTES + copy * COPY_BYTES + RECORD_BYTES)),
    ).filter((record) => record !== null),
  );
  const newest = slots.flat().toSorted((a, b) => b.sequence - a.sequence)[0];
  if (!newest) throw new MarkerUnreadable('is damaged in every slot');
  return { ...newest, torn: slots.some((records) => records.length === 0) };
}

function contents(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MarkerUnreadable(missing ? 'is missing' : `cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** Replaces the marker as a whole: a crash leaves either the old or the new one. */
export function replaceMarker(path: string, end: LogEnd): void {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  const bytes = Buffer.alloc(MARKER_BYTES);
  for (const sequence of [1, 2]) encode(sequence, end).copy(bytes, (sequence % SLOTS) * SLOT_BYTES);
  withDescriptor(unfinished, 'wx', (fd) => {
    writeSync(fd, bytes, 0, bytes.length, 0);
    fsyncSync(fd);
  });
  renameSync(unfinished, path);
  withDescriptor(dirname(path), 'r', fsyncSync);
}

function withDescriptor(path: string, flags: string, use: (fd: number) => void): void {
  const fd = openSync(path, flags, PRIVATE_FILE);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

/** The marker of a log that is being written. */
export class EndMarker {
  readonly #fd: number;
  #sequence: number;

  constructor(path: string) {
    this.#sequence = readMarker(path).sequence;
    this.#fd = openSync(path, 'r+');
  }

  /** Returns when the end is on the disk. Accepts only ends that grow: see `torn`. */
  advance(end: LogEnd): void {
    this.#sequence++;
    const bytes = encode(this.#sequence, end);
    const written = writeSync(this.#fd, bytes, 0, bytes.length, (this.#sequence % SLOTS) * SLOT_BYTES);
    if (written !== bytes.length) throw new Error(`${written} of ${bytes.length} bytes of the marker were written`);
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
