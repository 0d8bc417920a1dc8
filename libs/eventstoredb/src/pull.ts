import { systemClock } from '@nva/ports';

/** What is needed of the client's streams. They are Node's, with types too narrow to be taken for them. */
export interface ClientStream {
  on(event: string | symbol, listener: (...args: unknown[]) => void): unknown;
  read(): unknown;
  removeAllListeners(event: string | symbol): unknown;
  resume(): unknown;
  cancel?(): Promise<void>;
  unsubscribe?(): Promise<void>;
}

/**
 * Takes what a client's stream holds, as much as there is at once, in the order in which it came. The client's own iterator
 * gives one event a turn, and it never ends a stream that was cancelled on this side.
 */
export class Pull<T> {
  readonly #stream: ClientStream;
  #read = 0;
  #wake: (() => void) | undefined;
  #over = false;
  #error: unknown;

  constructor(stream: ClientStream) {
    this.#stream = stream;
    stream.on('readable', () => this.#wake?.());
    stream.on('end', () => this.stop());
    stream.on('close', () => this.stop());
    stream.on('error', (error) => this.fail(error));
  }

  /** How many items have left the stream, given to the reader or not yet: taking one can make the stream say something of its next. */
  get read(): number {
    return this.#read;
  }

  /** The next items, at most `max`; null once the stream or its reader has ended. Throws the stream's error, after what came before it. */
  async take(max: number, ready: () => boolean = () => false): Promise<T[] | null> {
    for (;;) {
      const items: T[] = [];
      for (let item: unknown; items.length < max && (item = this.#stream.read()) !== null; this.#read++) items.push(item as T);
      if (items.length > 0 || ready()) return items;
      if (this.#error !== undefined) throw this.#error;
      if (this.#over) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
      // The events of one packet arrive in as many turns; together they make one batch.
      await systemClock.turn();
    }
  }

  /** Wakes a reader that waits for items, to look at `ready`. */
  notify(): void {
    this.#wake?.();
  }

  /** Nothing more will come, for this reason. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.stop();
  }

  /** Nothing more is wanted. */
  stop(): void {
    this.#over = true;
    this.#wake?.();
  }
}
