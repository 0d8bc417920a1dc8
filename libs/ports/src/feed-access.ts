import type { FeedName } from './feed.ts';

/**
 * The right of an NVE to read a feed. The right to its own feed includes what it needs to read any feed: the schemas and, if the
 * feeds have them, consumer groups of its own. It also includes sending commands, if these go the same way.
 */
export interface FeedRight {
  readonly nveId: string;
  readonly feed: FeedName;
}

export interface ListedRight extends FeedRight {
  /** False if only a part of the right is there: not enough to read, but something to revoke. */
  readonly whole: boolean;
}

/**
 * Who may read which feeds. Brokers with an authoriser keep this. Feeds that everybody may read, and feeds in process, have no
 * such rights. All calls may be repeated. All reject with FeedUnavailable, or with FeedRefused if repeating will not help.
 */
export interface FeedAccess {
  /** The existing rights, whoever granted them. */
  list(): Promise<readonly ListedRight[]>;
  /** Resolves when all of them are in force. After a rejection any of them may be. */
  grant(rights: readonly FeedRight[]): Promise<void>;
  /** Revokes rights; one that does not exist is no error. After a rejection any of them may be gone. */
  revoke(rights: readonly FeedRight[]): Promise<void>;
  close(): Promise<void>;
}
