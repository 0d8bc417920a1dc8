import { membershipVnid, type FeedValue, type Membership } from '@nva/codec';
import type { Checkpoint, Position } from './event-store.ts';

/** A feed is one keyed, compacted table that changes: a VN's table, or the memberships of an NVE. */
export type FeedName = { readonly kind: 'vn'; readonly vnid: number } | { readonly kind: 'nve'; readonly nveId: string };

/** `vn/100` or `nve/leaf-1`: a FeedName as a map key. */
export function feedKey(feed: FeedName): string {
  return feed.kind === 'vn' ? `vn/${feed.vnid}` : `nve/${feed.nveId}`;
}

/**
 * The VNID of the VN that a key of a feed is about. The distributor of that VN writes the key, on an NVE's feed too. A key on an
 * NVE's feed that names no VN should not exist; it counts as VNID 0, which no VN has.
 */
export function vnidOf(feed: FeedName, key: string): number {
  return feed.kind === 'vn' ? feed.vnid : (membershipVnid(key) ?? 0);
}

/** One record of a feed. On Kafka the fields besides key and value are headers (contract, «Kafka»). */
export interface FeedRecord {
  readonly key: string;
  /** null removes the key. */
  readonly value: FeedValue | null;
  /** For a removal whose key is not UTF-8: the exact bytes of the key. `key` is then the readable part. */
  readonly keyBytes?: Uint8Array;
  /** Position of the event that caused the record. */
  readonly position: Position;
  /** The log that the position belongs to. */
  readonly log: string;
  /** The last record of a change in this feed. On an NVE's feed, each shard's part of a change has its own end. */
  readonly changeEnd: boolean;
  readonly eventType?: string;
  readonly correlationId?: string;
  /** Milliseconds since the epoch. */
  readonly recordedAt?: number;
}

/** Records for one feed, whole changes in order. */
export interface FeedBatch {
  readonly feed: FeedName;
  readonly records: readonly FeedRecord[];
}

/** The distributor's progress as last saved on the feeds. */
export interface FeedCheckpoint {
  readonly log: string;
  readonly position: Position;
  readonly checkpoint: Checkpoint;
}

/** A checkpoint, and a description for people of where it was found. */
export interface PlacedCheckpoint extends FeedCheckpoint {
  readonly where: string;
}

/**
 * The distributor's side of the feeds. One process at a time writes everything about a VN: the VN's feed, and the VN's keys on
 * the feeds of NVEs (`vnidOf`). `open` makes this process the writer, for all VNs or for those that it was given. What an earlier
 * writer still writes is refused or repaired (design/feeds, «Distributors share the VNs by shard»).
 */
export interface FeedWriter {
  /** Takes over its part of the feeds. Rejects with FeedFenced if another writer took over any of it meanwhile. */
  open(): Promise<void>;

  /**
   * The name by which consumers find a feed, and its brokers (absent: the brokers that consumers know). Written into Membership
   * records.
   */
  address(feed: FeedName): { readonly topic: string; readonly brokers?: readonly string[] };

  /** Every feed that exists. */
  list(): Promise<readonly FeedName[]>;

  /**
   * Creates the feeds that do not exist, and checks those that do (corrects or refuses them). A fault of one feed is reported in
   * the result and does not keep the others from being created.
   */
  ensure(feeds: readonly FeedName[]): Promise<Ensured>;

  /**
   * Publishes in order within each feed; resolves when every record is acknowledged. Records of one change are never split
   * between two calls. At-least-once: after a rejection any part may have been written. May be called again before the last call
   * has resolved; the order within a feed is the order of the calls (on an NVE's feed, within each shard). Rejects with
   * FeedFenced if another writer took over a part that a record belongs to; records of other parts may have been written. Rejects
   * with FeedsFailed if only some feeds could not be written to; everything for the other feeds is then acknowledged.
   */
  publish(batches: readonly FeedBatch[]): Promise<void>;

  /**
   * Every record of a feed from its start to its present end, in order; superseded records may be among them. Undecodable ones
   * come as `undecodable`.
   */
  read(feed: FeedName): AsyncIterable<FeedRecord | Undecodable>;

  /**
   * The same for many feeds together, which is faster than one after the other. Records of different feeds come in any order.
   * Throws FeedsFailed if some feeds cannot be read.
   */
  readAll(feeds: readonly FeedName[]): AsyncIterable<FeedItem>;

  /**
   * Only for feeds that end with the process that writes them. An empty feed is to hold what `begin` gives when it is first read;
   * that must include everything published until then. Returns false if somebody reads the feed already: then the records must be
   * published.
   */
  readonly fillWhenRead?: (feed: FeedName, begin: () => FeedFilling) => boolean;

  /**
   * Only for feeds that can be lost without the writer's doing. Looks whether the feeds that this writer has met are still the
   * same. Resolves with those that are not, at each look until `ensure` has accepted them as they now are. A look also repairs
   * what the writer keeps for itself. Costs a request. Rejects if the feeds cannot be checked now.
   */
  readonly look?: () => Promise<readonly FeedFailure[]>;

  /** Deletes a feed permanently (of a VN deleted long ago). */
  delete(feed: FeedName): Promise<void>;

  /** The oldest checkpoint of this writer's parts; null if one of them has none, or if they are of different logs. */
  loadCheckpoint(): Promise<FeedCheckpoint | null>;
  /** The last saved checkpoint of every part of the feeds, whoever writes it. May be called before `open`. */
  checkpoints(): Promise<readonly PlacedCheckpoint[]>;
  /** Saves the checkpoint for every part that this writer has. */
  saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void>;

  close(): Promise<void>;
}

/** What `ensure` found. */
export interface Ensured {
  /** Feeds that hold no record from before: just created, or created anew since this writer last met them. */
  readonly fresh: readonly FeedName[];
  readonly failures: readonly FeedFailure[];
}

/**
 * What is wrong with one feed. `lost`: its records are gone. `unavailable`: it does not answer although others do. `refused`:
 * rights, configuration, its name or a record that is too large; this ends only when somebody acts.
 */
export type FeedTrouble = 'lost' | 'unavailable' | 'refused';

export interface FeedFailure {
  readonly feed: FeedName;
  readonly trouble: FeedTrouble;
  readonly cause: Error;
}

/** A whole feed, handed over in steps while the fold goes on. */
export interface FeedFilling {
  /**
   * The next records, in no order. The newest record of a key counts, and a null value removes the key. Null at the end: what was
   * handed over is then the whole feed as it stands at `position`, at this moment.
   */
  next(): readonly FeedRecord[] | null;
  /** True while not only later changes, but also records from before remain to be handed over. */
  readonly walking: boolean;
  readonly position: Position;
  /** The rest is not needed. */
  close(): void;
}

/** A record of one of several feeds that are read together. */
export interface FeedItem {
  readonly feed: FeedName;
  readonly record: FeedRecord | Undecodable;
}

/** A record that was there but could not be understood: it is counted, logged, and never silently skipped. */
export interface Undecodable {
  readonly undecodable: true;
  /** The record's key, if at least that could be read. */
  readonly key: string | null;
  /** The exact bytes of the key, if it is not UTF-8. */
  readonly keyBytes?: Uint8Array;
  /** Where it stands in the feed: the offset on Kafka. */
  readonly at: string;
  readonly cause: Error;
}

/** Another writer has taken over what this one was to write. This one must stop writing and start anew. */
export class FeedFenced extends Error {
  override readonly name = 'FeedFenced';
}

/** Some feeds failed, each for its own reason; all others succeeded. */
export class FeedsFailed extends Error {
  override readonly name = 'FeedsFailed';
  readonly failures: readonly FeedFailure[];

  constructor(failures: readonly FeedFailure[]) {
    const [first] = failures;
    super(
      first
        ? `${failures.length === 1 ? feedKey(first.feed) : `${failures.length} feeds, ${feedKey(first.feed)} among them`}: ${first.cause.message}`
        : 'no feed',
      { cause: first?.cause },
    );
    this.failures = failures;
  }
}

/** The feeds cannot be reached now; retrying later is sensible. */
export class FeedUnavailable extends Error {
  override readonly name: string = 'FeedUnavailable';
}

/** The party that keeps the feed says that the caller may not read it. Retrying helps once somebody grants the right (again). */
export class FeedDenied extends Error {
  override readonly name: string = 'FeedDenied';
}

/** The feeds are not usable as they are (wrong topic configuration, topics of another log); the message says what to do. */
export class FeedRefused extends Error {
  override readonly name = 'FeedRefused';
}

/** Where a consumer stands in a feed, opaque: an offset on Kafka, `<log>/<position>` on Server-Sent Events. */
export type FeedCursor = string;

export interface FeedPosition {
  readonly log: string;
  readonly position: Position;
}

/** What a transport reports about one feed that is followed, in order. */
export interface FeedSink {
  /**
   * A read from the start begins: the following records go into a fresh table until `complete`. Called before the first record
   * unless the transport could resume; called again whenever the transport has to start over (offset out of range, too old, feed
   * made anew).
   */
  restart(reason: string): void;
  /**
   * Following continues from where it stood. What was missed comes compacted, only the newest record of each key, so the table is
   * one that existed only at the `complete` that follows. Called before the first of these records, by transports that know that
   * they resume.
   */
  resuming?(): void;
  record(record: FeedRecord, cursor: FeedCursor): void;
  /**
   * The read from the start has reached the end that the feed had when the read began: the fresh table is whole. Also called once
   * after a resume. `upTo`, if the transport knows it, is how far the feed had come; it is later than every record if the last
   * change was a removal.
   */
  complete(cursor: FeedCursor | null, upTo?: FeedPosition): void;
  undecodable(failure: Undecodable, cursor: FeedCursor): void;
  /**
   * The feed cannot be reached, is missing, or is denied (FeedDenied); the transport keeps trying. The table stays as it is (X6).
   * Called again when a feed that could not be reached is now denied, or the other way round.
   */
  interrupted(cause: Error): void;
  /** The feed is followed again after `interrupted`. */
  resumed(): void;
}

export interface FeedSubscription {
  close(): Promise<void>;
}

/** The NVE's side of the feeds: follows any number of feeds; joining and leaving one makes no gap for the others. */
export interface FeedTransport {
  /**
   * Follows a feed from `resume` (exclusive), or from its start. `membership` is the record that named a VN's feed.
   * A resume point that is unknown, too old or of another log leads to `restart`.
   */
  follow(feed: FeedName, options: { readonly resume?: FeedCursor; readonly membership?: Membership }, sink: FeedSink): FeedSubscription;
  close(): Promise<void>;
}
