import type { AppendResult, EventStore, EventToAppend } from '@nva/ports';
import { TransientMap } from './transient-map.ts';

/** Events of one stream in one append at most. */
const MAX_EVENTS_TOGETHER = 16;

/** An event that is to be written, decided on the stream as it was at `expectedRevision`. */
export interface Write {
  readonly stream: string;
  readonly expectedRevision: number;
  readonly toAppend: EventToAppend;
}

export interface AppendListener<W> {
  /** Whether a write that has not been sent yet is still to be. */
  wanted(write: W): boolean;
  /** Another writer of their streams came first. None of these were written, and they are in the order of their decisions; the first `sent` of them had been sent. */
  overtaken(writes: readonly W[], sent: number): void;
  /** Whether these were written is not known, or they were not because one before them may not be. */
  lost(writes: readonly W[], cause: unknown): void;
}

/**
 * Sends what was decided to the log, in the order of the decisions. A later event of a stream was decided on an earlier one that is still on
 * its way; if another writer comes before the earlier one, the revision that the later one expects is there all the same, made by that
 * writer, and the log would take it. So sending stops at the first write whose stream has an append on its way: what lands was decided
 * on exactly what it lands on. Any number of appends of different streams are under way.
 *
 * Why not a queue per stream: a write may depend on one of another stream decided before it, such as an address that is given up there.
 */
export class AppendQueue<W extends Write> {
  readonly #store: EventStore;
  readonly #listener: AppendListener<W>;
  /** Not sent yet, in the order of the decisions. */
  #queued: W[] = [];
  /** Streams with an append on its way. */
  readonly #busy = new TransientMap<true>();

  constructor(store: EventStore, listener: AppendListener<W>) {
    this.#store = store;
    this.#listener = listener;
  }

  /** Writes that have not been sent yet. */
  get size(): number {
    return this.#queued.length;
  }

  send(writes: readonly W[]): void {
    for (const write of writes) this.#queued.push(write);
    this.#sendNext();
  }

  #sendNext(): void {
    const groups: W[][] = [];
    let taken = 0;
    for (; taken < this.#queued.length; taken++) {
      const write = this.#queued[taken]!;
      const group = groups.at(-1);
      if (group?.[0]!.stream === write.stream && group.length < MAX_EVENTS_TOGETHER) group.push(write);
      else if (this.#busy.has(write.stream)) break;
      else if (this.#listener.wanted(write)) {
        this.#busy.set(write.stream, true);
        groups.push([write]);
      } else {
        // What was decided on it goes with it.
        this.#queued.splice(0, taken);
        taken = -1;
        this.#listener.lost(this.#take(new Set([write.stream])), new Error('an earlier append is still on its way'));
      }
    }
    this.#queued.splice(0, taken);
    if (groups.length > 0) void this.#append(groups);
  }

  async #append(groups: readonly W[][]): Promise<void> {
    let results: readonly AppendResult[] | null = null;
    let failure: unknown = null;
    try {
      results = await this.#store.append(groups.map((group) => ({ stream: group[0]!.stream, expectedRevision: group[0]!.expectedRevision, events: group.map(({ toAppend }) => toAppend) })));
    } catch (cause) {
      failure = cause;
    }
    // Of a call that failed, any part may have been written.
    const failed = results ? groups.filter((_, i) => results[i]!.outcome === 'wrong-expected-revision') : groups;
    if (failed.length > 0) {
      const sent = failed.flat();
      const writes = [...sent, ...this.#take(new Set(sent.map(({ stream }) => stream)))];
      if (results) this.#listener.overtaken(writes, sent.length);
      else this.#listener.lost(writes, failure);
    }
    for (const group of groups) this.#busy.delete(group[0]!.stream);
    this.#sendNext();
  }

  /** Takes out of the queue what is of these streams. */
  #take(streams: ReadonlySet<string>): W[] {
    const taken = this.#queued.filter(({ stream }) => streams.has(stream));
    if (taken.length > 0) this.#queued = this.#queued.filter(({ stream }) => !streams.has(stream));
    return taken;
  }
}
