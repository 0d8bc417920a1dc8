import {
  StoreUnavailable,
  type AppendResult,
  type Checkpoint,
  type EventBatch,
  type EventStore,
  type LogHead,
  type Position,
  type RecordedEvent,
  type StreamAppend,
  type SubscriptionMessage,
} from '@nva/ports';
import type { Link } from './link.ts';
import type { SimLog } from './sim-log.ts';
import type { Life, World } from './world.ts';

const BATCH_EVENTS = 100;
/** How long a call waits for a missing answer. */
const CALL_LIMIT_MS = 5_000;
/** A sent message may be delayed by this much longer than that. */
const MAX_LATE_MS = 4_000;
const MAX_SYNC_MS = 12;

/** The log as one process reaches it. */
export class SimEventStore implements EventStore {
  readonly logId: string;
  readonly keepsOrder: boolean;
  readonly #log: SimLog;
  readonly #world: World;
  readonly #life: Life;
  readonly #link: Link;
  #closed = false;
  #syncing: Promise<void> | null = null;

  constructor(log: SimLog, world: World, life: Life, link: Link) {
    this.logId = log.logId;
    this.keepsOrder = log.kind === 'embedded';
    this.#log = log;
    this.#world = world;
    this.#life = life;
    this.#link = link;
  }

  append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the log is closed'));
    return this.#log.kind === 'embedded' ? this.#appendHere(appends) : this.#appendThere(appends);
  }

  async *readStream(
    stream: string,
    { fromRevision = 0, limit = Infinity }: { readonly fromRevision?: number; readonly limit?: number } = {},
  ): AsyncGenerator<RecordedEvent, void> {
    await this.#answer(null);
    yield* this.#log
      .stream(stream)
      .filter(({ position }) => position <= this.#log.head)
      .slice(fromRevision, fromRevision + limit);
  }

  async *readAll({ after, limit = Infinity }: { readonly after?: Checkpoint; readonly limit?: number } = {}): AsyncGenerator<
    EventBatch,
    void
  > {
    let index = this.#indexAfter(after);
    for (let left = limit; left > 0;) {
      await this.#answer(null);
      const batch = this.#batch(index, Math.min(left, BATCH_EVENTS));
      if (!batch) return;
      index += batch.events.length;
      left -= batch.events.length;
      yield batch;
    }
  }

  async *readAllBackwards({
    before = Infinity,
    limit = Infinity,
  }: { readonly before?: Position; readonly limit?: number } = {}): AsyncGenerator<readonly RecordedEvent[], void> {
    await this.#answer(null);
    const all = this.#log.events
      .filter(({ position }) => position < before)
      .slice(-limit)
      .toReversed();
    for (let from = 0; from < all.length; from += BATCH_EVENTS) yield all.slice(from, from + BATCH_EVENTS);
  }

  async readAt(position: Position): Promise<RecordedEvent | null> {
    await this.#answer(null);
    return position > this.#log.head ? null : (this.#log.events.find((recorded) => recorded.position === position) ?? null);
  }

  async *subscribe({
    after,
    signal,
  }: {
    readonly after?: Checkpoint;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SubscriptionMessage, void> {
    let index = this.#indexAfter(after);
    let said = false;
    while (!signal.aborted && !this.#closed) {
      const batch = this.#batch(index, this.#world.between(1, BATCH_EVENTS));
      if (batch) {
        await this.#arrives();
        index += batch.events.length;
        said = false;
        yield { kind: 'events', ...batch };
      } else if (!said) {
        said = true;
        yield { kind: 'caught-up' };
      } else await this.#news(signal);
    }
  }

  checkpointAt(position: Position): Checkpoint {
    return `after:${position.toString(36)}`;
  }

  async head(): Promise<LogHead> {
    await this.#answer(null);
    return { position: this.#log.head, checkpoint: this.checkpointAt(this.#log.head) };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** Append to an embedded log: decided at once, answered when it is durable. */
  async #appendHere(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const results = appends.map((append) => this.#log.append(append));
    this.#syncing ??= this.#world.sleep(this.#world.between(0, MAX_SYNC_MS), this.#life).then(() => {
      this.#syncing = null;
      this.#log.sync();
    });
    await this.#syncing;
    return results;
  }

  /** Append to a server: parts of the request may be delayed, and the answer may be lost. */
  async #appendThere(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const results = appends.map((): AppendResult | undefined => undefined);
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendResult[]>();
    const callOff = this.#world.after(CALL_LIMIT_MS, this.#life, () =>
      reject(new StoreUnavailable('the event store did not answer in time')),
    );
    const decide = (places: readonly number[]): void => {
      for (const place of places) results[place] = this.#log.append(appends[place]!);
      if (results.includes(undefined) || !this.#link.passes()) return;
      this.#world.after(this.#link.delayMs(), this.#life, () => {
        callOff();
        resolve(results as AppendResult[]);
      });
    };
    const late: number[] = [];
    const inTime: number[] = [];
    for (const place of appends.keys()) (this.#link.passes() ? inTime : late).push(place);
    // A message that was sent arrives even if the process has ended.
    if (inTime.length > 0) this.#world.after(this.#link.delayMs(), null, () => decide(inTime));
    const held = late.filter(() => this.#world.chance(50));
    if (held.length > 0) this.#world.after(this.#world.between(0, CALL_LIMIT_MS + MAX_LATE_MS), null, () => decide(held));
    return promise;
  }

  async #answer(value: null): Promise<null> {
    if (this.#closed) throw new StoreUnavailable('the log is closed');
    if (this.#log.kind === 'embedded') return value;
    if (!this.#link.passes()) {
      await this.#world.sleep(CALL_LIMIT_MS, this.#life);
      throw new StoreUnavailable('the event store did not answer in time');
    }
    await this.#world.sleep(this.#link.delayMs(), this.#life);
    return value;
  }

  /** Events come in order, sooner or later: a subscription asks again for lost ones. */
  async #arrives(): Promise<void> {
    await this.#world.sleep(this.#log.kind === 'embedded' ? 0 : this.#link.delayMs(), this.#life);
    while (!this.#link.isUp) await this.#world.sleep(100, this.#life);
  }

  async #news(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = this.#log.onNews(() => this.#world.after(0, this.#life, resolve));
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    end();
  }

  #batch(index: number, limit: number): EventBatch | undefined {
    const to = Math.min(this.#log.size, index + limit);
    if (to <= index) return undefined;
    const events = Array.from({ length: to - index }, (_, i) => this.#log.at(index + i));
    return { events, checkpoint: this.checkpointAt(events.at(-1)!.position) };
  }

  #indexAfter(after: Checkpoint | undefined): number {
    if (after === undefined) return 0;
    const position = Number.parseInt(after.slice('after:'.length), 36);
    const index = this.#log.events.findIndex((recorded) => recorded.position > position);
    return index === -1 ? this.#log.size : index;
  }
}
