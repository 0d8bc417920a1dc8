import type { ServerResponse } from 'node:http';
import type { TopicReader } from '@nva/in-process-feed';
import type { FeedName } from '@nva/ports';
import type { FeedStreams } from './feed-streams.ts';

/** A comment is sent after this long without output, so that both ends notice a dead connection. */
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
 * One consumer of a feed as Server-Sent Events: hello, what is there, snapshot-complete, then live (libs/nve/README.md has the protocol in
 * full). It is sent one piece after the other, each when the socket has taken the one before, and the pieces are those of all consumers; so
 * a slow one costs a place in the feed and the piece at hand, and one that takes nothing is ended.
 */
export class FeedStream {
  readonly #response: ServerResponse;
  readonly #log: string;
  readonly #entitled: () => boolean;
  #wake: () => void = () => {};
  #woken = false;
  /** Nothing more will come than what is there. */
  #ending = false;
  #ended = false;

  /**
   * `entitled`: whether the consumer may still be told. Asked before everything that is sent; once it may not, the stream ends.
   * Never throws.
   */
  constructor(response: ServerResponse, log: string, entitled: () => boolean) {
    this.#response = response;
    this.#log = log;
    this.#entitled = entitled;
  }

  /** Runs until either side ends it. False if there is no such feed; nothing was sent then. */
  async run(streams: FeedStreams, feed: FeedName, resume: ResumePoint | null, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const left = streams.joined(this);
    this.#response.on('close', () => this.#end());
    try {
      return await this.#follow(streams, feed, resume, headers);
    } finally {
      left();
    }
  }

  /** Ends it if the consumer may not be told any more. */
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

  /** Who does not take the end either is cut off. */
  #finish(limitMs: number): void {
    const cut = setTimeout(() => this.#response.destroy(), limitMs).unref();
    this.#response.on('close', () => clearTimeout(cut));
    this.#response.end();
  }

  async #send(bytes: Buffer, streams: FeedStreams): Promise<void> {
    if (!this.#response.write(bytes)) await this.#drained(streams);
  }

  /** Resolves when the socket has taken what it was given, or is gone: it has a time for that. */
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
