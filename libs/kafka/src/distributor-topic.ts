import type { FeedCheckpoint, PlacedCheckpoint } from '@nva/ports';
import type { Message, Producer } from 'kafkajs';
import type { Log } from './options.ts';
import { formatShards } from './sharding.ts';
import type { ClientFactory } from './client.ts';
import { readTopics, type Isolation } from './topic-reader.ts';
import { PARTITION } from './topics.ts';

/**
 * The distributors' own topic, JSON values, two keys for each shard: `owner/<shard>` says which writer took the shard over last,
 * `checkpoint/<shard>` how far it has come. Owner records are written without a transaction, a checkpoint in a transaction of its
 * shard, so that a superseded writer cannot set it back.
 */
const OWNER_KEY = 'owner/';
const CHECKPOINT_KEY = 'checkpoint/';

export interface Owner {
  /** UUID of the writer; every `open` makes a new one. */
  readonly writer: string;
  readonly clientId: string;
  /** Name of the machine. */
  readonly host: string;
  readonly pid: number;
  /** When it took over, RFC 3339. */
  readonly since: string;
}

/** A shard's owner record, as the present owner writes it again in the shard's own transaction. */
export function ownerMessage(shard: number, owner: Owner): Message {
  return { key: `${OWNER_KEY}${shard}`, value: JSON.stringify(owner), partition: PARTITION };
}

/** One request, so that all shards change hands together. */
export async function writeOwners(producer: Producer, topic: string, shards: readonly number[], owner: Owner): Promise<void> {
  await producer.send({ topic, messages: shards.map((shard) => ownerMessage(shard, owner)) });
}

/** By shard. Reads uncommitted records: an owner record counts even if an unfinished checkpoint stands before it. */
export async function readOwners(client: ClientFactory, groupPrefix: string, topic: string, log: Log): Promise<ReadonlyMap<number, Owner>> {
  const owners = new Map<number, Owner>();
  for (const [shard, found] of await readLast(client, groupPrefix, topic, OWNER_KEY, 'read-uncommitted', log)) {
    if (typeof (found as Partial<Owner> | null)?.writer === 'string') owners.set(shard, found as Owner);
    else log('error', `The owner record of shard ${shard} on topic ${topic} says nothing of an owner: it is passed over`, { topic, shard });
  }
  return owners;
}

export function checkpointMessage(shard: number, checkpoint: FeedCheckpoint): Message {
  return { key: `${CHECKPOINT_KEY}${shard}`, value: JSON.stringify(checkpoint), partition: PARTITION };
}

/**
 * By shard. A record that is not a valid checkpoint counts as none: a checkpoint is only a convenience, and feeds are compared
 * without it.
 */
export async function readCheckpoints(
  client: ClientFactory,
  groupPrefix: string,
  topic: string,
  log: Log,
): Promise<ReadonlyMap<number, FeedCheckpoint>> {
  const checkpoints = new Map<number, FeedCheckpoint>();
  for (const [shard, found] of await readLast(client, groupPrefix, topic, CHECKPOINT_KEY, 'read-committed', log)) {
    const { log: logId, position, checkpoint } = (found ?? {}) as Partial<FeedCheckpoint>;
    if (typeof logId === 'string' && typeof checkpoint === 'string' && Number.isSafeInteger(position))
      checkpoints.set(shard, { log: logId, position: position!, checkpoint });
    else log('error', `The checkpoint of shard ${shard} on topic ${topic} is malformed: it is passed over`, { topic, shard });
  }
  return checkpoints;
}

/** The checkpoints with the places where they stand; shards with equal checkpoints are reported together. */
export function placedCheckpoints(known: ReadonlyMap<number, FeedCheckpoint>, topic: string): PlacedCheckpoint[] {
  const alike = Map.groupBy(known, ([, { log, position }]) => `${log}/${position}`);
  return [...alike.values()].map((group) => {
    const shards = group.map(([shard]) => shard).toSorted((a, b) => a - b);
    return { ...group[0]![1], where: `the checkpoint of shard${shards.length === 1 ? '' : 's'} ${formatShards(shards)} on topic ${topic}` };
  });
}

/** The last value of every key with the prefix, by the number that follows the prefix. */
async function readLast(
  client: ClientFactory,
  groupPrefix: string,
  topic: string,
  prefix: string,
  isolation: Isolation,
  log: Log,
): Promise<ReadonlyMap<number, unknown>> {
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
      log('error', `The record «${name}» on topic ${topic} is not JSON: it is passed over`, { topic, key: name, err: cause });
    }
  }
  return values;
}
