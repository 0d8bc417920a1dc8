import {
  FeedFenced,
  FeedRefused,
  feedKey,
  systemClock,
  type Ensured,
  type FeedBatch,
  type FeedCheckpoint,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type PlacedCheckpoint,
  type Position,
} from '@nva/ports';
import { SEGMENT_RECORDS } from './compacted-log.ts';
import type { ReaderListener, TopicReader } from './topic-reader.ts';
import { Topics, type FeedFollower } from './topics.ts';

export interface Followed {
  /** Where the follower starts: with everything in the feed, or with what came after its resume point. */
  readonly start: 'snapshot' | 'resume';
  readonly records: readonly FeedRecord[];
  /** How far the feed has come; later than any of `records` if the last change was a removal. */
  readonly position: Position;
  stop(): void;
}

/**
 * The feeds within one process: the same keys, records, positions and order as on Kafka, in memory, and gone when the process
 * ends. The distributor fills them again from the fold when it starts. NVEs follow them as Server-Sent Events.
 */
export class InProcessFeed implements FeedWriter {
  readonly #prefix: string;
  readonly #topics: Topics;
  readonly fillWhenRead?: NonNullable<FeedWriter['fillWhenRead']>;

  /** `lazy`: only this writer uses the topics, and they end with it, so filling them can wait until they are read. */
  constructor(prefix = 'nvo3', topics = new Topics(), { lazy = false } = {}) {
    this.#prefix = prefix;
    this.#topics = topics;
    if (lazy) {
      this.fillWhenRead = (feed, begin) => {
        const { topic, followers } = topics.ensure(feed);
        // A reader that is already there must receive the records at once.
        if (topic.readers > 0 || followers.size > 0) return false;
        topic.fillWhenRead(begin);
        return true;
      };
    }
  }

  async open(): Promise<void> {
    this.#topics.owner = this;
  }

  address(feed: FeedName): { readonly topic: string } {
    return { topic: feed.kind === 'vn' ? `${this.#prefix}.vn.${feed.vnid}` : `${this.#prefix}.nve.${feed.nveId}` };
  }

  async list(): Promise<readonly FeedName[]> {
    return [...this.#topics.entries.values()].map(({ feed }) => feed);
  }

  /** Nobody else can remove a feed, so none is ever reported as fresh. */
  async ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    for (const feed of feeds) this.#topics.ensure(feed);
    return { fresh: [], failures: [] };
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    this.#assertOwner();
    for (const { feed, records } of batches) {
      const entry = this.#topics.get(feed);
      if (!entry) throw new FeedRefused(`there is no feed ${feedKey(feed)}: ensure it first`);
      const news = entry.topic.publish(records);
      if (news.length > 0) for (const follower of entry.followers) follower.records(news);
    }
  }

  async *read(feed: FeedName): AsyncIterable<FeedRecord> {
    const topic = this.#topics.get(feed)?.topic;
    if (!topic) return;
    // For a large VN this takes long, so other work runs between the steps.
    while (!topic.fillSome()) await systemClock.turn();
    let taken = 0;
    for (const record of topic.records()) {
      yield record;
      if (++taken % SEGMENT_RECORDS === 0) await systemClock.turn();
    }
  }

  async *readAll(feeds: readonly FeedName[]): AsyncIterable<FeedItem> {
    for (const feed of feeds) for await (const record of this.read(feed)) yield { feed, record };
  }

  async delete(feed: FeedName): Promise<void> {
    this.#assertOwner();
    this.#topics.delete(feed);
  }

  async loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return this.#topics.checkpoint;
  }

  async checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    const { checkpoint } = this.#topics;
    return checkpoint ? [{ ...checkpoint, where: 'the checkpoint of the feeds' }] : [];
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    this.#assertOwner();
    this.#topics.checkpoint = checkpoint;
  }

  async close(): Promise<void> {
    if (this.#topics.owner !== this) return;
    this.#topics.owner = null;
    this.endFollowers();
  }

  /** Ends all followers, because the process stops. The feeds stay. */
  endFollowers(): void {
    for (const { topic, followers } of this.#topics.entries.values()) {
      topic.endReaders();
      for (const follower of followers) follower.ended();
      followers.clear();
    }
  }

  has(feed: FeedName): boolean {
    return this.#topics.get(feed) !== undefined;
  }

  /** Number of followers now, over all feeds. */
  get followers(): number {
    let sum = 0;
    for (const { topic, followers } of this.#topics.entries.values()) sum += topic.readers + followers.size;
    return sum;
  }

  /** Fills a feed that nobody has read yet, in steps; `turn` runs each step when it is its turn. */
  async prepare(feed: FeedName, turn: (step: () => boolean) => Promise<boolean>): Promise<void> {
    const entry = this.#topics.get(feed);
    let whole = entry === undefined;
    while (!whole) whole = await turn(() => entry!.topic.fillSome());
  }

  /**
   * A reader of a feed, from after a position or from its start; null if there is no such feed. For consumers that read at their
   * own pace.
   */
  reader(feed: FeedName, after: Position | null, listener: ReaderListener): TopicReader | null {
    return this.#topics.get(feed)?.topic.reader(after, listener) ?? null;
  }

  /** The log that a feed's records are of; null if it has none. */
  logOf(feed: FeedName): string | null {
    return this.#topics.get(feed)?.topic.log ?? null;
  }

  /**
   * Follows a feed from its start, or from after a position that the feed has passed; null if there is no such feed. No record is
   * missed between `records` and the first call.
   */
  follow(feed: FeedName, after: Position | null, follower: FeedFollower): Followed | null {
    const entry = this.#topics.get(feed);
    if (!entry) return null;
    entry.followers.add(follower);
    const stop = (): void => void entry.followers.delete(follower);
    const since = after === null ? null : entry.topic.after(after);
    return { start: since ? 'resume' : 'snapshot', records: since ?? [...entry.topic.live()], position: entry.topic.position, stop };
  }

  #assertOwner(): void {
    if (this.#topics.owner !== this) throw new FeedFenced('another writer has taken the feeds over, or this one was never opened');
  }
}
