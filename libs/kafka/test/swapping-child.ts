import { Kafka, logLevel } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

/**
 * Deletes a topic, makes it again and writes so many records to it, from a process of its own: whoever waits for it by standing
 * still misses all of that. Its one argument is JSON.
 */
const { brokers, topic, records } = JSON.parse(process.argv[2]!) as {
  brokers: string[];
  topic: string;
  records: { key: string; value: string; headers: Record<string, string> }[];
};
const client = new Kafka({ brokers, clientId: 'swapping', logLevel: logLevel.NOTHING });
const admin = client.admin();
await admin.connect();
await admin.deleteTopics({ topics: [topic] });
while ((await admin.listTopics()).includes(topic)) await sleep(10);
await makeTopics(admin, [{ topic, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }]);
const producer = client.producer({ allowAutoTopicCreation: false });
await producer.connect();
await producer.send({ topic, messages: records.map(({ value, ...rest }) => ({ ...rest, value: Buffer.from(value, 'base64') })) });
await producer.disconnect();
await admin.disconnect();
