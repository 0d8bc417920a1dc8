import type { CommandCodec } from '@nva/codec';
import { FeedRefused, sleep, systemClock, type Clock, type Timers } from '@nva/ports';
import type { EachBatchPayload, Producer } from 'kafkajs';
import { createClient, PRODUCER_RETRY, RETRY } from './client.ts';
import { outcomeMessages, receivedCommand, type OutcomeRecord, type ReceivedCommand } from './command-format.ts';
import { DEFAULT_COMMAND_PARTITIONS, prepareCommandTopics } from './command-topics.ts';
import { asFeedError } from './failures.ts';
import { DEFAULT_PREFIX, silent, type KafkaClientOptions, type Log } from './options.ts';
import { TopicNames } from './topics.ts';

/** Commands that are handed over, answered and committed together; all of one partition. */
export const MAX_COMMANDS_PER_GROUP = 512;
const MAX_BYTES_PER_PARTITION = 512 * 1_024;
const MAX_BYTES_PER_FETCH = 4 * 1_024 * 1_024;
/** Partitions whose groups of commands are processed at the same time; the log appends what comes together in one commit. */
const PARTITIONS_AT_ONCE = 4;
const MAX_WAIT_MS = 25;
/** The brokers count as unreachable when the last answer to a fetch is older than this. */
const HEARS_FOR_MS = 3_000;
/** The brokers' minimum. After a registrar was killed, its partitions wait this long for another one. */
const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_INTERVAL_MS = 1_000;
/** How long other registrars wait in a rebalance for a group of commands that is being processed. */
const REBALANCE_TIMEOUT_MS = 30_000;
/** Pause between two runs, doubled each time a run fails. */
const FIRST_RESTART_MS = 200;
const MAX_RESTART_MS = 10_000;
/** Unusable topics of outcomes are checked again after this time. */
const UNUSABLE_RETRY_MS = 10_000;

export interface CommandConsumerOptions extends KafkaClientOptions {
  /**
   * Number of partitions when the topic is created. A topic with another number is refused, because order is kept within a
   * partition.
   */
  readonly partitions?: number;
  /** The NVEs that may send commands; each has a topic of outcomes. Read again after `renew`. */
  readonly nveIds: readonly string[];
  /** Is taught the schemas that NVEs may have used. */
  readonly codec: CommandCodec;
  /**
   * Decides commands of one partition in their order, and returns the outcome of each; null means no outcome. It may take long.
   * Before it starts something new it calls `alive`, which throws if the commands are no longer assigned to this process. If it
   * throws, the commands come again.
   */
  readonly handle: (commands: readonly ReceivedCommand[], alive: () => void) => Promise<readonly (OutcomeRecord | null)[]>;
  /** Called if the topics are not as they must be, and no retry can solve that. */
  readonly failed: (cause: Error) => void;
}

/**
 * The registrars' end of the topic of commands. All registrars are in one consumer group, `<prefix>-registrars`. Commands with
 * the same key are in one partition, which one registrar has at a time.
 *
 * The offset of a group of commands is committed when its outcomes are known and published, so a crash repeats the group: it is
 * decided under the same Idempotency-Keys and records nothing twice. After a rebalance kafkajs may deliver a partition again
 * while the former group is still being processed. Therefore groups of a partition wait for each other, and a group of an earlier
 * generation ends without a commit.
 */
export class CommandConsumer {
  readonly counters = { commands: 0, groups: 0, outcomes: 0, outcomesDropped: 0, restarts: 0 };
  readonly #options: CommandConsumerOptions;
  readonly #names: TopicNames;
  readonly #prefix: string;
  readonly #log: Log;
  readonly #clock: Clock;
  /** When the brokers last answered a fetch; null while the consumer has not joined. */
  #heardMs: number | null = null;
  readonly #partitions = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  #generation = 0;
  /** Topics of outcomes with a fault. */
  #unusable: ReadonlySet<string> = new Set();
  #callOff: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: CommandConsumerOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#names = new TopicNames(this.#prefix);
    this.#log = options.log ?? silent;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether a command that an NVE sends now would be received. */
  get hears(): boolean {
    return this.#heardMs !== null && this.#clock.monotonicMs() - this.#heardMs <= HEARS_FOR_MS;
  }

  /** Returns at once; waits in the background for brokers that are unreachable. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * The NVEs may have changed: creates the topics of new ones. Returns at once; waits in the background for brokers that are
   * unreachable.
   */
  renew(): void {
    if (this.#running)
      this.#renewing = this.#renewing.then(() => this.#persist(() => this.#prepare(), 'The topics of commands could not be looked at'));
  }

  /** Resolves when the groups that are being processed are answered and committed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#callOff();
    await Promise.all([this.#running, this.#renewing]);
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #run(): Promise<void> {
    return this.#persist(async (well) => {
      await this.#prepare();
      await this.#consume(well);
    }, null);
  }

  /**
   * Repeats `act` until it is done or this stops. The pause grows after each failure, and starts again once `act` calls `well`.
   * `words` null means that commands wait meanwhile. Never rejects.
   */
  async #persist(act: (well: () => void) => Promise<void>, words: string | null): Promise<void> {
    for (let pauseMs = FIRST_RESTART_MS; !this.#stopped; pauseMs = Math.min(2 * pauseMs, MAX_RESTART_MS)) {
      try {
        return await act(() => (pauseMs = FIRST_RESTART_MS));
      } catch (failure) {
        if (this.#stopped) return;
        const error = asFeedError(failure, 'Taking commands from Kafka');
        if (error instanceof FeedRefused) return this.#options.failed(error);
        if (words === null) this.counters.restarts++;
        this.#log('warn', `${words ?? `Commands on ${this.#names.commands} wait`}: ${error.message}`, {
          topic: this.#names.commands,
          retryMs: pauseMs,
        });
        await sleep(this.#clock, pauseMs, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** An unusable topic of one NVE delays nobody else; it is checked again from time to time. */
  async #prepare(): Promise<void> {
    const { partitions = DEFAULT_COMMAND_PARTITIONS, nveIds, codec } = this.#options;
    const client = (listener?: (message: string, fields: Readonly<Record<string, unknown>>) => void) =>
      createClient(this.#options, this.#clientId, this.#log, listener);
    this.#unusable = await prepareCommandTopics({
      client,
      groupPrefix: `${this.#prefix}-read`,
      names: this.#names,
      partitions,
      nveIds,
      codec,
      log: this.#log,
      known: this.#unusable,
    });
    this.#callOff();
    if (this.#unusable.size > 0 && !this.#stopped)
      this.#callOff = this.#clock.after(UNUSABLE_RETRY_MS, () => this.renew(), { background: true });
  }

  get #clientId(): string {
    return this.#options.clientId ?? `${this.#prefix}-registrar`;
  }

  /** Resolves when the consumer was stopped, rejects when kafkajs gives up. */
  async #consume(joined: () => void): Promise<void> {
    const kafka = createClient(this.#options, this.#clientId, this.#log);
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
    const consumer = kafka.consumer({
      groupId: `${this.#prefix}-registrars`,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES_PER_FETCH,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    });
    const crashed = new Promise<never>((_, reject) => consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)));
    const stopped = new Promise<void>((resolve) => this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true }));
    crashed.catch(() => undefined);
    consumer.on(consumer.events.GROUP_JOIN, () => {
      this.#generation++;
      joined();
    });
    consumer.on(consumer.events.FETCH, () => (this.#heardMs = this.#clock.monotonicMs()));
    try {
      await producer.connect();
      await consumer.connect();
      await consumer.subscribe({ topics: [this.#names.commands], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch: (payload) => this.#inTurn(payload, producer),
      });
      if (!this.#stopped) await Promise.race([crashed, stopped]);
    } finally {
      // After a stop, running groups are still committed; after a failure, the next run gets them again.
      if (!this.#stopped) this.#generation++;
      await Promise.all(this.#partitions.values());
      await consumer.disconnect().catch(() => undefined);
      await producer.disconnect().catch(() => undefined);
      // Not earlier: a fetch that was under way may be answered during the disconnect.
      this.#heardMs = null;
    }
  }

  async #inTurn(payload: EachBatchPayload, producer: Producer): Promise<void> {
    const { partition } = payload.batch;
    const generation = this.#generation;
    const before = this.#partitions.get(partition) ?? Promise.resolve();
    const turn = before.then(() => this.#batch(payload, producer, generation));
    this.#partitions.set(
      partition,
      turn.catch(() => undefined),
    );
    await turn;
  }

  async #batch(payload: EachBatchPayload, producer: Producer, generation: number): Promise<void> {
    const { batch, isRunning, isStale, heartbeat, resolveOffset, commitOffsetsIfNecessary } = payload;
    const ours = (): boolean => generation === this.#generation && !this.#stopped && isRunning() && !isStale();
    const { topic, partition } = batch;
    for (let from = 0; from < batch.messages.length && ours(); from += MAX_COMMANDS_PER_GROUP) {
      const messages = batch.messages.slice(from, from + MAX_COMMANDS_PER_GROUP);
      // Throws if the consumer group has a new generation, for example after this process was stopped for a while.
      await heartbeat();
      if (!ours()) return;
      const outcomes = await beating(this.#clock, heartbeat, () =>
        this.#options.handle(
          messages.map((message) => receivedCommand(topic, partition, message)),
          () => assertOurs(ours()),
        ),
      );
      const due = outcomeMessages(this.#names, outcomes);
      const topicMessages = due.filter(({ topic: to }) => !this.#unusable.has(to));
      if (topicMessages.length > 0) await producer.sendBatch({ acks: -1, topicMessages });
      this.counters.groups++;
      this.counters.commands += messages.length;
      const sent = countOf(topicMessages);
      this.counters.outcomes += sent;
      this.counters.outcomesDropped += countOf(due) - sent;
      if (generation !== this.#generation) return;
      const { offset } = messages.at(-1)!;
      resolveOffset(offset);
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(BigInt(offset) + 1n) }] }] });
    }
  }
}

const countOf = (topics: readonly { readonly messages: readonly unknown[] }[]): number =>
  topics.reduce((count, { messages }) => count + messages.length, 0);

/** Sends heartbeats while the action runs. A failed heartbeat is reported by the next one, between two groups. */
async function beating<T>(timers: Timers, heartbeat: () => Promise<void>, action: () => Promise<T>): Promise<T> {
  const end = timers.every(HEARTBEAT_INTERVAL_MS, () => void heartbeat().catch(() => undefined));
  try {
    return await action();
  } finally {
    end();
  }
}

function assertOurs(ours: boolean): void {
  if (!ours) throw new Error('the commands are another registrar\u2019s to decide now');
}
