import type { Clock } from '@nva/ports';
import { EXIT, Failure } from './exit-codes.ts';

/** A stream for output, as far as nvactl uses one. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Everything that a run has of the world outside: commands use nothing else, so a test can replace all of it. */
export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** What must be done even if the process ends at once: the terminal is given back. */
  readonly atExit: Set<() => void>;
  randomId(): string;
}

/** Writes and waits while the reader is slow. */
export async function write(sink: Sink, text: string): Promise<void> {
  if (text === '' || sink.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      sink.off('drain', done);
      sink.off('close', done);
      resolve();
    };
    sink.once('drain', done);
    sink.once('close', done);
  });
}

/** Maximum size of what is read from a file or from standard input. */
export const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** All of standard input as text. Throws a RangeError if it is longer than MAX_INPUT_BYTES, and a Failure at a Ctrl-C. */
export async function readStdin(io: Pick<Io, 'stdin' | 'signal'>): Promise<string> {
  const { signal } = io;
  let aborted = (): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    aborted = () => reject(new Failure(EXIT.interrupted, 'interrupted'));
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
  });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const input = io.stdin[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await Promise.race([input.next(), ended]);
      if (done) return Buffer.concat(chunks).toString('utf8');
      const bytes = Buffer.from(value);
      length += bytes.length;
      if (length > MAX_INPUT_BYTES) throw new RangeError(`standard input is longer than ${MAX_INPUT_BYTES} bytes`);
      chunks.push(bytes);
    }
  } finally {
    signal.removeEventListener('abort', aborted);
  }
}
