import type { EventLogLimits } from './limits.ts';
import type { Chunk, Gathered, LogHeader, ReaderReplies, ReaderRequest, StreamStart } from './protocol.ts';
import { WorkerClient } from './worker-client.ts';

/** The store's interface to the reader thread. */
export class LogReader {
  readonly #worker = new WorkerClient<ReaderRequest, ReaderReplies>('reader.worker');
  readonly #chunkBytes: number;
  readonly #busyLimitMs: number;

  constructor({ readChunkBytes, busyLimitMs }: EventLogLimits) {
    this.#chunkBytes = readChunkBytes;
    this.#busyLimitMs = busyLimitMs;
  }

  async open(uri: string, snapshot: boolean): Promise<void> {
    await this.#worker.call({ kind: 'open', uri, snapshot, busyLimitMs: this.#busyLimitMs });
  }

  header(): Promise<LogHeader> {
    return this.#worker.call({ kind: 'header' });
  }

  /**
   * Checked frames from the one that holds the first event after `after`, up to `upTo`. The next chunk is read while one is
   * consumed.
   */
  chunks(after: number, upTo: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    return ahead(after, (last) => this.#worker.call({ kind: 'chunk', after: last, upTo, maxBytes: this.#chunkBytes }));
  }

  /** Checked frames, newest first, from the one that holds the event before `before`. */
  chunksBack(before: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    return ahead(before, (last) => this.#worker.call({ kind: 'chunkBack', before: last, maxBytes: this.#chunkBytes }));
  }

  stream(head: number, from: number, to: number): Promise<StreamStart> {
    return this.#worker.call({ kind: 'stream', head, from, to, maxBytes: this.#chunkBytes });
  }

  events(positions: Float64Array<ArrayBuffer>): Promise<Gathered> {
    return this.#worker.call({ kind: 'events', positions, maxBytes: this.#chunkBytes });
  }

  async close(): Promise<void> {
    await this.#worker.call({ kind: 'close' });
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }
}

/** Chunks from a place on; the next one is read while one is consumed. */
async function* ahead(from: number, chunk: (from: number) => Promise<Chunk>): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let next: Promise<Chunk> | undefined = chunk(from);
  while (next) {
    const { frames, last, end }: Chunk = await next;
    next = end ? undefined : chunk(last);
    // A consumer that stops here leaves one answer unread; a failure in it concerns nobody.
    next?.catch(() => undefined);
    if (frames.length > 0) yield frames;
  }
}
