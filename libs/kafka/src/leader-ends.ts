import { sleep, type Timers } from '@nva/ports';
import type { Kafka } from 'kafkajs';
import type { Extent, KnownTopics, Reached } from './known-topics.ts';
import type { Log } from './options.ts';
import { troubles } from './topic-admin.ts';
import { clusterOf, MAX_TOPICS_PER_REQUEST, type Cluster, type TopicDetails } from './topic-details.ts';
import { PARTITION } from './topics.ts';

/**
 * ListOffsets: the offset of the next record, whether or not the records before it are committed (Kafka,
 * «ListOffsetsRequest.json»).
 */
const LATEST = -1;
/** ListOffsets with a time: the first record that is not older, so with this one the first record of all. */
const SINCE_EVER = 0;
/** The answer where there is no such record. */
const NO_OFFSET = -1;
const READ_UNCOMMITTED = 0;
/** How long a look waits for the leaders. A later answer counts for the next look, so a broker that hangs delays no publication. */
const WAITED_FOR_MS = 1_000;

interface Offset {
  readonly offset: number;
  readonly timestampMs: number;
}

export interface LeaderEndsOptions {
  readonly client: Kafka;
  readonly known: KnownTopics;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Compares where topics begin and end with what is known of them. A topic whose disk was replaced keeps its id and is empty; only its
 * leader shows that.
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
   * Marks topics that have lost their records as lost. Resolves when all leaders have answered, or after WAITED_FOR_MS. Never rejects:
   * a leader that does not answer says nothing about its topics.
   */
  async compare(details: ReadonlyMap<string, TopicDetails>): Promise<void> {
    const { known, timers } = this.#options;
    const reached = known.reached();
    for (const [leader, topics] of byLeader(details)) {
      if (!this.#asking.has(leader))
        this.#asking.set(
          leader,
          this.#look(leader, topics, reached).finally(() => this.#asking.delete(leader)),
        );
    }
    await Promise.race([Promise.all(this.#asking.values()), sleep(timers, WAITED_FOR_MS, { background: true })]);
  }

  /**
   * Compares topics with a failed attempt to write, and for certain: throws TopicFailed where one cannot be used now, and what kafkajs
   * throws where a leader does not answer.
   */
  async compareDoubtful(topics: readonly string[], details: ReadonlyMap<string, TopicDetails>): Promise<void> {
    const { known } = this.#options;
    const reached = known.reached(topics);
    known.compare(details, topics);
    const failed = troubles(topics, details).find(({ trouble }) => trouble !== 'lost');
    if (failed) throw failed;
    for (const [leader, some] of byLeader(details)) {
      try {
        await this.#each(leader, some, (extents) => known.compareDoubtful(reached, extents));
      } catch (failure) {
        await this.#disconnect(leader);
        throw failure;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const leader of this.#clusters.keys()) await this.#disconnect(leader);
  }

  async #look(leader: number, topics: readonly string[], reached: Reached): Promise<void> {
    const { known, log } = this.#options;
    try {
      await this.#each(leader, topics, (extents) => known.compareExtents(reached, extents));
    } catch (failure) {
      log('debug', `Where topics begin and end was not told by broker ${leader}: ${String(failure)}`);
      // A connection that failed once is not used again.
      await this.#disconnect(leader);
    }
    // It may have been connected meanwhile.
    if (this.#closed) await this.#disconnect(leader);
  }

  async #each(leader: number, topics: readonly string[], take: (extents: ReadonlyMap<string, Extent>) => void): Promise<void> {
    for (let from = 0; from < topics.length && !this.#closed; from += MAX_TOPICS_PER_REQUEST)
      take(await this.#extentsAt(leader, topics.slice(from, from + MAX_TOPICS_PER_REQUEST)));
  }

  async #extentsAt(leader: number, topics: readonly string[]): Promise<ReadonlyMap<string, Extent>> {
    const cluster = this.#clusters.get(leader) ?? clusterOf(this.#options.client);
    this.#clusters.set(leader, cluster);
    await cluster.connect();
    // For one topic: without a topic, a broker reports all topics.
    if (!(leader in cluster.brokerPool.brokers)) await cluster.brokerPool.refreshMetadata([topics[0]!]);
    const broker = await cluster.findBroker({ nodeId: String(leader) });
    const ask = async (timestamp: number): Promise<ReadonlyMap<string, Offset>> => {
      const asked = topics.map((topic) => ({ topic, partitions: [{ partition: PARTITION, timestamp }] }));
      const { responses } = await broker.listOffsets({ isolationLevel: READ_UNCOMMITTED, topics: asked });
      return new Map(
        responses.map(({ topic, partitions: [found] }) => [
          topic,
          { offset: Number(found!.offset), timestampMs: Number(found!.timestamp) },
        ]),
      );
    };
    const firsts = await ask(SINCE_EVER);
    const ends = await ask(LATEST);
    return new Map(
      topics.flatMap((topic) => {
        const [first, end] = [firsts.get(topic), ends.get(topic)];
        return first && end ? [[topic, { first: first.offset === NO_OFFSET ? null : first, end: end.offset }] as const] : [];
      }),
    );
  }

  async #disconnect(leader: number): Promise<void> {
    const cluster = this.#clusters.get(leader);
    this.#clusters.delete(leader);
    await cluster?.disconnect().catch(() => undefined);
  }
}

/** The topics that can be asked for, by leader. */
function byLeader(details: ReadonlyMap<string, TopicDetails>): ReadonlyMap<number, readonly string[]> {
  const led = new Map<number, string[]>();
  for (const [topic, { leader, error }] of details) {
    if (leader === null || error !== null) continue;
    const topics = led.get(leader);
    if (topics) topics.push(topic);
    else led.set(leader, [topic]);
  }
  return led;
}
