import { byShard, KnownTopics, shardOf, type Extent, type TopicDetails } from '@nva/kafka/testing';
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
import { SIM_SHARDS, topicName, type SimBrokers, type Transaction } from './sim-brokers.ts';
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

interface Described extends Extent {
  readonly name: string;
  readonly id: string;
}

interface Offsets {
  readonly atMs: number;
  readonly first: number;
  readonly last: number;
}

/** A request had no answer: its result is unknown. */
class NoAnswer extends Error {}

/**
 * The feeds as one distributor writes them on the simulated brokers, with the behaviour of libs/kafka: one transaction at a time
 * for each shard, a new epoch after each failed one, and a comparison of offsets that detects a topic that lost its records. What
 * happens at the brokers happens even if its answer is lost; what the writer knows of it, it knows by the answer only.
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
  /** Shards whose producer ended with its last transaction: the result is not known. */
  readonly #ended = new Set<number>();
  /** Topics to which an attempt without a known result may have written, by shard. */
  readonly #doubtful = new Map<number, Set<string>>();
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
        return topic ? topic.committedFrom(0) : null;
      });
      if (!records) throw new FeedUnavailable(`${topicName(feed)} is not there`);
      if (records.length > 0) this.#known.reaches(topicName(feed), records.at(-1)!.offset + 1);
      for (const { record } of records) yield { feed, record };
    }
  }

  async look(): Promise<readonly FeedFailure[]> {
    const reached = this.#known.reached();
    const topics = await this.#asked('Looking at the feeds', () => {
      if (this.#checkpoint)
        for (const shard of this.#owned)
          if (!this.#brokers.checkpoints.has(shard) && !this.#isFenced(shard)) this.#brokers.checkpoints.set(shard, this.#checkpoint);
      return this.#described();
    });
    this.#known.compareExtents(reached, extents(topics));
    const lost = this.#known.compare(details(topics));
    return lost.map((name) => this.#failure(name));
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
        await this.#renew(shard);
        if ((await this.#areLost(shard, open)) || !(await this.#transact(shard, open))) return await this.#settle(shard, open);
        for (const job of open) job.resolve();
        return;
      } catch (failure) {
        if (failure instanceof FeedFenced) this.#fenced.add(shard);
        else if (failure instanceof NoAnswer) {
          this.#ended.add(shard);
          this.#doubtful.set(shard, new Set([...(this.#doubtful.get(shard) ?? []), ...open.map(({ feed }) => topicName(feed))]));
          if (attempt < MAX_ATTEMPTS) {
            await this.#world.sleep(PAUSE_MS * attempt, this.#life);
            continue;
          }
        }
        for (const job of open) job.reject(failure instanceof FeedFenced ? failure : new FeedUnavailable('the brokers do not answer'));
        return;
      }
    }
  }

  /**
   * A producer that does not know the result of its transaction ends; the next producer has another epoch. Only the present owner of
   * the shard gets one.
   */
  async #renew(shard: number): Promise<void> {
    if (!this.#ended.has(shard)) return;
    await this.#request(() => {
      if (this.#isFenced(shard)) throw new FeedFenced(`another writer has shard ${shard}`);
      this.#epochs.set(shard, this.#brokers.nextEpoch(shard));
    });
    this.#ended.delete(shard);
  }

  /** True if one of the topics, to which an attempt without a known result may have written, is not the known one. */
  async #areLost(shard: number, jobs: readonly Job[]): Promise<boolean> {
    const names = new Set(jobs.map(({ feed }) => topicName(feed)));
    const doubtful = this.#doubtful.get(shard)?.intersection(names) ?? new Set<string>();
    if (doubtful.size === 0) return false;
    const reached = this.#known.reached(doubtful);
    const topics = await this.#request(() => this.#described().filter(({ name }) => doubtful.has(name)));
    this.#known.compare(details(topics), [...doubtful]);
    this.#known.compareDoubtful(reached, extents(topics));
    for (const name of doubtful) this.#doubtful.get(shard)!.delete(name);
    return [...doubtful].some((name) => this.#known.lost(name) !== null);
  }

  /** What the brokers report of the topics. */
  #described(): readonly Described[] {
    return [...this.#brokers.topics.values()].map(({ name, id, first, end }) => ({ name, id, first, end }));
  }

  /** False if a topic was found to have lost its records; nothing was committed then. */
  async #transact(shard: number, jobs: readonly Job[]): Promise<boolean> {
    const epoch = this.#epochs.get(shard) ?? 0;
    const transaction = this.#brokers.begin(shard, epoch);
    const before = new Map(jobs.map(({ feed }) => [topicName(feed), this.#known.endOf(topicName(feed))]));
    const fresh = new Set([...before.keys()].filter((name) => this.#known.isFresh(name)));
    const written = await this.#request(() => {
      if (this.#brokers.isFenced(shard, epoch)) {
        this.#brokers.end(transaction, 'aborted');
        throw new FeedFenced(`another writer has shard ${shard}`);
      }
      return new Map([...before.keys()].map((name) => [name, this.#write(name, jobs, transaction)]));
    });
    for (const name of fresh) {
      const offsets = written.get(name);
      if (offsets?.first === 0) this.#known.begins(name, { offset: 0, timestampMs: offsets.atMs });
    }
    if ([...before].filter(([name, end]) => this.#isLost(name, end, written.get(name)!)).length > 0) {
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

  /** Offsets of the first and the last record that a topic got; null if it is gone. At the brokers: the process learns it by the answer. */
  #write(name: string, jobs: readonly Job[], transaction: Transaction): Offsets | null {
    const topic = this.#brokers.topics.get(name);
    if (!topic) return null;
    const records = jobs.filter(({ feed }) => topicName(feed) === name).flatMap((job) => job.records);
    const offsets = records.map((record) => topic.add(record, transaction, this.#world.nowMs));
    return { first: offsets[0]!, last: offsets.at(-1)!, atMs: this.#world.nowMs };
  }

  /** Whether a topic, which had reached `end` before, has lost its records. */
  #isLost(name: string, end: number, written: Offsets | null): boolean {
    if (!written) this.#known.lose(name, 'the topic is gone');
    else if (!this.#known.isBehind(name, end, written.first)) {
      this.#known.reaches(name, written.last + 1);
      return false;
    }
    return true;
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

const extents = (topics: readonly Described[]): ReadonlyMap<string, Extent> => new Map(topics.map((topic) => [topic.name, topic]));

const details = (topics: readonly Described[]): ReadonlyMap<string, TopicDetails> =>
  new Map(topics.map(({ name, id }) => [name, { id, partitions: 1, leader: 0, error: null }]));
