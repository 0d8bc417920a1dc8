import type { Position } from '@nva/ports';
import type { Queued } from './records.ts';

/** Records that may wait to be published. Beyond this the queue is dropped, and the feeds are reconciled when they answer again. */
export const MAX_QUEUED_RECORDS = 200_000;

/**
 * Changes that wait to be published, in the order of the log. If there are too many records, the queue keeps only the fact that
 * it overflowed.
 */
export class Queue {
  #entries: Queued[] = [];
  #records = 0;
  #overflowed = false;
  /** The position that publishing the queue would reach; an event that concerns no feed of this process is not in the queue. */
  reaches: Position = 0;

  /** The changes that wait now. A new list after the queue was dropped. */
  get entries(): readonly Queued[] {
    return this.#entries;
  }

  get records(): number {
    return this.#records;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The queue was dropped: only a reconciliation can tell what is due. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Adds a change. Returns false if there are too many records; the queue is then dropped. */
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

  /** A reconciliation begins: changes from here on are queued. */
  begin(): void {
    this.#overflowed = false;
  }
}
