import { OrderedMap } from './ordered.ts';

/**
 * A map that begins with the entries of another one and leaves that one as it is. A value is copied when it is first asked for, so
 * that a change of the copy does not reach the original. Its keys come in the order in which those of the original would come after
 * the same changes.
 */
export class ForkedMap<K extends string | number, V> extends OrderedMap<K, V> {
  readonly #original: () => ReadonlyMap<K, V>;
  readonly #copyOf: (value: V) => V;
  readonly #copies = new Map<K, V>();
  /** Keys of the original that are here no more, or came again at the end. Those that came again are entries of the Map itself. */
  readonly #gone = new Set<K>();

  /** `original` is called for each read of it, and throws if it may not be read any more. `copyOf` is called once for a key. */
  constructor(original: () => ReadonlyMap<K, V>, copyOf: (value: V) => V) {
    super();
    this.#original = original;
    this.#copyOf = copyOf;
  }

  override get size(): number {
    return this.#original().size - this.#gone.size + super.size;
  }

  override has(key: K): boolean {
    return super.has(key) || this.#isInPlace(key);
  }

  override get(key: K): V | undefined {
    const own = super.get(key) ?? this.#copies.get(key);
    if (own !== undefined || !this.#isInPlace(key)) return own;
    const copy = this.#copyOf(this.#original().get(key)!);
    this.#copies.set(key, copy);
    return copy;
  }

  override set(key: K, value: V): this {
    if (!this.#isInPlace(key)) return super.set(key, value);
    this.#copies.set(key, value);
    return this;
  }

  override delete(key: K): boolean {
    if (!this.#isInPlace(key)) return super.delete(key);
    this.#gone.add(key);
    this.#copies.delete(key);
    super.delete(key);
    return true;
  }

  override clear(): void {
    for (const key of this.#original().keys()) this.#gone.add(key);
    this.#copies.clear();
    super.clear();
  }

  override *keys(): MapIterator<K> {
    for (const key of this.#original().keys()) if (!this.#gone.has(key)) yield key;
    yield* super.keys();
  }

  override *values(): MapIterator<V> {
    for (const key of this.keys()) yield this.get(key)!;
  }

  override *entries(): MapIterator<[K, V]> {
    for (const key of this.keys()) yield [key, this.get(key)!];
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  override forEach(each: (value: V, key: K, map: Map<K, V>) => void): void {
    for (const [key, value] of this) each(value, key, this);
  }

  #isInPlace(key: K): boolean {
    return !this.#gone.has(key) && this.#original().has(key);
  }
}
