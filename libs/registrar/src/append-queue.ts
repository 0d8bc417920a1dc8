import type { AppendResult, EventStore, EventToAppend } from '@nva/ports';
import { TransientMap } from './transient-map.ts';

/** Events of one stream in one append at most. */
const MAX_EVENTS_TOGETHER = 16;

/** An event that is to be written, decided on the stream as it was at `expectedRevision`. */
export interface Write {
  readonly stream: string;
  readonly expectedRevision: number;
  readonly toAppend: EventToAppend;
  /** Of another stream: sent when this one is taken, and nothing else of either stream until `told`. */
  readonly second?: Write;
}

export interface AppendListener<W> {
  /** Whether a write that has not been sent yet is still to be. */
  wanted(write: W): boolean;
  /**
   * Another writer of their streams came first. None of these were written, and they are in the order of their decisions; the first
   * `sent` of them had been sent.
   */
  overtaken(writes: readonly W[], sent: number): void;
  /** Whether these were written is not known, or they were not because one before them may not be. */
  lost(writes: readonly W[], cause: unknown): void;
}

/**
 * Sends what was decided to the log, in the order of the decisions. A later event of a stream was decided on an earlier one that is
 * still on its way; if another writer comes before the earlier one, the revision that the later one expects is there all the same,
 * made by that writer, and the log would take it. So sending stops at the first write whose stream has an append on its way: what
 * lands was decided on exactly what it lands on. Any number of appends of different streams are under way.
 *
 * Why not a queue per stream: a write may depend on one of another stream decided before it, such as an address that is given up
 * there.
 *
 * A write with a `second` makes one stream's state depend on another's: the second is sent once the first is in the log, and both
 * streams are busy until whoever folds the log has said whether it counted. If either is overtaken, or it did not count, all that
 * was decided behind it on either stream goes with it.
 *
 * What becomes of a write, of what was decided on it (the next of its streams), and of one of another stream that was decided last. A pair
 * is a write with a second, and of what is overtaken those are counted that had been sent (`test/append-queue-table.unit.spec.ts` follows
 * the table, row by row):
 *
 * | a write is         | what happens                                | then it is           | what was decided on it | another stream's |
 * | ------------------ | ------------------------------------------- | -------------------- | ---------------------- | ---------------- |
 * | new                | it comes, its stream is free                | sent                 | waits                  | waits            |
 * | new                | it comes behind one of its stream           | queued               | waits                  | waits            |
 * | queued             | the one before it is in the log             | sent                 | is sent with it        | is sent          |
 * | queued             | the one before it is; nobody waits for this | lost                 | goes with it           | is sent          |
 * | queued             | the one before it is overtaken              | overtaken, 1 counted | goes with it           | is sent          |
 * | queued             | what came of the one before it is not known | lost                 | goes with it           | is sent          |
 * | sent               | it is in the log                            | done                 | is sent                | is sent          |
 * | sent               | another writer was first                    | overtaken, 1 counted | goes with it           | is sent          |
 * | sent               | the store does not say                      | lost                 | goes with it           | is sent          |
 * | sent before a pair | another writer was first                    | overtaken, 1 counted | goes with it           | is sent          |
 * | new, a pair        | it comes, its streams are free              | first sent           | waits                  | waits            |
 * | new, a pair        | it comes behind one of its second's stream  | queued, a pair       | waits                  | waits            |
 * | queued, a pair     | the one before it is in the log             | first sent           | waits                  | waits            |
 * | queued, a pair     | the one before it is overtaken              | overtaken, 1 counted | goes with it           | is sent          |
 * | first sent         | it is in the log                            | second sent          | waits                  | waits            |
 * | first sent         | it is in the log; nobody waits for this     | lost                 | goes with it           | is sent          |
 * | first sent         | another writer was first                    | overtaken, 1 counted | goes with it           | is sent          |
 * | first sent         | the store does not say                      | lost                 | goes with it           | is sent          |
 * | second sent        | it is in the log                            | to be told           | waits                  | waits            |
 * | second sent        | another writer was first                    | overtaken, 1 counted | goes with it           | is sent          |
 * | second sent        | the store does not say                      | lost                 | goes with it           | is sent          |
 * | second sent        | the fold: it counts; the answer is lost     | done                 | is sent                | is sent          |
 * | second sent        | the fold: in vain; the answer is lost       | overtaken, 0 counted | goes with it           | is sent          |
 * | to be told         | the fold: it counts                         | done                 | is sent                | is sent          |
 * | to be told         | the fold: in vain                           | overtaken, 0 counted | goes with it           | is sent          |
 */
export class AppendQueue<W extends Write> {
  readonly #store: EventStore;
  readonly #listener: AppendListener<W>;
  /** Not sent yet, in the order of the decisions. */
  #queued: W[] = [];
  /** Streams with an append on its way. */
  readonly #busy = new TransientMap<true>();
  /** Writes with a second that have been sent, and of which it is not known what came; by the ids of their seconds. */
  readonly #open = new Map<string, W>();
  #waiting: { readonly streams: readonly string[]; readonly resolve: () => void }[] = [];

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

  /** What came of a second, as the fold tells it, whoever still waits for it. False if it is none of these. */
  told(secondId: string, counts: boolean): boolean {
    const write = this.#open.get(secondId);
    if (!write) return false;
    if (counts) {
      this.#open.delete(secondId);
      this.#setBusy(write, false);
    } else this.#overtaken([write], 0);
    this.#sendNext();
    return true;
  }

  /** Resolves once nothing of these streams is on its way, or waits to be sent. */
  idle(streams: readonly string[]): Promise<void> {
    return this.#areIdle(streams) ? Promise.resolve() : new Promise((resolve) => this.#waiting.push({ streams, resolve }));
  }

  /** Whether nothing of this stream is on its way, or waits to be sent. */
  isIdle(stream: string): boolean {
    return this.#areIdle([stream]);
  }

  #areIdle(streams: readonly string[], queued = this.#queuedStreams()): boolean {
    return !streams.some((stream) => this.#busy.has(stream) || queued.has(stream));
  }

  #queuedStreams(): ReadonlySet<string> {
    return new Set(this.#queued.flatMap(({ stream, second }) => (second ? [stream, second.stream] : [stream])));
  }

  #sendNext(): void {
    const groups: W[][] = [];
    let taken = 0;
    for (; taken < this.#queued.length; taken++) {
      const write = this.#queued[taken]!;
      const group = groups.at(-1);
      if (group?.[0]!.stream === write.stream && !group[0].second && !write.second && group.length < MAX_EVENTS_TOGETHER) group.push(write);
      else if (this.#busy.has(write.stream) || (write.second && this.#busy.has(write.second.stream))) break;
      else if (this.#listener.wanted(write)) {
        this.#setBusy(write, true);
        if (write.second) this.#open.set(write.second.toAppend.id, write);
        groups.push([write]);
      } else {
        // What was decided on it goes with it.
        this.#queued.splice(0, taken);
        taken = -1;
        this.#listener.lost(this.#take([write]), new Error('an earlier append is still on its way'));
        this.#wake();
      }
    }
    this.#queued.splice(0, taken);
    if (groups.length > 0) void this.#append(groups);
  }

  async #append(groups: readonly W[][]): Promise<void> {
    const { results, failure } = await this.#sent(groups);
    const failed: W[] = [];
    groups.forEach((group, i) => {
      const write = group[0]!;
      // Of a call that failed, any part may have been written.
      if (!results || results[i]!.outcome === 'wrong-expected-revision') failed.push(...group);
      else if (write.second) void this.#follow(write);
      else this.#setBusy(write, false);
    });
    if (results) this.#overtaken(failed, failed.length);
    else this.#lost(failed, failure);
    this.#sendNext();
  }

  /** The fold may tell what came of it before the store does. */
  async #follow(write: W): Promise<void> {
    const second = write.second as W;
    const { results, failure } = this.#listener.wanted(second)
      ? await this.#sent([[second]])
      : { results: null, failure: new Error('its time is over') };
    if (!this.#open.has(second.toAppend.id)) return;
    if (!results) this.#lost([write], failure);
    else if (results[0]!.outcome === 'wrong-expected-revision') this.#overtaken([write], 1);
    else return;
    this.#sendNext();
  }

  async #sent(groups: readonly W[][]): Promise<{ readonly results: readonly AppendResult[] | null; readonly failure: unknown }> {
    try {
      return {
        results: await this.#store.append(
          groups.map((group) => ({
            stream: group[0]!.stream,
            expectedRevision: group[0]!.expectedRevision,
            events: group.map(({ toAppend }) => toAppend),
          })),
        ),
        failure: null,
      };
    } catch (failure) {
      return { results: null, failure };
    }
  }

  #overtaken(sent: readonly W[], count: number): void {
    if (sent.length > 0) this.#listener.overtaken(this.#ended(sent), count);
  }

  #lost(sent: readonly W[], cause: unknown): void {
    if (sent.length > 0) this.#listener.lost(this.#ended(sent), cause);
  }

  /** With all that is queued behind them on their streams, which are free then. */
  #ended(sent: readonly W[]): readonly W[] {
    for (const write of sent) {
      if (write.second) this.#open.delete(write.second.toAppend.id);
      this.#setBusy(write, false);
    }
    const taken = this.#take(sent);
    this.#wake();
    return [...sent, ...taken];
  }

  #setBusy({ stream, second }: Write, busy: boolean): void {
    for (const one of second ? [stream, second.stream] : [stream]) {
      if (busy) this.#busy.set(one, true);
      else this.#busy.delete(one);
    }
    if (!busy) this.#wake();
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    const queued = this.#queuedStreams();
    const idle = this.#waiting.filter(({ streams }) => this.#areIdle(streams, queued));
    this.#waiting = this.#waiting.filter((waiter) => !idle.includes(waiter));
    for (const { resolve } of idle) resolve();
  }

  /**
   * Takes out of the queue what is of the streams of these; of the other stream of a write that goes, all of it, as the rest would
   * go on from what is not there any more.
   */
  #take(writes: readonly W[]): W[] {
    const streams = new Set(writes.flatMap(({ stream, second }) => (second ? [stream, second.stream] : [stream])));
    const gone = new Set<W>();
    for (let size = 0; size < streams.size;) {
      size = streams.size;
      for (const write of this.#queued) {
        const { stream, second } = write;
        if (!streams.has(stream) && !(second && streams.has(second.stream))) continue;
        gone.add(write);
        streams.add(stream);
        if (second) streams.add(second.stream);
      }
    }
    if (gone.size === 0) return [];
    const taken = this.#queued.filter((write) => gone.has(write));
    this.#queued = this.#queued.filter((write) => !gone.has(write));
    return taken;
  }
}
