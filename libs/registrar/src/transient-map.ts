import { randomBytes } from 'node:crypto';

const FIRST_PLACES = 256;
/** Differs from process to process, so that nobody can prepare keys that collide. */
const HASH_SEED = randomBytes(4).readInt32LE();

/**
 * A map whose entries come and go all the time, such as commands on their way. A Map that is constantly filled and emptied makes
 * new tables, and each abandoned table refers to the next; V8's cheap collection of young objects cannot free them, so the
 * process pauses for a full collection. Under load these were two thirds of all old garbage. This table is reused in place. It
 * grows when half of it is taken and never shrinks, so an iteration costs the largest size that it ever had.
 *
 * Open addressing; deleting an entry moves later entries of its chain up.
 */
export class TransientMap<Value> {
  #keys: (string | undefined)[] = empty(FIRST_PLACES);
  #values: (Value | undefined)[] = empty(FIRST_PLACES);
  #hashes = new Int32Array(FIRST_PLACES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#size > 0 && this.#keys[this.#find(key, hashOf(key))] !== undefined;
  }

  get(key: string): Value | undefined {
    return this.#size === 0 ? undefined : this.#values[this.#find(key, hashOf(key))];
  }

  set(key: string, value: Value): void {
    const hash = hashOf(key);
    const place = this.#find(key, hash);
    if (this.#keys[place] === undefined) {
      this.#keys[place] = key;
      this.#hashes[place] = hash;
      this.#size++;
    }
    this.#values[place] = value;
    if (2 * this.#size > this.#keys.length) this.#grow();
  }

  delete(key: string): boolean {
    if (this.#size === 0) return false;
    let hole = this.#find(key, hashOf(key));
    if (this.#keys[hole] === undefined) return false;
    this.#size--;
    const mask = this.#keys.length - 1;
    for (let place = (hole + 1) & mask; this.#keys[place] !== undefined; place = (place + 1) & mask) {
      // An entry whose chain starts after the hole stays where it is.
      if (((place - this.#hashes[place]!) & mask) < ((place - hole) & mask)) continue;
      this.#keys[hole] = this.#keys[place];
      this.#values[hole] = this.#values[place];
      this.#hashes[hole] = this.#hashes[place]!;
      hole = place;
    }
    this.#keys[hole] = undefined;
    this.#values[hole] = undefined;
    return true;
  }

  /** In no order. Do not add or delete entries during the iteration. */
  *[Symbol.iterator](): IterableIterator<[string, Value]> {
    for (let [place, left] = [0, this.#size]; left > 0; place++) {
      const key = this.#keys[place];
      if (key === undefined) continue;
      left--;
      yield [key, this.#values[place]!];
    }
  }

  /** The place of the key, or the place for it. */
  #find(key: string, hash: number): number {
    const mask = this.#keys.length - 1;
    let place = hash & mask;
    while (this.#keys[place] !== undefined && (this.#hashes[place] !== hash || this.#keys[place] !== key)) place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const entries = [...this];
    const places = 2 * this.#keys.length;
    [this.#keys, this.#values, this.#hashes, this.#size] = [empty(places), empty(places), new Int32Array(places), 0];
    for (const [key, value] of entries) this.set(key, value);
  }
}

const empty = (places: number): undefined[] => Array.from({ length: places }, () => undefined);

/** FNV-1a over the code units. */
function hashOf(key: string): number {
  let hash = HASH_SEED;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  // The low bits choose the place.
  return hash ^ (hash >>> 15);
}
