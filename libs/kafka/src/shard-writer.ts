import { FeedFenced, sleep, systemClock } from '@nva/ports';
import type { Kafka, Producer, TopicMessages } from 'kafkajs';
import { MAX_TRANSACTION_BYTES, MAX_TRANSACTION_RECORDS, requests, type Slice } from './batching.ts';
import { PRODUCER_RETRY } from './client.ts';
import { asFeedError, isEpochOld, isMissing, isOfOneTopic, isRefusal, TopicFailed, topicFailed } from './failures.ts';
import type { KnownTopics } from './known-topics.ts';
import type { Log } from './options.ts';

/**
 * An open transaction delays readers of committed records on its topics; the broker aborts a transaction that its writer left
 * open for this time.
 */
const TRANSACTION_TIMEOUT_MS = 15_000;
/** Attempts of one transaction, each with its own epoch, before FeedUnavailable. */
const MAX_ATTEMPTS = 3;
const ATTEMPT_PAUSE_MS = 200;
/** What a broker answers where records keep their writer's time. */
const NO_TIME = -1;

/** Records or a checkpoint of one shard that wait for the transaction before them; the caller bounds how many. */
interface Job extends Slice {
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

export interface ShardOptions {
  readonly client: Kafka;
  readonly transactionalId: string;
  readonly log: Log;
  /** Rejects with FeedFenced if another writer owns the shard. */
  readonly assertOwner: () => Promise<void>;
  readonly known: KnownTopics;
  /** The topics that cannot be used, with the reason that brokers give for each. */
  readonly inTrouble: (topics: readonly string[]) => Promise<readonly TopicFailed[]>;
  /** Marks topics, to which an attempt to write has failed, as lost if they are not the known ones. Throws if that cannot be told. */
  readonly compareDoubtful: (topics: readonly string[]) => Promise<void>;
}

/** Topics turned out not to be the known ones; nothing was committed, and the topics are marked. */
class FoundLost extends Error {}

/**
 * Writes the records of one shard, one transaction at a time, under one transactional id: brokers accept writes only from the
 * process that initialised the id last. Records that arrive during a transaction go into the next one together (group commit).
 *
 * After any failure the producer is discarded, never reused. kafkajs takes sequence numbers back when a request fails; a broker
 * that had accepted the request would then treat the next records as a repeat of it and drop them. A new epoch starts from zero.
 * A new epoch also fences the present holder of the id, so it is used only after a look at the shard's owner record has shown
 * that this writer is still the owner.
 */
export class ShardWriter {
  readonly #options: ShardOptions;
  #producer: Producer | undefined;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #fenced: FeedFenced | undefined;
  /** Topics to which a failed attempt may have written. The offset of their next record shows nothing until they were compared. */
  readonly #doubtful = new Set<string>();

  constructor(options: ShardOptions) {
    this.#options = options;
  }

  /** Fences every earlier holder of the id. */
  async init(): Promise<void> {
    this.#producer ??= await this.#newProducer();
  }

  /** Resolves when the slice is committed. Rejects with FeedFenced, FeedRefused or FeedUnavailable. */
  send(slice: Slice): Promise<void> {
    if (this.#fenced) return Promise.reject(this.#fenced);
    const sent = new Promise<void>((resolve, reject) => this.#queue.push({ ...slice, resolve, reject }));
    this.#run();
    return sent;
  }

  /**
   * Continues with a new producer. Called before a topic is deleted: kafkajs asks for every topic that it ever met, and a missing
   * one fails the whole request. The new epoch is granted only when the last transaction’s markers are written; their writing
   * must not coincide with the deletion.
   */
  async renew(): Promise<void> {
    await this.#running;
    await this.#dispose();
    this.#producer = await this.#newProducer();
    await this.#options.assertOwner();
  }

  async close(): Promise<void> {
    await this.#running;
    await this.#dispose();
  }

  #run(): void {
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0) this.#run();
    });
  }

  async #drain(): Promise<void> {
    // In a microtask, so that all slices of one publication are in the queue.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#settle(this.#take());
  }

  /** Commits the jobs. If one topic has a fault, its jobs are rejected, and the others are committed without it. */
  async #settle(jobs: readonly Job[], attempts = MAX_ATTEMPTS): Promise<void> {
    const open = this.#withoutLost(jobs);
    if (open.length === 0) return;
    const topics = [...new Set(open.map(({ topic }) => topic))];
    try {
      await this.#commit(open, topics, attempts);
      for (const job of open) job.resolve();
    } catch (failure) {
      if (failure instanceof FoundLost) return this.#settle(open, attempts);
      if (isOfOneTopic(failure)) return this.#settleApart(open, topics, failure);
      const cause = asFeedError(failure, doing(topics));
      if (cause instanceof FeedFenced) this.#fenced = cause;
      for (const job of cause instanceof FeedFenced ? [...open, ...this.#queue.splice(0)] : open) job.reject(cause);
    }
  }

  /**
   * One or more topics made a transaction fail. For some faults the brokers say which topic has them; the others are found by
   * halving.
   */
  async #settleApart(jobs: readonly Job[], topics: readonly string[], failure: unknown): Promise<void> {
    const failed =
      topics.length === 1 ? [topicFailed(topics[0]!, doing(topics), failure)] : await this.#options.inTrouble(topics).catch(() => []);
    for (const one of failed) {
      if (one.trouble === 'lost') this.#options.known.lose(one.topic, one.message);
      for (const job of jobs) if (job.topic === one.topic) job.reject(one);
    }
    const left = topics.filter((topic) => !failed.some((one) => one.topic === topic));
    const middle = failed.length > 0 ? left.length : left.length >> 1;
    for (const some of [left.slice(0, middle), left.slice(middle)]) {
      if (some.length > 0)
        await this.#settle(
          jobs.filter(({ topic }) => some.includes(topic)),
          1,
        );
    }
  }

  /** Nothing is written to a topic that must be filled anew, before it is filled. */
  #withoutLost(jobs: readonly Job[]): readonly Job[] {
    return jobs.filter((job) => {
      const lost = this.#options.known.lost(job.topic);
      if (lost !== null) job.reject(new TopicFailed(job.topic, 'lost', `Topic ${job.topic} is to be filled anew: ${lost}`));
      return lost === null;
    });
  }

  #take(): Job[] {
    let count = 0;
    let records = 0;
    let bytes = 0;
    while (count < this.#queue.length) {
      const job = this.#queue[count]!;
      if (count > 0 && (records + job.records.length > MAX_TRANSACTION_RECORDS || bytes + job.bytes > MAX_TRANSACTION_BYTES)) break;
      records += job.records.length;
      bytes += job.bytes;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(jobs: readonly Job[], topics: readonly string[], attempts: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#producer === undefined) {
          this.#producer = await this.#newProducer();
          await this.#options.assertOwner();
        }
        await this.#settleDoubts(topics);
        await this.#transact(this.#producer, jobs);
        return;
      } catch (failure) {
        if (failure instanceof FoundLost) throw failure;
        for (const topic of topics) this.#doubtful.add(topic);
        await this.#dispose();
        if (failure instanceof FeedFenced || isRefusal(failure)) throw failure;
        if (isEpochOld(failure)) await this.#options.assertOwner();
        this.#options.log(
          'warn',
          `Transaction of ${this.#options.transactionalId} failed (attempt ${attempt} of ${attempts}): ${String(failure)}`,
        );
        if (attempt >= attempts) throw failure;
        // A producer asks for every topic that it ever met, so the first attempt may have failed because of a topic that is not
        // among these.
        if (
          isOfOneTopic(failure) &&
          (topics.length > 1 || isMissing(failure)) &&
          (await this.#options.inTrouble(topics).catch(() => [])).length > 0
        )
          throw failure;
        if (!isMissing(failure)) await sleep(systemClock, ATTEMPT_PAUSE_MS * attempt);
      }
    }
  }

  /** The epoch of the failed attempt is over by now, so nothing more of it is written. */
  async #settleDoubts(topics: readonly string[]): Promise<void> {
    const doubtful = topics.filter((topic) => this.#doubtful.has(topic));
    if (doubtful.length === 0) return;
    const { known, compareDoubtful } = this.#options;
    await compareDoubtful(doubtful);
    for (const topic of doubtful) this.#doubtful.delete(topic);
    if (doubtful.some((topic) => known.lost(topic) !== null)) throw new FoundLost();
  }

  /**
   * The offset of a topic's first record shows whether the topic still has its former records. If not, the transaction is
   * aborted, before readers of committed records meet it. A record at the start of a topic that had more records shows that the
   * topic was made anew.
   */
  async #transact(producer: Producer, jobs: readonly Job[]): Promise<void> {
    const { known } = this.#options;
    const transaction = await producer.transaction();
    for (const request of requests(jobs)) {
      const nowMs = systemClock.wallMs();
      const fresh = new Set(request.flatMap(({ topic }) => (known.isFresh(topic) ? [topic] : [])));
      const topicMessages = request.map((batch) => (fresh.has(batch.topic) ? timed(batch, nowMs) : batch));
      const before = new Map(topicMessages.map(({ topic }) => [topic, known.endOf(topic)]));
      let lost = false;
      for (const { topicName, baseOffset, logAppendTime } of await transaction.sendBatch({ topicMessages })) {
        const offset = Number(baseOffset);
        // Where a topic is configured so, the broker's time counts.
        if (offset === 0 && fresh.has(topicName))
          known.begins(topicName, { offset, timestampMs: Number(logAppendTime ?? NO_TIME) === NO_TIME ? nowMs : Number(logAppendTime) });
        // Brokers return no offset for records that they already had.
        if (!(offset >= 0)) continue;
        if (known.isBehind(topicName, before.get(topicName) ?? 0, offset)) lost = true;
        else known.reaches(topicName, offset + 1);
      }
      if (!lost) continue;
      await transaction.abort();
      throw new FoundLost();
    }
    await transaction.commit();
  }

  async #newProducer(): Promise<Producer> {
    const producer = this.#options.client.producer({
      transactionalId: this.#options.transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      // One request at a time: kafkajs does not number several in flight safely.
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: PRODUCER_RETRY,
    });
    await producer.connect();
    // kafkajs asks for the producer's id and epoch when the first transaction begins; this transaction is empty.
    await (await producer.transaction()).abort();
    return producer;
  }

  async #dispose(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.disconnect().catch(() => undefined);
  }
}

/** The batch with the time for each record that kafkajs would else take by itself. */
const timed = ({ topic, messages }: TopicMessages, nowMs: number): TopicMessages => ({
  topic,
  messages: messages.map((message) => ({ ...message, timestamp: String(nowMs) })),
});

const doing = (topics: readonly string[]): string =>
  `Publishing to ${topics[0]!}${topics.length > 1 ? ` and ${topics.length - 1} others` : ''}`;
