import { hash } from 'node:crypto';

const MODULUS_BITS = 64;

/**
 * The digest of one feed's table, kept incrementally (contract, «Digest of a VN»): the sum modulo 2^64 of, for each live key,
 * the first eight bytes (big-endian) of SHA-256(key ‖ 0x00 ‖ position in decimal). A sum, not a hash over a sorted list, so that
 * one change costs one or two terms whatever the size of the table, and the order of arrival does not matter.
 */
export class TableDigest {
  #sum: bigint;

  constructor(hex = '0000000000000000') {
    this.#sum = BigInt(`0x${hex}`);
  }

  /** The key came to live, or changed, at `position`; `previous` is the position it had, null if it was not live. */
  set(key: string, position: number, previous: number | null): void {
    const removed = previous === null ? 0n : digestTerm(key, previous);
    this.#sum = BigInt.asUintN(MODULUS_BITS, this.#sum + digestTerm(key, position) - removed);
  }

  remove(key: string, previous: number): void {
    this.#sum = BigInt.asUintN(MODULUS_BITS, this.#sum - digestTerm(key, previous));
  }

  /** 16 hex digits. */
  toString(): string {
    return this.#sum.toString(16).padStart(16, '0');
  }
}

export function digestTerm(key: string, position: number): bigint {
  return hash('sha256', `${key}\0${position}`, 'buffer').readBigUInt64BE(0);
}
