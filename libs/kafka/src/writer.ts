import { randomUUID } from 'node:crypto';
import { createRecordCodec, type RecordCodec } from '@nva/codec';
import { FeedFenced, FeedUnavailable, feedKey, systemClock, type Clock, type FeedBatch, type FeedCheckpoint, type FeedItem, type FeedName, type FeedRecord, type FeedWriter, type Undecodable } from '@nva/ports';
import type { Admin, Kafka, Producer } from 'kafkajs';
import { slices } from './batching.ts';
import { createClient, PRODUCER_RETRY } from './client.ts';
import { checkpointMessage, readCheckpoint, readOwner, writeOwner } from './distributor-topic.ts';
import { translated } from './failures.ts';
import { DEFAULT_PREFIX, silent, type KafkaConnection, type Log } from './options.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import { learnSchemas, writeSchemas } from './schema-topic.ts';
import { ShardWriter } from './shard-writer.ts';
import { TopicAdmin } from './topic-admin.ts';
import { readTopics, type ClientFactory } from './topic-reader.ts';
import { shardOf, TOPIC_CONFIG, TopicNames } from './topics.ts';

/** Shards of the feeds, by VNID; part of the contract between writers, since each shard is one transactional id. */
export const SHARDS = 64;
/** Opening connects this many producers at a time. */
const MAX_SHARDS_OPENING = 16;

export interface KafkaFeedWriterOptions extends KafkaConnection {
  /** Replaces or joins TOPIC_CONFIG. For tests. */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Every writer of a prefix must agree on it; writers that do not, do not fence each other. SHARDS by default. */
  readonly shards?: number;
}

interface Administration {
  readonly admin: Admin;
  readonly topics: TopicAdmin;
}

interface Opened {
  readonly writer: string;
  readonly plain: Producer;
  readonly shards: readonly ShardWriter[];
}

/**
 * The feeds on Kafka, written in transactions: one transactional id a shard, so that the brokers refuse whatever a superseded
 * writer still sends, even hours later (README, «One writer at a time», has the figures).
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
  readonly #codec: RecordCodec = createRecordCodec();
  readonly #client: Kafka;
  readonly #readClient: ClientFactory;
  #administration: Promise<Administration> | undefined;
  #opened: Opened | undefined;

  constructor(options: KafkaFeedWriterOptions) {
    const prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#options = options;
    this.#names = new TopicNames(prefix);
    this.#groupPrefix = `${prefix}-read`;
    this.#clientId = options.clientId ?? `${prefix}-distributor`;
    this.#log = options.log ?? silent;
    this.#clock = options.clock ?? systemClock;
    this.#shardCount = options.shards ?? SHARDS;
    this.#client = createClient(options, this.#clientId, this.#log);
    this.#readClient = (listener) => createClient(options, this.#clientId, this.#log, listener);
  }

  /**
   * The order matters: the owner record first, then the epochs, then a look at the owner record. Whoever writes has seen itself
   * as the owner after its epochs were given, so a later owner's epochs are newer still.
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
    const encoded = batches.map(({ feed, records }) => ({
      shard: shards[shardOf(feed, this.#shardCount)]!,
      slices: slices({ topic: this.#names.of(feed), records: records.map((record) => encodeRecord(record, this.#codec)) }),
    }));
    await this.#settled(encoded.flatMap(({ shard, slices: cut }) => cut.map((slice) => shard.send(slice))));
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
      await this.#opened?.shards[shardOf(feed, this.#shardCount)]?.renew();
      await (await this.#topics()).delete(this.#names.of(feed));
    });
  }

  loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return translated('Reading the checkpoint', () => readCheckpoint(this.#readClient, this.#groupPrefix, this.#names.distributor));
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    const message = checkpointMessage(checkpoint);
    const records = [{ message, bytes: 1_000, changeEnd: true }];
    await this.#settled([this.#writing().shards[0]!.send({ topic: this.#names.distributor, records, bytes: 1_000 })]);
  }

  /** Waits for what is being published. The owner record stays: nobody needs to know that the owner is gone. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened) await Promise.all([opened.plain.disconnect(), ...opened.shards.map((shard) => shard.close())]);
    const administration = this.#administration;
    this.#administration = undefined;
    await (await administration?.catch(() => undefined))?.admin.disconnect();
  }

  async #takeOver(): Promise<void> {
    await (await this.#topics()).ensure([this.#names.schemas, this.#names.distributor]);
    const plain = this.#client.producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
    const writer = randomUUID();
    const shards = Array.from({ length: this.#shardCount }, (_, shard) => this.#shard(shard, writer));
    this.#opened = { writer, plain, shards };
    await plain.connect();
    await writeSchemas(plain, this.#names.schemas, this.#codec, await learnSchemas(this.#readClient, this.#groupPrefix, this.#names.schemas, this.#codec, this.#log));
    await writeOwner(plain, this.#names.distributor, { writer, clientId: this.#clientId, since: new Date(this.#clock.wallMs()).toISOString() });
    for (let from = 0; from < shards.length; from += MAX_SHARDS_OPENING) {
      await Promise.all(shards.slice(from, from + MAX_SHARDS_OPENING).map((shard) => shard.init()));
    }
    await this.#assertOwner(writer);
    this.#log('info', `Feeds taken over by ${this.#clientId}`, { writer });
  }

  #shard(shard: number, writer: string): ShardWriter {
    const transactionalId = `${this.#options.prefix ?? DEFAULT_PREFIX}-shard-${shard}`;
    return new ShardWriter({ client: this.#client, transactionalId, log: this.#log, assertOwner: () => this.#assertOwner(writer) });
  }

  async #assertOwner(writer: string): Promise<void> {
    const owner = await readOwner(this.#readClient, this.#groupPrefix, this.#names.distributor);
    if (owner?.writer !== writer) throw new FeedFenced(`The feeds were taken over by ${owner ? `${owner.clientId} (${owner.writer}) at ${owner.since}` : 'nobody known: the owner record is gone'}`);
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
