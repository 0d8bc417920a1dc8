import type { RecordedEvent, StoreUnavailable, StreamAppend } from '@nva/ports';
import type { GroupCommit } from './group-commit.ts';
import type { EventLogLimits } from './limits.ts';
import { LiveFeed } from './live-feed.ts';
import type { StoredReads } from './stored-reads.ts';

/**
 * A subscription reads the file until it is near the head, joins the live commits, reads up to the position where it joined, and
 * continues from memory. The bound of its feed cuts off a slow one, which begins again with reading.
 */
export class Subscriptions {
  readonly #reads: StoredReads;
  readonly #limits: EventLogLimits;
  readonly #commits: GroupCommit;
  readonly #feeds = new Set<LiveFeed>();
  /** Undefined while the store is open; null once it has closed; the reason once it has failed. */
  #ended: StoreUnavailable | null | undefined;

  constructor(reads: StoredReads, limits: EventLogLimits, commits: GroupCommit) {
    this.#reads = reads;
    this.#limits = limits;
    this.#commits = commits;
  }

  /** A frame has become durable; `first` is the position of its first event. The event objects are made once, for all feeds. */
  publish(appends: readonly StreamAppend[], first: number): void {
    if (this.#feeds.size === 0) return;
    const recorded: RecordedEvent[] = [];
    let position = first;
    for (const { stream, expectedRevision, events } of appends) {
      let revision = expectedRevision;
      for (const { id, event } of events) recorded.push({ position: position++, stream, revision: ++revision, id, event });
    }
    for (const feed of this.#feeds) feed.push(recorded);
  }

  /** With null, subscriptions just end; with a reason, they throw it. */
  end(reason: StoreUnavailable | null): void {
    if (this.#ended === undefined) this.#ended = reason;
    for (const feed of this.#feeds) feed.end();
  }

  async *from(after: number, signal: AbortSignal): AsyncGenerator<readonly RecordedEvent[] | 'caught-up', void> {
    let last = after;
    while (!this.#over(signal)) {
      for await (const events of this.#stored(last, Infinity)) {
        if (this.#over(signal)) return;
        last = events.at(-1)!.position;
        yield events;
      }
      if (this.#over(signal)) return;
      const feed = new LiveFeed(this.#limits.liveQueueEvents);
      const joined = this.#commits.durable;
      this.#feeds.add(feed);
      const stop = (): void => feed.end();
      signal.addEventListener('abort', stop);
      try {
        for await (const events of this.#stored(last, joined)) {
          if (this.#over(signal)) return;
          last = events.at(-1)!.position;
          yield events;
        }
        if (this.#over(signal)) return;
        yield 'caught-up';
        for (
          let events = await feed.take(this.#limits.batchEvents);
          events !== null && !this.#over(signal);
          events = await feed.take(this.#limits.batchEvents)
        ) {
          last = events.at(-1)!.position;
          yield events;
        }
      } finally {
        this.#feeds.delete(feed);
        signal.removeEventListener('abort', stop);
      }
    }
  }

  /** If the store ends, reading ends without an error, and so does the subscription. */
  async *#stored(after: number, upTo: number): AsyncGenerator<RecordedEvent[], void> {
    try {
      yield* this.#reads.all(after, Infinity, upTo);
    } catch (error) {
      if (this.#ended !== null) throw error;
    }
  }

  #over(signal: AbortSignal): boolean {
    if (signal.aborted || this.#ended === null) return true;
    if (this.#ended) throw this.#ended;
    return false;
  }
}
