import { styleText } from 'node:util';
import type { Sink } from '../io.ts';

type Style = Parameters<typeof styleText>[0];

/** Colours on a terminal; none in a pipe, with NO_COLOR (https://no-color.org), or on a dumb terminal. */
export class Paint {
  readonly enabled: boolean;

  constructor(sink: Pick<Sink, 'isTTY'>, env: Readonly<Record<string, string | undefined>>) {
    this.enabled = sink.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  }

  readonly heading = (text: string): string => this.#in('bold', text);
  readonly dim = (text: string): string => this.#in('dim', text);
  readonly good = (text: string): string => this.#in('green', text);
  readonly bad = (text: string): string => this.#in('red', text);
  readonly warn = (text: string): string => this.#in('yellow', text);

  /** The colour of a difference by its sign. */
  readonly sign = (sign: string, text: string): string =>
    sign === '+' ? this.good(text) : sign === '-' ? this.bad(text) : sign === '~' ? this.warn(text) : text;

  #in(style: Style, text: string): string {
    return this.enabled ? styleText(style, text, { validateStream: false }) : text;
  }
}
