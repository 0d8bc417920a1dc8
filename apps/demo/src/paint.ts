import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Uses colours on a terminal, unless NO_COLOR is set. */
export class Paint {
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  readonly heading = (text: string): string => this.#in(['bold', 'cyan'], text);
  readonly dim = (text: string): string => this.#in('dim', text);
  readonly good = (text: string): string => this.#in('green', text);
  readonly bad = (text: string): string => this.#in(['bold', 'red'], text);
  readonly strong = (text: string): string => this.#in('bold', text);

  /** Colours a line of a difference by its sign. */
  readonly sign = (sign: '+' | '-' | '~', text: string): string => this.#in(sign === '+' ? 'green' : sign === '-' ? 'red' : 'yellow', text);

  #in(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stream as NodeJS.WriteStream });
  }
}
