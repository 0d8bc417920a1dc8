import { Distributor, feedValue, PURGE_AFTER_MS } from '../src/index.ts';
import type { Command } from '@nva/domain';
import { feedsOf, recordsOf } from '@nva/fold';
import { KafkaFeedWriter, type KafkaFeedWriterOptions } from '@nva/kafka';
import { feedKey, silentLogger, systemClock, type Clock, type EventStore, type FeedName } from '@nva/ports';
import { until } from '@nva/processes';
import { expect } from 'vitest';
import { collected } from '../../../test/contract/collected.ts';
import { KafkaFeedUnderTest } from '../../kafka/test/kafka-feed.ts';
import { answer, ManualClock, openLog, startNode, type LogFixture, type Node } from '../../registrar/test/harness.ts';

export const LOWER = Array.from({ length: 32 }, (_, shard) => shard);
export const UPPER = LOWER.map((shard) => shard + 32);

/** Where waiting for a publication ends; on a busy machine it takes as long as it takes. */
const PUBLISHED_LIMIT_MS = 120_000;

/** A distributor with a fold of its own, as a process has it. */
export interface Running {
  readonly node: Node;
  readonly distributor: Distributor;
  readonly writer: KafkaFeedWriter;
  readonly owned: readonly number[] | undefined;
  /** What ended the distributor by itself. */
  readonly failures: unknown[];
}

export interface StartOptions {
  readonly adopt?: boolean;
  /** Under another prefix than the others. */
  readonly feed?: KafkaFeedUnderTest;
  readonly writer?: (options: KafkaFeedWriterOptions) => KafkaFeedWriter;
  readonly clientId?: string;
  readonly lookEveryMs?: number;
  readonly verify?: boolean;
  /** The distributor's own; the system's by default. */
  readonly clock?: Clock;
}

/** A last record of a key, as it stands on a topic. */
export interface Standing {
  readonly key: string;
  readonly position: number;
  readonly value: unknown;
}

/** Distributors that share the feeds of one log on a real broker. */
export class Sharing {
  readonly feed: KafkaFeedUnderTest;
  readonly log: LogFixture;
  readonly clock: ManualClock;
  /** Whoever submits commands: a registrar of its own. */
  readonly registrar: Node;
  readonly #topicConfig: Readonly<Record<string, string>>;
  readonly #running = new Set<Running>();
  readonly #feeds: KafkaFeedUnderTest[];

  private constructor(
    feed: KafkaFeedUnderTest,
    log: LogFixture,
    clock: ManualClock,
    registrar: Node,
    topicConfig: Readonly<Record<string, string>>,
  ) {
    [this.feed, this.log, this.clock, this.registrar, this.#topicConfig] = [feed, log, clock, registrar, topicConfig];
    this.#feeds = [feed];
  }

  /** On the test run's broker, unless other feeds are given. */
  static async make(topicConfig: Readonly<Record<string, string>> = {}, feed?: KafkaFeedUnderTest): Promise<Sharing> {
    const clock = new ManualClock();
    const log = await openLog(clock);
    return new Sharing(feed ?? (await KafkaFeedUnderTest.make()), log, clock, await startNode(log.store, clock), topicConfig);
  }

  get store(): EventStore {
    return this.log.store;
  }

  /** Other feeds, for another distributor of the same log. */
  async otherFeed(): Promise<KafkaFeedUnderTest> {
    const feed = await KafkaFeedUnderTest.make();
    this.#feeds.push(feed);
    return feed;
  }

  async start(
    owned?: readonly number[],
    {
      adopt = false,
      feed = this.feed,
      writer: make = (options) => new KafkaFeedWriter(options),
      clientId = 'spec',
      lookEveryMs,
      verify = false,
      clock = systemClock,
    }: StartOptions = {},
  ): Promise<Running> {
    const node = await startNode(this.store, this.clock);
    const writer = make({ brokers: feed.brokers, prefix: feed.prefix, topicConfig: this.#topicConfig, clientId, ...(owned && { owned }) });
    const purge = { afterMs: PURGE_AFTER_MS, clock: this.clock };
    const distributor = new Distributor(writer, node.replica, this.store, silentLogger, {
      adopt,
      purge,
      owns: (vnid) => writer.owns(vnid),
      verify,
      clock,
      ...(lookEveryMs !== undefined && { lookEveryMs }),
    });
    const running: Running = { node, distributor, writer, owned, failures: [] };
    this.#running.add(running);
    await distributor.start((cause) => running.failures.push(cause));
    return running;
  }

  async stop(running: Running): Promise<void> {
    this.#running.delete(running);
    await running.distributor.stop().catch(() => undefined);
    await running.node.stop();
  }

  /** All of them accepted. */
  async submit(...commands: Command[]): Promise<void> {
    for (const outcome of await this.registrar.submit(...commands)) answer(outcome);
  }

  /** Everything that is in the log now is on the feeds, as far as it is this distributor's. */
  async published({ distributor, failures }: Running): Promise<void> {
    const { position } = await this.store.head();
    await until(
      'the distributor has published all',
      () => {
        if (failures.length > 0) throw failures[0];
        return distributor.publishedPosition >= position ? null : `at ${distributor.publishedPosition} of ${position}`;
      },
      PUBLISHED_LIMIT_MS,
    );
  }

  /** The last record of every key that lives, of every feed that there is. */
  async standing(feed = this.feed): Promise<Map<string, Standing[]>> {
    const reader = feed.writer();
    const feeds = await reader.list();
    const last = new Map(feeds.map((name) => [feedKey(name), new Map<string, Standing>()]));
    for (const { feed: name, record } of await collected(reader.readAll(feeds))) {
      if ('undecodable' in record) continue;
      const { key, position, value } = record;
      if (value === null) last.get(feedKey(name))!.delete(key);
      else last.get(feedKey(name))!.set(key, { key, position, value: plain(value) });
    }
    return new Map([...last].map(([name, keys]) => [name, sorted([...keys.values()])]));
  }

  /** What should stand on every feed by the fold of the whole log. */
  due(feed = this.feed): Map<string, Standing[]> {
    const { network } = this.registrar.replica;
    const where = { address: (name: FeedName) => ({ topic: topicOf(feed, name) }) };
    return new Map(
      [...feedsOf(network)].map((name) => [
        feedKey(name),
        sorted([...recordsOf(network, name)].map(({ key, position, value }) => ({ key, position, value: plain(feedValue(value, where)) }))),
      ]),
    );
  }

  async expectTopicsEqualFold(feed = this.feed): Promise<void> {
    expect(await this.standing(feed)).toEqual(this.due(feed));
  }

  async dispose(): Promise<void> {
    for (const running of this.#running) await this.stop(running);
    await this.registrar.stop();
    await this.log.dispose();
    for (const feed of this.#feeds) await feed.dispose();
  }
}

export const topicOf = ({ prefix }: { prefix: string }, name: FeedName): string =>
  name.kind === 'vn' ? `${prefix}.vn.${name.vnid}` : `${prefix}.nve.${name.nveId}`;

const sorted = (standing: Standing[]): Standing[] => standing.toSorted((a, b) => (a.key < b.key ? -1 : 1));
/** A decoder's objects have another prototype than the fold's. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
