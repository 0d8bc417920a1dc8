import { createCommandCodec, createRecordCodec, type RecordCodec } from '@nva/codec';
import {
  FeedFenced,
  FeedRefused,
  FeedsFailed,
  FeedUnavailable,
  feedKey,
  randomIds,
  systemClock,
  type Clock,
  type Ensured,
  type FeedBatch,
  type FeedCheckpoint,
  type FeedFailure,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type PlacedCheckpoint,
  type Undecodable,
} from '@nva/ports';
import type { Admin, Kafka, Producer } from 'kafkajs';
import { hostname } from 'node:os';
import { slices } from './batching.ts';
import { createClient, PRODUCER_RETRY, type ClientFactory } from './client.ts';
import {
  checkpointMessage,
  ownerMessage,
  placedCheckpoints,
  readCheckpoints,
  readOwners,
  writeOwners,
  type Owner,
} from './distributor-topic.ts';
import { failuresOf, isMissing, isOfOneTopic, ofTopics, TopicFailed, translated } from './failures.ts';
import { KnownTopics } from './known-topics.ts';
import { LeaderEnds } from './leader-ends.ts';
import { DEFAULT_PREFIX, silent, type KafkaFeedWriterOptions, type Log } from './options.ts';
import { decodeRecord, encodeRecord, type EncodedRecord } from './record-format.ts';
import { learnSchemas, restoreSchemas } from './schema-topic.ts';
import { ShardWriter } from './shard-writer.ts';
import { byShard, checkedShards, formatShards, shardOf, SHARDS } from './sharding.ts';
import { TopicAdmin, troubles } from './topic-admin.ts';
import { TopicDescriber, type TopicDetails } from './topic-details.ts';
import { readTopics } from './topic-reader.ts';
import { TOPIC_CONFIG, TopicNames } from './topics.ts';

/** Estimated size of a checkpoint on the wire; never too low. */
const CHECKPOINT_BYTES = 1_000;
/** Producers that `open` connects at the same time. */
const MAX_SHARDS_OPENING = 16;

interface Administration {
  readonly admin: Admin;
  readonly describer: TopicDescriber;
  readonly ends: LeaderEnds;
  readonly topics: TopicAdmin;
}

interface Opened {
  readonly owner: Owner;
  readonly plain: Producer;
  readonly shards: ReadonlyMap<number, ShardWriter>;
}

/**
 * The feeds on Kafka, written in transactions. Each shard has one transactional id, so the brokers refuse everything that a
 * superseded writer still sends, even hours later (README, «One writer at a time», has the figures). A writer that is superseded
 * in one of its shards is refused in that shard and continues in the others. `publish` may be called again before the last call
 * has resolved. The order within a feed is that of the calls; there is no order between feeds. Everything that queues up goes
 * into the next transaction together, which gives the throughput.
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
  readonly #known = new KnownTopics();
  #checks: Promise<void> = Promise.resolve();
  /** By fingerprint, as they stood on the topic of schemas; they are written again if the topic is lost. */
  readonly #schemas = new Map<string, string>();
  #schemasLost = false;
  /** The checkpoint that was saved last. */
  #checkpoint: FeedCheckpoint | undefined;
  /** The topic of the checkpoint was lost, and the checkpoint is not there again. */
  #checkpointLost = false;
  /** A shard of this writer was found without an owner record. */
  #ownerless = false;

  /** Throws FeedRefused if the prefix makes no valid topic names, or if a shard does not exist. */
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
   * The order matters: first the owner records, then the epochs, then a look at the owner records. A writer that may write has
   * seen itself as the shard's owner after it got its epoch, so a later owner's epoch is newer.
   */
  async open(): Promise<void> {
    await this.close();
    try {
      await translated('Taking the feeds over', () => this.#takeOver());
    } catch (failure) {
      // The epochs of this writer may be the newest although it is not the owner: it must write nothing with them.
      await this.close();
      throw failure;
    }
  }

  /** Whether records about the VN are this writer's to write. */
  owns(vnid: number): boolean {
    return this.#ownedSet.has(shardOf(vnid, this.#shardCount));
  }

  address(feed: FeedName): { readonly topic: string } {
    return { topic: this.#names.of(feed) };
  }

  list(): Promise<readonly FeedName[]> {
    return translated('Listing the feeds', async () =>
      (await (await this.#topics()).list()).flatMap((topic) => this.#names.feedOf(topic) ?? []),
    );
  }

  /** One request for all missing topics. A feed that was found right is checked again only after a failed publication or a loss. */
  ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    return translated(`Creating or checking ${feeds.length} feeds`, async () => {
      const { named, failures } = this.#names.named(feeds);
      const ensured = await (await this.#topics()).ensure([...named.keys()]);
      return {
        fresh: ensured.fresh.map((topic) => named.get(topic)!),
        failures: [...failures, ...ensured.failures.map((failed) => failureOf(named.get(failed.topic)!, failed))],
      };
    });
  }

  publish(batches: readonly FeedBatch[]): Promise<void> {
    if (this.#owned.length === this.#shardCount) return this.#publish(batches);
    // One after the other, which keeps their order.
    const checked = this.#checks.then(() => this.#checkShared(batches));
    this.#checks = checked;
    return checked.then(() => this.#publish(batches));
  }

  /**
   * An NVE's topic has several writers. If it was made anew, another writer may have filled it past the end that this one knew.
   * The end does not show this, so the topic's id is checked.
   */
  async #checkShared(batches: readonly FeedBatch[]): Promise<void> {
    const topics = [...this.#names.named(batches.flatMap(({ feed }) => (feed.kind === 'nve' ? [feed] : []))).named.keys()];
    // A failed check is left to the next look; the publication itself fails if brokers do not answer.
    if (topics.length > 0)
      await this.#describe(topics)
        .then((details) => this.#known.compare(details, topics))
        .catch(() => undefined);
  }

  async #publish(batches: readonly FeedBatch[]): Promise<void> {
    const { shards } = this.#writing();
    const byTopic = new Map<string, FeedName>();
    const failures: FeedFailure[] = [];
    // All records of a feed are encoded before any is sent: if a schema does not allow a value, nothing of that feed is written.
    const encoded = batches.flatMap((batch) => {
      const parts = [...byShard(batch, this.#shardCount)].map(([shard, records]) => ({
        writer: shards.get(shard) ?? this.#refuse(shard, batch.feed),
        records,
      }));
      try {
        const topic = this.#names.of(batch.feed);
        byTopic.set(topic, batch.feed);
        return parts.map(({ writer, records }) => ({
          writer,
          slices: slices({ topic, records: records.map((record) => encodeRecord(record, this.#codec)) }),
        }));
      } catch (cause) {
        failures.push({ feed: batch.feed, trouble: 'refused', cause: cause as Error });
        return [];
      }
    });
    const failed = await this.#settled(encoded.flatMap(({ writer, slices: cut }) => cut.map((slice) => writer.send(slice))));
    for (const topic of new Set(failed.map((one) => one.topic)))
      failures.push(
        failureOf(
          byTopic.get(topic)!,
          failed.find((one) => one.topic === topic)!,
        ),
      );
    if (failures.length > 0) throw new FeedsFailed(failures);
  }

  /** Compares the ids and ends of all topics that were met with the answers of the brokers. */
  async look(): Promise<readonly FeedFailure[]> {
    return translated('Looking at the feeds', async () => {
      const known = this.#known;
      if (known.names.length === 0) return [];
      const details = await this.#describe(known.names);
      await (await this.#administration!).ends.compare(details);
      const lost = known.compare(details);
      const { schemas, distributor } = this.#names;
      this.#schemasLost ||= lost.includes(schemas);
      this.#checkpointLost ||= lost.includes(distributor);
      if (!this.#opened) await this.open();
      else if (this.#ownerless || lost.includes(schemas) || lost.includes(distributor)) await this.#restoreOwn(this.#opened);
      // A takeover does not write the checkpoint.
      if (this.#checkpointLost && this.#checkpoint) await this.saveCheckpoint(this.#checkpoint);
      return lost.flatMap((topic) => {
        const feed = this.#names.feedOf(topic);
        return feed
          ? [
              {
                feed,
                trouble: 'lost' as const,
                cause: new TopicFailed(topic, 'lost', `Topic ${topic} is to be filled anew: ${known.lost(topic)}`),
              },
            ]
          : [];
      });
    });
  }

  async *read(feed: FeedName): AsyncGenerator<FeedRecord | Undecodable> {
    for await (const { record } of this.readAll([feed])) yield record;
  }

  /**
   * Reads many feeds together, which is much faster than one after the other: no order between feeds, `read`’s order within each.
   * Reads committed records; rejects with FeedUnavailable if a feed does not exist.
   */
  async *readAll(feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
    const { named: byTopic, failures } = this.#names.named(feeds);
    if (failures.length > 0) throw new FeedsFailed(failures);
    let schemasRead = false;
    try {
      for await (const { topic, messages } of readTopics(this.#readClient, this.#groupPrefix, [...byTopic.keys()])) {
        const feed = byTopic.get(topic)!;
        this.#known.reaches(topic, Number(messages.at(-1)!.offset) + 1);
        for (const message of messages) {
          if (message.value !== null && !schemasRead && this.#isUnknown(message.value)) {
            schemasRead = true;
            await learnSchemas(this.#readClient, this.#groupPrefix, this.#names.schemas, this.#codec, this.#log);
          }
          yield { feed, record: decodeRecord(topic, message, this.#codec) };
        }
      }
    } catch (failure) {
      const failed = isOfOneTopic(failure) ? await this.#inTrouble([...byTopic.keys()]).catch(() => []) : [];
      if (failed.length > 0) throw new FeedsFailed(failed.map((one) => failureOf(byTopic.get(one.topic)!, one)));
      await translated(`Reading ${feeds.length === 1 ? feedKey(feeds[0]!) : `${feeds.length} feeds`}`, () => Promise.reject(failure));
    }
  }

  async delete(feed: FeedName): Promise<void> {
    await translated(`Deleting ${feedKey(feed)}`, async () => {
      if (feed.kind === 'vn' && !this.owns(feed.vnid)) this.#refuse(shardOf(feed.vnid, this.#shardCount), feed);
      const shards = this.#opened?.shards;
      // Every shard may have written to an NVE's feed.
      const writers = feed.kind === 'vn' ? [shards?.get(shardOf(feed.vnid, this.#shardCount))] : [...(shards?.values() ?? [])];
      for (const writer of writers) await writer?.renew();
      await (await this.#topics()).delete(this.#names.of(feed));
    });
  }

  loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return translated('Reading the checkpoints', async () => {
      const known = await readCheckpoints(this.#readClient, this.#groupPrefix, this.#names.distributor, this.#log);
      const owned = this.#owned.flatMap((shard) => known.get(shard) ?? []);
      if (owned.length < this.#owned.length || new Set(owned.map(({ log }) => log)).size > 1) return null;
      return owned.reduce((oldest, checkpoint) => (checkpoint.position < oldest.position ? checkpoint : oldest));
    });
  }

  /** Empty if the distributors' topic does not exist yet. */
  checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    const { distributor } = this.#names;
    const isThere = async (): Promise<boolean> => this.#opened !== undefined || (await (await this.#topics()).list()).includes(distributor);
    return translated('Reading the checkpoints', async () =>
      (await isThere())
        ? placedCheckpoints(await readCheckpoints(this.#readClient, this.#groupPrefix, distributor, this.#log), distributor)
        : [],
    );
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    const topic = this.#names.distributor;
    this.#checkpoint = checkpoint;
    const saved = [...this.#writing().shards].map(([shard, writer]) =>
      writer.send({
        topic,
        records: [{ message: checkpointMessage(shard, checkpoint), bytes: CHECKPOINT_BYTES, changeEnd: true }],
        bytes: CHECKPOINT_BYTES,
      }),
    );
    const [failed] = await this.#settled(saved);
    if (failed) throw new FeedUnavailable(`Saving the checkpoint: ${failed.message}`, { cause: failed });
    this.#checkpointLost = false;
  }

  /** Waits for running publications. The owner records stay: nobody needs to know that the owner is gone. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened) await Promise.all([opened.plain.disconnect(), ...[...opened.shards.values()].map((shard) => shard.close())]);
    const administration = this.#administration;
    this.#administration = undefined;
    const administered = await administration?.catch(() => undefined);
    await Promise.all([administered?.admin.disconnect(), administered?.describer.close(), administered?.ends.close()]);
  }

  async #takeOver(): Promise<void> {
    await (await this.#topics()).require([this.#names.schemas, this.#names.distributor]);
    const plain = this.#client.producer({ allowAutoTopicCreation: false, retry: PRODUCER_RETRY });
    const since = new Date(this.#clock.wallMs()).toISOString();
    const owner: Owner = { writer: randomIds.uuid(), clientId: this.#clientId, host: hostname(), pid: process.pid, since };
    const { writer } = owner;
    const shards = new Map(this.#owned.map((shard) => [shard, this.#shard(shard, writer)]));
    this.#opened = { owner, plain, shards };
    await plain.connect();
    await this.#writeSchemas(plain);
    await writeOwners(plain, this.#names.distributor, this.#owned, owner);
    for (let from = 0; from < this.#owned.length; from += MAX_SHARDS_OPENING) {
      await Promise.all(this.#owned.slice(from, from + MAX_SHARDS_OPENING).map((shard) => shards.get(shard)!.init()));
    }
    await this.#assertOwner(writer, this.#owned);
    this.#ownerless = false;
    this.#log('info', `Feeds taken over by ${this.#clientId}`, { writer, shards: formatShards(this.#owned) });
  }

  /**
   * Writes schemas, owner records and checkpoints again if their topics were lost. An owner record is written in its shard's
   * transaction, which brokers refuse to a superseded writer; if they have forgotten the transactional ids too, the shards are
   * taken over anew.
   */
  async #restoreOwn({ owner, plain, shards }: Opened): Promise<void> {
    const topic = this.#names.distributor;
    this.#log('error', 'Topics of the distributor’s own were lost; they are made anew', { topics: [this.#names.schemas, topic] });
    await (await this.#topics()).require([this.#names.schemas, topic]);
    try {
      await this.#writeSchemas(plain);
      const records = (shard: number): EncodedRecord[] =>
        [ownerMessage(shard, owner), ...(this.#checkpoint ? [checkpointMessage(shard, this.#checkpoint)] : [])].map((message) => ({
          message,
          bytes: CHECKPOINT_BYTES,
          changeEnd: true,
        }));
      const [failed] = await this.#settled(
        [...shards].map(([shard, writer]) => writer.send({ topic, records: records(shard), bytes: 2 * CHECKPOINT_BYTES })),
      );
      if (failed) throw failed;
      this.#ownerless = false;
      this.#checkpointLost = false;
    } catch (failure) {
      if (failure instanceof FeedFenced) throw failure;
      this.#log('warn', `The shards are taken over anew: ${String(failure)}`);
      await this.open();
    }
  }

  /** Writes today's schemas and those that were on the topic before; on a lost topic also those of commands, which registrars write. */
  async #writeSchemas(plain: Producer): Promise<void> {
    const present = await learnSchemas(this.#readClient, this.#groupPrefix, this.#names.schemas, this.#codec, this.#log);
    await restoreSchemas(
      plain,
      this.#names.schemas,
      this.#schemas,
      [this.#codec, ...(this.#schemasLost ? [createCommandCodec()] : [])],
      present,
    );
    this.#schemasLost = false;
    for (const [fingerprint, text] of present) this.#schemas.set(fingerprint, text);
    for (const { fingerprint, schema } of this.#codec.schemas) this.#schemas.set(fingerprint, JSON.stringify(schema));
  }

  #shard(shard: number, writer: string): ShardWriter {
    const transactionalId = `${this.#options.prefix ?? DEFAULT_PREFIX}-shard-${shard}`;
    return new ShardWriter({
      client: this.#client,
      transactionalId,
      log: this.#log,
      assertOwner: () => this.#assertOwner(writer, [shard]),
      known: this.#known,
      inTrouble: (topics) => this.#inTrouble(topics),
      compareDoubtful: async (topics) => {
        const details = await this.#describe(topics);
        await (await this.#administration!).ends.compareDoubtful(topics, details);
      },
    });
  }

  /**
   * Throws FeedFenced, naming the shards and their owner, if another writer owns one; FeedUnavailable if no owner is known
   * (`look` repairs that).
   */
  async #assertOwner(writer: string, shards: readonly number[]): Promise<void> {
    const owners = await readOwners(this.#readClient, this.#groupPrefix, this.#names.distributor, this.#log).catch((failure: unknown) => {
      if (!isMissing(failure)) throw failure;
      return new Map<number, Owner>();
    });
    const lost = shards.filter((shard) => owners.get(shard)?.writer !== writer);
    if (lost.length === 0) return;
    const owner = lost.map((shard) => owners.get(shard)).find((one) => one !== undefined);
    if (!owner) {
      this.#ownerless = true;
      throw new FeedUnavailable(`The owner record of shard ${lost[0]} is gone`);
    }
    const together = lost.filter((shard) => owners.get(shard)?.writer === owner.writer);
    const by = `${owner.clientId} on ${owner.host}, process ${owner.pid} (${owner.writer}), at ${owner.since}`;
    throw new FeedFenced(
      `Shard${together.length === 1 ? '' : 's'} ${formatShards(together)} of the feeds ${together.length === 1 ? 'was' : 'were'} taken over by ${by}`,
    );
  }

  #refuse(shard: number, feed: FeedName): never {
    throw new FeedRefused(`What was to be written to ${feedKey(feed)} is of shard ${shard}; this writer owns ${formatShards(this.#owned)}`);
  }

  /** Waits until all have settled, so nothing is under way, then throws the first failure. Returns the topics that failed alone. */
  async #settled(pending: readonly Promise<void>[]): Promise<readonly TopicFailed[]> {
    const failures = await failuresOf(pending);
    if (failures.length > 0) (await this.#topics()).forget();
    return ofTopics(failures);
  }

  /** The topics that cannot be used, with the reason that brokers give for each. */
  async #inTrouble(topics: readonly string[]): Promise<readonly TopicFailed[]> {
    return troubles(topics, await this.#describe(topics));
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

  async #describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDetails>> {
    this.#administration ??= this.#administer();
    return (await this.#administration).describer.describe(topics);
  }

  /** kafkajs does not connect an admin client a second time, so each `close` is followed by a new one. */
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
    const describer = new TopicDescriber(this.#client);
    const ends = new LeaderEnds({ client: this.#client, known: this.#known, timers: this.#clock, log: this.#log });
    return {
      admin,
      describer,
      ends,
      topics: new TopicAdmin({
        admin,
        describer,
        config: { ...TOPIC_CONFIG, ...this.#options.topicConfig },
        log: this.#log,
        untilReadable,
        known: this.#known,
      }),
    };
  }
}

const failureOf = (feed: FeedName, failed: TopicFailed): FeedFailure => ({ feed, trouble: failed.trouble, cause: failed });
