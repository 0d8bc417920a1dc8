import type { NvaEvent } from '@nva/codec';

/**
 * Where an event stands in the log: a safe integer that grows along the log and has no other meaning. Positions may have gaps,
 * and no arithmetic on them makes sense. 0 stands before the first event.
 */
export type Position = number;

/**
 * An opaque token for «everything up to here is done». A store makes it and gets it back; consumers keep it as text. It can hold
 * more than a position (a commit and a prepare position, for example).
 */
export type Checkpoint = string;

/** Revision of a stream without events: an append that expects it creates the stream. The first event has revision 0. */
export const NO_STREAM = -1;

export interface EventToAppend {
  /** A UUID that names the event permanently: appending it again at the same place is the same append, not a second one. */
  readonly id: string;
  readonly event: NvaEvent;
}

/** One append to one stream: all of its events or none. */
export interface StreamAppend {
  readonly stream: string;
  /** The exact revision of the stream's last event, or NO_STREAM. */
  readonly expectedRevision: number;
  /** At least one, at most MAX_EVENTS_PER_APPEND. */
  readonly events: readonly EventToAppend[];
}

export const MAX_EVENTS_PER_APPEND = 256;

export type AppendResult =
  | {
      readonly outcome: 'appended';
      /** Revision and position of the last event of the append. */
      readonly revision: number;
      readonly position: Position;
      /** True if these very events were there already, because the answer to the first attempt was lost. */
      readonly repeated: boolean;
    }
  | { readonly outcome: 'wrong-expected-revision'; readonly expectedRevision: number; readonly actualRevision: number };

export interface RecordedEvent {
  readonly position: Position;
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  readonly event: NvaEvent;
  /**
   * The event in Avro single-object encoding, by the schema that it was recorded with: the same bytes whichever store holds it. Only
   * where they were asked for (`withBytes`).
   */
  readonly bytes?: Uint8Array;
}

export interface ReadAllOptions {
  readonly after?: Checkpoint;
  readonly limit?: number;
  /** Each event comes with its bytes, which cost a copy. */
  readonly withBytes?: boolean;
}

/** Consecutive events of the log, never empty. `checkpoint` stands after the last of them. */
export interface EventBatch {
  readonly events: readonly RecordedEvent[];
  readonly checkpoint: Checkpoint;
}

export type SubscriptionMessage =
  | ({ readonly kind: 'events' } & EventBatch)
  /**
   * Everything that was in the log when the subscription last looked has been delivered. Sent at least once, and again after each
   * catch-up.
   */
  | { readonly kind: 'caught-up' };

export interface LogHead {
  /** Position of the last event, 0 in an empty log. */
  readonly position: Position;
  readonly checkpoint: Checkpoint;
}

/** The node of a clustered store that takes appends. */
export interface Leader {
  /** `host:port`; null while none is known. */
  readonly node: string | null;
  /** Milliseconds for which `node` has had this value. */
  readonly forMs: number;
}

/**
 * The event log, as the NVA needs it: many short streams and one total order over all of them.
 *
 * The appends of one call are independent: each is decided on its own expected revision, in the order given, and a refused one
 * does not affect the others. There is no transaction across streams. After a crash, any subset of the appends of one call may be
 * there, not only the first ones; but each append is there with all its events or none. An append whose promise resolved is
 * durable. An append whose promise rejects with StoreUnavailable has an unknown outcome: appending the same event ids again with
 * the same expected revision tells it.
 */
export interface EventStore {
  /** UUID made with the log; a renewal or a migration gives another one. Positions compare only within one log. */
  readonly logId: string;

  /** Absent if the log is in this process, which needs no leader. */
  readonly leader?: Leader | undefined;

  /**
   * Whether appends come to stand in the log in the order in which they were given. If not, an append may come to stand before one
   * that was given earlier, in the same call or before it, unless the earlier one has been answered.
   */
  readonly keepsOrder: boolean;

  append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]>;

  /** Events of one stream from `fromRevision` on, oldest first; nothing for a stream that does not exist. */
  readStream(stream: string, options?: { readonly fromRevision?: number; readonly limit?: number }): AsyncIterable<RecordedEvent>;

  /** Events after `after` (exclusive), up to the head at the moment when the read reaches it. */
  readAll(options?: ReadAllOptions): AsyncIterable<EventBatch>;

  /**
   * Events before `before` (exclusive), which is the position of an event of this log; without it, events up to the head at the
   * start of the read. Newest first, in batches that are never empty, down to the first event of the log.
   */
  readAllBackwards(options?: { readonly before?: Position; readonly limit?: number }): AsyncIterable<readonly RecordedEvent[]>;

  /** The event that stands at this very position; null if none does, as between two events, at 0 and beyond the head. */
  readAt(position: Position): Promise<RecordedEvent | null>;

  /** Catch-up, then live, without gap or repeat, until `signal` aborts (which ends the iteration) or the store closes. */
  subscribe(options: { readonly after?: Checkpoint; readonly signal: AbortSignal }): AsyncIterable<SubscriptionMessage>;

  /** The checkpoint that stands at a position taken from an event of this log, for readers that were given a position. */
  checkpointAt(position: Position): Checkpoint;

  head(): Promise<LogHead>;

  /** Finishes what was accepted, then releases everything. Later calls reject with StoreUnavailable. */
  close(): Promise<void>;
}

/** A log for whoever reads and follows it, and writes nothing. */
export type ReadableLog = Pick<EventStore, 'logId' | 'readStream' | 'readAll' | 'readAt' | 'subscribe' | 'checkpointAt' | 'head'>;

/** A log that can be archived: it knows the schemas of everything that is in it. */
export interface ArchivableLog extends ReadableLog {
  /** The schemas that the bytes of events may be under, at the call or before. */
  schemas(): readonly object[];
}

/** The store cannot tell now whether the call succeeded: closed, disk failure, connection lost. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/**
 * What to do with a log that a newer build wrote; follows the evidence in a message. Restoring a backup would lose what was
 * written since.
 */
export const WRITTEN_BY_NEWER =
  'The log is whole, and was left as it is: a newer build of the NVA wrote to it. Start that build, or one newer still; do not put a backup in its place, and do not accept a loss, for nothing is lost';

/** The file, directory or server is not a log that this version can open; it was left as it is. */
export class LogRefused extends Error {
  override readonly name: string = 'LogRefused';
}
