import { FeedRefused, type FeedCheckpoint } from '@nva/ports';
import type { Message, Producer } from 'kafkajs';
import { readTopics, type ClientFactory, type Isolation } from './topic-reader.ts';
import { PARTITION } from './topics.ts';

/**
 * The distributors' own topic, JSON values, two keys a shard: `owner/<shard>` says which writer took the shard over last,
 * `checkpoint/<shard>` how far it has come. Owners are written plainly, a checkpoint in a transaction of its shard, so that a
 * superseded writer cannot set it back.
 */
const OWNER_KEY = 'owner/';
const CHECKPOINT_KEY = 'checkpoint/';

export interface Owner {
  /** UUID of the writer, made anew by every `open`. */
  readonly writer: string;
  readonly clientId: string;
  /** Name of the machine. */
  readonly host: string;
  readonly pid: number;
  /** When it took over, RFC 3339. */
  readonly since: string;
}

/** One request: the shards change hands together. */
export async function writeOwners(producer: Producer, topic: string, shards: readonly number[], owner: Owner): Promise<void> {
  const value = JSON.stringify(owner);
  await producer.send({ topic, messages: shards.map((shard) => ({ key: `${OWNER_KEY}${shard}`, value, partition: PARTITION })) });
}

/** By shard. Read uncommitted: an owner record counts although an unfinished checkpoint stands before it. */
export async function readOwners(client: ClientFactory, groupPrefix: string, topic: string): Promise<ReadonlyMap<number, Owner>> {
  return (await readLast(client, groupPrefix, topic, OWNER_KEY, 'read-uncommitted')) as ReadonlyMap<number, Owner>;
}

export function checkpointMessage(shard: number, checkpoint: FeedCheckpoint): Message {
  return { key: `${CHECKPOINT_KEY}${shard}`, value: JSON.stringify(checkpoint), partition: PARTITION };
}

/** By shard. Throws FeedRefused if what stands there is not a checkpoint. */
export async function readCheckpoints(client: ClientFactory, groupPrefix: string, topic: string): Promise<ReadonlyMap<number, FeedCheckpoint>> {
  const checkpoints = new Map<number, FeedCheckpoint>();
  for (const [shard, found] of await readLast(client, groupPrefix, topic, CHECKPOINT_KEY, 'read-committed')) {
    const { log, position, checkpoint } = (found ?? {}) as Partial<FeedCheckpoint>;
    if (typeof log !== 'string' || typeof checkpoint !== 'string' || !Number.isSafeInteger(position)) throw new FeedRefused(`The checkpoint of shard ${shard} on topic ${topic} is malformed: ${JSON.stringify(found)}`);
    checkpoints.set(shard, { log, position: position!, checkpoint });
  }
  return checkpoints;
}

/** The last value of every key with the prefix, by the number that follows it. */
async function readLast(client: ClientFactory, groupPrefix: string, topic: string, prefix: string, isolation: Isolation): Promise<ReadonlyMap<number, unknown>> {
  const last = new Map<string, Buffer>();
  for await (const { messages } of readTopics(client, groupPrefix, [topic], isolation)) {
    for (const { key, value } of messages) {
      const name = key?.toString();
      if (!name?.startsWith(prefix)) continue;
      if (value === null) last.delete(name);
      else last.set(name, value);
    }
  }
  const values = new Map<number, unknown>();
  for (const [name, value] of last) {
    try {
      values.set(Number(name.slice(prefix.length)), JSON.parse(value.toString()));
    } catch (cause) {
      throw new FeedRefused(`The record «${name}» on topic ${topic} is not JSON`, { cause });
    }
  }
  return values;
}
