import {
  FeedDenied,
  FeedUnavailable,
  type FeedName,
  type FeedRecord,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
} from '@nva/ports';
import type { Link } from './link.ts';
import { REMOVALS_KEPT_MS, topicName, type SimBrokers, type SimTopic } from './sim-brokers.ts';
import type { Life, World } from './world.ts';

const RETRY_MS = 500;
/** A consumer asks again after this time even without news. */
const FETCH_WAIT_MS = 5_000;

export interface SimFeedTransportOptions {
  readonly brokers: SimBrokers;
  readonly world: World;
  readonly life: Life;
  readonly link: Link;
  readonly nveId: string;
  /** Called with every record that the brokers delivered to this NVE. */
  readonly delivered: (feed: FeedName, record: FeedRecord) => void;
}

/** An NVE's consumers on the simulated brokers: committed records in order, from an offset on. */
export class SimFeedTransport implements FeedTransport {
  readonly #options: SimFeedTransportOptions;
  readonly #following = new Set<Following>();
  readonly #endNews: () => void;

  constructor(options: SimFeedTransportOptions) {
    this.#options = options;
    this.#endNews = options.brokers.onNews((topic) => {
      for (const following of this.#following) if (following.topic === topic) following.soon();
    });
  }

  follow(feed: FeedName, options: { readonly membership?: { readonly topic: string } }, sink: FeedSink): FeedSubscription {
    const topic = options.membership?.topic ?? topicName(feed);
    const following = new Following(this.#options, topic, feed, sink);
    this.#following.add(following);
    following.soon();
    return {
      close: async () => {
        following.close();
        this.#following.delete(following);
      },
    };
  }

  async close(): Promise<void> {
    this.#endNews();
    for (const following of this.#following) following.close();
    this.#following.clear();
  }
}

class Following {
  readonly topic: string;
  readonly #options: SimFeedTransportOptions;
  readonly #feed: FeedName;
  readonly #sink: FeedSink;
  #restart: string | null = 'first read';
  #print: string | null = null;
  #next = 0;
  /** The offset at which the table is complete; null until the first fetch tells it. */
  #end: number | null = null;
  #complete = false;
  #trouble: Error | null = null;
  #closed = false;
  #callOff: (() => void) | null = null;
  #fetching = false;
  #again = false;
  #lastAtEndMs: number;

  constructor(options: SimFeedTransportOptions, topic: string, feed: FeedName, sink: FeedSink) {
    this.#options = options;
    this.topic = topic;
    this.#feed = feed;
    this.#sink = sink;
    this.#lastAtEndMs = options.world.nowMs;
  }

  /** Asks the brokers as soon as possible. */
  soon(): void {
    if (this.#closed) return;
    if (this.#fetching) this.#again = true;
    else this.#in(0);
  }

  close(): void {
    this.#closed = true;
    this.#callOff?.();
  }

  #in(delayMs: number): void {
    this.#callOff?.();
    this.#callOff = this.#options.world.after(delayMs, this.#options.life, () => this.#fetch());
  }

  #fetch(): void {
    const { link, world, life } = this.#options;
    this.#callOff = null;
    this.#fetching = true;
    this.#again = false;
    if (!link.passes()) {
      world.after(RETRY_MS, life, () => this.#failed(new FeedUnavailable('the brokers do not answer')));
      return;
    }
    world.after(link.delayMs(), life, () => this.#atBrokers());
  }

  #atBrokers(): void {
    const { brokers, nveId, world, life, link } = this.#options;
    const topic = brokers.topics.get(this.topic);
    if (!topic) return this.#failed(new FeedUnavailable(`${this.topic} is not there`), 'the topic was made anew');
    if (!brokers.mayRead(nveId, this.#feed)) return this.#failed(new FeedDenied(`${this.topic} is denied`));
    this.#notice(topic);
    const end = topic.stableEnd;
    // Records arrive in pieces, with the delay of the link; the records of one transaction arrive in one piece.
    const committed = topic.committedFrom(this.#next);
    let count = Math.min(committed.length, world.between(1, 64));
    while (count > 0 && count < committed.length && committed[count]!.transaction === committed[count - 1]!.transaction) count++;
    const some = committed.slice(0, count);
    const next = some.length > 0 ? some.at(-1)!.offset + 1 : end;
    const upTo = topic.committedFrom(next).length === 0 ? end : next;
    world.after(link.delayMs(), life, () =>
      this.#arrived(
        some.map(({ record }) => record),
        upTo,
        end,
      ),
    );
  }

  #notice(topic: SimTopic): void {
    const { world } = this.#options;
    if (this.#print !== null && this.#print !== topic.print) this.#startAnew('the topic was made anew');
    else if (this.#next > topic.end) this.#startAnew('the offset is out of range');
    else if (this.#complete && world.nowMs - this.#lastAtEndMs > REMOVALS_KEPT_MS / 2) this.#startAnew('removals may have been missed');
    this.#print = topic.print;
  }

  #startAnew(reason: string): void {
    this.#restart = reason;
    this.#next = 0;
    this.#end = null;
    this.#complete = false;
  }

  #arrived(records: readonly FeedRecord[], next: number, end: number): void {
    if (this.#closed) return;
    if (this.#trouble) {
      this.#trouble = null;
      this.#sink.resumed();
    }
    if (this.#restart !== null) {
      const reason = this.#restart;
      this.#restart = null;
      this.#sink.restart(reason);
    }
    for (const record of records) {
      this.#options.delivered(this.#feed, record);
      this.#sink.record(record, `${this.topic}@${next}`);
      if (this.#closed) return;
    }
    this.#next = next;
    this.#end ??= end;
    if (this.#next >= this.#end && !this.#complete) {
      this.#complete = true;
      this.#sink.complete(null);
      if (this.#closed) return;
    }
    if (this.#next >= end) this.#lastAtEndMs = this.#options.world.nowMs;
    this.#fetching = false;
    if (this.#next < end || this.#again) this.soon();
    else this.#in(FETCH_WAIT_MS);
  }

  #failed(cause: Error, restart?: string): void {
    if (this.#closed) return;
    this.#fetching = false;
    if (restart !== undefined && this.#print !== null) this.#startAnew(restart);
    if (!this.#trouble || this.#trouble instanceof FeedDenied !== cause instanceof FeedDenied) {
      this.#trouble = cause;
      this.#sink.interrupted(cause);
    }
    if (!this.#closed) this.#in(RETRY_MS);
  }
}
