import {
  FeedUnavailable,
  systemClock,
  type FeedCursor,
  type FeedName,
  type FeedRecord,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
  type Position,
} from '@nva/ports';
import type { InProcessFeed } from './in-process-feed.ts';

const RETRY_MS = 100;

/** Follows the in-process feeds directly, without a network: for programs that run an NVA and NVEs in one process. */
export class InProcessTransport implements FeedTransport {
  readonly #feed: InProcessFeed;
  readonly #following = new Set<Following>();

  constructor(feed: InProcessFeed) {
    this.#feed = feed;
  }

  follow(feed: FeedName, { resume }: { readonly resume?: FeedCursor }, sink: FeedSink): FeedSubscription {
    const following = new Following(this.#feed, feed, sink);
    this.#following.add(following);
    // The caller has its subscription before the first record reaches the sink.
    queueMicrotask(() => following.start(resume));
    return {
      close: async () => {
        following.stop();
        this.#following.delete(following);
      },
    };
  }

  async close(): Promise<void> {
    for (const following of this.#following) following.stop();
    this.#following.clear();
  }
}

class Following {
  readonly #source: InProcessFeed;
  readonly #feed: FeedName;
  readonly #sink: FeedSink;
  #stopped = false;
  #interrupted = false;
  #callOff: () => void = () => undefined;
  #stop: () => void = () => {};

  constructor(source: InProcessFeed, feed: FeedName, sink: FeedSink) {
    this.#source = source;
    this.#feed = feed;
    this.#sink = sink;
  }

  start(resume?: FeedCursor): void {
    if (this.#stopped) return;
    const cursor = resume === undefined ? null : parseCursor(resume);
    // A position of another log is not comparable with this one, however small it is.
    const after = cursor && cursor.log === this.#source.logOf(this.#feed) ? cursor.position : null;
    const followed = this.#source.follow(this.#feed, after, {
      records: (records) => this.#pass(records),
      ended: () => this.#interrupt(),
    });
    if (!followed) return this.#interrupt();
    if (this.#interrupted) this.#sink.resumed();
    this.#interrupted = false;
    this.#stop = followed.stop;
    if (followed.start === 'snapshot') this.#sink.restart(resume === undefined ? 'first read' : 'the resume point cannot be used');
    else this.#sink.resuming?.();
    this.#pass(followed.records);
    const last = followed.records.at(-1);
    if (last) this.#sink.complete(cursorOf(last.log, followed.position), { log: last.log, position: followed.position });
    else this.#sink.complete(resume ?? null);
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff();
    this.#stop();
  }

  #pass(records: readonly FeedRecord[]): void {
    if (this.#stopped) return;
    for (const record of records) this.#sink.record(record, cursorOf(record.log, record.position));
  }

  #interrupt(): void {
    if (this.#stopped) return;
    this.#stop();
    if (!this.#interrupted) this.#sink.interrupted(new FeedUnavailable('there is no such feed now'));
    this.#interrupted = true;
    this.#callOff = systemClock.after(RETRY_MS, () => this.start());
  }
}

const cursorOf = (log: string, position: Position): FeedCursor => `${log}/${position}`;

function parseCursor(cursor: FeedCursor): { readonly log: string; readonly position: Position } | null {
  const [, log, position] = /^([^/]+)\/(\d{1,16})$/.exec(cursor) ?? [];
  return log === undefined ? null : { log, position: Number(position) };
}
