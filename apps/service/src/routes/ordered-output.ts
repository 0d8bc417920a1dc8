import { nextTick } from 'node:process';
import type { Writable } from 'node:stream';

/**
 * Texts that become ready in any order and are written in the order in which they were announced. Texts that are ready at the
 * same time are written together, in one write. The output waits for a reader that does not keep up.
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

  /** Resolves when there is room for another text. Rejects once a text has failed or the reader has gone. One call at a time. */
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

  /** Resolves when all announced texts are written. */
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
    // By then, other texts that become ready in this turn are ready too.
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
