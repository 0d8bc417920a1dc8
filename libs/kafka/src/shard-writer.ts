import { FeedFenced, sleep, systemClock } from '@nva/ports';
import type { Kafka, Producer } from 'kafkajs';
import { MAX_TRANSACTION_BYTES, MAX_TRANSACTION_RECORDS, requests, type Slice } from './batching.ts';
import { PRODUCER_RETRY } from './client.ts';
import { asFeedError, isEpochOld, isMissing, isOfOneTopic, isRefusal, TopicFailed, topicFailed } from './failures.ts';
import type { KnownTopics } from './known-topics.ts';
import type { Log } from './options.ts';

/** An open transaction holds up readers of committed records on its topics; the broker ends one that its writer left so long. */
const TRANSACTION_TIMEOUT_MS = 15_000;
/** Attempts of one transaction, each with an epoch of its own, before FeedUnavailable. */
const MAX_ATTEMPTS = 3;
const ATTEMPT_PAUSE_MS = 200;

/** A checkpoint and records of one shard wait here for the transaction before them; the caller bounds how many. */
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
  /** Which of the topics cannot be used, by what brokers say of each. */
  readonly inTrouble: (topics: readonly string[]) => Promise<readonly TopicFailed[]>;
}

/** Thrown in a transaction whose records came to stand on topics that are not the ones that were known; it is aborted. */
class FoundLost extends Error {}

/**
 * Writes what is of one shard, a transaction at a time, under one transactional id: who initialised it last is the only one
 * whose writes the brokers take. What arrives while a transaction runs goes into the next one together (group commit).
 *
 * After any failure the producer is thrown away, never reused: kafkajs takes sequence numbers back when a request fails, and
 * a broker that had taken the request would then take the next records for a repeat of it and drop them. A new epoch starts
 * from zero. Since a new epoch fences whoever holds the id, it is used only after the shard's owner record was seen to be ours since.
 */
export class ShardWriter {
  readonly #options: ShardOptions;
  #producer: Producer | undefined;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #fenced: FeedFenced | undefined;

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
   * Goes on with a new producer, before a topic is deleted: kafkajs asks for every topic it ever met, and one that is gone fails
   * all. The new epoch is given only when the last transaction’s markers are written, which must not meet the deletion.
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
    // In a microtask, so that all slices of one publish are in the queue.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#settle(this.#take());
  }

  /** Commits the jobs. What is wrong with one topic rejects what is for that topic, and the others are committed without it. */
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

  /** One topic, or some, made a transaction fail. Brokers say of some troubles which topic has them; the others are found by halves. */
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

  /** Nothing goes onto a topic that is to be filled anew, before it is. */
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
        await this.#transact(this.#producer, jobs);
        return;
      } catch (failure) {
        if (failure instanceof FoundLost) throw failure;
        await this.#dispose();
        if (failure instanceof FeedFenced || isRefusal(failure)) throw failure;
        if (isEpochOld(failure)) await this.#options.assertOwner();
        this.#options.log(
          'warn',
          `Transaction of ${this.#options.transactionalId} failed (attempt ${attempt} of ${attempts}): ${String(failure)}`,
        );
        if (attempt >= attempts) throw failure;
        // A producer asks for every topic that it ever met, so the first may have failed by one that is not among these.
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

  /**
   * The first record of a topic tells by its offset whether the topic still has what it had: else the transaction is aborted,
   * before readers of what is committed meet it. A record that comes at the start of a topic that had more shows that it was made
   * anew.
   */
  async #transact(producer: Producer, jobs: readonly Job[]): Promise<void> {
    const { known } = this.#options;
    const transaction = await producer.transaction();
    for (const topicMessages of requests(jobs)) {
      const before = new Map(topicMessages.map(({ topic }) => [topic, known.endOf(topic)]));
      let lost = false;
      for (const { topicName, baseOffset } of await transaction.sendBatch({ topicMessages })) {
        const offset = Number(baseOffset);
        // Brokers give no offset for what they had already.
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
      // One request after the other: kafkajs does not number several in flight safely.
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: PRODUCER_RETRY,
    });
    await producer.connect();
    // kafkajs asks for the producer's id and epoch when the first transaction begins; this one carries nothing.
    await (await producer.transaction()).abort();
    return producer;
  }

  async #dispose(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.disconnect().catch(() => undefined);
  }
}

const doing = (topics: readonly string[]): string =>
  `Publishing to ${topics[0]!}${topics.length > 1 ? ` and ${topics.length - 1} others` : ''}`;
