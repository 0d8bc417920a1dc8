/** Lets a bounded size through at a time, in the order of arrival; an entry that is larger than the whole gate passes alone. */
export class Gate {
  readonly #capacity: number;
  readonly #waiting: { readonly size: number; readonly enter: () => void }[] = [];
  #inside = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async through<T>(size: number, run: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(size)) await new Promise<void>((enter) => this.#waiting.push({ size, enter }));
    else this.#inside += size;
    try {
      return await run();
    } finally {
      this.#inside -= size;
      while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.size)) {
        const next = this.#waiting.shift()!;
        this.#inside += next.size;
        next.enter();
      }
    }
  }

  #fits(size: number): boolean {
    return this.#inside === 0 || this.#inside + size <= this.#capacity;
  }
}
