import type { Clock } from '@nva/ports';
import type { Io } from '../io.ts';

const WIDTH = 30;
const REDRAW_MS = 100;

/** A bar on standard error while something long goes on; nothing where that is no terminal. */
export class Progress implements Disposable {
  readonly #io: Pick<Io, 'stderr'>;
  readonly #clock: Clock;
  readonly #what: string;
  readonly #total: number;
  readonly #shown: boolean;
  #drawnMs = -Infinity;

  constructor(io: Pick<Io, 'stderr' | 'clock'>, what: string, total: number) {
    this.#io = io;
    this.#clock = io.clock;
    this.#what = what;
    this.#total = total;
    this.#shown = io.stderr.isTTY === true && total > 1;
  }

  /** `done` of all so far. */
  update(done: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#shown || (nowMs - this.#drawnMs < REDRAW_MS && done < this.#total)) return;
    this.#drawnMs = nowMs;
    this.#io.stderr.write(`\r\x1b[K${bar(this.#what, done, this.#total)}`);
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#io.stderr.write('\r\x1b[K');
  }
}

export function bar(what: string, done: number, total: number): string {
  const full = Math.round((Math.min(done, total) / Math.max(1, total)) * WIDTH);
  return `${what} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${done}/${total}`;
}
