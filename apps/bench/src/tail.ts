import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';

const MAX_WAIT_MS = 25;
const MAX_BYTES_PER_PARTITION = 4 * 1024 * 1024;
const MAX_BYTES_PER_FETCH = 16 * 1024 * 1024;

export interface TailOptions {
  readonly topics: readonly string[];
  /** Where reading starts: at the existing records, or only at new ones. */
  readonly from: 'start' | 'end';
  readonly records: (topic: string, messages: readonly KafkaMessage[]) => void;
  /** Called on a failure; nothing more is delivered. */
  readonly failed: (cause: Error) => void;
}

/** Bare kafkajs that follows topics, including uncommitted records, with the same bounds as the library's followers. */
export class Tail {
  /** Offset to read next, by topic. */
  readonly next = new Map<string, number>();
  /** Where the topics ended at the start. */
  readonly ends = new Map<string, number>();
  readonly #consumer: Consumer;

  private constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  /** Resolves when the consumer fetches: records written from then on are delivered. */
  static async start(kafka: Kafka, { topics, from, records, failed }: TailOptions): Promise<Tail> {
    const consumer = kafka.consumer({
      groupId: `bench-${randomUUID()}`,
      readUncommitted: true,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES_PER_FETCH,
      retry: { initialRetryTime: 10, multiplier: 2, maxRetryTime: 200, retries: 12, restartOnFailure: () => Promise.resolve(false) },
    });
    const tail = new Tail(consumer);
    const admin = kafka.admin();
    await admin.connect();
    await Promise.all(
      topics.map(async (topic) => {
        const [{ offset, low } = { offset: '0', low: '0' }] = await admin.fetchTopicOffsets(topic);
        tail.ends.set(topic, Number(offset));
        tail.next.set(topic, Number(from === 'end' ? offset : low));
      }),
    );
    await admin.disconnect();
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    const fetching = new Promise<void>((resolve, reject) => {
      let joined = false;
      // kafkajs forgets uncommitted offsets whenever it rejoins.
      consumer.on(consumer.events.GROUP_JOIN, () => {
        joined = true;
        for (const [topic, offset] of tail.next) consumer.seek({ topic, partition: 0, offset: String(offset) });
      });
      consumer.on(consumer.events.FETCH, () => joined && resolve());
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        reject(payload.error);
        failed(payload.error);
      });
    });
    fetching.catch(() => undefined);
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { topic, messages } }) => {
        tail.next.set(topic, Number(messages.at(-1)!.offset) + 1);
        records(topic, messages);
      },
    });
    await fetching;
    return tail;
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }
}
