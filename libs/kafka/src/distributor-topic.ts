import { FeedRefused, type FeedCheckpoint } from '@nva/ports';
import type { Message, Producer } from 'kafkajs';
import { readTopics, type ClientFactory, type Isolation } from './topic-reader.ts';
import { PARTITION } from './topics.ts';

/**
 * The distributor's own topic, JSON values: key `owner` says which writer took the feeds over last, key `checkpoint` how far it
 * has come. The owner is written plainly, the checkpoint in a transaction of shard 0, so that a superseded writer cannot set it back.
 */
const OWNER_KEY = 'owner';
const CHECKPOINT_KEY = 'checkpoint';

export interface Owner {
  /** UUID of the writer, made anew by every `open`. */
  readonly writer: string;
  readonly clientId: string;
  /** When it took over, RFC 3339. */
  readonly since: string;
}

export async function writeOwner(producer: Producer, topic: string, owner: Owner): Promise<void> {
  await producer.send({ topic, messages: [{ key: OWNER_KEY, value: JSON.stringify(owner), partition: PARTITION }] });
}

/** Read uncommitted: an owner record counts although an unfinished checkpoint stands before it. */
export async function readOwner(client: ClientFactory, groupPrefix: string, topic: string): Promise<Owner | null> {
  return (await readLast(client, groupPrefix, topic, OWNER_KEY, 'read-uncommitted')) as Owner | null;
}

export function checkpointMessage(checkpoint: FeedCheckpoint): Message {
  return { key: CHECKPOINT_KEY, value: JSON.stringify(checkpoint), partition: PARTITION };
}

/** Throws FeedRefused if what stands there is not a checkpoint. */
export async function readCheckpoint(client: ClientFactory, groupPrefix: string, topic: string): Promise<FeedCheckpoint | null> {
  const found = (await readLast(client, groupPrefix, topic, CHECKPOINT_KEY, 'read-committed')) as Partial<FeedCheckpoint> | null;
  if (found === null) return null;
  const { log, position, checkpoint } = found;
  if (typeof log !== 'string' || typeof checkpoint !== 'string' || !Number.isSafeInteger(position)) throw new FeedRefused(`The checkpoint on topic ${topic} is malformed: ${JSON.stringify(found)}`);
  return { log, position: position!, checkpoint };
}

async function readLast(client: ClientFactory, groupPrefix: string, topic: string, key: string, isolation: Isolation): Promise<unknown> {
  let last: Buffer | null = null;
  for await (const { messages } of readTopics(client, groupPrefix, [topic], isolation)) {
    for (const message of messages) if (message.key?.toString() === key) last = message.value;
  }
  if (last === null) return null;
  try {
    return JSON.parse(last.toString());
  } catch (cause) {
    throw new FeedRefused(`The record «${key}» on topic ${topic} is not JSON`, { cause });
  }
}
