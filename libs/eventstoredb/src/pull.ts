import { systemClock } from '@nva/ports';

/** The needed part of the client's streams. They are Node streams, but their types are too narrow to say so. */
export interface ClientStream {
  on(event: string | symbol, listener: (...args: unknown[]) => void): unknown;
  read(): unknown;
  removeAllListeners(event: string | symbol): unknown;
  resume(): unknown;
  cancel?(): Promise<void>;
  unsubscribe?(): Promise<void>;
}

/**
 * Takes everything that a client's stream holds at once, in the order of arrival. The client's own iterator gives one event per
 * turn, and never ends a stream that was cancelled on this side.
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

  /**
   * Items that have left the stream, whether the reader has them or not: taking one item can make the stream report something
   * about the next.
   */
  get read(): number {
    return this.#read;
  }

  /**
   * The next items, at most `max`; null once the stream or its reader has ended. Throws the stream's error after the items before
   * it.
   */
  async take(max: number, ready: () => boolean = () => false): Promise<T[] | null> {
    for (;;) {
      const items: T[] = [];
      for (let item: unknown; items.length < max && (item = this.#stream.read()) !== null; this.#read++) items.push(item as T);
      if (items.length > 0 || ready()) return items;
      if (this.#error !== undefined) throw this.#error;
      if (this.#over) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
      // The events of one packet arrive in several turns; together they make one batch.
      await systemClock.turn();
    }
  }

  /** Wakes a reader that waits for items, so that it checks `ready`. */
  notify(): void {
    this.#wake?.();
  }

  /** Nothing more will come; `error` is the reason. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.stop();
  }

  /** The reader wants nothing more. */
  stop(): void {
    this.#over = true;
    this.#wake?.();
  }
}
