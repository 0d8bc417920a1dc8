import { crc32 } from 'node:zlib';
import type { Fingerprint } from '@nva/codec';
import { SnapshotUnusable } from './unusable.ts';

/**
 * A snapshot file. Integers are little-endian.
 *
 *     preamble, 20 bytes  magic "NVASNAP\n" | format u32 | fingerprint of the entry schemas u64
 *     blocks              length of the entries u32 | kind u16 | count u16 | CRC-32 u32 | entries in plain Avro, one after the other
 *
 * The first block is the header, the last one the trailer, with nothing behind it. Each CRC continues the one before, over the
 * rest of the block's head and its entries; the first one continues that of the preamble. So a missing, repeated or misplaced
 * block is detected, and the trailer's CRC is that of the whole file.
 *
 * Raise FORMAT also when the fold derives something else from the same log by the same rules: a restored network would then
 * differ from a replay.
 */
export const FORMAT = 1;
const MAGIC = 'NVASNAP\n';
export const PREAMBLE_BYTES = 20;
export const HEAD_BYTES = 12;
const CRC_AT = 8;
/** Maximum number of bytes of a block's entries; a larger length is not valid. A single entry never comes near it. */
export const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
export const MAX_BLOCK_ENTRIES = 0xffff;

export const KINDS = { header: 1, oracles: 2, nves: 3, digests: 4, keys: 5, vns: 6, names: 7, tenantSystems: 8, trailer: 9 } as const;
export type Kind = (typeof KINDS)[keyof typeof KINDS];

export function preamble(fingerprint: Fingerprint): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES);
  bytes.write(MAGIC, 'latin1');
  bytes.writeUInt32LE(FORMAT, 8);
  bytes.writeBigUInt64LE(BigInt(`0x${fingerprint}`), 12);
  return bytes;
}

/** Checks at least PREAMBLE_BYTES. Throws SnapshotUnusable. */
export function checkPreamble(bytes: Buffer, fingerprint: Fingerprint): void {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new SnapshotUnusable('it is not a snapshot');
  const format = bytes.readUInt32LE(8);
  if (format !== FORMAT) throw new SnapshotUnusable(`it has format ${format}, this program reads ${FORMAT}`);
  if (!preamble(fingerprint).equals(bytes.subarray(0, PREAMBLE_BYTES))) throw new SnapshotUnusable('its entries have other schemas');
}

/** Fills in the head in front of `length` bytes of entries. Returns the CRC that the next block continues. */
export function sealBlock(block: Buffer, kind: Kind, count: number, length: number, before: number): number {
  block.writeUInt32LE(length, 0);
  block.writeUInt16LE(kind, 4);
  block.writeUInt16LE(count, 6);
  const crc = blockCrc(block, length, before);
  block.writeUInt32LE(crc, CRC_AT);
  return crc;
}

/**
 * Checks the block at the start of `bytes`, which must hold all of it. Throws SnapshotUnusable unless the block is as it was
 * written.
 */
export function checkBlock(bytes: Buffer, length: number, before: number): number {
  const crc = blockCrc(bytes, length, before);
  if (bytes.readUInt32LE(CRC_AT) !== crc) throw new SnapshotUnusable('it is damaged: a checksum is wrong');
  return crc;
}

const blockCrc = (bytes: Buffer, length: number, before: number): number =>
  crc32(bytes.subarray(HEAD_BYTES, HEAD_BYTES + length), crc32(bytes.subarray(0, CRC_AT), before));

export const startCrc = (preambleBytes: Buffer): number => crc32(preambleBytes);
