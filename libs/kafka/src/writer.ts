import { randomUUID } from 'node:crypto';
import { createRecordCodec, type RecordCodec } from '@nva/codec';
import { FeedFenced, FeedRefused, FeedUnavailable, feedKey, systemClock, type Clock, type FeedBatch, type FeedCheckpoint, type FeedItem, type FeedName, type FeedRecord, type FeedWriter, type PlacedCheckpoint, type Undecodable } from '@nva/ports';
import type { Admin, Kafka, Producer } from 'kafkajs';
import { hostname } from 'node:os';
import { slices } from './batching.ts';
import { createClient, PRODUCER_RETRY } from './client.ts';
import { checkpointMessage, readCheckpoints, readOwners, writeOwners } from './distributor-topic.ts';
import { translated } from './failures.ts';
import { DEFAULT_PREFIX, silent, type KafkaConnection, type Log } from './options.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import { learnSchemas, writeSchemas } from './schema-topic.ts';
import { ShardWriter } from './shard-writer.ts';
import { byShard, checkedShards, formatShards, shardOf, SHARDS } from './sharding.ts';
import { TopicAdmin } from './topic-admin.ts';
import { readTopics, type ClientFactory } from './topic-reader.ts';
import { TOPIC_CONFIG, TopicNames } from './topics.ts';

/** About what a checkpoint takes on the wire; never less. */
const CHECKPOINT_BYTES = 1_000;
/** Opening connects this many producers at a time. */
const MAX_SHARDS_OPENING = 16;

export interface KafkaFeedWriterOptions extends KafkaConnection {
  /** Replaces or joins TOPIC_CONFIG. For tests. */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Every writer of a prefix must agree on it; writers that do not, do not fence each other. SHARDS by default. */
  readonly shards?: number;
  /**
   * The shards that this writer takes over and writes: what is about a VN is of the shard VNID modulo `shards`. All by default. Another
   * process may own the others.
   */
  readonly owned?: readonly number[];
}

interface Administration {
  readonly admin: Admin;
  readonly topics: TopicAdmin;
}

interface Opened {
  readonly writer: string;
  readonly plain: Producer;
  readonly shards: ReadonlyMap<number, ShardWriter>;
}

/**
 * The feeds on Kafka, written in transactions: one transactional id a shard, so that the brokers refuse whatever a superseded
 * writer still sends, even hours later (README, «One writer at a time», has the figures). Several writers may share the shards;
 * one that is superseded in a shard is refused in that one and goes on in its others.
 *
 * `publish` may be called again before the last call has resolved: order within a feed is that of the calls, and what queues up
 * goes into the next transaction together, which is how throughput is had. There is no order between feeds.
 */
export class KafkaFeedWriter implements FeedWriter {
  readonly #names: TopicNames;
  readonly #groupPrefix: string;
  readonly #clientId: string;
  readonly #options: KafkaFeedWriterOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #shardCount: number;
  readonly #owned: readonly number[];
  readonly #ownedSet: ReadonlySet<number>;
  readonly #codec: RecordCodec = createRecordCodec();
  readonly #client: Kafka;
  readonly #readClient: ClientFactory;
  #administration: Promise<Administration> | undefined;
  #opened: Opened | undefined;

  /** Throws FeedRefused if topics cannot be named so, or there are no such shards. */
  constructor(options: KafkaFeedWriterOptions) {
    const prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#options = options;
    this.#names = new TopicNames(prefix);
    this.#groupPrefix = `${prefix}-read`;
    this.#clientId = options.clientId ?? `${prefix}-distributor`;
    this.#log = options.log ?? silent;
    this.#clock = options.clock ?? systemClock;
    this.#shardCount = options.shards ?? SHARDS;
    this.#owned = checkedShards(options.owned, this.#shardCount);
    this.#ownedSet = new Set(this.#owned);
    this.#client = createClient(options, this.#clientId, this.#log);
    this.#readClient = (listener) => createClient(options, this.#clientId, this.#log, listener);
  }

  /**
   * The order matters: the owner records first, then the epochs, then a look at the owner records. Whoever writes has seen itself
   * as the shard's owner after its epoch was given, so a later owner's epoch is newer still.
   */
  async open(): Promise<void> {
    await this.close();
    try {
      await translated('Taking the feeds over', () => this.#takeOver());
    } catch (failure) {
      // Its epochs may be the newest, and yet it is not the owner: nothing may be written with them.
      await this.close();
      throw failure;
    }
  }

  /** Whether what is about the VN is this writer's to write. */
  owns(vnid: number): boolean {
    return this.#ownedSet.has(shardOf(vnid, this.#shardCount));
  }

  address(feed: FeedName): { readonly topic: string } {
    return { topic: this.#names.of(feed) };
  }

  list(): Promise<readonly FeedName[]> {
    return translated('Listing the feeds', async () => (await (await this.#topics()).list()).flatMap((topic) => this.#names.feedOf(topic) ?? []));
  }

  /** One request for all that are missing; a feed once found right is not looked at again until a publish fails. */
  async ensure(feeds: readonly FeedName[]): Promise<void> {
    const topics = feeds.map((feed) => this.#names.of(feed));
    await translated(`Creating or checking ${feeds.length} feeds`, async () => (await this.#topics()).ensure(topics));
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    const { shards } = this.#writing();
    // All are encoded before any is sent: a value that no schema allows rejects the call with nothing written.
    const encoded = batches.flatMap((batch) => {
      const topic = this.#names.of(batch.feed);
      return [...byShard(batch, this.#shardCount)].map(([shard, records]) => ({
        writer: shards.get(shard) ?? this.#refuse(shard, batch.feed),
        slices: slices({ topic, records: records.map((record) => encodeRecord(record, this.#codec)) }),
      }));
    });
    await this.#settled(encoded.flatMap(({ writer, slices: cut }) => cut.map((slice) => writer.send(slice))));
  }

  async *read(feed: FeedName): AsyncGenerator<FeedRecord | Undecodable> {
    for await (const { record } of this.readAll([feed])) yield record;
  }

  /**
   * Reads many feeds together, which is much faster than one after the other: no order between feeds, `read`’s order within
   * each. Reads what is committed; rejects with FeedUnavailable if one of them does not exist.
   */
  async *readAll(feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
    const byTopic = new Map(feeds.map((feed) => [this.#names.of(feed), feed]));
    let schemasRead = false;
    try {
      for await (const { topic, messages } of readTopics(this.#readClient, this.#groupPrefix, [...byTopic.keys()])) {
        const feed = byTopic.get(topic)!;
        for (const message of messages) {
          if (message.value !== null && !schemasRead && this.#isUnknown(message.value)) {
            schemasRead = true;
            await learnSchemas(this.#readClient, this.#groupPrefix, this.#names.schemas, this.#codec, this.#log);
          }
          yield { feed, record: decodeRecord(topic, message, this.#codec) };
        }
      }
    } catch (failure) {
      await translated(`Reading ${feeds.length === 1 ? feedKey(feeds[0]!) : `${feeds.length} feeds`}`, () => Promise.reject(failure));
    }
  }

  async delete(feed: FeedName): Promise<void> {
    await translated(`Deleting ${feedKey(feed)}`, async () => {
      if (feed.kind === 'vn' && !this.owns(feed.vnid)) this.#refuse(shardOf(feed.vnid, this.#shardCount), feed);
      const shards = this.#opened?.shards;
      // Any shard may have written to an NVE's feed.
      const writers = feed.kind === 'vn' ? [shards?.get(shardOf(feed.vnid, this.#shardCount))] : [...(shards?.values() ?? [])];
      for (const writer of writers) await writer?.renew();
      await (await this.#topics()).delete(this.#names.of(feed));
    });
  }

  loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return translated('Reading the checkpoints', async () => {
      const known = await readCheckpoints(this.#readClient, this.#groupPrefix, this.#names.distributor);
      const owned = this.#owned.flatMap((shard) => known.get(shard) ?? []);
      if (owned.length < this.#owned.length || new Set(owned.map(({ log }) => log)).size > 1) return null;
      return owned.reduce((oldest, checkpoint) => (checkpoint.position < oldest.position ? checkpoint : oldest));
    });
  }

  /** None if the distributors' topic is not there yet. Shards that have come equally far are told of together. */
  checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    return translated('Reading the checkpoints', async () => {
      const topic = this.#names.distributor;
      if (!this.#opened && !(await (await this.#topics()).list()).includes(topic)) return [];
      const known = [...(await readCheckpoints(this.#readClient, this.#groupPrefix, topic))];
      const alike = Object.values(Object.groupBy(known, ([, { log, position }]) => `${log}/${position}`)) as (typeof known)[];
      return alike.map((group) => ({ ...group[0]![1], where: `the checkpoint of ${shardsText(group.map(([shard]) => shard))} on topic ${topic}` }));
    });
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    const topic = this.#names.distributor;
    const saved = [...this.#writing().shards].map(([shard, writer]) =>
      writer.send({ topic, records: [{ message: checkpointMessage(shard, checkpoint), bytes: CHECKPOINT_BYTES, changeEnd: true }], bytes: CHECKPOINT_BYTES }),
    );
    await this.#settled(saved);
  }

  /** Waits for what is being published. The owner records stay: nobody needs to know that the owner is gone. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened) await Promise.all([opened.plain.disconnect(), ...[...opened.shards.values()].map((shard) => shard.close())]);
    const administration = this.#administration;
    this.#administration = undefined;
    await (await administration?.catch(() => undefined))?.admin.disconnect();
  }

  async #takeOver(): Promise<void> {
    await (await this.#topics()).ensure([this.#names.schemas, this.#names.distributor]);
    const plain = this.#client.producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
    const writer = randomUUID();
    const shards = new Map(this.#owned.map((shard) => [shard, this.#shard(shard, writer)]));
    this.#opened = { writer, plain, shards };
    await plain.connect();
    await writeSchemas(plain, this.#names.schemas, this.#codec, await learnSchemas(this.#readClient, this.#groupPrefix, this.#names.schemas, this.#codec, this.#log));
    const since = new Date(this.#clock.wallMs()).toISOString();
    await writeOwners(plain, this.#names.distributor, this.#owned, { writer, clientId: this.#clientId, host: hostname(), pid: process.pid, since });
    for (let from = 0; from < this.#owned.length; from += MAX_SHARDS_OPENING) {
      await Promise.all(this.#owned.slice(from, from + MAX_SHARDS_OPENING).map((shard) => shards.get(shard)!.init()));
    }
    await this.#assertOwner(writer, this.#owned);
    this.#log('info', `Feeds taken over by ${this.#clientId}`, { writer, shards: formatShards(this.#owned) });
  }

  #shard(shard: number, writer: string): ShardWriter {
    const transactionalId = `${this.#options.prefix ?? DEFAULT_PREFIX}-shard-${shard}`;
    return new ShardWriter({ client: this.#client, transactionalId, log: this.#log, assertOwner: () => this.#assertOwner(writer, [shard]) });
  }

  /** Throws FeedFenced, naming the shards and who has them, if any of them is another's. */
  async #assertOwner(writer: string, shards: readonly number[]): Promise<void> {
    const owners = await readOwners(this.#readClient, this.#groupPrefix, this.#names.distributor);
    const lost = shards.filter((shard) => owners.get(shard)?.writer !== writer);
    if (lost.length === 0) return;
    const owner = owners.get(lost[0]!);
    const together = lost.filter((shard) => owners.get(shard)?.writer === owner?.writer);
    const by = owner ? `${owner.clientId} on ${owner.host}, process ${owner.pid} (${owner.writer}), at ${owner.since}` : 'nobody known: the owner record is gone';
    throw new FeedFenced(`Shard${together.length === 1 ? '' : 's'} ${formatShards(together)} of the feeds ${together.length === 1 ? 'was' : 'were'} taken over by ${by}`);
  }

  #refuse(shard: number, feed: FeedName): never {
    throw new FeedRefused(`What was to be written to ${feedKey(feed)} is of shard ${shard}; this writer owns ${formatShards(this.#owned)}`);
  }

  /** All of them settle before the first failure is told, so that nothing is still under way then. */
  async #settled(pending: readonly Promise<void>[]): Promise<void> {
    const failures = (await Promise.allSettled(pending)).flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
    if (failures.length === 0) return;
    (await this.#topics()).forget();
    throw failures.find((failure) => failure instanceof FeedFenced) ?? failures[0]!;
  }

  #isUnknown(value: Buffer): boolean {
    const fingerprint = this.#codec.fingerprintIn(value);
    return fingerprint !== null && !this.#codec.knows(fingerprint);
  }

  #writing(): Opened {
    if (!this.#opened) throw new FeedUnavailable('The feeds are not open for writing');
    return this.#opened;
  }

  async #topics(): Promise<TopicAdmin> {
    this.#administration ??= this.#administer();
    return (await this.#administration).topics;
  }

  /** kafkajs does not connect an admin client a second time, so there is a new one after each `close`. */
  async #administer(): Promise<Administration> {
    const admin = this.#client.admin();
    try {
      await admin.connect();
    } catch (failure) {
      this.#administration = undefined;
      throw failure;
    }
    const untilReadable = async (topics: readonly string[]): Promise<void> => {
      for await (const _batch of readTopics(this.#readClient, this.#groupPrefix, topics, 'read-uncommitted')) continue;
    };
    return { admin, topics: new TopicAdmin(admin, { ...TOPIC_CONFIG, ...this.#options.topicConfig }, this.#log, untilReadable) };
  }
}

const shardsText = (shards: readonly number[]): string => `shard${shards.length === 1 ? '' : 's'} ${formatShards(shards.toSorted((a, b) => a - b))}`;
