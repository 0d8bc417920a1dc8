import { FeedUnavailable, randomIds, sleep, systemClock, type CommandRecord, type CommandTransport } from '@nva/ports';
import type { KafkaMessage, Producer } from 'kafkajs';
import { createClient, PRODUCER_RETRY } from './client.ts';
import { ConsumerRun, type RunHandlers } from './consumer-run.ts';
import { translated } from './failures.ts';
import { DEFAULT_PREFIX, silent, type KafkaClientOptions, type Log } from './options.ts';
import { findEnds } from './topic-ends.ts';
import type { ClientFactory } from './client.ts';
import { TopicNames } from './topics.ts';

/** Records in one request. */
const MAX_RECORDS_PER_REQUEST = 1_000;
const RUN_RETRIES = 12;
const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 5_000;

export interface KafkaCommandTransportOptions extends KafkaClientOptions {
  readonly nveId: string;
}

interface Waiting {
  readonly record: CommandRecord;
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

/** The NVE's side of commands on Kafka: a producer that sends all queued records together, and a consumer of the NVE's outcomes. */
export class KafkaCommandTransport implements CommandTransport {
  readonly topic: string;
  readonly #outcomes: string;
  readonly #groupPrefix: string;
  readonly #client: ClientFactory;
  readonly #log: Log;
  readonly #queue: Waiting[] = [];
  readonly #closing = new AbortController();
  #sending: Promise<void> | undefined;
  #producer: Producer | undefined;
  #following: Promise<void> | undefined;
  #next = 0;

  constructor(options: KafkaCommandTransportOptions) {
    const prefix = options.prefix ?? DEFAULT_PREFIX;
    const names = new TopicNames(prefix);
    this.topic = names.commands;
    this.#outcomes = names.outcomes(options.nveId);
    this.#groupPrefix = `${names.groupPrefixOf(options.nveId)}outcomes`;
    this.#log = options.log ?? silent;
    this.#client = (listener) => createClient(options, options.clientId ?? `${prefix}-nve-${options.nveId}`, this.#log, listener);
  }

  async open(outcome: (value: Buffer) => void): Promise<void> {
    if (this.#following) return;
    await translated(`Reading ${this.#outcomes}`, async () => {
      this.#next = (await findEnds(this.#client, this.#groupPrefix, [this.#outcomes])).get(this.#outcomes)!;
      await new Promise<void>((resolve, reject) => (this.#following = this.#follow(outcome, resolve, reject)));
    });
  }

  send(record: CommandRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ record, resolve, reject });
      this.#sending ??= this.#drain().finally(() => (this.#sending = undefined));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following?.catch(() => undefined);
    await this.#sending;
    await this.#producer?.disconnect();
  }

  /** One request at a time, so that records keep the order of the calls. */
  async #drain(): Promise<void> {
    // Records that are given in the same turn are sent together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const waiting = this.#queue.splice(0, MAX_RECORDS_PER_REQUEST);
      try {
        const producer = await this.#connected();
        const messages = waiting.map(({ record: { key, value, headers, timestamp } }) => ({
          key,
          value,
          headers: { ...headers },
          timestamp: String(timestamp),
        }));
        await translated(`Sending ${messages.length} commands`, () => producer.send({ topic: this.topic, acks: -1, messages }));
        for (const { resolve } of waiting) resolve();
      } catch (failure) {
        for (const { reject } of waiting) reject(failure as Error);
      }
    }
  }

  async #connected(): Promise<Producer> {
    if (this.#closing.signal.aborted) throw new FeedUnavailable('The transport is closed');
    if (this.#producer) return this.#producer;
    const producer = this.#client().producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
    await translated('Connecting to Kafka', () => producer.connect());
    return (this.#producer = producer);
  }

  /** A run that ends is replaced at the same place. A failure is reported to the caller only before the first run reads. */
  async #follow(outcome: (value: Buffer) => void, opened: () => void, failed: (cause: unknown) => void): Promise<void> {
    const { signal } = this.#closing;
    let open = false;
    for (let pauseMs = FIRST_RESTART_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_RESTART_MS)) {
      const over = Promise.withResolvers<void>();
      const run = new ConsumerRun(
        this.#client,
        { groupId: `${this.#groupPrefix}-${randomIds.uuid()}`, topics: [this.#outcomes], readUncommitted: true, retries: RUN_RETRIES },
        this.#handlers(outcome, over.resolve),
      );
      signal.addEventListener('abort', () => over.resolve(), { once: true });
      try {
        await run.start();
        open = true;
        opened();
        pauseMs = FIRST_RESTART_MS;
        await over.promise;
      } catch (failure) {
        if (!open) {
          this.#following = undefined;
          return failed(failure);
        }
      } finally {
        await run.stop().catch(() => undefined);
      }
      if (!signal.aborted) await sleep(systemClock, pauseMs, { signal }).catch(() => undefined);
    }
  }

  #handlers(outcome: (value: Buffer) => void, over: () => void): RunHandlers {
    return {
      position: () => this.#next,
      records: (_topic, messages) => {
        for (const message of messages) this.#take(message, outcome);
        return Promise.resolve();
      },
      progress: (_topic, next) => (this.#next = Math.max(this.#next, next)),
      quiet: () => undefined,
      outOfRange: () => {
        // The topic was made anew, or the place is older than its retention: what is there now is everything.
        this.#next = 0;
      },
      failed: (cause) => {
        this.#log('warn', `Outcomes on ${this.#outcomes} are out of reach: ${cause.message}`, { topic: this.#outcomes });
        over();
      },
    };
  }

  #take({ offset, value }: KafkaMessage, outcome: (value: Buffer) => void): void {
    if (Number(offset) < this.#next) return;
    this.#next = Number(offset) + 1;
    if (value) outcome(value);
  }
}
