import { randomUUID } from 'node:crypto';
import { createRecordCodec } from '@nva/codec';
import { feedKey, type FeedBatch } from '@nva/ports';
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs';
import { feedMessage } from './feed-message.ts';

const SHARDS = 64;

/**
 * Bare kafkajs that sends prepared records in the same calls, in one transaction for each shard and call, as our writer does. The
 * limit of publishing.
 */
export class RawPublisher {
  /** Returns seconds. */
  static async measure(brokers: readonly string[], calls: readonly (readonly FeedBatch[])[]): Promise<number> {
    const kafka = new Kafka({
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 2, multiplier: 2, retries: 16 },
    });
    const prefix = `bench-raw-${randomUUID().slice(0, 8)}`;
    const codec = createRecordCodec();
    const topicOf = (feed: string): string => `${prefix}.${feed.replace('/', '.')}`;
    const ready = calls.map((batches) =>
      batches.map(({ feed, records }) => ({
        shard: feed.kind === 'vn' ? feed.vnid % SHARDS : 0,
        topic: topicOf(feedKey(feed)),
        messages: records.map((record) => feedMessage(record, codec)),
      })),
    );
    const topics = [...new Set(ready.flat().map(({ topic }) => topic))];
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      topics: topics.map((topic) => ({ topic, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] })),
      waitForLeaders: true,
    });
    // A broker announces a topic before its log exists; a transaction at that moment would be delayed.
    for (const topic of topics) await readable(admin, topic);
    await admin.disconnect();
    const producers = new Map<number, Producer>();
    for (const { shard } of ready.flat()) {
      if (producers.has(shard)) continue;
      const producer = kafka.producer({
        transactionalId: `${prefix}-${shard}`,
        maxInFlightRequests: 1,
        idempotent: true,
        allowAutoTopicCreation: false,
      });
      producers.set(shard, producer);
      await producer.connect();
    }
    const start = performance.now();
    for (const call of ready) {
      const shards = Map.groupBy(call, ({ shard }) => shard);
      await Promise.all(
        [...shards].map(async ([shard, topicMessages]) => {
          const transaction = await producers.get(shard)!.transaction();
          await transaction.sendBatch({ topicMessages: topicMessages.map(({ topic, messages }) => ({ topic, messages })) });
          await transaction.commit();
        }),
      );
    }
    const seconds = (performance.now() - start) / 1_000;
    for (const producer of producers.values()) await producer.disconnect();
    return seconds;
  }
}

async function readable(admin: Admin, topic: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${topic} did not get readable`);
}
