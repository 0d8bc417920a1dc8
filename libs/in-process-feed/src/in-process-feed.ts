import { FeedRefused, feedKey, type FeedBatch, type FeedCheckpoint, type FeedName, type FeedRecord, type FeedWriter, type Position } from '@nva/ports';
import { Topic } from './topic.ts';

/** What a follower is sent. It must take it at once; how much it may leave unsent is its own business. */
export interface FeedFollower {
  records(records: readonly FeedRecord[]): void;
  /** The feed was deleted. */
  ended(): void;
}

export interface Followed {
  /** Where the follower begins: everything that the feed holds, or what came after its resume point. */
  readonly start: 'snapshot' | 'resume';
  readonly records: readonly FeedRecord[];
  /** Position of the newest change in `records`, or the resume point if nothing came after it. */
  readonly position: Position;
  stop(): void;
}

/**
 * The feeds within one process: the same keys, records, positions and order as on Kafka, kept in memory and gone with the process; the
 * distributor fills them again from the fold when it starts. NVEs follow them as Server-Sent Events.
 */
export class InProcessFeed implements FeedWriter {
  readonly #prefix: string;
  readonly #topics = new Map<string, { readonly feed: FeedName; readonly topic: Topic; readonly followers: Set<FeedFollower> }>();
  #checkpoint: FeedCheckpoint | null = null;

  constructor(prefix = 'nvo3') {
    this.#prefix = prefix;
  }

  async open(): Promise<void> {}

  address(feed: FeedName): { readonly topic: string } {
    return { topic: feed.kind === 'vn' ? `${this.#prefix}.vn.${feed.vnid}` : `${this.#prefix}.nve.${feed.nveId}` };
  }

  async list(): Promise<readonly FeedName[]> {
    return [...this.#topics.values()].map(({ feed }) => feed);
  }

  async ensure(feeds: readonly FeedName[]): Promise<void> {
    for (const feed of feeds) this.#entry(feed);
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    for (const { feed, records } of batches) {
      const entry = this.#topics.get(feedKey(feed));
      if (!entry) throw new FeedRefused(`there is no feed ${feedKey(feed)}: ensure it first`);
      for (const record of records) entry.topic.write(record);
      for (const follower of entry.followers) follower.records(records);
    }
  }

  async *read(feed: FeedName): AsyncIterable<FeedRecord> {
    yield* this.#topics.get(feedKey(feed))?.topic.records() ?? [];
  }

  async delete(feed: FeedName): Promise<void> {
    const entry = this.#topics.get(feedKey(feed));
    this.#topics.delete(feedKey(feed));
    for (const follower of entry?.followers ?? []) follower.ended();
  }

  async loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return this.#checkpoint;
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    this.#checkpoint = checkpoint;
  }

  async close(): Promise<void> {
    for (const { followers } of this.#topics.values()) for (const follower of followers) follower.ended();
    this.#topics.clear();
  }

  has(feed: FeedName): boolean {
    return this.#topics.has(feedKey(feed));
  }

  /** Followers now, over all feeds. */
  get followers(): number {
    let sum = 0;
    for (const { followers } of this.#topics.values()) sum += followers.size;
    return sum;
  }

  /** Follows a feed from its start, or from after a position; null if there is no such feed. No record is missed between `records` and the first call. */
  follow(feed: FeedName, after: Position | null, follower: FeedFollower): Followed | null {
    const entry = this.#topics.get(feedKey(feed));
    if (!entry) return null;
    entry.followers.add(follower);
    const stop = (): void => void entry.followers.delete(follower);
    const since = after === null ? null : entry.topic.after(after);
    const records = since ?? [...entry.topic.live()];
    const position = records.reduce((highest, record) => Math.max(highest, record.position), after ?? 0);
    return { start: since ? 'resume' : 'snapshot', records, position, stop };
  }

  #entry(feed: FeedName): { readonly topic: Topic } {
    const key = feedKey(feed);
    let entry = this.#topics.get(key);
    if (!entry) {
      entry = { feed, topic: new Topic(), followers: new Set() };
      this.#topics.set(key, entry);
    }
    return entry;
  }
}
