import { nextTick } from 'node:process';
import type { Writable } from 'node:stream';

/**
 * Texts that come to be in any order and are written in the order in which they were announced. Those that are ready together go out
 * together, in one write; a reader that does not keep up is waited for.
 */
export class OrderedOutput {
  readonly #output: Writable;
  readonly #maxAnnounced: number;
  readonly #announced: { text: string | null }[] = [];
  #writing = false;
  #failed: Error | null = null;
  #wake: () => void = () => {};

  constructor(output: Writable, maxAnnounced: number) {
    this.#output = output;
    this.#maxAnnounced = maxAnnounced;
  }

  /** Resolves when there is room for another one. Rejects once a text came to nothing or the reader went away. One call at a time. */
  async announce(text: Promise<string>): Promise<void> {
    const place: { text: string | null } = { text: null };
    this.#announced.push(place);
    text.then(
      (ready) => {
        place.text = ready;
        this.#schedule();
      },
      (cause: Error) => this.#fail(cause),
    );
    await this.#fewerThan(this.#maxAnnounced);
  }

  /** Resolves when everything announced is written. */
  written(): Promise<void> {
    return this.#fewerThan(1);
  }

  async #fewerThan(count: number): Promise<void> {
    while (this.#announced.length >= count && !this.#failed) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#failed) throw this.#failed;
  }

  #schedule(): void {
    if (this.#writing || this.#failed || (this.#announced[0]?.text ?? null) === null) return;
    this.#writing = true;
    // Others that are ready now are, by then.
    nextTick(() => this.#write());
  }

  #write(): void {
    let ready = '';
    for (let text = this.#announced[0]?.text ?? null; text !== null; text = this.#announced[0]?.text ?? null) {
      ready += text;
      this.#announced.shift();
    }
    if (this.#output.write(ready)) return this.#wrote();
    drained(this.#output).then(
      () => this.#wrote(),
      (cause: Error) => this.#fail(cause),
    );
  }

  #wrote(): void {
    this.#writing = false;
    this.#wake();
    this.#schedule();
  }

  #fail(cause: Error): void {
    this.#failed ??= cause;
    this.#wake();
  }
}

function drained(output: Writable): Promise<void> {
  if (output.destroyed) return Promise.reject(new Error('the caller went away'));
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      output.off('drain', onDrain);
      output.off('close', onClose);
      act();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new Error('the caller went away')));
    output.on('drain', onDrain);
    output.on('close', onClose);
  });
}
