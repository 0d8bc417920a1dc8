/** Records without a readable key that are listed one by one; further ones are only counted. */
export const MAX_NAMELESS_FAILURES = 64;

/**
 * The keys that a table could not understand (contract, «What a consumer does»). A key leaves the list when a record for it is
 * applied. A failure without a readable key stays until the feed is read again from its start.
 */
export class DegradedKeys {
  readonly #keys = new Set<string>();
  readonly #nameless: string[] = [];
  #namelessBeyond = 0;
  #version = 0;

  /** A number that changes whenever the list changes. */
  get version(): number {
    return this.#version;
  }

  /** `at` is where the record stands in the feed. */
  add(key: string | null, at: string): void {
    if (key !== null && this.#keys.has(key)) return;
    this.#version++;
    if (key !== null) this.#keys.add(key);
    else if (this.#nameless.length < MAX_NAMELESS_FAILURES) this.#nameless.push(at);
    else this.#namelessBeyond++;
  }

  clear(key: string): void {
    if (this.#keys.size > 0 && this.#keys.delete(key)) this.#version++;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  keys(): Iterable<string> {
    return this.#keys;
  }

  /** Keys in order, then `?@<place>` for records without a readable key. */
  list(): string[] {
    const beyond = this.#namelessBeyond > 0 ? [`?@${this.#namelessBeyond} more`] : [];
    return [...[...this.#keys].sort(), ...this.#nameless.map((at) => `?@${at}`), ...beyond];
  }
}
