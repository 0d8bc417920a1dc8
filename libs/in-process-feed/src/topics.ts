import { feedKey, type FeedCheckpoint, type FeedName, type FeedRecord, type Position } from '@nva/ports';
import { Topic } from './topic.ts';

/** Receives the records of a feed. It must accept them at once; it decides itself how many it may leave unsent. */
export interface FeedFollower {
  records(records: readonly FeedRecord[]): void;
  /** The feed was deleted. */
  ended(): void;
}

export interface TopicEntry {
  readonly feed: FeedName;
  readonly topic: Topic;
  readonly followers: Set<FeedFollower>;
}

/** The feeds of a process, whoever writes them. There is at most one writer at a time: the last one that opened. */
export class Topics {
  readonly entries = new Map<string, TopicEntry>();
  checkpoint: FeedCheckpoint | null = null;
  owner: object | null = null;
  /**
   * Removals before this position left no trace in a feed made from now on: the position of the log at which these feeds began,
   * or of the last feed that was deleted.
   */
  #floor: Position;

  constructor(floor: Position = 0) {
    this.#floor = floor;
  }

  get(feed: FeedName): TopicEntry | undefined {
    return this.entries.get(feedKey(feed));
  }

  ensure(feed: FeedName): TopicEntry {
    const present = this.get(feed);
    if (present) return present;
    const entry: TopicEntry = { feed, topic: new Topic(this.#floor), followers: new Set() };
    this.entries.set(feedKey(feed), entry);
    return entry;
  }

  delete(feed: FeedName): void {
    const entry = this.get(feed);
    this.#floor = Math.max(this.#floor, entry?.topic.position ?? 0);
    this.entries.delete(feedKey(feed));
    entry?.topic.close();
    for (const follower of entry?.followers ?? []) follower.ended();
  }
}
