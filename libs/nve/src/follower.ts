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

/** Positions of removed keys that a table may remember before the feed is read again into a fresh one. */
export const MAX_REMEMBERED_REMOVALS = 100_000;

export interface TableReport<C extends FeedChange> extends AppliedChange<C> {
  /**
   * `change`: one whole change of the feed. `swap`: the difference to the table that was read anew from the start. `left`: the
   * feed is followed no longer and its table is gone.
   */
  readonly cause: 'change' | 'swap' | 'left';
  /** The swap also went over to another log: positions before and after are not comparable. */
  readonly otherLog: boolean;
}

export interface FollowerObserver<C extends FeedChange> {
  /** The table that forwards has changed; it shows it already. */
  changed(report: TableReport<C>): void;
  /** The table that forwards is whole, for the first time or again. */
  complete(): void;
  /** The feed was read to its end, and what was read is not whole. The table before it, if any, forwards until enough has come. */
  incomplete(): void;
  /** A table that was not whole has got more of its feed, and is not whole still. */
  filled(): void;
  /** The list of degraded keys is another than was told before. */
  degraded(): void;
  interrupted(cause: Error): void;
  resumed(): void;
}

/**
 * `reading`: a table is read that is to forward. `incomplete`: it was read to the end of the feed, and is not whole: the feed has
 * lost what it held, or is being filled.
 */
export type FollowerState = 'reading' | 'incomplete' | 'live' | 'interrupted';

/**
 * Follows one feed through a transport and always holds one whole table of it, if there ever was one: while the feed is read from
 * its start into a shadow table, the one before keeps forwarding, and when the shadow is whole they are swapped and the difference
 * is reported as one set of changes. An interruption changes nothing, nor does a feed that has lost what it held (X6): a shadow
 * that is not whole at the end of the feed, or that was read where the feed lags behind the table at hand, is filled on, and
 * swapped at the end of the change that makes it so.
 *
 * It reads the feed again by itself when a record of another log comes, when its table remembers too many removals, and when it has
 * outgrown what it is a table of. What a resume tells is one change.
 */
export class Follower<C extends FeedChange, T extends FeedTable<C>> {
  readonly #transport: FeedTransport;
  readonly #feed: FeedName;
  readonly #newTable: () => T;
  readonly #observer: FollowerObserver<C>;
  #membership: Membership | undefined;
  #subscription: FeedSubscription | null = null;
  /** Counts the calls of `follow`; what an earlier subscription still says is not listened to. */
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

  /** The table that forwards; null until the first read is complete. */
  get table(): T | null {
    return this.#current;
  }

  /** `reading` and `incomplete` are of the fresh table, also while another one forwards beside it. */
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

  /** True while the table that forwards is not kept up, because another is being read. */
  get catchingUp(): boolean {
    return this.#shadow !== null || this.#current === null;
  }

  /** What the table that forwards could not understand; before there is one, what the first read could not. */
  get degraded(): readonly string[] {
    return (this.#current ?? this.#shadow)?.degraded ?? [];
  }

  /**
   * Reads the feed from its start, and on. Called again, it starts over, at the place that `membership` names; the table stays
   * meanwhile.
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

  /** Stops following. The table is dropped; what it held is reported as lost. */
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

  /** Stops following and keeps the table. Resolves when the transport has let go of every subscription there was. */
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
    // The observer may have left the feed upon that record.
    if (this.#current === current && current.removals > this.#removalsLimit) this.follow(this.#membership);
  }

  /** A feed that is not whole still has removals of its own; what it shows of them then is no reason to read it again. */
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
    // What was applied may have had the observer leave the feed, or be such that it is read anew.
    if (generation !== this.#generation) return;
    if (upTo) table.completeAt(upTo.log, upTo.position);
    if (table !== this.#shadow) return this.#observer.complete();
    this.#endReached = true;
    if (!this.#swapIfWhole(table)) this.#observer.incomplete();
  }

  #swapIfWhole(fresh: T): boolean {
    if (fresh.isBehind(this.#current) || !fresh.isWhole(this.#current)) return false;
    this.#swap(fresh);
    // The observer may have left the feed upon the difference.
    if (this.#current === fresh) this.#observer.complete();
    return true;
  }

  #swap(fresh: T): void {
    const old = this.#current;
    if (old) fresh.replace(old);
    this.#current = fresh;
    this.#shadow = null;
    // Twice what the feed itself still shows, lest a feed with many removals be read again for ever.
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
