import type { CommandCodec, RecordCodec } from '@nva/codec';
import type { Producer } from 'kafkajs';
import type { Log } from './options.ts';
import type { ClientFactory } from './client.ts';
import { readTopics } from './topic-reader.ts';
import { PARTITION } from './topics.ts';

/** The schemas topic: key fingerprint (16 hex digits), value the schema as JSON. */

/** Teaches the codec every usable schema on the topic. Returns all schemas on the topic, by fingerprint, as they stand there. */
export async function learnSchemas(
  client: ClientFactory,
  groupPrefix: string,
  topic: string,
  codec: RecordCodec | CommandCodec,
  log: Log,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { messages } of readTopics(client, groupPrefix, [topic])) {
    for (const { key, value, offset } of messages) {
      if (!key || !value) continue;
      found.set(key.toString(), value.toString());
      try {
        codec.learn(JSON.parse(value.toString()));
      } catch (cause) {
        log('warn', `The schema at ${topic} offset ${offset} cannot be used: ${String(cause)}`, {
          topic,
          offset,
          fingerprint: key.toString(),
        });
      }
    }
  }
  return found;
}

/**
 * Writes today's schemas that are not in `known`. The same schema written twice is the same record, so no writer needs to be
 * fenced.
 */
export async function writeSchemas(
  producer: Producer,
  topic: string,
  codec: RecordCodec | CommandCodec,
  known: Pick<ReadonlySet<string>, 'has'>,
): Promise<void> {
  await writeTexts(
    producer,
    topic,
    codec.schemas.flatMap(({ fingerprint, schema }) => (known.has(fingerprint) ? [] : [[fingerprint, JSON.stringify(schema)] as const])),
  );
}

/** Writes the schemas that a lost topic must hold again, including older ones: followers of old records need them. */
export async function restoreSchemas(
  producer: Producer,
  topic: string,
  held: ReadonlyMap<string, string>,
  codecs: readonly (RecordCodec | CommandCodec)[],
  present: Pick<ReadonlySet<string>, 'has'>,
): Promise<void> {
  const due = new Map([
    ...held,
    ...codecs.flatMap((codec) => codec.schemas.map(({ fingerprint, schema }) => [fingerprint, JSON.stringify(schema)] as const)),
  ]);
  await writeTexts(
    producer,
    topic,
    [...due].filter(([fingerprint]) => !present.has(fingerprint)),
  );
}

async function writeTexts(
  producer: Producer,
  topic: string,
  texts: readonly (readonly [fingerprint: string, text: string])[],
): Promise<void> {
  if (texts.length === 0) return;
  await producer.send({ topic, messages: texts.map(([key, value]) => ({ key, value, partition: PARTITION })) });
}
