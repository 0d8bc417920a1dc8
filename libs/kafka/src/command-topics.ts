import type { CommandCodec } from '@nva/codec';
import type { Kafka } from 'kafkajs';
import { PRODUCER_RETRY } from './client.ts';
import type { Log } from './options.ts';
import { learnSchemas, writeSchemas } from './schema-topic.ts';
import { TopicAdmin } from './topic-admin.ts';
import { TopicDescriber } from './topic-details.ts';
import type { ClientFactory } from './client.ts';
import { readTopics } from './topic-reader.ts';
import { TOPIC_CONFIG, type TopicNames } from './topics.ts';

export const DEFAULT_COMMAND_PARTITIONS = 12;

/** Milliseconds. Timestamps are the NVE's own, because its signature covers them. */
export const COMMANDS_CONFIG: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': String(7 * 24 * 3_600_000),
  'message.timestamp.type': 'CreateTime',
};
export const OUTCOMES_CONFIG: Readonly<Record<string, string>> = { 'cleanup.policy': 'delete', 'retention.ms': String(24 * 3_600_000) };

export interface CommandTopicsOptions {
  readonly client: ClientFactory;
  readonly groupPrefix: string;
  readonly names: TopicNames;
  readonly partitions: number;
  /** The NVEs that may send commands. */
  readonly nveIds: readonly string[];
  /** Is taught the schemas on the schemas topic. */
  readonly codec: CommandCodec;
  readonly log: Log;
  /** Topics of outcomes that were reported as unusable before. */
  readonly known: ReadonlySet<string>;
}

/**
 * Creates or checks the topics of commands and outcomes, and writes their schemas to the schemas topic. Returns the unusable
 * topics of outcomes, each of which concerns only one NVE. Throws what TopicAdmin and kafkajs throw.
 */
export async function prepareCommandTopics({
  client,
  groupPrefix,
  names,
  partitions,
  nveIds,
  codec,
  log,
  known,
}: CommandTopicsOptions): Promise<ReadonlySet<string>> {
  const unusable = new Set<string>();
  const kafka = client();
  const admin = kafka.admin();
  const describer = new TopicDescriber(kafka);
  // Nothing is written here in transactions; only transactions have a problem with a topic whose log does not exist yet.
  const atOnce = (): Promise<void> => Promise.resolve();
  const untilReadable = async (topics: readonly string[]): Promise<void> => {
    for await (const _batch of readTopics(client, groupPrefix, topics, 'read-uncommitted')) continue;
  };
  try {
    await admin.connect();
    const shared = { admin, describer, log };
    await new TopicAdmin({ ...shared, config: TOPIC_CONFIG, untilReadable }).require([names.schemas]);
    // The topic of commands comes last: whoever finds it also finds its outcomes.
    const outcomes = new TopicAdmin({ ...shared, config: OUTCOMES_CONFIG, untilReadable: atOnce });
    for (const { topic, message } of (await outcomes.ensure(nveIds.map((nveId) => names.outcomes(nveId)))).failures) {
      unusable.add(topic);
      if (!known.has(topic))
        log(
          'error',
          `Topic ${topic} cannot be used now; outcomes of that NVE's commands are dropped until it can be, which is tried again every 10 s: ${message}`,
          { topic },
        );
    }
    await new TopicAdmin({ ...shared, config: COMMANDS_CONFIG, untilReadable: atOnce, partitions }).require([names.commands]);
  } finally {
    await describer.close();
    await admin.disconnect();
  }
  await writeMissing(kafka, names.schemas, codec, await learnSchemas(client, groupPrefix, names.schemas, codec, log));
  return unusable;
}

async function writeMissing(kafka: Kafka, topic: string, codec: CommandCodec, known: ReadonlyMap<string, string>): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
  try {
    await producer.connect();
    await writeSchemas(producer, topic, codec, known);
  } finally {
    await producer.disconnect();
  }
}
