import type { FeedName } from './feed.ts';

/**
 * That an NVE may read a feed. The right to its own feed brings what it needs to read any: the schemas, and consumer groups of its own
 * where the feeds have such; and to send commands, where they go the same way.
 */
export interface FeedRight {
  readonly nveId: string;
  readonly feed: FeedName;
}

export interface ListedRight extends FeedRight {
  /** False if only a part of it is there: not enough to read, and yet something to take back. */
  readonly whole: boolean;
}

/**
 * Who may read which feeds, kept where the feeds are: brokers that check. Feeds that everybody may read, and feeds in process, have none of
 * this. All calls may be repeated; all reject with FeedUnavailable, or with FeedRefused if repeating will not help.
 */
export interface FeedAccess {
  /** The rights that are there, whoever gave them. */
  list(): Promise<readonly ListedRight[]>;
  /** Resolves when all of them are in force. After a rejection any may be. */
  grant(rights: readonly FeedRight[]): Promise<void>;
  /** Takes them back; one that is not there is no error. After a rejection any may be gone. */
  revoke(rights: readonly FeedRight[]): Promise<void>;
  close(): Promise<void>;
}
