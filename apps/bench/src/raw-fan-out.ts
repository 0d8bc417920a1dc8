import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Consumer, type Producer } from 'kafkajs';

interface Waiting {
  readonly key: string;
  readonly value: Buffer;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Bare kafkajs: one transactional producer, one topic, and consumers that read like NVEs, each in its own group. The limit of
 * convergence.
 */
export class RawFanOut {
  readonly #topic: string;
  readonly #producer: Producer;
  readonly #consumers: readonly Consumer[];
  #queue: Waiting[] = [];
  #sending = false;

  private constructor(topic: string, producer: Producer, consumers: readonly Consumer[]) {
    this.#topic = topic;
    this.#producer = producer;
    this.#consumers = consumers;
  }

  static async start(brokers: readonly string[], count: number, seen: (key: string) => void): Promise<RawFanOut> {
    const kafka = new Kafka({
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 2, multiplier: 2, retries: 11 },
    });
    const topic = `bench-raw-${randomUUID().slice(0, 8)}`;
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }],
      waitForLeaders: true,
    });
    await admin.disconnect();
    const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true, allowAutoTopicCreation: false });
    await producer.connect();
    const consumers = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const consumer = kafka.consumer({
          groupId: `${topic}-${n}`,
          maxWaitTimeInMs: 20,
          readUncommitted: true,
          allowAutoTopicCreation: false,
        });
        await consumer.connect();
        await consumer.subscribe({ topic, fromBeginning: true });
        const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
        await consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch }) => batch.messages.forEach(({ key }) => seen(key!.toString())),
        });
        await joined;
        return consumer;
      }),
    );
    return new RawFanOut(topic, producer, consumers);
  }

  /** Records that arrive during a transaction go together into the next one. */
  send(key: string, value: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ key, value, resolve, reject });
      if (!this.#sending) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        const transaction = await this.#producer.transaction();
        await transaction.send({ topic: this.#topic, messages: batch.map(({ key, value }) => ({ key, value, partition: 0 })) });
        await transaction.commit();
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        for (const { reject } of batch) reject(cause);
      }
    }
    this.#sending = false;
  }

  async stop(): Promise<void> {
    await this.#producer.disconnect();
    for (const consumer of this.#consumers) await consumer.disconnect();
  }
}
