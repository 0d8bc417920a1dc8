import type { EventCodec } from '@nva/codec';
import {
  MAX_EVENTS_PER_APPEND,
  NO_STREAM,
  randomIds,
  StoreUnavailable,
  type AppendResult,
  type Checkpoint,
  type EventBatch,
  type EventStore,
  type LogHead,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type StreamAppend,
  type SubscriptionMessage,
} from '@nva/ports';
import { Seeded } from './seeded.ts';

const BATCH_EVENTS = 100;
const MAX_STEP = 1_000;

interface Kept {
  readonly position: Position;
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  readonly bytes: Buffer;
}

export interface GappedEventStoreOptions {
  readonly codec: EventCodec;
  /** Seed of the gaps between positions, and of the subsets that faults apply. */
  readonly seed: number;
}

/**
 * An event log in memory that offers nothing beyond the port: positions grow by irregular steps, the text of a checkpoint is no
 * number, and a failing call has applied some of its appends and not others. Code that runs on it cannot rely on properties that
 * only SQLite has. Events are kept as bytes, so that no object is shared between the appender and a reader.
 */
export class GappedEventStore implements EventStore {
  readonly logId: string = randomIds.uuid();
  readonly keepsOrder = false;
  readonly #codec: EventCodec;
  readonly #random: Seeded;
  readonly #log: Kept[] = [];
  readonly #streams = new Map<string, Kept[]>();
  readonly #wakers = new Set<() => void>();
  #faults = 0;
  #closed = false;

  constructor({ codec, seed }: GappedEventStoreOptions) {
    this.#codec = codec;
    this.#random = new Seeded(seed);
  }

  /** The next `calls` appends keep any subset of their events and reject with StoreUnavailable. */
  failNext(calls = 1): void {
    this.#faults += calls;
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    this.#assertOpen();
    const encoded = appends.map((append) => this.#encode(append));
    const fails = this.#faults > 0;
    if (fails) this.#faults--;
    const results = appends.map((append, index) =>
      fails && this.#random.below(2) === 0 ? undefined : this.#decide(append, encoded[index]!),
    );
    await Promise.resolve();
    for (const wake of this.#wakers) wake();
    if (fails) throw new StoreUnavailable('the answer was lost');
    return results as AppendResult[];
  }

  async *readStream(
    stream: string,
    { fromRevision = 0, limit = Infinity }: { readonly fromRevision?: number; readonly limit?: number } = {},
  ): AsyncGenerator<RecordedEvent, void> {
    this.#assertOpen();
    for (const kept of (this.#streams.get(stream) ?? []).slice(fromRevision, fromRevision + limit)) yield this.#recorded(kept);
  }

  async *readAll({ after, limit = Infinity, withBytes = false }: ReadAllOptions = {}): AsyncGenerator<EventBatch, void> {
    let index = this.#indexAfter(after);
    for (let left = limit; left > 0;) {
      this.#assertOpen();
      const batch = this.#batch(index, Math.min(left, BATCH_EVENTS));
      if (!batch) return;
      index += batch.events.length;
      left -= batch.events.length;
      const { events, checkpoint } = batch;
      yield withBytes
        ? { events: events.map((event, i) => ({ ...event, bytes: this.#log[index - events.length + i]!.bytes })), checkpoint }
        : batch;
    }
  }

  async *readAllBackwards({
    before = Infinity,
    limit = Infinity,
  }: { readonly before?: Position; readonly limit?: number } = {}): AsyncGenerator<readonly RecordedEvent[], void> {
    this.#assertOpen();
    let index = before === Infinity ? this.#log.length : this.#log.findIndex(({ position }) => position === before);
    if (index === -1) throw new RangeError(`no event of this log stands at ${before}`);
    for (let left = limit; left > 0 && index > 0;) {
      const from = Math.max(0, index - Math.min(left, BATCH_EVENTS));
      yield this.#log
        .slice(from, index)
        .toReversed()
        .map((kept) => this.#recorded(kept));
      this.#assertOpen();
      left -= index - from;
      index = from;
    }
  }

  async readAt(position: Position): Promise<RecordedEvent | null> {
    if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`a position is a whole number from 0, got ${position}`);
    this.#assertOpen();
    const kept = this.#log.find((other) => other.position === position);
    return kept ? this.#recorded(kept) : null;
  }

  async *subscribe({
    after,
    signal,
  }: {
    readonly after?: Checkpoint;
    readonly signal: AbortSignal;
  }): AsyncGenerator<SubscriptionMessage, void> {
    this.#assertOpen();
    let index = this.#indexAfter(after);
    let said = false;
    while (!signal.aborted && !this.#closed) {
      const batch = this.#batch(index, BATCH_EVENTS);
      if (batch) {
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
    this.#assertOpen();
    const position = this.#log.at(-1)?.position ?? 0;
    return { position, checkpoint: this.checkpointAt(position) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#wakers) wake();
  }

  #encode({ stream, events, expectedRevision }: StreamAppend): Buffer[] {
    if (events.length === 0 || events.length > MAX_EVENTS_PER_APPEND)
      throw new RangeError(`an append holds 1 to ${MAX_EVENTS_PER_APPEND} events, got ${events.length}`);
    if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM || stream === '')
      throw new RangeError(`not an append: «${stream}» at ${expectedRevision}`);
    return events.map(({ event }) => this.#codec.encode(event));
  }

  #decide({ stream, expectedRevision, events }: StreamAppend, encoded: readonly Buffer[]): AppendResult {
    const kept = this.#streams.get(stream) ?? [];
    const actualRevision = kept.length - 1;
    const revision = expectedRevision + events.length;
    if (actualRevision !== expectedRevision) {
      const there = kept.slice(expectedRevision + 1, revision + 1);
      const repeated = there.length === events.length && there.every(({ id }, index) => id === events[index]!.id);
      return repeated
        ? { outcome: 'appended', revision, position: there.at(-1)!.position, repeated }
        : { outcome: 'wrong-expected-revision', expectedRevision, actualRevision };
    }
    for (const [index, { id }] of events.entries()) {
      const position = (this.#log.at(-1)?.position ?? 0) + 1 + this.#random.below(MAX_STEP);
      const event: Kept = { position, stream, revision: kept.length, id, bytes: encoded[index]! };
      kept.push(event);
      this.#log.push(event);
    }
    this.#streams.set(stream, kept);
    return { outcome: 'appended', revision, position: this.#log.at(-1)!.position, repeated: false };
  }

  #batch(index: number, limit: number): EventBatch | undefined {
    const events = this.#log.slice(index, index + limit).map((kept) => this.#recorded(kept));
    return events.length === 0 ? undefined : { events, checkpoint: this.checkpointAt(events.at(-1)!.position) };
  }

  #recorded({ position, stream, revision, id, bytes }: Kept): RecordedEvent {
    return { position, stream, revision, id, event: this.#codec.decode(bytes) };
  }

  #indexAfter(after: Checkpoint | undefined): number {
    const position = after === undefined ? 0 : Number.parseInt(/^after:([0-9a-z]+)$/.exec(after)?.[1] ?? '', 36);
    if (Number.isNaN(position)) throw new RangeError(`not a checkpoint of this log: «${after}»`);
    const index = this.#log.findIndex((kept) => kept.position > position);
    return index === -1 ? this.#log.length : index;
  }

  async #news(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakers.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    this.#wakers.delete(resolve);
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable('the log is closed');
  }
}
