import type { ServerResponse } from 'node:http';
import type { TopicReader } from '@nva/in-process-feed';
import type { FeedName } from '@nva/ports';
import type { FeedStreams } from './feed-streams.ts';

/** A comment is sent after this time without output, so that both ends notice a dead connection. */
const KEEP_ALIVE_MS = 15_000;

/** Where a consumer was: `Last-Event-ID`, `<log>/<position>`. */
export interface ResumePoint {
  readonly log: string;
  readonly position: number;
}

export function parseResumePoint(header: string | undefined): ResumePoint | null {
  const match = /^([0-9a-f-]{36})\/(\d{1,16})$/.exec(header ?? '');
  return match && Number.isSafeInteger(Number(match[2])) ? { log: match[1]!, position: Number(match[2]) } : null;
}

/**
 * One consumer of a feed as Server-Sent Events: hello, the present records, snapshot-complete, then live changes (the protocol is
 * in libs/nve/README.md). The stream sends one piece after the other, each when the socket has taken the previous one, and the
 * pieces are shared by all consumers. So a slow consumer costs only a place in the feed and the current piece; a consumer that
 * accepts nothing is disconnected.
 */
export class FeedStream {
  readonly #response: ServerResponse;
  readonly #log: string;
  readonly #entitled: () => boolean;
  #wake: () => void = () => {};
  #woken = false;
  /** Nothing more will come after the present records. */
  #ending = false;
  #ended = false;

  /**
   * `entitled`: whether the consumer may still receive the feed. Asked before every piece; once it returns false, the stream
   * ends. It never throws.
   */
  constructor(response: ServerResponse, log: string, entitled: () => boolean) {
    this.#response = response;
    this.#log = log;
    this.#entitled = entitled;
  }

  /** Runs until either side ends the stream. False if there is no such feed; nothing was sent then. */
  async run(streams: FeedStreams, feed: FeedName, resume: ResumePoint | null, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const left = streams.joined(this);
    this.#response.on('close', () => this.#end());
    try {
      return await this.#follow(streams, feed, resume, headers);
    } finally {
      left();
    }
  }

  /** Ends the stream if the consumer may no longer receive the feed. */
  check(): void {
    if (this.#entitled()) return;
    this.#end();
    if (this.#response.writableNeedDrain) this.#response.destroy();
  }

  async #follow(
    streams: FeedStreams,
    feed: FeedName,
    resume: ResumePoint | null,
    headers: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const { source, turns, encoding } = streams;
    await source.prepare(feed, (step) => turns.run(step));
    const after = resume?.log === this.#log ? resume.position : null;
    const reader = await turns.run(() => source.reader(feed, after, { wake: () => this.#wakeUp(), ended: () => this.#endAfterAll() }));
    if (!reader) return false;
    const keepAlive = setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS);
    try {
      this.#response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
      await this.#send(encoding.hello(reader.start), streams);
      while (!this.#ended) await this.#step(reader, streams);
    } finally {
      clearInterval(keepAlive);
      reader.close();
      this.#finish(streams.stallLimitMs);
    }
    return true;
  }

  /** Sends the next piece, or waits for one. */
  async #step(reader: TopicReader, streams: FeedStreams): Promise<void> {
    this.#woken = false;
    const taken = await streams.turns.run(() => this.#next(reader, streams));
    if (taken === false) await this.#drained(streams);
    if (taken !== null || this.#woken || this.#ended) return;
    if (this.#ending) return this.#end();
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Whether the socket is ready for more; null if there was nothing to send. */
  #next(reader: TopicReader, streams: FeedStreams): boolean | null {
    if (this.#response.destroyed) this.#end();
    if (this.#ended) return null;
    const piece = reader.next();
    if (piece === null) return null;
    if (piece === 'lost') return this.#tooSlow(streams);
    if (!this.#entitled()) {
      this.#end();
      return null;
    }
    const bytes = streams.encoding.of(piece);
    return bytes.length === 0 || this.#response.write(bytes);
  }

  #tooSlow(streams: FeedStreams): null {
    streams.counters.endedAsSlow++;
    this.#response.destroy();
    this.#end();
    return null;
  }

  #wakeUp(): void {
    this.#woken = true;
    this.#wake();
  }

  #endAfterAll(): void {
    this.#ending = true;
    this.#wakeUp();
  }

  #end(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  #keepAlive(): void {
    this.check();
    if (!this.#ended && !this.#response.writableNeedDrain) this.#response.write(': keep-alive\n\n');
  }

  /** Ends the response. A consumer that does not accept the end within the limit is disconnected. */
  #finish(limitMs: number): void {
    const cut = setTimeout(() => this.#response.destroy(), limitMs).unref();
    this.#response.on('close', () => clearTimeout(cut));
    this.#response.end();
  }

  async #send(bytes: Buffer, streams: FeedStreams): Promise<void> {
    if (!this.#response.write(bytes)) await this.#drained(streams);
  }

  /** Resolves when the socket has taken its data, or is closed. A socket that takes too long is closed. */
  #drained(streams: FeedStreams): Promise<void> {
    if (this.#response.destroyed || !this.#response.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const stalled = setTimeout(() => this.#tooSlow(streams), streams.stallLimitMs);
      const settle = (): void => {
        clearTimeout(stalled);
        this.#response.off('drain', settle);
        this.#response.off('close', settle);
        resolve();
      };
      this.#response.on('drain', settle);
      this.#response.on('close', settle);
    });
  }
}
