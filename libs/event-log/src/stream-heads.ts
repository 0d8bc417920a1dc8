import { randomBytes } from 'node:crypto';
import { NO_STREAM } from '@nva/ports';

const INITIAL_SLOTS = 1_024;
const INITIAL_NAME_BYTES = 32 * INITIAL_SLOTS;
const FNV_PRIME = 0x01000193;
/** Differs from process to process, so that nobody can prepare names that collide. */
const HASH_SEED = randomBytes(4).readUInt32LE();

/** FNV-1a over one more byte. Start with HASH_START. */
export const hashByte = (hash: number, byte: number): number => Math.imul(hash ^ byte, FNV_PRIME);
export const HASH_START = HASH_SEED | 0;

export function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = HASH_START;
  for (let i = from; i < to; i++) hash = hashByte(hash, bytes[i]!);
  return hash;
}

/** There is no such stream. */
export const NO_SLOT = -1;

/**
 * The head of every stream: revision and position of its last event, including events that are not durable yet. The heads are in
 * memory because every append is decided on them, and compact: names as bytes in one buffer, two numbers each, an open-addressing
 * table of slot numbers at most half full; about 50 bytes a stream. A Map of strings takes twice that, and would have to make and
 * hash a string for each event when a log is opened, which took longer than reading the log.
 */
export class StreamHeads {
  #streams = 0;
  #table = new Int32Array(2 * INITIAL_SLOTS).fill(NO_SLOT);
  #hashes = new Int32Array(INITIAL_SLOTS);
  #revisions = new Int32Array(INITIAL_SLOTS);
  #positions = new Float64Array(INITIAL_SLOTS);
  /** The start of each slot's name; it ends where the next one starts. */
  #nameStarts = new Float64Array(INITIAL_SLOTS + 1);
  #names = Buffer.allocUnsafeSlow(INITIAL_NAME_BYTES);

  get streams(): number {
    return this.#streams;
  }

  /** Slot of the stream whose name is bytes[from, to), or NO_SLOT. */
  slotOf(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const mask = this.#table.length - 1;
    for (let probe = spread(hash) & mask; ; probe = (probe + 1) & mask) {
      const slot = this.#table[probe]!;
      if (slot === NO_SLOT || (this.#hashes[slot] === hash && this.#isNamed(slot, bytes, from, to))) return slot;
    }
  }

  /** Slot of a stream by its name, for callers that do not have the name's bytes. */
  slotNamed(stream: string): number {
    const bytes = Buffer.from(stream, 'utf8');
    return this.slotOf(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length));
  }

  revision(slot: number): number {
    return slot === NO_SLOT ? NO_STREAM : this.#revisions[slot]!;
  }

  /** 0 for a stream without events. */
  position(slot: number): number {
    return slot === NO_SLOT ? 0 : this.#positions[slot]!;
  }

  advance(slot: number, revision: number, position: number): void {
    this.#revisions[slot] = revision;
    this.#positions[slot] = position;
  }

  /** Adds a stream that `slotOf` did not find. Returns its slot. */
  add(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const slot = this.#streams++;
    if (slot === this.#revisions.length) this.#grow();
    const start = this.#nameStarts[slot]!;
    const end = start + to - from;
    if (end > this.#names.length) this.#names = Buffer.concat([this.#names], this.#names.length * 2);
    for (let i = from; i < to; i++) this.#names[start + i - from] = bytes[i]!;
    this.#nameStarts[slot + 1] = end;
    this.#hashes[slot] = hash;
    this.#enter(slot);
    return slot;
  }

  #isNamed(slot: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.#nameStarts[slot]!;
    if (this.#nameStarts[slot + 1]! - start !== to - from) return false;
    for (let i = from; i < to; i++) if (this.#names[start + i - from] !== bytes[i]) return false;
    return true;
  }

  #enter(slot: number): void {
    const mask = this.#table.length - 1;
    let probe = spread(this.#hashes[slot]!) & mask;
    while (this.#table[probe] !== NO_SLOT) probe = (probe + 1) & mask;
    this.#table[probe] = slot;
  }

  #grow(): void {
    const slots = this.#revisions.length * 2;
    const hashes = new Int32Array(slots);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const revisions = new Int32Array(slots);
    revisions.set(this.#revisions);
    this.#revisions = revisions;
    const positions = new Float64Array(slots);
    positions.set(this.#positions);
    this.#positions = positions;
    const nameStarts = new Float64Array(slots + 1);
    nameStarts.set(this.#nameStarts);
    this.#nameStarts = nameStarts;
    this.#table = new Int32Array(2 * slots).fill(NO_SLOT);
    for (let slot = 0; slot < this.#streams - 1; slot++) this.#enter(slot);
  }
}

/** FNV's low bits alone spread badly for names that differ in one digit. */
const spread = (hash: number): number => hash ^ (hash >>> 15);
