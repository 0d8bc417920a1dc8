import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigResourceTypes, Kafka, logLevel, type KafkaMessage } from 'kafkajs';
import { until } from '@nva/processes';
import { collected } from '../../../test/contract/collected.ts';
import { kafkaBrokers } from '../../../test/kafka/brokers.ts';
import { createClient } from '../src/client.ts';
import {
  KafkaFeedTransport,
  KafkaFeedWriter,
  type KafkaFeedTransportOptions,
  type KafkaFeedWriterOptions,
  type Log,
} from '../src/index.ts';
import { silent } from '../src/options.ts';
import { TOPIC_CONFIG } from '../src/topics.ts';
import { readTopics } from '../src/topic-reader.ts';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

/** Compacts as soon as there is something to compact behind the active segment, and forgets removals as soon. */
export const EAGER_COMPACTION: Readonly<Record<string, string>> = {
  'segment.ms': '100',
  'min.cleanable.dirty.ratio': '0.01',
  'max.compaction.lag.ms': '100',
  'delete.retention.ms': '50',
};
/** Of waits in a row, not of time: on a busy machine each takes longer, the broker's as well as ours. */
const MAX_COMPACTION_POLLS = 600;
const COMPACTION_POLL_MS = 150;
const MARKERS_MS = 100;

/** Feeds of a prefix of their own on the test run's broker, and everything made for them. */
export class KafkaFeedUnderTest {
  readonly brokers: readonly string[];
  readonly prefix = `t${randomUUID().slice(0, 8)}`;
  readonly client: Kafka;
  readonly #made: { close(): Promise<void> }[] = [];

  constructor(brokers: readonly string[]) {
    this.brokers = brokers;
    this.client = new Kafka({ brokers: [...brokers], clientId: 'test', logLevel: logLevel.NOTHING });
  }

  static async make(): Promise<KafkaFeedUnderTest> {
    return new KafkaFeedUnderTest(await kafkaBrokers());
  }

  writer(options: Partial<KafkaFeedWriterOptions> = {}): KafkaFeedWriter {
    return this.#keep(new KafkaFeedWriter({ brokers: this.brokers, prefix: this.prefix, ...options }));
  }

  transport(nveId: string, options: Partial<KafkaFeedTransportOptions> = {}): KafkaFeedTransport {
    return this.#keep(new KafkaFeedTransport({ brokers: this.brokers, prefix: this.prefix, nveId, ...options }));
  }

  /** Committed records as they stand in the topic. */
  async raw(topic: string, log: Log = silent): Promise<KafkaMessage[]> {
    const connection = { brokers: this.brokers };
    const batches = await collected(
      readTopics((listener) => createClient(connection, 'test', log, listener), `${this.prefix}-raw`, [topic]),
    );
    return batches.flatMap(({ messages }) => messages);
  }

  async admin<T>(use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const admin = this.client.admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** Writes past every rule of ours. */
  async send(
    topic: string,
    messages: { key: string | Buffer; value: string | Buffer | null; headers?: Record<string, string> }[],
  ): Promise<void> {
    const producer = this.client.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    await producer.send({ topic, messages });
    await producer.disconnect();
  }

  /** As an operator does it, by hand. Resolves when brokers tell of the topic no more, or of the next one. */
  async deleted(topic: string): Promise<void> {
    await this.admin(async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
    });
  }

  /** Deleted where nobody makes it again. Resolves when the broker knows it: a moment before, it would still take a record for it. */
  async gone(topic: string): Promise<void> {
    await this.admin(async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
      await until('the topic is gone', async () => ((await admin.listTopics()).includes(topic) ? 'still there' : null));
    });
  }

  /** Deleted, and made again at once with the right configuration. */
  async madeAnew(topic: string): Promise<void> {
    await this.gone(topic);
    await this.admin(async (admin) => {
      await makeTopics(admin, [
        { topic, numPartitions: 1, configEntries: Object.entries(TOPIC_CONFIG).map(([name, value]) => ({ name, value })) },
      ]);
    });
  }

  async configured(topic: string, name: string, value: string): Promise<void> {
    await this.admin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [...Object.entries(TOPIC_CONFIG), [name, value]].map(([configName, configValue]) => ({
              name: configName!,
              value: configValue!,
            })),
          },
        ],
      }),
    );
  }

  /** Has the broker compact, by filling segments with records of a key of their own, until `done` likes what is left. */
  async compacted(topic: string, fill: () => Promise<void>, done: (left: readonly KafkaMessage[]) => boolean): Promise<KafkaMessage[]> {
    for (let polls = 0; polls < MAX_COMPACTION_POLLS; polls++) {
      const left = await this.raw(topic);
      if (done(left)) return left;
      await fill();
      await sleep(COMPACTION_POLL_MS);
    }
    throw new Error(`Topic ${topic} was not compacted within ${MAX_COMPACTION_POLLS} looks, ${COMPACTION_POLL_MS} ms apart at least`);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#made.map((made) => made.close()));
    // A broker writes a transaction’s markers after it has answered; topics must not go meanwhile (topic-admin.ts).
    await sleep(MARKERS_MS);
    await this.admin(async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${this.prefix}.`));
      if (topics.length > 0) await admin.deleteTopics({ topics });
    });
  }

  #keep<T extends { close(): Promise<void> }>(made: T): T {
    this.#made.push(made);
    return made;
  }
}
