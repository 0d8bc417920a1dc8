import type { Clock } from '@nva/ports';
import type { Consumer, Kafka, KafkaMessage, RetryOptions } from 'kafkajs';
import { readLayout } from './cluster-layout.ts';
import { FetchCycles } from './fetch-cycles.ts';
import { PARTITION } from './topics.ts';

/** How long a broker holds a fetch that finds nothing. Data ends it at once; it bounds how long stopping and seeking take. */
const MAX_WAIT_MS = 25;
/**
 * A fetch that waits at a broker fails when its topic is deleted. Between two fetches nobody watches, while this process handles
 * records or stands still. Within this time no topic is deleted, made anew and filled (README has figures).
 */
const MAX_UNSEEN_MS = 25;
const MAX_BYTES_PER_PARTITION = 4 * 1024 * 1024;
const MAX_BYTES_PER_FETCH = 16 * 1024 * 1024;
const SESSION_TIMEOUT_MS = 30_000;
const HEARTBEAT_INTERVAL_MS = 3_000;
const RETRY: RetryOptions = { initialRetryTime: 10, multiplier: 2, maxRetryTime: 200 };

export interface RunHandlers {
  /** The offset to read a topic from, asked at every join; null means the topic's start. */
  position(topic: string): number | null;
  /** Records in offset order, never empty. The next records of any topic wait for the promise. */
  records(topic: string, messages: readonly KafkaMessage[]): Promise<void>;
  /**
   * Everything before `next` has been handed over, records or not (control records, aborted ones); `end` is the topic's present
   * end.
   */
  progress(topic: string, next: number, end: number): void;
  /** A fetch found nothing after the topic's position: the remaining offsets before its end carry no records. */
  quiet(topic: string): void;
  /** The position is not in the topic; reading continues at the topic's start. */
  outOfRange(topic: string): void;
  /**
   * For longer than MAX_UNSEEN_MS no fetch was waiting that would have failed if the topic had been deleted: another topic may
   * have its name now.
   */
  unseen?(topic: string): void;
  /** The run has ended and must be replaced; it delivers nothing more. */
  failed(cause: Error): void;
}

export interface RunOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** True also delivers records of unfinished or aborted transactions. */
  readonly readUncommitted: boolean;
  /**
   * How often kafkajs retries a step before the run has failed: 2 retries take 30 ms, 12 take 2 s. A missing topic stops the
   * fetches of all topics meanwhile.
   */
  readonly retries: number;
  /** The clock for `unseen`; without it, `unseen` is not called. */
  readonly clock?: Clock;
}

/**
 * One kafkajs consumer over a fixed set of topics, from joining its group to its end. kafkajs has no manual assignment, so each
 * run is alone in its own group and gets every partition; it commits nothing, and starts where its owner says.
 *
 * kafkajs forgets uncommitted offsets whenever it rejoins, so every join seeks again. Its batches do not show that a topic is
 * empty after some offset, so FetchCycles watches the fetches.
 */
export class ConsumerRun {
  readonly topics: ReadonlySet<string>;
  readonly #client: Kafka;
  readonly #consumer: Consumer;
  readonly #handlers: RunHandlers;
  readonly #cycles: FetchCycles;
  readonly #clock: Clock | undefined;
  /** By node id, the time at which the last fetch from a broker began, monotonic milliseconds. */
  readonly #fetchedMs = new Map<number, number>();
  #learning: Promise<void> | undefined;
  #over = false;

  /** `createClient` gets a listener for facts that kafkajs only logs. */
  constructor(
    createClient: (listener: (message: string, fields: Readonly<Record<string, unknown>>) => void) => Kafka,
    options: RunOptions,
    handlers: RunHandlers,
  ) {
    this.topics = new Set(options.topics);
    this.#handlers = handlers;
    this.#clock = options.clock;
    this.#cycles = new FetchCycles(MAX_BYTES_PER_FETCH, (topic) => !this.#over && handlers.quiet(topic));
    this.#client = createClient((message, fields) => {
      if (!this.#over && message.startsWith('Offset out of range') && typeof fields['topic'] === 'string')
        this.#outOfRange(fields['topic']);
    });
    this.#consumer = this.#client.consumer({
      groupId: options.groupId,
      readUncommitted: options.readUncommitted,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES_PER_FETCH,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      retry: { ...RETRY, retries: options.retries, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  /** Resolves when the run has joined and fetches. If it cannot, rejects, or later calls `failed`. */
  async start(): Promise<void> {
    const consumer = this.#consumer;
    const { GROUP_JOIN, CRASH, FETCH_START, FETCH, REQUEST, END_BATCH_PROCESS } = consumer.events;
    let joined = false;
    const fetching = new Promise<void>((resolve, reject) => {
      consumer.on(GROUP_JOIN, () => {
        joined = true;
        this.#cycles.reset();
        for (const topic of this.topics) {
          const offset = this.#handlers.position(topic);
          if (offset !== null) consumer.seek({ topic, partition: PARTITION, offset: String(offset) });
        }
      });
      consumer.on(FETCH_START, ({ payload }) => {
        // kafkajs's type declares a number; it is a string.
        const nodeId = Number((payload as { nodeId: unknown }).nodeId);
        this.#cycles.begin(nodeId, this.topics);
        this.#keepInSight(nodeId);
        if (this.#cycles.needsLayout) this.#learnLayout();
      });
      consumer.on(REQUEST, ({ payload }) => payload.apiName === 'Fetch' && this.#cycles.answered(payload.broker));
      consumer.on(FETCH, ({ payload }) => {
        this.#cycles.taken(Number((payload as unknown as { nodeId: unknown }).nodeId));
        if (joined) resolve();
      });
      consumer.on(END_BATCH_PROCESS, ({ payload }) => {
        if (this.#over) return;
        const first = Number(payload.firstOffset);
        const next = Number(payload.lastOffset) + 1;
        this.#cycles.delivered(payload.topic, next - first);
        this.#handlers.progress(payload.topic, next, Number(payload.highWatermark));
      });
      consumer.on(CRASH, ({ payload }) => {
        reject(payload.error);
        if (!this.#over) this.#handlers.failed(payload.error);
        this.#over = true;
      });
    });
    fetching.catch(() => undefined);
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        if (!this.#over) await this.#handlers.records(batch.topic, batch.messages);
      },
    });
    await fetching;
  }

  /** Reads the topic again from where its owner now says. */
  reseek(topic: string): void {
    this.#consumer.seek({ topic, partition: PARTITION, offset: String(this.#handlers.position(topic) ?? 0) });
  }

  /** Stops reading this topic; the others continue. */
  pause(topic: string): void {
    if (!this.#over) this.#consumer.pause([{ topic }]);
  }

  /** Nothing is handed over after the call; the promise resolves when the consumer has left its group. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#consumer.disconnect();
    await this.#learning;
  }

  #keepInSight(nodeId: number): void {
    if (!this.#clock || this.#over) return;
    const nowMs = this.#clock.monotonicMs();
    const beforeMs = this.#fetchedMs.get(nodeId) ?? nowMs;
    this.#fetchedMs.set(nodeId, nowMs);
    if (nowMs - beforeMs <= MAX_WAIT_MS + MAX_UNSEEN_MS) return;
    for (const topic of this.topics) if (this.#cycles.leads(nodeId, topic)) this.#handlers.unseen?.(topic);
  }

  /** After a failure the next fetch asks again; every join asks anew. */
  #learnLayout(): void {
    this.#learning ??= readLayout(this.#client, [...this.topics])
      .then((layout) => this.#cycles.learn(layout))
      .catch(() => undefined)
      .finally(() => (this.#learning = undefined));
  }

  #outOfRange(topic: string): void {
    this.#cycles.reset();
    this.#handlers.outOfRange(topic);
  }
}
