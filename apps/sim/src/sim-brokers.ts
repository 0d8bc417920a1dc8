import { feedKey, type FeedCheckpoint, type FeedName, type FeedRecord } from '@nva/ports';
import type { World } from './world.ts';

/**
 * Number of shards of the simulated feeds. As on Kafka, each has a transactional id, but there are few, so that feeds share
 * shards.
 */
export const SIM_SHARDS = 4;
/** A transaction that has not ended after this time is aborted. */
const TRANSACTION_LIMIT_MS = 10_000;
/** Removals are kept for this time, in milliseconds (`delete.retention.ms`). */
export const REMOVALS_KEPT_MS = 60_000;

/** A transaction. Its records can be read once it is committed; no record after them can be read before it has ended. */
export interface Transaction {
  readonly shard: number;
  readonly epoch: number;
  state: 'open' | 'committed' | 'aborted';
}

export interface Stored {
  readonly offset: number;
  readonly record: FeedRecord;
  readonly transaction: Transaction;
  readonly atMs: number;
}

/**
 * A topic with one partition. A topic that is made again has another id. A topic that was emptied keeps its id and begins with
 * offset 0 again.
 */
export class SimTopic {
  readonly id: string;
  readonly feed: FeedName;
  readonly name: string;
  stored: Stored[] = [];
  #next = 0;
  #emptied = 0;

  constructor(id: string, name: string, feed: FeedName) {
    this.id = id;
    this.name = name;
    this.feed = feed;
  }

  /** Identifies the content: a consumer compares it to recognise a topic that was made again or emptied. */
  get print(): string {
    return `${this.id}/${this.#emptied}`;
  }

  /** The oldest record that is still there, whether or not it is committed. */
  get first(): { readonly offset: number; readonly timestampMs: number } | null {
    const [first] = this.stored;
    return first ? { offset: first.offset, timestampMs: first.atMs } : null;
  }

  /** The offset of the next record. */
  get end(): number {
    return this.#next;
  }

  /** Where readers of committed records stop: before the first open transaction. */
  get stableEnd(): number {
    return this.stored.find(({ transaction }) => transaction.state === 'open')?.offset ?? this.#next;
  }

  add(record: FeedRecord, transaction: Transaction, atMs: number): number {
    this.stored.push({ offset: this.#next, record, transaction, atMs });
    return this.#next++;
  }

  /** The marker at the end of a transaction also takes an offset. */
  mark(): void {
    this.#next++;
  }

  empty(): void {
    this.#emptied++;
    this.stored = [];
    this.#next = 0;
  }

  /** Committed records from an offset on, in order. */
  committedFrom(offset: number): readonly Stored[] {
    const end = this.stableEnd;
    return this.stored.filter((one) => one.offset >= offset && one.offset < end && one.transaction.state === 'committed');
  }

  /** Removes superseded records, expired removals and aborted records, except among the last `keep` records. */
  compact(nowMs: number, keep: number): void {
    const end = this.stored[this.stored.length - keep]?.offset ?? 0;
    const last = new Map(
      this.stored.filter(({ transaction }) => transaction.state === 'committed').map(({ record, offset }) => [record.key, offset]),
    );
    this.stored = this.stored.filter(({ offset, record, transaction, atMs }) => {
      if (offset >= end || transaction.state === 'open') return true;
      if (transaction.state === 'aborted' || last.get(record.key) !== offset) return false;
      return record.value !== null || nowMs - atMs <= REMOVALS_KEPT_MS;
    });
  }
}

/** Kafka, as far as the feeds use it: topics, transactions with epochs, compaction, read permissions. */
export class SimBrokers {
  readonly #world: World;
  readonly #guarded: boolean;
  readonly topics = new Map<string, SimTopic>();
  readonly #epochs = new Map<number, number>();
  readonly checkpoints = new Map<number, FeedCheckpoint>();
  /** `nveId feed` (Kafka's ACLs of topics). */
  readonly rights = new Set<string>();
  readonly #open = new Set<Transaction>();
  readonly #readers = new Set<(topic: string) => void>();
  #madeTopics = 0;

  /** `guarded`: the brokers check who may read. */
  constructor(world: World, guarded: boolean) {
    this.#world = world;
    this.#guarded = guarded;
  }

  /** Calls with the name of every topic that has something new for readers. */
  onNews(reader: (topic: string) => void): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  make(name: string, feed: FeedName): SimTopic {
    const topic = new SimTopic(`topic-${++this.#madeTopics}`, name, feed);
    this.topics.set(name, topic);
    this.#tell(name);
    return topic;
  }

  delete(name: string): void {
    this.topics.delete(name);
    this.#tell(name);
  }

  /** Every topic loses its records, and the brokers lose the checkpoints of distributors. */
  empty(): void {
    for (const transaction of this.#open) this.end(transaction, 'aborted');
    this.checkpoints.clear();
    for (const topic of this.topics.values()) topic.empty();
    for (const name of this.topics.keys()) this.#tell(name);
  }

  /** The brokers come back with empty disks: all topics, rights and checkpoints are gone. */
  forget(): void {
    this.empty();
    const names = [...this.topics.keys()];
    this.topics.clear();
    this.rights.clear();
    for (const name of names) this.#tell(name);
  }

  compact(keep: number): void {
    for (const topic of this.topics.values()) topic.compact(this.#world.nowMs, keep);
  }

  /** A writer takes over the shard: the open transactions of its former writer are aborted, and later ones are refused. */
  nextEpoch(shard: number): number {
    for (const transaction of this.#open) if (transaction.shard === shard) this.end(transaction, 'aborted');
    const epoch = (this.#epochs.get(shard) ?? 0) + 1;
    this.#epochs.set(shard, epoch);
    return epoch;
  }

  isFenced(shard: number, epoch: number): boolean {
    return (this.#epochs.get(shard) ?? 0) !== epoch;
  }

  begin(shard: number, epoch: number): Transaction {
    const transaction: Transaction = { shard, epoch, state: 'open' };
    this.#open.add(transaction);
    this.#world.after(TRANSACTION_LIMIT_MS, null, () => this.end(transaction, 'aborted'));
    return transaction;
  }

  end(transaction: Transaction, state: 'committed' | 'aborted'): void {
    if (transaction.state !== 'open') return;
    transaction.state = state;
    this.#open.delete(transaction);
    for (const topic of this.topics.values()) {
      if (!topic.stored.some((one) => one.transaction === transaction)) continue;
      topic.mark();
      this.#tell(topic.name);
    }
  }

  mayRead(nveId: string, feed: FeedName): boolean {
    return !this.#guarded || this.rights.has(rightName(nveId, feed));
  }

  /** The table of a topic for a reader from its start: for each key the last record. */
  table(name: string): ReadonlyMap<string, FeedRecord> {
    const table = new Map<string, FeedRecord>();
    for (const { record } of this.topics.get(name)?.committedFrom(0) ?? []) {
      if (record.value === null) table.delete(record.key);
      else table.set(record.key, record);
    }
    return table;
  }

  #tell(name: string): void {
    for (const reader of this.#readers) reader(name);
  }
}

export const topicName = (feed: FeedName): string => (feed.kind === 'vn' ? `nvo3.vn.${feed.vnid}` : `nvo3.nve.${feed.nveId}`);
export const rightName = (nveId: string, feed: FeedName): string => `${nveId} ${feedKey(feed)}`;
