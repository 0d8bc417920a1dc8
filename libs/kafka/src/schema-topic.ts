import type { CommandCodec, RecordCodec } from '@nva/codec';
import type { Producer } from 'kafkajs';
import type { Log } from './options.ts';
import { readTopics, type ClientFactory } from './topic-reader.ts';
import { PARTITION } from './topics.ts';

/** The schemas topic: key fingerprint (16 hex digits), value the schema as JSON. */

/** Teaches the codec every schema on the topic that it can use; returns the fingerprints that are there. */
export async function learnSchemas(client: ClientFactory, groupPrefix: string, topic: string, codec: RecordCodec | CommandCodec, log: Log): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { messages } of readTopics(client, groupPrefix, [topic])) {
    for (const { key, value, offset } of messages) {
      if (!key || !value) continue;
      found.add(key.toString());
      try {
        codec.learn(JSON.parse(value.toString()));
      } catch (cause) {
        log('warn', `The schema at ${topic} offset ${offset} cannot be used: ${String(cause)}`, { topic, offset, fingerprint: key.toString() });
      }
    }
  }
  return found;
}

/** Writes today's schemas that are not `known` there. The same schema written twice is the same record, so nobody needs to be fenced off. */
export async function writeSchemas(producer: Producer, topic: string, codec: RecordCodec | CommandCodec, known: ReadonlySet<string>): Promise<void> {
  const missing = codec.schemas.filter(({ fingerprint }) => !known.has(fingerprint));
  if (missing.length === 0) return;
  await producer.send({ topic, messages: missing.map(({ fingerprint, schema }) => ({ key: fingerprint, value: JSON.stringify(schema), partition: PARTITION })) });
}
