import type { ServerResponse } from 'node:http';
import type { FeedValue } from '@nva/codec';
import type { InProcessFeed } from '@nva/in-process-feed';
import type { FeedName, FeedRecord } from '@nva/ports';

/** A comment is sent after this long without output, so that both ends notice a dead connection. */
const KEEP_ALIVE_MS = 15_000;
/** Records that wait for a slow consumer at most; it is disconnected beyond it, and starts over or resumes. */
export const MAX_WAITING_RECORDS = 100_000;
/** Bytes handed to the socket before waiting for it. */
const WRITE_BYTES = 256 * 1_024;

/** Where a consumer was: `Last-Event-ID`, `<log>/<position>`. */
export interface ResumePoint {
  readonly log: string;
  readonly position: number;
}

export function parseResumePoint(header: string | undefined): ResumePoint | null {
  const match = /^([0-9a-f-]{36})\/(\d{1,16})$/.exec(header ?? '');
  return match && Number.isSafeInteger(Number(match[2])) ? { log: match[1]!, position: Number(match[2]) } : null;
}

/** The fields of the Avro record; a position among them is a decimal string, as everywhere in JSON. */
const jsonOf = (value: FeedValue): object => (value.type === 'Membership' ? { ...value.data, since: String(value.data.since) } : value.data);

/**
 * One consumer of a feed as Server-Sent Events: hello, what is there, snapshot-complete, then live (libs/nve/README.md has the protocol in
 * full). The socket is waited for; what comes meanwhile queues up to a bound.
 */
export class FeedStream {
  readonly #response: ServerResponse;
  readonly #log: string;
  readonly #entitled: () => boolean;
  #waiting: FeedRecord[] = [];
  #wake: () => void = () => {};
  #ended = false;

  /** `entitled`: whether the consumer may still be told. Asked before everything that is new; once it may not, the stream ends. */
  constructor(response: ServerResponse, log: string, entitled: () => boolean) {
    this.#response = response;
    this.#log = log;
    this.#entitled = entitled;
  }

  /** Runs until either side ends it. False if there is no such feed; nothing was sent then. */
  async run(source: InProcessFeed, feed: FeedName, resume: ResumePoint | null, headers: Readonly<Record<string, string>>): Promise<boolean> {
    const after = resume?.log === this.#log ? resume.position : null;
    const followed = source.follow(feed, after, { records: (records) => this.#take(records), ended: () => this.#end() });
    if (!followed) return false;
    this.#response.on('close', () => this.#end());
    const keepAlive = setInterval(() => this.#response.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
    try {
      this.#response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
      await this.#write([`event: hello\ndata: ${JSON.stringify({ log: this.#log, mode: followed.start })}\n\n`]);
      await this.#write(followed.records.map((record) => this.#event(record, followed.start === 'resume')));
      await this.#write([`event: snapshot-complete\nid: ${this.#log}/${followed.position}\ndata: {}\n\n`]);
      while (!this.#ended) {
        const records = this.#waiting;
        this.#waiting = [];
        await this.#write(records.map((record) => this.#event(record, true)));
        if (this.#waiting.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      clearInterval(keepAlive);
      followed.stop();
      this.#response.end();
    }
    return true;
  }

  #take(records: readonly FeedRecord[]): void {
    if (!this.#entitled()) return this.#end();
    this.#waiting.push(...records);
    if (this.#waiting.length > MAX_WAITING_RECORDS) {
      this.#waiting = [];
      this.#response.destroy();
      this.#end();
    }
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** An id comes only with the last record of a change, and never within a snapshot: a place in the middle is no place to resume. */
  #event({ key, value, position, changeEnd, eventType, correlationId, recordedAt }: FeedRecord, resumable: boolean): string {
    const data = JSON.stringify({ key, value: value && jsonOf(value), position: String(position), eventType, correlationId, recordedAt });
    return resumable && changeEnd ? `id: ${this.#log}/${position}\ndata: ${data}\n\n` : `data: ${data}\n\n`;
  }

  async #write(events: readonly string[]): Promise<void> {
    for (let at = 0; at < events.length && !this.#ended; ) {
      let text = '';
      while (at < events.length && text.length < WRITE_BYTES) text += events[at++]!;
      if (!this.#response.write(text)) await this.#drained();
    }
  }

  #drained(): Promise<void> {
    if (this.#response.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#response.off('drain', settle);
        this.#response.off('close', settle);
        resolve();
      };
      this.#response.on('drain', settle);
      this.#response.on('close', settle);
    });
  }
}
