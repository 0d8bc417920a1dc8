import { Distributor, feedValue, PURGE_AFTER_MS } from '@nva/distributor';
import type { Command } from '@nva/domain';
import { feedsOf, recordsOf } from '@nva/fold';
import { KafkaFeedWriter, type KafkaFeedWriterOptions } from '@nva/kafka';
import { feedKey, type FeedName, type FeedTransport, type Logger } from '@nva/ports';
import type { Answer } from '@nva/registrar';
import { until } from '@nva/processes';
import { expect } from 'vitest';
import { KafkaFeedUnderTest } from '../../libs/kafka/test/kafka-feed.ts';
import { answer, attach, ManualClock, openLog, startNode, type LogFixture, type Node } from '../../libs/registrar/test/harness.ts';
import { kafkaBrokers } from '../kafka/brokers.ts';
import { sorted, type Entry } from './nve-state.ts';
import { ChildNve, LocalNve, type Nve } from './nves.ts';

type NewWriter = (options: KafkaFeedWriterOptions) => KafkaFeedWriter;

export interface StartOptions {
  readonly adopt?: boolean;
  /** The distributor's writer, if it is to be an odd one. */
  readonly writer?: NewWriter;
}

interface Nva {
  readonly node: Node;
  readonly distributor: Distributor;
  /** What ended the distributor by itself. */
  readonly failures: unknown[];
}

/**
 * Everything of the NVA but HTTP on a real log and a real broker, under a prefix of its own, and NVEs that follow it. NVA and NVEs come
 * and go as a test says; `expectConverged` is how each history ends.
 */
export class World {
  readonly feed: KafkaFeedUnderTest;
  readonly warnings: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  readonly #topicConfig: Readonly<Record<string, string>> | undefined;
  readonly clock = new ManualClock();
  readonly #nves = new Set<Nve>();
  #log: LogFixture | null = null;
  #nva: Nva | null = null;

  private constructor(feed: KafkaFeedUnderTest, topicConfig?: Readonly<Record<string, string>>) {
    this.feed = feed;
    this.#topicConfig = topicConfig;
  }

  /** On the test run's broker, unless it is given another. */
  static async make({
    brokers,
    topicConfig,
  }: { brokers?: readonly string[]; topicConfig?: Readonly<Record<string, string>> } = {}): Promise<World> {
    return new World(new KafkaFeedUnderTest(brokers ?? (await kafkaBrokers())), topicConfig);
  }

  get nva(): Nva {
    if (!this.#nva) throw new Error('there is no NVA now');
    return this.#nva;
  }

  get logId(): string {
    return this.#log!.store.logId;
  }

  async start({ adopt = false, writer = (options) => new KafkaFeedWriter(options) }: StartOptions = {}): Promise<void> {
    this.#log ??= await openLog(this.clock);
    const node = await startNode(this.#log.store, this.clock);
    const failures: unknown[] = [];
    const options = {
      brokers: this.feed.brokers,
      prefix: this.feed.prefix,
      ...(this.#topicConfig ? { topicConfig: this.#topicConfig } : {}),
    };
    const distributor = new Distributor(writer(options), node.replica, this.#log.store, this.#logger(), {
      adopt,
      purge: { afterMs: PURGE_AFTER_MS, clock: this.clock },
    });
    this.#nva = { node, distributor, failures };
    await distributor.start((cause) => failures.push(cause));
  }

  /** Without a word if the NVA has failed already. */
  async stop(): Promise<void> {
    const nva = this.#nva;
    this.#nva = null;
    await nva?.distributor.stop();
    await nva?.node.stop();
  }

  /** Removes the data directory. */
  async loseData(): Promise<void> {
    await this.#log?.dispose();
    this.#log = null;
  }

  /** All of them accepted. */
  async submit(...commands: Command[]): Promise<Answer[]> {
    return (await this.nva.node.submit(...commands)).map((outcome) => answer(outcome));
  }

  nve(nveId: string, by?: (transport: FeedTransport) => FeedTransport): LocalNve {
    return this.#keep(new LocalNve(this.feed, nveId, by));
  }

  childNve(nveId: string, options: { readonly deleteRetentionMs?: number } = {}): ChildNve {
    return this.#keep(new ChildNve(this.feed, nveId, options));
  }

  async gone(nve: Nve): Promise<void> {
    this.#nves.delete(nve);
    await nve.close();
  }

  topic(vnid: number): string {
    return `${this.feed.prefix}.vn.${vnid}`;
  }

  /** The fold's table of a feed. */
  table(feed: FeedName): Entry[] {
    const where = {
      address: (name: FeedName) => ({ topic: name.kind === 'vn' ? this.topic(name.vnid) : `${this.feed.prefix}.nve.${name.nveId}` }),
    };
    return sorted(
      [...recordsOf(this.nva.node.replica.network, feed)].map(({ key, value, position }) => [key, position, feedValue(value, where)]),
    );
  }

  /** Every topic, read from the start, is the fold's table: key, position and value. */
  async expectTopicsEqualFold(): Promise<void> {
    const { node, distributor, failures } = this.nva;
    await until('the distributor has published all', () => {
      if (failures.length > 0) throw failures[0];
      const { position } = node.replica.network;
      return distributor.queuedRecords === 0 && distributor.publishedPosition >= position
        ? null
        : `at ${distributor.publishedPosition} of ${position}`;
    });
    const reader = this.feed.writer();
    const feeds = new Map([...(await reader.list()), ...feedsOf(node.replica.network)].map((feed) => [feedKey(feed), feed]));
    const tables = new Map([...feeds.keys()].map((name) => [name, new Map<string, Entry>()]));
    for await (const { feed, record } of reader.readAll([...feeds.values()])) {
      const table = tables.get(feedKey(feed))!;
      if ('undecodable' in record) table.delete(record.key!);
      else if (record.value === null) table.delete(record.key);
      else table.set(record.key, [record.key, record.position, record.value]);
    }
    for (const [name, feed] of feeds) expect(plain(sorted([...tables.get(name)!.values()])), name).toEqual(plain(this.table(feed)));
  }

  /** The topics are equal to the fold, and so are the tables of every NVE, by entries and by digest at the NVE's own position. */
  async expectConverged(): Promise<void> {
    await this.expectTopicsEqualFold();
    for (const nve of this.#nves) await until(`${nve.nveId} holds what the fold says`, () => this.#lackingAt(nve));
  }

  async #lackingAt(nve: Nve): Promise<string | null> {
    const { network, digests } = this.nva.node.replica;
    const states = await nve.state();
    const due = [...(network.nves.get(nve.nveId)?.memberships.keys() ?? [])].toSorted((a, b) => a - b);
    const members = states.map(({ vnid }) => vnid);
    if (String(members) !== String(due)) return `it is in VNs ${members}, not ${due}`;
    for (const { vnid, log, position, digest, degraded, entries } of states) {
      const name = feedKey({ kind: 'vn', vnid });
      if (digest === null || position === null) return `VN ${vnid} is being read`;
      if (log !== this.logId) return `VN ${vnid} is of log ${log}, not ${this.logId}`;
      if (degraded.length > 0) return `VN ${vnid} is degraded: ${degraded}`;
      const current = digests.current(name);
      if (digests.judge(name, position, digest) === 'differs')
        return `VN ${vnid}: digest ${digest} is not the NVA's at ${position}, nor since`;
      if (digest !== current.digest) return `VN ${vnid} is at ${position} of ${current.position}`;
      const wanted = JSON.stringify(plain(this.table({ kind: 'vn', vnid })));
      if (JSON.stringify(plain(entries)) !== wanted) return `VN ${vnid} holds ${JSON.stringify(entries)}, not ${wanted}`;
    }
    return null;
  }

  /** Makes changes that end where they began, a MAC there and back, until compaction has left of the topic what `done` likes. */
  async compacted(vnid: number, done: (left: readonly { key: string; position: number }[]) => boolean): Promise<void> {
    let round = 0;
    const churn = async (): Promise<void> => {
      await this.submit(
        attach('churn', 'nve1', 9, {
          bindings: [{ vnid, ip: '192.0.2.99' }],
          mac: `02:00:00:00:09:${(++round % 256).toString(16).padStart(2, '0')}`,
        }),
      );
    };
    await this.feed.compacted(this.topic(vnid), churn, (left) =>
      done(left.map(({ key, headers }) => ({ key: key!.toString(), position: Number(headers!['position']) }))),
    );
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#nves].map((nve) => nve.close()));
    await this.stop();
    await this.loseData();
    await this.feed.dispose();
  }

  #keep<T extends Nve>(nve: T): T {
    this.#nves.add(nve);
    return nve;
  }

  #logger(): Logger {
    const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => void this.warnings.push({ message, fields });
    return { debug: () => undefined, info: () => undefined, warn: note, error: note };
  }
}

/** As JSON has it: what came over a pipe and what did not compare alike. */
const plain = (entries: readonly Entry[]): unknown =>
  JSON.parse(
    JSON.stringify(entries, (_, value: unknown) =>
      isRecord(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value,
    ),
  );
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
