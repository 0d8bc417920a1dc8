import { hash } from 'node:crypto';

const WORD = 0x1_0000_0000;
const WORD_HEX_DIGITS = 8;

/**
 * The digest of one feed's table, kept incrementally (contract, «Digest of a VN»): the sum modulo 2^64 of, for each live key, the
 * first eight bytes (big-endian) of SHA-256(key ‖ 0x00 ‖ position in decimal). Why a sum and not a hash over a sorted list: one
 * change costs one or two terms whatever the size of the table, and the order of arrival does not matter.
 *
 * Every change of every table runs through this code. The sum is kept as two words of 32 bits. Hashes are taken as strings: a
 * buffer for each takes three times as long and uses memory outside the heap, and collecting that memory has stopped a process
 * for half a second.
 */
export class TableDigest {
  #high: number;
  #low: number;

  constructor(hex = '0000000000000000') {
    this.#high = Number.parseInt(hex.slice(0, -WORD_HEX_DIGITS), 16);
    this.#low = Number.parseInt(hex.slice(-WORD_HEX_DIGITS), 16);
  }

  /** The key became live, or changed, at `position`. `previous` is its former position, null if it was not live. */
  set(key: string, position: number, previous: number | null): void {
    if (previous !== null) this.remove(key, previous);
    const bytes = hashed(key, position);
    const low = this.#low + wordAt(bytes, 4);
    this.#low = low % WORD;
    this.#high = (this.#high + wordAt(bytes, 0) + (low >= WORD ? 1 : 0)) % WORD;
  }

  remove(key: string, previous: number): void {
    const bytes = hashed(key, previous);
    const low = this.#low - wordAt(bytes, 4);
    this.#low = (low + WORD) % WORD;
    this.#high = (this.#high - wordAt(bytes, 0) - (low < 0 ? 1 : 0) + WORD) % WORD;
  }

  /** 16 hex digits. */
  toString(): string {
    return hexOf(this.#high) + hexOf(this.#low);
  }
}

/** What one live key adds to the digest. */
export function digestTerm(key: string, position: number): bigint {
  const bytes = hashed(key, position);
  return BigInt(wordAt(bytes, 0)) * BigInt(WORD) + BigInt(wordAt(bytes, 4));
}

/** The hash as a string with one character for each byte. */
const hashed = (key: string, position: number): string => hash('sha256', `${key}\0${position}`, 'binary');

/** Four bytes, most significant first, as a number from 0. */
function wordAt(bytes: string, at: number): number {
  return (
    ((bytes.charCodeAt(at) << 24) | (bytes.charCodeAt(at + 1) << 16) | (bytes.charCodeAt(at + 2) << 8) | bytes.charCodeAt(at + 3)) >>> 0
  );
}

const hexOf = (word: number): string => word.toString(16).padStart(WORD_HEX_DIGITS, '0');
