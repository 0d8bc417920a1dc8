import { FeedFenced } from '@nva/ports';
import type { Kafka, Producer } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_TRANSACTION_BYTES, MAX_TRANSACTION_RECORDS, requests, type Slice } from './batching.ts';
import { PRODUCER_RETRY } from './client.ts';
import { asFeedError, isEpochOld, isMissing, isRefusal } from './failures.ts';
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
}

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
    while (this.#queue.length > 0) {
      const jobs = this.#take();
      try {
        await this.#commit(jobs);
        for (const job of jobs) job.resolve();
      } catch (failure) {
        const cause = asFeedError(failure, `Publishing to ${jobs[0]!.topic}${jobs.length > 1 ? ` and ${jobs.length - 1} others` : ''}`);
        if (cause instanceof FeedFenced) this.#fenced = cause;
        for (const job of cause instanceof FeedFenced ? [...jobs, ...this.#queue.splice(0)] : jobs) job.reject(cause);
      }
    }
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

  async #commit(jobs: readonly Job[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#producer === undefined) {
          this.#producer = await this.#newProducer();
          await this.#options.assertOwner();
        }
        await this.#transact(this.#producer, jobs);
        return;
      } catch (failure) {
        await this.#dispose();
        if (failure instanceof FeedFenced || isRefusal(failure)) throw failure;
        if (isEpochOld(failure)) await this.#options.assertOwner();
        this.#options.log('warn', `Transaction of ${this.#options.transactionalId} failed (attempt ${attempt} of ${MAX_ATTEMPTS}): ${String(failure)}`);
        if (attempt === MAX_ATTEMPTS || isMissing(failure)) throw failure;
        await sleep(ATTEMPT_PAUSE_MS * attempt);
      }
    }
  }

  async #transact(producer: Producer, jobs: readonly Job[]): Promise<void> {
    const transaction = await producer.transaction();
    for (const topicMessages of requests(jobs)) await transaction.sendBatch({ topicMessages });
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
