import type { Position } from '@nva/ports';
import type { Queued } from './records.ts';

/** Records waiting to be published at most. Beyond it they are dropped, and the feeds are reconciled instead when they answer again. */
export const MAX_QUEUED_RECORDS = 200_000;

/** Changes that wait to be published, in the order of the log: so many records, or none any more but the word that there were too many. */
export class Queue {
  #entries: Queued[] = [];
  #records = 0;
  #overflowed = false;
  /** What it would publish up to: an event that concerns no feed of ours does not stand in it. */
  reaches: Position = 0;

  /** What waits now. Another list after the queue was let go. */
  get entries(): readonly Queued[] {
    return this.#entries;
  }

  get records(): number {
    return this.#records;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** It was let go: only a reconciliation says what is due. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Takes a change in; false if that was too much, and all is let go. */
  push(change: Queued): boolean {
    this.#entries.push(change);
    for (const { records } of change.batches) this.#records += records.length;
    if (this.#records <= MAX_QUEUED_RECORDS) return true;
    this.overflow();
    return false;
  }

  /** The first changes are published. */
  done(events: number, records: number): void {
    this.#entries.splice(0, events);
    this.#records -= records;
  }

  overflow(): void {
    this.#overflowed = true;
    this.#entries = [];
    this.#records = 0;
  }

  /** A reconciliation begins: what comes from here on is queued. */
  begin(): void {
    this.#overflowed = false;
  }
}
