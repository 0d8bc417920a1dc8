import { closeSync, openSync, readSync } from 'node:fs';
import { fileSize } from './log-directory.ts';

/** SQLite file format, section 4.1 «WAL File Format»: magic, version, page size, sequence, two salts, two checksums, 32-bit big-endian. */
const WAL_HEADER_BYTES = 32;
const MAGIC_LITTLE_ENDIAN_SUMS = 0x377f0682;
const MAGIC_BIG_ENDIAN_SUMS = 0x377f0683;
const CHECKSUMS_AT = 24;

export type WalState = 'empty' | 'frames' | 'damaged';

/**
 * Whether a WAL has anything to recover. SQLite syncs the header before it writes the first frame behind it, so a damaged header
 * with frames behind it does not come from a crash. SQLite would treat such a WAL as empty and overwrite it, including
 * acknowledged events.
 */
export function walState(path: string): WalState {
  // A WAL with only a header is empty; SQLite does not even read the header then.
  if (fileSize(path) <= WAL_HEADER_BYTES) return 'empty';
  const header = Buffer.alloc(WAL_HEADER_BYTES);
  const fd = openSync(path, 'r');
  readSync(fd, header, 0, WAL_HEADER_BYTES, 0);
  closeSync(fd);
  const magic = header.readUInt32BE(0);
  if (magic !== MAGIC_LITTLE_ENDIAN_SUMS && magic !== MAGIC_BIG_ENDIAN_SUMS) return 'damaged';
  const word = (at: number): number => (magic === MAGIC_BIG_ENDIAN_SUMS ? header.readUInt32BE(at) : header.readUInt32LE(at));
  let [first, second] = [0, 0];
  for (let at = 0; at < CHECKSUMS_AT; at += 8) {
    first = (first + word(at) + second) >>> 0;
    second = (second + word(at + 4) + first) >>> 0;
  }
  return header.readUInt32BE(CHECKSUMS_AT) === first && header.readUInt32BE(CHECKSUMS_AT + 4) === second ? 'frames' : 'damaged';
}
