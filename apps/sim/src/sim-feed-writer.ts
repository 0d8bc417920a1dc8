import { byShard, KnownTopics, shardOf } from '@nva/kafka/testing';
import {
  FeedFenced,
  FeedsFailed,
  FeedUnavailable,
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
import type { Link } from './link.ts';
import { SIM_SHARDS, topicName, type SimBrokers, type SimTopic } from './sim-brokers.ts';
import type { Life, World } from './world.ts';

/** Maximum number of attempts for one transaction, and the pause before the next attempt, which grows. */
const MAX_ATTEMPTS = 4;
const PAUSE_MS = 100;
/** How long a request waits for a missing answer. */
const REQUEST_LIMIT_MS = 3_000;

interface Job {
  readonly feed: FeedName;
  readonly records: readonly FeedRecord[];
  readonly resolve: () => void;
  readonly reject: (cause: Error | FeedFailure) => void;
}

/** A request had no answer: its result is unknown. */
class NoAnswer extends Error {}

/**
 * The feeds as one distributor writes them on the simulated brokers, with the behaviour of libs/kafka: one transaction at a time
 * for each shard, a new epoch after each failed one, and a comparison of offsets that detects a topic that lost its records.
 */
export class SimFeedWriter implements FeedWriter {
  readonly #brokers: SimBrokers;
  readonly #world: World;
  readonly #life: Life;
  readonly #link: Link;
  readonly #owned: readonly number[];
  readonly #known = new KnownTopics();
  readonly #right = new Set<string>();
  readonly #epochs = new Map<number, number>();
  readonly #queues = new Map<number, Job[]>();
  readonly #running = new Map<number, Promise<void>>();
  readonly #fenced = new Set<number>();
  #checkpoint: FeedCheckpoint | null = null;

  constructor(brokers: SimBrokers, world: World, life: Life, link: Link, owned: readonly number[]) {
    this.#brokers = brokers;
    this.#world = world;
    this.#life = life;
    this.#link = link;
    this.#owned = owned;
  }

  owns(vnid: number): boolean {
    return this.#owned.includes(shardOf(vnid, SIM_SHARDS));
  }

  address(feed: FeedName): { readonly topic: string } {
    return { topic: topicName(feed) };
  }

  async open(): Promise<void> {
    for (const shard of this.#owned)
      await this.#asked('Taking the feeds over', () => this.#epochs.set(shard, this.#brokers.nextEpoch(shard)));
    this.#fenced.clear();
  }

  list(): Promise<readonly FeedName[]> {
    return this.#asked('Listing the feeds', () => [...this.#brokers.topics.values()].map(({ feed }) => feed));
  }

  async ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    const unknown = feeds.filter((feed) => !this.#right.has(topicName(feed)) || this.#known.lost(topicName(feed)) !== null);
    if (unknown.length === 0) return { fresh: [], failures: [] };
    const found = await this.#asked('Creating or checking feeds', () =>
      unknown.map((feed) => {
        const name = topicName(feed);
        const there = this.#brokers.topics.get(name);
        return { feed, name, id: (there ?? this.#brokers.make(name, feed)).id, isMade: !there };
      }),
    );
    // Only now: a topic that was made, of which the answer was lost, is another one than was known.
    const fresh = found.filter(({ name, id, isMade }) => {
      this.#right.add(name);
      return this.#known.accept(name, id) || isMade;
    });
    return { fresh: fresh.map(({ feed }) => feed), failures: [] };
  }

  async publish(batches: readonly FeedBatch[]): Promise<void> {
    const sent: Promise<void>[] = [];
    const failures: FeedFailure[] = [];
    const others: Error[] = [];
    for (const batch of batches) {
      for (const [shard, records] of byShard(batch, SIM_SHARDS)) {
        if (!this.#owned.includes(shard)) throw new Error(`shard ${shard} is not this writer's`);
        const job = this.#send(shard, batch.feed, records);
        sent.push(job.catch((cause: Error | FeedFailure) => void (cause instanceof Error ? others.push(cause) : failures.push(cause))));
      }
    }
    await Promise.all(sent);
    const [first] = others.toSorted((a, b) => Number(b instanceof FeedFenced) - Number(a instanceof FeedFenced));
    if (first) throw first;
    if (failures.length > 0) throw new FeedsFailed(failures);
  }

  async *read(feed: FeedName): AsyncGenerator<FeedRecord | Undecodable> {
    for await (const { record } of this.readAll([feed])) yield record;
  }

  async *readAll(feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
    for (const feed of feeds) {
      const records = await this.#asked('Reading a feed', () => {
        const topic = this.#brokers.topics.get(topicName(feed));
        if (!topic) return null;
        const committed = topic.committedFrom(0);
        if (committed.length > 0) this.#known.reaches(topic.name, committed.at(-1)!.offset + 1);
        return committed.map(({ record }) => record);
      });
      if (!records) throw new FeedUnavailable(`${topicName(feed)} is not there`);
      for (const record of records) yield { feed, record };
    }
  }

  async look(): Promise<readonly FeedFailure[]> {
    return this.#asked('Looking at the feeds', () => {
      const details = new Map(
        [...this.#brokers.topics.values()].map(({ name, id }) => [name, { id, partitions: 1, leader: 0, error: null }]),
      );
      this.#known.compareEnds(this.#known.ends(), new Map([...this.#brokers.topics.values()].map(({ name, end }) => [name, end])));
      const lost = this.#known.compare(details);
      if (this.#checkpoint)
        for (const shard of this.#owned)
          if (!this.#brokers.checkpoints.has(shard) && !this.#isFenced(shard)) this.#brokers.checkpoints.set(shard, this.#checkpoint);
      return lost.map((name) => this.#failure(name));
    });
  }

  async delete(feed: FeedName): Promise<void> {
    const name = topicName(feed);
    this.#right.delete(name);
    await this.#asked('Deleting a feed', () => this.#brokers.delete(name));
    this.#known.forget(name);
  }

  async loadCheckpoint(): Promise<FeedCheckpoint | null> {
    const own = await this.#asked('Reading checkpoints', () => this.#owned.map((shard) => this.#brokers.checkpoints.get(shard) ?? null));
    if (own.includes(null) || new Set(own.map((one) => one!.log)).size > 1) return null;
    return own.toSorted((a, b) => a!.position - b!.position)[0]!;
  }

  checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    return this.#asked('Reading checkpoints', () =>
      [...this.#brokers.checkpoints].map(([shard, checkpoint]) => ({ ...checkpoint, where: `the checkpoint of shard ${shard}` })),
    );
  }

  async saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    this.#checkpoint = checkpoint;
    await this.#asked('Saving the checkpoint', () => {
      const fenced = this.#owned.find((shard) => this.#isFenced(shard));
      if (fenced !== undefined) throw new FeedFenced(`another writer has shard ${fenced}`);
      for (const shard of this.#owned) this.#brokers.checkpoints.set(shard, checkpoint);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  #isFenced(shard: number): boolean {
    return this.#brokers.isFenced(shard, this.#epochs.get(shard) ?? 0);
  }

  #send(shard: number, feed: FeedName, records: readonly FeedRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    const queue = this.#queues.get(shard) ?? [];
    this.#queues.set(shard, queue);
    const sent = new Promise<void>((resolve, reject) => queue.push({ feed, records, resolve, reject }));
    if (!this.#running.has(shard))
      this.#running.set(
        shard,
        this.#drain(shard, queue).finally(() => this.#running.delete(shard)),
      );
    return sent;
  }

  async #drain(shard: number, queue: Job[]): Promise<void> {
    // All records of one call are sent together.
    await Promise.resolve();
    while (queue.length > 0) await this.#settle(shard, queue.splice(0));
  }

  async #settle(shard: number, jobs: readonly Job[]): Promise<void> {
    const open = jobs.filter((job) => {
      const name = topicName(job.feed);
      if (this.#known.lost(name) === null) return true;
      job.reject(this.#failure(name));
      return false;
    });
    if (open.length === 0) return;
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#fenced.has(shard)) throw new FeedFenced(`another writer has shard ${shard}`);
        if (!(await this.#transact(shard, open))) return await this.#settle(shard, open);
        for (const job of open) job.resolve();
        return;
      } catch (failure) {
        if (failure instanceof FeedFenced) this.#fenced.add(shard);
        else if (failure instanceof NoAnswer && attempt < MAX_ATTEMPTS) {
          await this.#world.sleep(PAUSE_MS * attempt, this.#life);
          // A producer that does not know the result of its transaction ends; the next producer has another epoch.
          await this.#renewed(shard).catch(() => undefined);
          continue;
        }
        for (const job of open) job.reject(failure instanceof FeedFenced ? failure : new FeedUnavailable('the brokers do not answer'));
        return;
      }
    }
  }

  /** Only the present owner of the shard gets a new epoch. */
  async #renewed(shard: number): Promise<void> {
    await this.#request(() => {
      if (this.#isFenced(shard)) this.#fenced.add(shard);
      else this.#epochs.set(shard, this.#brokers.nextEpoch(shard));
    });
  }

  /** False if a topic was found to have lost its records; nothing was committed then. */
  async #transact(shard: number, jobs: readonly Job[]): Promise<boolean> {
    const epoch = this.#epochs.get(shard) ?? 0;
    const transaction = this.#brokers.begin(shard, epoch);
    const lost = await this.#request(() => {
      if (this.#brokers.isFenced(shard, epoch)) {
        this.#brokers.end(transaction, 'aborted');
        throw new FeedFenced(`another writer has shard ${shard}`);
      }
      return this.#write(jobs, transaction);
    });
    if (lost) {
      await this.#request(() => this.#brokers.end(transaction, 'aborted'));
      return false;
    }
    await this.#request(() => {
      if (this.#brokers.isFenced(shard, epoch)) throw new FeedFenced(`another writer has shard ${shard}`);
      if (transaction.state === 'aborted') throw new NoAnswer('the transaction took too long');
      this.#brokers.end(transaction, 'committed');
    });
    return true;
  }

  #write(jobs: readonly Job[], transaction: ReturnType<SimBrokers['begin']>): boolean {
    const before = new Map(jobs.map(({ feed }) => [topicName(feed), this.#known.endOf(topicName(feed))]));
    let lost = false;
    for (const [name, end] of before) {
      const topic = this.#brokers.topics.get(name);
      if (!topic) {
        this.#known.lose(name, 'the topic is gone');
        lost = true;
      } else if (this.#writeTo(topic, end, jobs, transaction)) lost = true;
    }
    return lost;
  }

  #writeTo(topic: SimTopic, end: number, jobs: readonly Job[], transaction: ReturnType<SimBrokers['begin']>): boolean {
    let first: number | null = null;
    let last = 0;
    for (const { feed, records } of jobs) {
      if (topicName(feed) !== topic.name) continue;
      for (const record of records) {
        last = topic.add(record, transaction, this.#world.nowMs);
        first ??= last;
      }
    }
    if (this.#known.isBehind(topic.name, end, first!)) return true;
    this.#known.reaches(topic.name, last + 1);
    return false;
  }

  #failure(name: string): FeedFailure {
    const feed: FeedName = name.startsWith('nvo3.vn.')
      ? { kind: 'vn', vnid: Number(name.slice(8)) }
      : { kind: 'nve', nveId: name.slice(9) };
    return { feed, trouble: 'lost', cause: new Error(`Topic ${name} is to be filled anew: ${this.#known.lost(name)}`) };
  }

  /** A request that its caller may repeat. */
  async #asked<T>(what: string, act: () => T): Promise<T> {
    try {
      return await this.#request(act);
    } catch (failure) {
      throw failure instanceof NoAnswer ? new FeedUnavailable(`${what}: the brokers do not answer`) : failure;
    }
  }

  /** Runs the request at the brokers unless it is lost on its way, and returns the result unless the answer is lost. */
  async #request<T>(act: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const callOff = this.#world.after(REQUEST_LIMIT_MS, this.#life, () => reject(new NoAnswer('no answer')));
    if (this.#link.passes()) {
      this.#world.after(this.#link.delayMs(), null, () => {
        // If the process has ended meanwhile, its request still arrives.
        let answer: () => void;
        try {
          const done = act();
          answer = () => resolve(done);
        } catch (failure) {
          answer = () => reject(failure as Error);
        }
        if (!this.#link.passes()) return;
        this.#world.after(this.#link.delayMs(), this.#life, () => {
          callOff();
          answer();
        });
      });
    }
    return promise;
  }
}
