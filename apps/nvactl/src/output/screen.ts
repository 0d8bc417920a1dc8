import type { Io } from '../io.ts';
import { cut } from './table.ts';

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

/** A line of the screen: its text, which is cut to the width, and how it is painted then. */
export interface ScreenLine {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** The whole terminal, drawn again and again, on its alternate screen; what was there before comes back at the end. */
export class Screen implements Disposable {
  readonly #io: Pick<Io, 'stdout' | 'atExit'>;
  readonly #leave = (): void => void this.#io.stdout.write(LEAVE);
  #open = true;

  constructor(io: Pick<Io, 'stdout' | 'atExit'>) {
    this.#io = io;
    io.atExit.add(this.#leave);
    io.stdout.write(ENTER);
  }

  /** A terminal that does not know its size says 0. */
  get rows(): number {
    return this.#io.stdout.rows || 24;
  }

  draw(lines: readonly ScreenLine[]): void {
    if (!this.#open) return;
    const columns = this.#io.stdout.columns || 80;
    const drawn = lines.slice(0, this.rows).map(({ text, paint = (plain) => plain }) => `${paint(cut(text, columns))}\x1b[K`);
    this.#io.stdout.write(`\x1b[H${drawn.join('\r\n')}\x1b[J`);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#io.atExit.delete(this.#leave);
    this.#leave();
  }
}
