/** Commands that come while others are decided again: they wait, and follow in their order. */
export class Holding {
  #depth = 0;
  readonly #held: (() => void)[] = [];
  #commands = 0;

  /** Whether what comes now has to wait. */
  get isOn(): boolean {
    return this.#depth > 0;
  }

  /** Commands that wait. */
  get commands(): number {
    return this.#commands;
  }

  /** Has so many commands wait; `submit` is their turn. */
  hold<T>(commands: number, submit: () => Promise<T>): Promise<T> {
    this.#commands += commands;
    return new Promise((resolve) =>
      this.#held.push(() => {
        this.#commands -= commands;
        resolve(submit());
      }),
    );
  }

  /** What comes until `work` is done waits. */
  async during(work: () => Promise<void>): Promise<void> {
    this.#depth++;
    try {
      await work();
    } finally {
      this.#depth--;
      while (this.#depth === 0 && this.#held.length > 0) this.#held.shift()!();
    }
  }
}
