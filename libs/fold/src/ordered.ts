/** Negative if `a` stands before `b`, 0 if they have the same place. */
export type Order<T> = (a: T, b: T) => number;

/** Maximum number of elements in a block; a larger block is divided. It bounds what an insertion moves. */
const MAX_BLOCK = 512;

/**
 * The elements of a collection in an order, kept while the collection changes, so that a page costs only its own elements. It
 * takes in the existing elements in steps (`prepare`); additions and removals are reported to it from the start.
 *
 * Why blocks and not one sorted list: with a million elements, an insertion would move half of them.
 */
export class KeptOrder<T> {
  readonly compare: Order<T>;
  #unread: Iterator<T> | null;
  readonly #blocks: T[][] = [];

  /**
   * The caller may change the collection while `all` is iterated: an element removed before its turn is left out, and no other is
   * missed.
   */
  constructor(all: Iterator<T>, compare: Order<T>) {
    this.#unread = all;
    this.compare = compare;
  }

  /** Takes in up to `max` of the existing elements. Returns true once it has all of them. */
  prepare(max: number): boolean {
    for (let taken = 0; this.#unread && taken < max; taken++) {
      const { value, done } = this.#unread.next();
      if (done) this.#unread = null;
      else this.add(value);
    }
    return this.#unread === null;
  }

  /** An element that is already there is not added again. */
  add(element: T): void {
    const [at, block] = this.#blockFor((other) => this.compare(other, element) < 0);
    if (!block) {
      // After all existing elements.
      if (at > 0) this.#insert(at - 1, this.#blocks[at - 1]!.length, element);
      else this.#blocks.push([element]);
      return;
    }
    const place = firstNot(block, (other) => this.compare(other, element) < 0);
    if (this.compare(block[place]!, element) !== 0) this.#insert(at, place, element);
  }

  delete(element: T): void {
    const [at, block] = this.#blockFor((other) => this.compare(other, element) < 0);
    if (!block) return;
    const place = firstNot(block, (other) => this.compare(other, element) < 0);
    if (this.compare(block[place]!, element) !== 0) return;
    block.splice(place, 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  /** Up to `max` elements in order, starting with the first one that is not before the place. */
  take(isBefore: (element: T) => boolean, max: number): T[] {
    const taken: T[] = [];
    const [first, block] = this.#blockFor(isBefore);
    let from = block ? firstNot(block, isBefore) : 0;
    for (let at = first; at < this.#blocks.length && taken.length < max; at++, from = 0) {
      for (const element of this.#blocks[at]!.slice(from, from + max - taken.length)) taken.push(element);
    }
    return taken;
  }

  /** The first block that is not completely before a place. */
  #blockFor(isBefore: (element: T) => boolean): readonly [at: number, block: T[] | undefined] {
    const at = firstNot(this.#blocks, (block) => isBefore(block.at(-1)!));
    return [at, this.#blocks[at]];
  }

  #insert(at: number, place: number, element: T): void {
    const block = this.#blocks[at]!;
    block.splice(place, 0, element);
    if (block.length > MAX_BLOCK) this.#blocks.splice(at + 1, 0, block.splice(MAX_BLOCK / 2));
  }
}

/** Index of the first element that is not before a place; all elements before it are before the place. */
function firstNot<T>(elements: readonly T[], isBefore: (element: T) => boolean): number {
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(elements[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A Map whose keys can be read in order; after the first such read, that order is kept. */
export class OrderedMap<K extends string | number, V> extends Map<K, V> {
  #order: KeptOrder<K> | null = null;

  get order(): KeptOrder<K> {
    return (this.#order ??= new KeptOrder<K>(this.keys(), (a, b) => (a < b ? -1 : a > b ? 1 : 0)));
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    this.#order?.add(key);
    return this;
  }

  override delete(key: K): boolean {
    this.#order?.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#order = null;
    super.clear();
  }
}
