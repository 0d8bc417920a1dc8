import type { FeedValue } from '@nva/codec';
import type { FeedRecord, Position } from '@nva/ports';
import { DegradedKeys } from './degraded-keys.ts';
import { asOne, changeOf, inContractOrder, type AppliedChange, type FeedChange } from './feed-change.ts';
import { LazyDigest } from './lazy-digest.ts';

/** Records of one change that are held back until the change ends; a longer change is applied in parts of this size. */
export const MAX_PENDING_RECORDS = 262_144;

interface Live {
  readonly value: FeedValue;
  readonly position: Position;
}

export interface FeedTableObserver<C extends FeedChange> {
  /** A whole change has been applied and the table shows it. */
  applied(change: AppliedChange<C>): void;
  /**
   * The table has come to a change that it must not show (`continuesWith`): it stays as it was before the change, and the feed
   * must be read anew.
   */
  outgrown(): void;
  /** The list of degraded keys has changed. */
  degraded(): void;
}

/**
 * One feed as a table, built from its records in whatever order and however often they come (contract, «What a consumer does»).
 *
 * For each key the table keeps the last seen position, also for a removed key, so that an older record that comes later is not
 * applied (X1). There is no lowest position for the whole feed: after a repeat and a partial compaction, the only record of a
 * live key can stand behind a newer record of another key, and would be lost. Records are held until the end of a change (their
 * own or a later one, since an end may have been compacted away or cut off by a crash), or until `flush`. Everything that ends
 * together is applied and reported as one change.
 *
 * Positions of removed keys are kept for the life of the table; the owner bounds them by reading the feed again into a new table
 * (`removals`). Pure: no clock, no I/O. The table is the same with or without an observer; without one it makes no reports, which
 * is how a shadow table is filled.
 */
export abstract class FeedTable<C extends FeedChange> {
  readonly #live = new Map<string, Live>();
  readonly #removed = new Map<string, Position>();
  /** Keys whose position has no meaning any more: it was of another log, or the value was taken over from an older table. */
  readonly #unordered = new Set<string>();
  readonly #pending: FeedRecord[] = [];
  readonly #degraded = new DegradedKeys();
  readonly #digest = new LazyDigest();
  #isHeld = false;
  #observer: FeedTableObserver<C> | null = null;
  #log: string | null = null;
  #position: Position | null = null;
  /** `completeAt` has told how far the feed had come. */
  #isVouched = false;

  /** Whether the table can hold this value under this key; if not, the key is degraded. */
  protected abstract accepts(key: string, value: FeedValue): boolean;

  /** The value of a key has changed, or has been repeated: subclasses update views and indexes here. */
  protected abstract stored(key: string, before: FeedValue | null, after: FeedValue | null): void;

  /**
   * Whether this table, read from the start of the feed to its end, may replace `before` (null: there is none). If not, it is of
   * a feed that has lost its records, or is being filled.
   */
  abstract isWhole(before: FeedTable<C> | null): boolean;

  /** Whether the pending records are still of the VN or NVE that this forwarding table shows. */
  protected continuesWith(_pending: readonly FeedRecord[]): boolean {
    return true;
  }

  /**
   * Whether the value of a live key stays although a record of `position` removes it; the key then counts as repeated at that
   * position.
   */
  protected withstands(_key: string, _position: Position): boolean {
    return false;
  }

  /** A live key has withstood its removal. */
  protected withstood(_key: string): void {}

  /** Called when this table replaces `old`: takes over the entries that must stay although this table did not receive them. */
  replace(old: FeedTable<C>): void {
    this.keepUndecodable(old);
  }

  /** Sends reports to `observer` from now on; null stops reports. */
  observe(observer: FeedTableObserver<C> | null): void {
    this.#observer = observer;
  }

  /** The log that positions belong to; null until a record has come. */
  get log(): string | null {
    return this.#log;
  }

  /** The highest position of the changes that were applied whole; null before the first. */
  get position(): Position | null {
    return this.#position;
  }

  /** Whether a change has begun whose end has not come yet. */
  get isMidChange(): boolean {
    return this.#pending.length > 0;
  }

  /** Live keys. */
  get size(): number {
    return this.#live.size;
  }

  /** Number of removed keys whose position is remembered. */
  get removals(): number {
    return this.#removed.size;
  }

  /** The keys that could not be understood, and `?@<place>` for records without a readable key. */
  get degraded(): readonly string[] {
    return this.#degraded.list();
  }

  value(key: string): FeedValue | null {
    return this.#live.get(key)?.value ?? null;
  }

  /** Position of a live key; null if it is not live. */
  positionOf(key: string): Position | null {
    return this.#live.get(key)?.position ?? null;
  }

  /** Position of a key's removal, if that is the last record of the key; null otherwise. */
  removedAt(key: string): Position | null {
    return this.#removed.get(key) ?? null;
  }

  /** Whether the last record of the key could not be understood. */
  protected isDegraded(key: string): boolean {
    return this.#degraded.has(key);
  }

  /** Live keys and values, in no particular order. */
  *entries(): IterableIterator<[key: string, value: FeedValue, position: Position]> {
    for (const [key, { value, position }] of this.#live) yield [key, value, position];
  }

  /** Digest of the live keys and their positions, 16 hex digits. The first call counts the whole table (1.5 µs a key). */
  digest(): string {
    return this.#digest.read(this.#live);
  }

  /**
   * Adds a record. A record of another log makes the former positions void; the values stay until the new log says otherwise. (A
   * consumer that follows a feed live should rather read it again from the start.)
   */
  add(record: FeedRecord): void {
    if (record.log !== this.#log) this.#enterLog(record.log);
    this.#pending.push(record);
    if ((record.changeEnd && !this.#isHeld) || this.#pending.length >= MAX_PENDING_RECORDS) this.flush();
  }

  /** Everything that is added until `release` is one change, because the states in between never existed. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Applies the records that are held back, although their change did not end. */
  flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    if (this.#observer && !this.continuesWith(pending)) {
      pending.length = 0;
      this.#observer.outgrown();
      return;
    }
    let position = 0;
    for (const record of pending) position = Math.max(position, record.position);
    const isOne = pending.every((record) => record.position === position);
    const changes: C[] | null = this.#observer ? [] : null;
    const degradedBefore = this.#degraded.version;
    for (const record of pending) this.#apply(record, changes);
    pending.length = 0;
    if (this.#position === null || position > this.#position) this.#position = position;
    const told = changes && (isOne ? changes : asOne(changes));
    if (told && told.length > 0) this.#observer?.applied({ position, changes: told });
    if (this.#degraded.version !== degradedBefore) this.#observer?.degraded();
  }

  /**
   * A record of `key` (null: not even the key is known) could not be understood; `at` is its place in the feed. The key keeps its
   * value. The pending change is applied, since the record may have been its end.
   */
  degrade(key: string | null, at: string): void {
    this.flush();
    const before = this.#degraded.version;
    this.#degraded.add(key, at);
    if (this.#degraded.version !== before) this.#observer?.degraded();
  }

  /** Every change up to `position` of `log` has been received; the last ones may have left no record that shows it. */
  completeAt(log: string, position: Position): void {
    this.flush();
    if (log !== this.#log) this.#enterLog(log);
    if (this.#position === null || position > this.#position) this.#position = position;
    this.#isVouched = true;
  }

  /**
   * Whether `before` holds entries that this table has not reached, because it was read where the feed lags behind. Only a table
   * with `completeAt` can show this: on a compacted feed, all remaining positions may be older than those of removed keys.
   */
  isBehind(before: FeedTable<C> | null): boolean {
    if (before === null || !this.#isVouched || this.#log !== before.#log) return false;
    for (const [key, { position }] of before.#live) if (position > this.#position! && !before.#unordered.has(key)) return true;
    return false;
  }

  /**
   * Takes over from the replaced table the values of keys that this table could not understand: a record in an unknown schema
   * must not remove a working entry. Any later record of the key overwrites it.
   */
  keepUndecodable(old: FeedTable<C>): void {
    for (const key of this.#degraded.keys()) if (!this.#removed.has(key)) this.#keep(key, old, false);
  }

  /**
   * Takes over the keys of `old` that this table neither holds nor has seen removed; returns them. A removal that is older than
   * the value in `old` does not count (X1).
   */
  protected keepAbsent(old: FeedTable<C>): readonly string[] {
    const isSameLog = this.#log === null || this.#log === old.#log;
    this.#log ??= old.#log;
    return [...old.#live].flatMap(([key, { position }]) => {
      const removed = this.#removed.get(key);
      if (removed !== undefined && (!isSameLog || removed >= position) && !this.withstands(key, removed)) return [];
      return this.#keep(key, old, isSameLog && !old.#unordered.has(key)) ? [key] : [];
    });
  }

  #keep(key: string, old: FeedTable<C>, ordered: boolean): boolean {
    const kept = old.#live.get(key);
    if (kept === undefined || this.#live.has(key)) return false;
    this.#digest.touch(key, null, this.#live.size);
    this.#live.set(key, kept);
    this.#removed.delete(key);
    if (!ordered) this.#unordered.add(key);
    this.stored(key, null, kept.value);
    return true;
  }

  /** Drops a key as if it had never been received, so that its next record is applied whatever the position. Nothing is reported. */
  forget(key: string): void {
    const before = this.#live.get(key);
    if (before === undefined) return;
    this.#digest.touch(key, before.position, this.#live.size);
    this.#live.delete(key);
    this.#unordered.delete(key);
    this.stored(key, before.value, null);
  }

  /** The difference of this table from `old` (null: from nothing), in contract order. */
  differenceFrom(old: FeedTable<C> | null): readonly C[] {
    const changes: (FeedChange | null)[] = [];
    for (const [key, value] of old?.entries() ?? []) {
      if (!this.#live.has(key)) changes.push(changeOf(key, value, null, this.#removed.get(key) ?? this.#position ?? 0));
    }
    for (const [key, { value, position }] of this.#live) changes.push(changeOf(key, old?.value(key) ?? null, value, position));
    return inContractOrder(changes.filter((change) => change !== null) as C[]);
  }

  /** All entries of the table as lost at `position`, in contract order. */
  asLost(position: Position): readonly C[] {
    const lost: (FeedChange | null)[] = [];
    for (const [key, { value }] of this.#live) lost.push(changeOf(key, value, null, position));
    return inContractOrder(lost as C[]);
  }

  #apply(record: FeedRecord, changes: C[] | null): void {
    const { key, position } = record;
    const before = this.#live.get(key);
    const seen = before?.position ?? this.#removed.get(key);
    const ordered = this.#unordered.size === 0 || !this.#unordered.has(key);
    if (seen !== undefined && position < seen && ordered) return;
    const stays = record.value === null && before !== undefined && this.withstands(key, position);
    const value = stays ? before.value : record.value;
    if (value !== null && !this.accepts(key, value)) {
      this.#degraded.add(key, String(position));
      return;
    }
    this.#degraded.clear(key);
    if (!ordered) this.#unordered.delete(key);
    this.#digest.touch(key, before?.position ?? null, this.#live.size);
    if (value === null) {
      this.#live.delete(key);
      this.#removed.set(key, position);
    } else {
      this.#live.set(key, { value, position });
      if (this.#removed.size > 0) this.#removed.delete(key);
    }
    const valueBefore = before?.value ?? null;
    this.stored(key, valueBefore, value);
    if (stays) this.withstood(key);
    const change = changes && changeOf(key, valueBefore, value, position);
    if (change) changes.push(change as C);
  }

  #enterLog(log: string): void {
    this.flush();
    if (this.#log !== null) {
      this.#removed.clear();
      for (const key of this.#live.keys()) this.#unordered.add(key);
      this.#position = null;
    }
    this.#log = log;
  }
}
