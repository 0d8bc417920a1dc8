import type { FeedValue } from '@nva/codec';
import type { FeedRecord, Position } from '@nva/ports';
import { DegradedKeys } from './degraded-keys.ts';
import { asOne, changeOf, inContractOrder, type AppliedChange, type FeedChange } from './feed-change.ts';
import { LazyDigest } from './lazy-digest.ts';

/** Records of one change that are held back until it ends; a longer change is applied in parts of this size. */
export const MAX_PENDING_RECORDS = 262_144;

interface Live {
  readonly value: FeedValue;
  readonly position: Position;
}

export interface FeedTableObserver<C extends FeedChange> {
  /** A whole change has been applied and the table shows it. */
  applied(change: AppliedChange<C>): void;
  /**
   * The table has come to a change that it must not show (`continuesWith`): it stays as it was before that, and the feed is to be
   * read anew.
   */
  outgrown(): void;
  /** The list of degraded keys is another than before. */
  degraded(): void;
}

/**
 * One feed as a table, made of its records in whatever order and however often they come (contract, «What a consumer does»).
 *
 * What decides is kept per key: the position last seen, of a removed key too, so that an older record that comes later is not
 * applied (X1). There is no floor per feed: after a repeat and a partial compaction a live key's only record can stand behind a
 * newer record of another key, and a floor would lose it. Records are held until a change ends, their own or a later one, since an
 * end may have been compacted away or cut off by a crash, or until `flush`; what ends together is applied and reported as one.
 *
 * Positions of removed keys are kept for as long as the table lives; whoever owns it bounds them by reading the feed again into a
 * new one (`removals`). Pure: no clock, no I/O. Observed or not, the table ends the same; unobserved it makes no reports, which is
 * how a shadow table is filled.
 */
export abstract class FeedTable<C extends FeedChange> {
  readonly #live = new Map<string, Live>();
  readonly #removed = new Map<string, Position>();
  /** Keys whose position means nothing any more: it was of another log, or the value was taken over from an older table. */
  readonly #unordered = new Set<string>();
  readonly #pending: FeedRecord[] = [];
  readonly #degraded = new DegradedKeys();
  readonly #digest = new LazyDigest();
  #isHeld = false;
  #observer: FeedTableObserver<C> | null = null;
  #log: string | null = null;
  #position: Position | null = null;
  /** Somebody vouched for how far the feed had come (`completeAt`). */
  #isVouched = false;

  /** Whether the table can hold this value under this key; if not, the key is degraded. */
  protected abstract accepts(key: string, value: FeedValue): boolean;

  /** The value of a key has changed, or come again: views and indexes follow here. */
  protected abstract stored(key: string, before: FeedValue | null, after: FeedValue | null): void;

  /**
   * Whether this table, read from the start of the feed to its end, may take the place of `before` (null: of none). One that may
   * not is of a feed that has lost what it held, or is being filled.
   */
  abstract isWhole(before: FeedTable<C> | null): boolean;

  /** Whether the records about to be applied are of what this table, which forwards, is a table of. */
  protected continuesWith(_pending: readonly FeedRecord[]): boolean {
    return true;
  }

  /** Whether what a live key holds stays, although a record of `position` removes it: the key is then as if told again at that position. */
  protected withstands(_key: string, _position: Position): boolean {
    return false;
  }

  /** A live key has withstood its removal. */
  protected withstood(_key: string): void {}

  /** Takes the place of `old`: what is to stay although this one was not told of it comes over. */
  replace(old: FeedTable<C>): void {
    this.keepUndecodable(old);
  }

  /** Reports from now on go to `observer`; null reports nothing. */
  observe(observer: FeedTableObserver<C> | null): void {
    this.#observer = observer;
  }

  /** The log that positions belong to; null until a record has come. */
  get log(): string | null {
    return this.#log;
  }

  /** The highest position of the whole changes applied; null before the first. */
  get position(): Position | null {
    return this.#position;
  }

  /** Whether a change was begun, and its end not told yet. */
  get isMidChange(): boolean {
    return this.#pending.length > 0;
  }

  /** Live keys. */
  get size(): number {
    return this.#live.size;
  }

  /** Removed keys whose position is remembered. */
  get removals(): number {
    return this.#removed.size;
  }

  /** What could not be understood: keys, and `?@<place>` for records without one. */
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

  /** Position of a key's removal, as long as that is the last that was told of it; null otherwise. */
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
   * Takes a record in. One of another log than those before makes their positions void: their values stay until the new log says
   * otherwise. (Whoever follows a feed live should rather read it again from the start.)
   */
  add(record: FeedRecord): void {
    if (record.log !== this.#log) this.#enterLog(record.log);
    this.#pending.push(record);
    if ((record.changeEnd && !this.#isHeld) || this.#pending.length >= MAX_PENDING_RECORDS) this.flush();
  }

  /** What is added from now on is one change, until `release`: in between it makes no table that there ever was. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Applies what is held back, although its change did not end. */
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
   * A record of `key` (null: not even that is known) could not be understood; `at` is where it stands in the feed. What the key
   * held stays. The change being gathered is applied, since the record may have been its end.
   */
  degrade(key: string | null, at: string): void {
    this.flush();
    const before = this.#degraded.version;
    this.#degraded.add(key, at);
    if (this.#degraded.version !== before) this.#observer?.degraded();
  }

  /** Every change up to `position` of `log` has been taken in, the last ones possibly without a record left to show it. */
  completeAt(log: string, position: Position): void {
    this.flush();
    if (log !== this.#log) this.#enterLog(log);
    if (this.#position === null || position > this.#position) this.#position = position;
    this.#isVouched = true;
  }

  /**
   * Whether `before` holds what this table has not come to: it was read where the feed lags behind. Only a table that is vouched
   * for can show it: the positions of what is left on a compacted feed may all be older than those of what was removed.
   */
  isBehind(before: FeedTable<C> | null): boolean {
    if (before === null || !this.#isVouched || this.#log !== before.#log) return false;
    for (const [key, { position }] of before.#live) if (position > this.#position! && !before.#unordered.has(key)) return true;
    return false;
  }

  /**
   * Takes over from the table that this one replaces what it holds under keys that this one could not understand: a record in a
   * schema not yet known must not take a working entry away. Any later record of the key goes over it.
   */
  keepUndecodable(old: FeedTable<C>): void {
    for (const key of this.#degraded.keys()) if (!this.#removed.has(key)) this.#keep(key, old, false);
  }

  /**
   * Takes over what `old` holds and this one neither holds nor was told the removal of; returns those keys. A removal that is older than
   * what `old` holds says nothing of it (X1).
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

  /** Drops a key as if it had never been told of, so that the next record of it is taken, whatever its position. Nothing is reported. */
  forget(key: string): void {
    const before = this.#live.get(key);
    if (before === undefined) return;
    this.#digest.touch(key, before.position, this.#live.size);
    this.#live.delete(key);
    this.#unordered.delete(key);
    this.stored(key, before.value, null);
  }

  /** What is different here from `old` (null: from nothing), in contract order. */
  differenceFrom(old: FeedTable<C> | null): readonly C[] {
    const changes: (FeedChange | null)[] = [];
    for (const [key, value] of old?.entries() ?? []) {
      if (!this.#live.has(key)) changes.push(changeOf(key, value, null, this.#removed.get(key) ?? this.#position ?? 0));
    }
    for (const [key, { value, position }] of this.#live) changes.push(changeOf(key, old?.value(key) ?? null, value, position));
    return inContractOrder(changes.filter((change) => change !== null) as C[]);
  }

  /** Everything in the table as lost at `position`, in contract order. */
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
