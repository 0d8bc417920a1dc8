import {
  FeedFenced,
  type AppendResult,
  type Checkpoint,
  type Clock,
  type Ensured,
  type EventBatch,
  type EventStore,
  type FeedBatch,
  type FeedCheckpoint,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type Leader,
  type LogHead,
  type PlacedCheckpoint,
  type Position,
  type RecordedEvent,
  type StreamAppend,
  type SubscriptionMessage,
  type Undecodable,
} from '@nva/ports';
import { SpanKind } from '@opentelemetry/api';
import type { Tracing } from './tracing.ts';

/** Maximum number of spans of one call of `publish`: after an outage, a call carries thousands of events. */
const MAX_SPANS_PER_CALL = 64;

/** Called after every append with its duration and the number of appended events. */
export type AppendListener = (seconds: number, appended: number) => void;
/**
 * Called after every publication with the time from the call to its acknowledgement, the time since its oldest event was
 * recorded, and the number of records.
 */
export type PublishListener = (seconds: number, delaySeconds: number | null, records: number) => void;

/** Weight of the newest append in the moving average of append times. */
const NEWEST_WEIGHT = 0.05;

/** An event store whose appends are timed and traced. */
export class MeasuredEventStore implements EventStore {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #tracing: Tracing | null;
  onAppend: AppendListener = () => undefined;
  #appendMs = 0;

  constructor(store: EventStore, clock: Clock, tracing: Tracing | null) {
    this.#store = store;
    this.#clock = clock;
    this.#tracing = tracing;
  }

  get logId(): string {
    return this.#store.logId;
  }

  get keepsOrder(): boolean {
    return this.#store.keepsOrder;
  }

  get leader(): Leader | undefined {
    return this.#store.leader;
  }

  /** Moving average of the time until an append was durable, in milliseconds. */
  get appendMs(): number {
    return this.#appendMs;
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const startMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    const results = await this.#store.append(appends);
    const tookMs = this.#clock.monotonicMs() - startMs;
    this.#appendMs += NEWEST_WEIGHT * (tookMs - this.#appendMs);
    this.onAppend(tookMs / 1_000, results.filter(({ outcome }) => outcome === 'appended').length);
    if (this.#tracing) results.slice(0, MAX_SPANS_PER_CALL).forEach((result, i) => this.#trace(appends[i]!, result, wallMs, tookMs));
    return results;
  }

  readStream(stream: string, options?: { readonly fromRevision?: number; readonly limit?: number }): AsyncIterable<RecordedEvent> {
    return this.#store.readStream(stream, options);
  }

  readAll(options?: { readonly after?: Checkpoint; readonly limit?: number }): AsyncIterable<EventBatch> {
    return this.#store.readAll(options);
  }

  readAt(position: Position): Promise<RecordedEvent | null> {
    return this.#store.readAt(position);
  }

  readAllBackwards(options?: { readonly before?: Position; readonly limit?: number }): AsyncIterable<readonly RecordedEvent[]> {
    return this.#store.readAllBackwards(options);
  }

  subscribe(options: { readonly after?: Checkpoint; readonly signal: AbortSignal }): AsyncIterable<SubscriptionMessage> {
    return this.#store.subscribe(options);
  }

  checkpointAt(position: Position): Checkpoint {
    return this.#store.checkpointAt(position);
  }

  head(): Promise<LogHead> {
    return this.#store.head();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #trace({ stream, events }: StreamAppend, result: AppendResult, startMs: number, tookMs: number): void {
    const { type, data } = events[0]!.event;
    const done = result.outcome === 'appended' ? { 'nva.position': result.position } : {};
    this.#tracing!.child({
      name: `append ${type}`,
      correlationId: data.audit.correlationId,
      startMs,
      endMs: startMs + tookMs,
      attributes: { 'nva.stream': stream, 'nva.outcome': result.outcome, ...done },
    });
  }
}

/** A feed writer whose publications are timed and traced, and whose records are counted. */
export class MeasuredFeedWriter implements FeedWriter {
  /**
   * Upper bound of the number of records on the topic of each VN: those found at the last read, plus those published since. The
   * number includes superseded records, because the broker does not tell when it compacts.
   */
  readonly topicRecords = new Map<number, number>();
  readonly #writer: FeedWriter;
  readonly #clock: Clock;
  readonly #tracing: Tracing | null;
  onPublish: PublishListener = () => undefined;
  onFenced: () => void = () => undefined;
  readonly fillWhenRead?: NonNullable<FeedWriter['fillWhenRead']>;
  readonly look?: NonNullable<FeedWriter['look']>;

  constructor(writer: FeedWriter, clock: Clock, tracing: Tracing | null) {
    this.#writer = writer;
    this.#clock = clock;
    this.#tracing = tracing;
    if (writer.fillWhenRead) this.fillWhenRead = writer.fillWhenRead;
    if (writer.look) this.look = () => this.#fencing(writer.look!());
  }

  async open(): Promise<void> {
    await this.#fencing(this.#writer.open());
  }

  address(feed: FeedName): ReturnType<FeedWriter['address']> {
    return this.#writer.address(feed);
  }

  list(): Promise<readonly FeedName[]> {
    return this.#writer.list();
  }

  ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    return this.#writer.ensure(feeds);
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    await this.#fencing(this.#writer.publish(batches));
    const tookMs = this.#clock.monotonicMs() - startMs;
    let records = 0;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const batch of batches) {
      records += batch.records.length;
      this.#count(batch.feed, batch.records.length);
      for (const { recordedAt } of batch.records) oldestMs = Math.min(oldestMs, recordedAt ?? Number.POSITIVE_INFINITY);
    }
    this.onPublish(tookMs / 1_000, oldestMs === Number.POSITIVE_INFINITY ? null : Math.max(0, wallMs + tookMs - oldestMs) / 1_000, records);
    if (this.#tracing) this.#trace(batches, wallMs, tookMs);
  }

  read(feed: FeedName): AsyncIterable<FeedRecord | Undecodable> {
    return this.#writer.read(feed);
  }

  async *readAll(feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
    for (const feed of feeds) if (feed.kind === 'vn') this.topicRecords.set(feed.vnid, 0);
    for await (const item of this.#writer.readAll(feeds)) {
      this.#count(item.feed, 1);
      yield item;
    }
  }

  async delete(feed: FeedName): Promise<void> {
    await this.#fencing(this.#writer.delete(feed));
    if (feed.kind === 'vn') this.topicRecords.delete(feed.vnid);
  }

  loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return this.#writer.loadCheckpoint();
  }

  checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    return this.#writer.checkpoints();
  }

  saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    return this.#fencing(this.#writer.saveCheckpoint(checkpoint));
  }

  close(): Promise<void> {
    return this.#writer.close();
  }

  #count(feed: FeedName, records: number): void {
    if (feed.kind === 'vn') this.topicRecords.set(feed.vnid, (this.topicRecords.get(feed.vnid) ?? 0) + records);
  }

  async #fencing<T>(done: Promise<T>): Promise<T> {
    try {
      return await done;
    } catch (error) {
      if (error instanceof FeedFenced) this.onFenced();
      throw error;
    }
  }

  /** One span for each event on each feed. */
  #trace(batches: readonly FeedBatch[], startMs: number, tookMs: number): void {
    let spans = 0;
    for (const { feed, records } of batches) {
      const { topic } = this.#writer.address(feed);
      for (const { changeEnd, correlationId, position, eventType } of records) {
        if (!changeEnd || correlationId === undefined) continue;
        if (spans++ === MAX_SPANS_PER_CALL) return;
        this.#tracing!.child(
          {
            name: `publish ${topic}`,
            correlationId,
            startMs,
            endMs: startMs + tookMs,
            attributes: {
              'nva.position': position,
              'messaging.destination.name': topic,
              ...(eventType === undefined ? {} : { 'nva.event_type': eventType }),
            },
          },
          SpanKind.PRODUCER,
        );
      }
    }
  }
}
