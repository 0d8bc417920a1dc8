import { open, type FileHandle } from 'node:fs/promises';
import type { Fingerprint } from '@nva/codec';
import { checkBlock, checkPreamble, HEAD_BYTES, MAX_BLOCK_BYTES, PREAMBLE_BYTES, startCrc } from './format.ts';
import { SnapshotUnusable } from './unusable.ts';

/** Bytes per read from the disk. */
const CHUNK_BYTES = 1024 * 1024;

export interface Block {
  readonly kind: number;
  readonly count: number;
  /** Its entries; valid until the next block is read. */
  readonly entries: Buffer;
}

/**
 * The checked blocks of a file, in order. The next chunk is read while one is decoded. Throws SnapshotUnusable at the first block
 * that is not whole.
 */
export async function* readBlocks(path: string, fingerprint: Fingerprint): AsyncGenerator<Block, void> {
  const file = await open(path, 'r');
  try {
    const chunks = readAhead(file);
    const more = async (have: Buffer, wanted: number): Promise<Buffer> => {
      const parts = [have];
      let length = have.length;
      while (length < wanted) {
        const { value, done } = await chunks.next();
        if (done) throw new SnapshotUnusable('it is cut short');
        parts.push(value);
        length += value.length;
      }
      return parts.length === 1 ? have : Buffer.concat(parts, length);
    };
    let bytes = await more(Buffer.alloc(0), PREAMBLE_BYTES);
    checkPreamble(bytes, fingerprint);
    let crc = startCrc(bytes.subarray(0, PREAMBLE_BYTES));
    bytes = bytes.subarray(PREAMBLE_BYTES);
    for (;;) {
      if (bytes.length === 0) {
        const { value, done } = await chunks.next();
        if (done) return;
        bytes = value;
      }
      bytes = await more(bytes, HEAD_BYTES);
      const length = bytes.readUInt32LE(0);
      if (length > MAX_BLOCK_BYTES) throw new SnapshotUnusable('it is damaged: a block is too long');
      bytes = await more(bytes, HEAD_BYTES + length);
      crc = checkBlock(bytes, length, crc);
      yield { kind: bytes.readUInt16LE(4), count: bytes.readUInt16LE(6), entries: bytes.subarray(HEAD_BYTES, HEAD_BYTES + length) };
      bytes = bytes.subarray(HEAD_BYTES + length);
    }
  } finally {
    await file.close();
  }
}

async function* readAhead(file: FileHandle): AsyncGenerator<Buffer, void> {
  const read = (): Promise<{ bytesRead: number; buffer: Buffer }> => file.read(Buffer.allocUnsafeSlow(CHUNK_BYTES), 0, CHUNK_BYTES, null);
  let next = read();
  for (;;) {
    const { bytesRead, buffer } = await next;
    if (bytesRead === 0) return;
    next = read();
    // A consumer that stops here leaves the chunk unread; a failure in it concerns nobody.
    next.catch(() => undefined);
    yield buffer.subarray(0, bytesRead);
  }
}
