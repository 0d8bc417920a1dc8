/** Holds commands that arrive while others are decided again; they follow in their order. */
export class Holding {
  #depth = 0;
  readonly #held: (() => void)[] = [];
  #commands = 0;

  /** Whether a command that arrives now has to wait. */
  get isOn(): boolean {
    return this.#depth > 0;
  }

  /** Number of commands that wait. */
  get commands(): number {
    return this.#commands;
  }

  /** Holds this number of commands; `submit` is called when it is their turn. */
  hold<T>(commands: number, submit: () => Promise<T>): Promise<T> {
    this.#commands += commands;
    return new Promise((resolve) =>
      this.#held.push(() => {
        this.#commands -= commands;
        resolve(submit());
      }),
    );
  }

  /** Commands that arrive until `work` is done have to wait. */
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
