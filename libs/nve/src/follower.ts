import type { Membership } from '@nva/codec';
import {
  FeedDenied,
  type FeedName,
  type FeedRecord,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
  type Position,
  type Undecodable,
} from '@nva/ports';
import type { AppliedChange, FeedChange } from './feed-change.ts';
import type { FeedTable } from './feed-table.ts';

/** Positions of removed keys that a table may remember; beyond this the feed is read again into a fresh table. */
export const MAX_REMEMBERED_REMOVALS = 100_000;

export interface TableReport<C extends FeedChange> extends AppliedChange<C> {
  /**
   * `change`: one whole change of the feed. `swap`: the difference to the table that was read anew from the start. `left`: the
   * feed is no longer followed and its table is gone.
   */
  readonly cause: 'change' | 'swap' | 'left';
  /** The swap also changed to another log: positions before and after it do not compare. */
  readonly otherLog: boolean;
}

export interface FollowerObserver<C extends FeedChange> {
  /** The forwarding table has changed; it shows the change already. */
  changed(report: TableReport<C>): void;
  /** The forwarding table is whole, for the first time or again. */
  complete(): void;
  /**
   * The feed was read to its end, and the read table is not whole. The former table, if any, forwards until enough records have
   * come.
   */
  incomplete(): void;
  /** A table that is not whole has received more records of its feed, and is still not whole. */
  filled(): void;
  /** The list of degraded keys differs from the one last reported. */
  degraded(): void;
  interrupted(cause: Error): void;
  resumed(): void;
}

/**
 * `reading`: a table that is to forward is being read. `incomplete`: it was read to the end of the feed and is not whole, because
 * the feed has lost its records or is being filled.
 */
export type FollowerState = 'reading' | 'incomplete' | 'live' | 'interrupted';

/**
 * Follows one feed through a transport, and keeps one whole table of it once there was one. While the feed is read from its start
 * into a shadow table, the former table keeps forwarding. When the shadow is whole, the tables are swapped and the difference is
 * reported as one set of changes. An interruption changes nothing, nor does a feed that has lost its records (X6): a shadow that
 * is not whole at the end of the feed, or that was read where the feed lags behind the forwarding table, is filled further, and
 * swapped at the end of the change that makes it whole.
 *
 * The follower reads the feed again automatically when a record of another log comes, when its table remembers too many removals,
 * and when a change does not continue what the table shows (`continuesWith`). Everything that a resume delivers is one change.
 */
export class Follower<C extends FeedChange, T extends FeedTable<C>> {
  readonly #transport: FeedTransport;
  readonly #feed: FeedName;
  readonly #newTable: () => T;
  readonly #observer: FollowerObserver<C>;
  #membership: Membership | undefined;
  #subscription: FeedSubscription | null = null;
  /** Counts the calls of `follow`; calls from an earlier subscription are ignored. */
  #generation = 0;
  #closing: Promise<unknown> = Promise.resolve();
  #current: T | null = null;
  #shadow: T | null = null;
  /** The shadow was read to the end that the feed had. */
  #endReached = false;
  #trouble: Error | null = null;
  #removalsLimit = MAX_REMEMBERED_REMOVALS;
  #degradedTold = '';

  constructor(transport: FeedTransport, feed: FeedName, newTable: () => T, observer: FollowerObserver<C>) {
    this.#transport = transport;
    this.#feed = feed;
    this.#newTable = newTable;
    this.#observer = observer;
  }

  /** The forwarding table; null until the first read is complete. */
  get table(): T | null {
    return this.#current;
  }

  /** `reading` and `incomplete` describe the fresh table, also while another table forwards. */
  get state(): FollowerState {
    if (this.#trouble) return 'interrupted';
    if (this.#shadow) return this.#endReached ? 'incomplete' : 'reading';
    return this.#current ? 'live' : 'reading';
  }

  /** The table that was read to the end of the feed and may not forward yet; null if there is none. */
  get held(): T | null {
    return this.#endReached ? this.#shadow : null;
  }

  /** Whether the feed is interrupted because it is denied. */
  get denied(): boolean {
    return this.#trouble instanceof FeedDenied;
  }

  /** True while the forwarding table is not updated, because another one is being read. */
  get catchingUp(): boolean {
    return this.#shadow !== null || this.#current === null;
  }

  /** The keys that the forwarding table could not understand; before there is one, those of the first read. */
  get degraded(): readonly string[] {
    return (this.#current ?? this.#shadow)?.degraded ?? [];
  }

  /**
   * Reads the feed from its start, then follows it. A further call starts over, at the topic that `membership` names; the table
   * stays meanwhile.
   */
  follow(membership?: Membership): void {
    this.#membership = membership;
    this.#unsubscribe();
    const generation = ++this.#generation;
    this.#trouble = null;
    this.#restart();
    const subscription = this.#transport.follow(this.#feed, membership ? { membership } : {}, this.#sink(generation));
    if (generation === this.#generation) this.#subscription = subscription;
    else this.#keepClosing(subscription);
  }

  /** Stops following. The table is dropped, and its entries are reported as lost. */
  leave(): void {
    this.#generation++;
    this.#unsubscribe();
    const table = this.#current;
    this.#current = null;
    this.#shadow = null;
    table?.observe(null);
    const position = table?.position ?? 0;
    const changes = table?.asLost(position) ?? [];
    if (changes.length > 0) this.#observer.changed({ cause: 'left', otherLog: false, position, changes });
  }

  /** Stops following and keeps the table. Resolves when the transport has released all subscriptions. */
  async close(): Promise<void> {
    this.#generation++;
    this.#unsubscribe();
    await this.#closing;
  }

  #unsubscribe(): void {
    if (this.#subscription) this.#keepClosing(this.#subscription);
    this.#subscription = null;
  }

  #keepClosing(subscription: FeedSubscription): void {
    this.#closing = Promise.allSettled([this.#closing, subscription.close()]);
  }

  #sink(generation: number): FeedSink {
    const listen =
      <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A): void => {
        if (generation === this.#generation) handle(...args);
      };
    return {
      restart: listen(() => this.#restart()),
      resuming: listen(() => (this.#shadow ?? this.#current)?.hold()),
      record: listen((record) => this.#record(record)),
      complete: listen((_cursor, upTo) => this.#complete(upTo)),
      undecodable: listen((failure) => this.#undecodable(failure)),
      interrupted: listen((cause) => {
        this.#trouble = cause;
        this.#observer.interrupted(cause);
      }),
      resumed: listen(() => {
        this.#trouble = null;
        this.#observer.resumed();
      }),
    };
  }

  #restart(): T {
    this.#shadow = this.#newTable();
    this.#endReached = false;
    return this.#shadow;
  }

  #record(record: FeedRecord): void {
    const current = this.#current;
    if (this.#shadow || !current) {
      const shadow = this.#shadow ?? this.#restart();
      shadow.add(record);
      if (!this.#endReached) return;
      if (!shadow.isMidChange && !this.#swapIfWhole(shadow)) this.#observer.filled();
      if (this.#shadow === shadow && shadow.removals > this.#removalsLimit) this.#readAnew(shadow);
      return;
    }
    if (current.log !== null && current.log !== record.log) {
      this.follow(this.#membership);
      return;
    }
    current.add(record);
    // The observer may have left the feed because of that record.
    if (this.#current === current && current.removals > this.#removalsLimit) this.follow(this.#membership);
  }

  /** A feed that is not whole still contains removals; their number is then no reason to read it again. */
  #readAnew(shadow: T): void {
    this.#removalsLimit = 2 * shadow.removals;
    this.follow(this.#membership);
  }

  #undecodable(failure: Undecodable): void {
    const table = this.#shadow ?? this.#current ?? this.#restart();
    table.degrade(failure.key, failure.at);
    this.#tellDegraded();
  }

  #tellDegraded(): void {
    const degraded = String(this.degraded);
    if (degraded === this.#degradedTold) return;
    this.#degradedTold = degraded;
    this.#observer.degraded();
  }

  #complete(upTo?: { readonly log: string; readonly position: Position }): void {
    const table = this.#shadow ?? this.#current ?? this.#restart();
    const generation = this.#generation;
    table.release();
    // The observer may have left the feed because of the applied change, or the change may have caused a new read.
    if (generation !== this.#generation) return;
    if (upTo) table.completeAt(upTo.log, upTo.position);
    if (table !== this.#shadow) return this.#observer.complete();
    this.#endReached = true;
    if (!this.#swapIfWhole(table)) this.#observer.incomplete();
  }

  #swapIfWhole(fresh: T): boolean {
    if (fresh.isBehind(this.#current) || !fresh.isWhole(this.#current)) return false;
    this.#swap(fresh);
    // The observer may have left the feed because of the difference.
    if (this.#current === fresh) this.#observer.complete();
    return true;
  }

  #swap(fresh: T): void {
    const old = this.#current;
    if (old) fresh.replace(old);
    this.#current = fresh;
    this.#shadow = null;
    // Twice the number that the feed itself still contains; otherwise a feed with many removals would be read again forever.
    this.#removalsLimit = Math.max(MAX_REMEMBERED_REMOVALS, 2 * fresh.removals);
    old?.observe(null);
    fresh.observe({
      applied: (change) => this.#observer.changed({ ...change, cause: 'change', otherLog: false }),
      outgrown: () => this.follow(this.#membership),
      degraded: () => this.#tellDegraded(),
    });
    const changes = fresh.differenceFrom(old);
    const otherLog = old !== null && old.log !== null && old.log !== fresh.log;
    if (changes.length > 0) this.#observer.changed({ cause: 'swap', otherLog, position: fresh.position ?? 0, changes });
    this.#tellDegraded();
  }
}
