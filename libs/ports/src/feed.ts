import { membershipVnid, type FeedValue, type Membership } from '@nva/codec';
import type { Checkpoint, Position } from './event-store.ts';

/** A feed is one keyed, compacted table that changes: a VN's table, or where an NVE is to listen. */
export type FeedName = { readonly kind: 'vn'; readonly vnid: number } | { readonly kind: 'nve'; readonly nveId: string };

/** `vn/100` or `nve/leaf-1`: a FeedName as a map key. */
export function feedKey(feed: FeedName): string {
  return feed.kind === 'vn' ? `vn/${feed.vnid}` : `nve/${feed.nveId}`;
}

/**
 * The VNID of the VN that a key of a feed is about: whoever distributes that VN writes the key, on an NVE's feed too. A key on an NVE's
 * feed that names no VN, which nobody should have written, counts as of VNID 0, which no VN has.
 */
export function vnidOf(feed: FeedName, key: string): number {
  return feed.kind === 'vn' ? feed.vnid : (membershipVnid(key) ?? 0);
}

/** One record of a feed. On Kafka the fields besides key and value are headers (contract, «Kafka»). */
export interface FeedRecord {
  readonly key: string;
  /** null removes the key. */
  readonly value: FeedValue | null;
  /** Of a removal whose key is not text: the key as the bytes that it is, `key` being what can be read of it. */
  readonly keyBytes?: Uint8Array;
  /** Position of the event that caused it. */
  readonly position: Position;
  /** The log that the position belongs to. */
  readonly log: string;
  /** The last record of a change in this feed; on an NVE's feed, of the part of a change that one writer's shard has in it. */
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

/** What the feeds last recorded of the distributor's progress. */
export interface FeedCheckpoint {
  readonly log: string;
  readonly position: Position;
  readonly checkpoint: Checkpoint;
}

/** A checkpoint, and where it was found, for people. */
export interface PlacedCheckpoint extends FeedCheckpoint {
  readonly where: string;
}

/**
 * The distributor's side of the feeds. One process at a time writes what is about a VN: its feed, and its keys on the feeds of NVEs
 * (`vnidOf`). `open` makes it this one, for all VNs or for those that it was given, and whatever an earlier one still writes is refused
 * or put right (design/feeds, «Distributors share the VNs by shard»).
 */
export interface FeedWriter {
  /** Takes its part of the feeds over. Rejects with FeedFenced if another writer took any of it over meanwhile. */
  open(): Promise<void>;

  /** The name by which consumers find a feed, and the brokers where (absent: those they know). Written into Membership records. */
  address(feed: FeedName): { readonly topic: string; readonly brokers?: readonly string[] };

  /** Every feed that exists. */
  list(): Promise<readonly FeedName[]>;

  /**
   * Creates the feeds that do not exist and checks (corrects or refuses) those that do. What is wrong with one of them is told, and
   * keeps no other from being made.
   */
  ensure(feeds: readonly FeedName[]): Promise<Ensured>;

  /**
   * Publishes in order within each feed, and resolves when every record is acknowledged. Records of one change are never split
   * between two calls. At-least-once: after a rejection any part may have been written. May be called again before the last call
   * has resolved; order within a feed is that of the calls, on an NVE's feed for each VN's shard by itself. Rejects with FeedFenced
   * if another writer took over a part that a record belongs to; records of other parts may have been written. Rejects with
   * FeedsFailed if only some feeds could not be written to: everything for the others is acknowledged then.
   */
  publish(batches: readonly FeedBatch[]): Promise<void>;

  /**
   * Every record of a feed from its start to its end as it is now, in order, superseded ones possibly among them. Undecodable ones
   * come as `undecodable`.
   */
  read(feed: FeedName): AsyncIterable<FeedRecord | Undecodable>;

  /**
   * The same of many feeds together, which is faster than one after the other; records of different feeds in any order. Throws
   * FeedsFailed if some of them cannot be read.
   */
  readAll(feeds: readonly FeedName[]): AsyncIterable<FeedItem>;

  /**
   * Only where feeds end with the process that writes them: an empty feed is to hold what `begin` gives when it is first read. Everything
   * that is published until then must be in that. False if somebody reads it already: it is to be published then.
   */
  readonly fillWhenRead?: (feed: FeedName, begin: () => FeedFilling) => boolean;

  /**
   * Only where feeds can be lost beneath the writer: looks whether those that it has met are still the ones that it knew, and resolves with
   * those that are not, until `ensure` has taken each for what it is now. What is the writer's own is put right by that. Costs a request.
   * Rejects if that cannot be told now.
   */
  readonly look?: () => Promise<readonly FeedFailure[]>;

  /** Deletes a feed for good (a VN long gone). */
  delete(feed: FeedName): Promise<void>;

  /** The oldest checkpoint of the parts that are this writer's; null if one of them has none, or they are of different logs. */
  loadCheckpoint(): Promise<FeedCheckpoint | null>;
  /** Of every part of the feeds, whoever writes it, as last saved. May be asked before `open`. */
  checkpoints(): Promise<readonly PlacedCheckpoint[]>;
  /** For every part that is this writer's. */
  saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void>;

  close(): Promise<void>;
}

/** What `ensure` found. */
export interface Ensured {
  /** Feeds that hold nothing of what was on them before, if anything was: just made, or made anew since they were met last. */
  readonly fresh: readonly FeedName[];
  readonly failures: readonly FeedFailure[];
}

/**
 * What is wrong with one feed: what it held is gone; it does not answer although others do; or it is refused (rights,
 * configuration, its name, a record that is too large), which passes only when somebody does something about it.
 */
export type FeedTrouble = 'lost' | 'unavailable' | 'refused';

export interface FeedFailure {
  readonly feed: FeedName;
  readonly trouble: FeedTrouble;
  readonly cause: Error;
}

/** A whole feed, handed over bit by bit while what it is about goes on. */
export interface FeedFilling {
  /**
   * Some more, in no order; of a key the newest counts, and a null value removes it. Null at the end: what was handed over is then
   * the whole feed as it stands at `position`, at this very moment.
   */
  next(): readonly FeedRecord[] | null;
  /** There is more than what changes meanwhile. */
  readonly walking: boolean;
  readonly position: Position;
  /** Nobody wants the rest. */
  close(): void;
}

/** A record of one of several feeds that are read together. */
export interface FeedItem {
  readonly feed: FeedName;
  readonly record: FeedRecord | Undecodable;
}

/** A record that was there but could not be understood: counted, logged, never silently skipped. */
export interface Undecodable {
  readonly undecodable: true;
  /** The record's key, if at least that could be read. */
  readonly key: string | null;
  /** The key as the bytes that it is, where it is not text in UTF-8. */
  readonly keyBytes?: Uint8Array;
  /** Where it stands in the feed: the offset on Kafka. */
  readonly at: string;
  readonly cause: Error;
}

/** Another writer has taken over what this one was to write; it must stop writing and start anew. */
export class FeedFenced extends Error {
  override readonly name = 'FeedFenced';
}

/** Some feeds failed, each by itself, and no other. */
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

/** The feed may not be read by whoever asks, says whoever keeps it. Retrying helps once somebody gives the right (back). */
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

/** What a transport tells about one feed that is followed, in order. */
export interface FeedSink {
  /**
   * A read from the start begins: what follows goes into a fresh table until `complete`. Called before the first record,
   * unless the transport could resume; called again whenever it had to start over (offset out of range, too old, feed made anew).
   */
  restart(reason: string): void;
  /**
   * Following goes on where it stood, and what was missed is told compacted: of each key its newest record, so that only at
   * `complete`, which follows, is it a table that there was. Called by transports that know so, before the first of these records.
   */
  resuming?(): void;
  record(record: FeedRecord, cursor: FeedCursor): void;
  /**
   * The end that the feed had when the read from the start began has been reached: the fresh table is whole. After a resume: the
   * same, once. `upTo`, where the transport knows it, is how far the feed had come: later than any record told if the last change
   * was a removal.
   */
  complete(cursor: FeedCursor | null, upTo?: FeedPosition): void;
  undecodable(failure: Undecodable, cursor: FeedCursor): void;
  /**
   * The feed cannot be reached, is missing, or is denied (FeedDenied); the transport keeps trying. What is there stays (X6). Told
   * again when a feed that could not be reached is denied now, or the other way round.
   */
  interrupted(cause: Error): void;
  /** It is followed again after `interrupted`. */
  resumed(): void;
}

export interface FeedSubscription {
  close(): Promise<void>;
}

/** The NVE's side of the feeds: follows any number of feeds, joining and leaving at any time without a gap for the others. */
export interface FeedTransport {
  /**
   * Follows a feed from `resume` (exclusive), or from its start. `membership` is the record that named a VN's feed.
   * A resume point that is unknown, too old or of another log leads to `restart`.
   */
  follow(feed: FeedName, options: { readonly resume?: FeedCursor; readonly membership?: Membership }, sink: FeedSink): FeedSubscription;
  close(): Promise<void>;
}
