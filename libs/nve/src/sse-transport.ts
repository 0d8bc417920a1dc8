import { randomInt } from 'node:crypto';
import {
  feedKey,
  FeedDenied,
  type FeedCursor,
  type FeedName,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
  type Position,
} from '@nva/ports';
import { retryDelayMs } from './backoff.ts';
import { SseProtocolError, type StreamEvent } from './event-stream.ts';
import { MessageReader, type Message } from './sse-messages.ts';
import { FeedStreamDelayed, FeedStreamRefused, readStream, type StreamRequest } from './sse-stream.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface SseTransportOptions {
  /** URL of the NVA's REST interface, without `/v1`: `http://127.0.0.1:3000`. */
  readonly baseUrl: string;
  /** Bearer token. */
  readonly token?: string;
  readonly fetch?: typeof fetch;
  readonly timers?: Timers;
  /** In [0, 1), for the jitter of retries. */
  readonly random?: () => number;
}

const RANDOM_STEPS = 2 ** 32;

/**
 * The feeds over Server-Sent Events (README, «The protocol»): one request per feed, so joining or leaving one feed does not
 * affect the others. A stream that breaks is resumed after the last whole change; if the server cannot resume, or the first read
 * was not complete, the feed is read from the start. Retries back off to 30 s; after a refusal they wait for 15 s or as long as
 * the server says. They never end.
 */
export class SseTransport implements FeedTransport {
  readonly #options: SseTransportOptions;
  readonly #open = new Set<SseSubscription>();

  constructor(options: SseTransportOptions) {
    this.#options = options;
  }

  follow(feed: FeedName, { resume }: { readonly resume?: FeedCursor }, sink: FeedSink): FeedSubscription {
    const { baseUrl, token, timers = systemTimers, random = () => randomInt(RANDOM_STEPS) / RANDOM_STEPS } = this.#options;
    const path = feed.kind === 'vn' ? `vns/${feed.vnid}` : `nves/${encodeURIComponent(feed.nveId)}`;
    const url = `${baseUrl.replace(/\/$/, '')}/v1/${path}/feed`;
    const request = { url, token, fetch: this.#options.fetch ?? fetch, timers };
    const subscription = new SseSubscription(feed, request, random, resume ?? null, sink, () => this.#open.delete(subscription));
    this.#open.add(subscription);
    return subscription;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((subscription) => subscription.close()));
  }
}

/** One followed feed: several streams, one after the other, as one continuous sequence for the sink. */
class SseSubscription implements FeedSubscription {
  readonly #feed: FeedName;
  readonly #sink: FeedSink;
  readonly #request: Omit<StreamRequest, 'lastEventId' | 'signal'>;
  readonly #random: () => number;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  /** `<log>/<position>` of the last whole change; null while there is no whole change to resume after. */
  #cursor: FeedCursor | null;
  /** The log of the present stream. */
  #log = '';
  #inSnapshot = false;
  /** The reason of the present interruption, as reported to the sink; null if there is none. */
  #trouble: Error | null = null;
  /** Streams in a row that did not reach `complete`. */
  #failures = 0;

  constructor(
    feed: FeedName,
    request: Omit<StreamRequest, 'lastEventId' | 'signal'>,
    random: () => number,
    resume: FeedCursor | null,
    sink: FeedSink,
    onClosed: () => void,
  ) {
    this.#feed = feed;
    this.#request = request;
    this.#random = random;
    this.#cursor = resume;
    this.#sink = sink;
    this.#done = this.#run().finally(onClosed);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const lastEventId = this.#cursor;
      const reader = new MessageReader();
      const cause = await readStream({ ...this.#request, signal, lastEventId }, (event) => this.#event(reader, event, lastEventId)).catch(
        (error: Error) => error,
      );
      if (signal.aborted) return;
      this.#interrupt(cause);
      const answered = cause instanceof FeedStreamRefused || cause instanceof FeedStreamDelayed;
      await this.#wait(retryDelayMs(this.#failures++, answered, this.#random(), answered ? cause.retryAfterMs : null));
    }
  }

  #event(reader: MessageReader, event: StreamEvent, lastEventId: FeedCursor | null): void {
    // The parser may still hold events of a chunk when the sink has closed the feed in the middle of it.
    if (this.#abort.signal.aborted) return;
    this.#handle(reader.read(event), event.id, lastEventId);
  }

  #handle(message: Message, id: string | undefined, lastEventId: FeedCursor | null): void {
    switch (message.kind) {
      case 'hello':
        return this.#hello(message, lastEventId);
      case 'record':
        return this.#sink.record(message.record, this.#advance(id));
      case 'undecodable':
        return this.#sink.undecodable(message.failure, this.#advance(id));
      case 'snapshot-complete':
        this.#inSnapshot = false;
        this.#failures = 0;
        return this.#complete(message, this.#advance(id));
      case 'other':
    }
  }

  #hello({ log, mode }: { readonly log: string; readonly mode: 'snapshot' | 'resume' }, lastEventId: FeedCursor | null): void {
    if (mode === 'resume' && !lastEventId?.startsWith(`${log}/`)) {
      throw new SseProtocolError(`${feedKey(this.#feed)} resumed in log ${log}, asked to after ${lastEventId ?? 'nothing'}`);
    }
    if (this.#trouble) {
      this.#trouble = null;
      this.#sink.resumed();
    }
    this.#log = log;
    this.#inSnapshot = mode === 'snapshot';
    if (mode === 'resume') return this.#sink.resuming?.();
    // A snapshot that breaks off cannot be resumed, because its records are not in the order of a history.
    this.#cursor = null;
    this.#sink.restart(lastEventId === null ? 'read from the start' : `the server could not resume after ${lastEventId}`);
  }

  #complete({ log, position }: { readonly log: string; readonly position: Position }, cursor: FeedCursor): void {
    this.#sink.complete(position === 0 ? null : cursor, { log, position });
  }

  /** The cursor after an event: an id moves it, except within a snapshot. */
  #advance(id: string | undefined): FeedCursor {
    if (id !== undefined && !this.#inSnapshot) this.#cursor = id;
    return this.#cursor ?? `${this.#log}/0`;
  }

  #interrupt(cause: Error): void {
    if (this.#trouble && this.#trouble instanceof FeedDenied === cause instanceof FeedDenied) return;
    this.#trouble = cause;
    this.#sink.interrupted(cause);
  }

  #wait(delayMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const stop = (): void => {
        callOff();
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const callOff = this.#request.timers.after(delayMs, stop);
      signal.addEventListener('abort', stop);
    });
  }
}
