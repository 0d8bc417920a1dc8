/** Negative if `a` stands before `b`, 0 if they are the same place. */
export type Order<T> = (a: T, b: T) => number;

/** Elements that lie together; a block beyond it is divided. What an insertion moves at most. */
const MAX_BLOCK = 512;

/**
 * What a collection holds, in an order of its own, kept up while the collection changes: so that a page of it costs what is on the page.
 * It begins with what is there, which it takes in bit by bit (`prepare`), while additions and removals are told to it from the start.
 *
 * Why blocks and not one sorted list: of a million, an insertion would move half.
 */
export class KeptOrder<T> {
  readonly compare: Order<T>;
  #unread: Iterator<T> | null;
  readonly #blocks: T[][] = [];

  /** `all` may be walked while the collection changes: what is removed before it was met is not met, and nothing else is missed. */
  constructor(all: Iterator<T>, compare: Order<T>) {
    this.#unread = all;
    this.compare = compare;
  }

  /** Takes in up to `max` elements of the beginning. True once it is whole. */
  prepare(max: number): boolean {
    for (let taken = 0; this.#unread && taken < max; taken++) {
      const { value, done } = this.#unread.next();
      if (done) this.#unread = null;
      else this.add(value);
    }
    return this.#unread === null;
  }

  /** An element that is there already is not added again. */
  add(element: T): void {
    const [at, block] = this.#blockFor((other) => this.compare(other, element) < 0);
    if (!block) {
      // Behind all there is.
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

  /** Up to `max` elements in order, from the first on that is not before the place. */
  take(isBefore: (element: T) => boolean, max: number): T[] {
    const taken: T[] = [];
    const [first, block] = this.#blockFor(isBefore);
    let from = block ? firstNot(block, isBefore) : 0;
    for (let at = first; at < this.#blocks.length && taken.length < max; at++, from = 0) {
      for (const element of this.#blocks[at]!.slice(from, from + max - taken.length)) taken.push(element);
    }
    return taken;
  }

  /** The first block that does not lie before a place as a whole. */
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

/** Index of the first element that is not before a place; the elements before it are the first ones. */
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

/** A Map whose keys can be read in their order; once they have been, that order is kept. */
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
