import { sleep, type Timers } from '@nva/ports';
import type { Kafka } from 'kafkajs';
import type { KnownTopics } from './known-topics.ts';
import type { Log } from './options.ts';
import { clusterOf, MAX_TOPICS_PER_REQUEST, type Cluster, type TopicDetails } from './topic-details.ts';
import { PARTITION } from './topics.ts';

/**
 * ListOffsets: the offset of the next record, whether or not the records before it are committed (Kafka,
 * «ListOffsetsRequest.json»).
 */
const LATEST = -1;
const READ_UNCOMMITTED = 0;
/** How long a look waits for the leaders. A later answer counts for the next look, so a broker that hangs delays no publication. */
const WAITED_FOR_MS = 1_000;

export interface LeaderEndsOptions {
  readonly client: Kafka;
  readonly known: KnownTopics;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Compares where topics end with how far they are known to have reached. A topic whose disk was replaced keeps its id and is
 * empty; only its leader shows that.
 */
export class LeaderEnds {
  readonly #options: LeaderEndsOptions;
  /** The leaders that have not answered yet: none is asked twice at the same time. */
  readonly #asking = new Map<number, Promise<void>>();
  readonly #clusters = new Map<number, Cluster>();
  #closed = false;

  constructor(options: LeaderEndsOptions) {
    this.#options = options;
  }

  /**
   * Marks topics that have become shorter as lost. Resolves when all leaders have answered, or after WAITED_FOR_MS. Never
   * rejects: a leader that does not answer says nothing about its topics.
   */
  async compare(details: ReadonlyMap<string, TopicDetails>): Promise<void> {
    const { known, timers } = this.#options;
    const reached = known.ends();
    const byLeader = new Map<number, string[]>();
    for (const [topic, { leader, error }] of details) {
      if (leader === null || error !== null || !reached.has(topic)) continue;
      const topics = byLeader.get(leader);
      if (topics) topics.push(topic);
      else byLeader.set(leader, [topic]);
    }
    for (const [leader, topics] of byLeader) {
      if (!this.#asking.has(leader))
        this.#asking.set(
          leader,
          this.#ask(leader, topics, reached).finally(() => this.#asking.delete(leader)),
        );
    }
    await Promise.race([Promise.all(this.#asking.values()), sleep(timers, WAITED_FOR_MS, { background: true })]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const leader of this.#clusters.keys()) await this.#disconnect(leader);
  }

  async #ask(leader: number, topics: readonly string[], reached: ReadonlyMap<string, number>): Promise<void> {
    for (let from = 0; from < topics.length && !this.#closed; from += MAX_TOPICS_PER_REQUEST) {
      try {
        this.#options.known.compareEnds(reached, await this.#endsAt(leader, topics.slice(from, from + MAX_TOPICS_PER_REQUEST)));
      } catch (failure) {
        this.#options.log('debug', `Where topics end was not told by broker ${leader}: ${String(failure)}`);
        // A connection that failed once is not used again.
        await this.#disconnect(leader);
      }
    }
    // It may have been connected meanwhile.
    if (this.#closed) await this.#disconnect(leader);
  }

  async #endsAt(leader: number, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const cluster = this.#clusters.get(leader) ?? clusterOf(this.#options.client);
    this.#clusters.set(leader, cluster);
    await cluster.connect();
    // For one topic: without a topic, a broker reports all topics.
    if (!(leader in cluster.brokerPool.brokers)) await cluster.brokerPool.refreshMetadata([topics[0]!]);
    const broker = await cluster.findBroker({ nodeId: String(leader) });
    const { responses } = await broker.listOffsets({
      isolationLevel: READ_UNCOMMITTED,
      topics: topics.map((topic) => ({ topic, partitions: [{ partition: PARTITION, timestamp: LATEST }] })),
    });
    return new Map(responses.map(({ topic, partitions }) => [topic, Number(partitions[0]!.offset)]));
  }

  async #disconnect(leader: number): Promise<void> {
    const cluster = this.#clusters.get(leader);
    this.#clusters.delete(leader);
    await cluster?.disconnect().catch(() => undefined);
  }
}
