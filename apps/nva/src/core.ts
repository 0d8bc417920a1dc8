import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { Distributor } from '@nva/distributor';
import { SqliteEventStore } from '@nva/event-log';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import { KafkaFeedWriter } from '@nva/kafka';
import type { Clock, EventStore, FeedWriter, Logger } from '@nva/ports';
import { Registrar, TermKeeper, upgradeFold } from '@nva/registrar';
import { Replica } from '@nva/replica';
import { AppliedReports } from './applied-reports.ts';
import { ConfigError, type NvaConfig } from './config.ts';

/**
 * Everything of the NVA but HTTP: log, fold, registrar, terms, distributor, in one process. Starts in the order of dependence and stops in
 * the reverse one.
 */
export class Core {
  readonly store: EventStore;
  readonly replica: Replica;
  readonly registrar: Registrar;
  readonly terms: TermKeeper;
  readonly distributor: Distributor;
  readonly writer: FeedWriter;
  /** null when the feeds are on Kafka. */
  readonly inProcessFeed: InProcessFeed | null;
  readonly applied: AppliedReports;
  readonly clock: Clock;
  #distributing = false;

  private constructor(store: EventStore, replica: Replica, registrar: Registrar, terms: TermKeeper, feed: { writer: FeedWriter; inProcess: InProcessFeed | null }, config: NvaConfig, clock: Clock, logger: Logger) {
    this.store = store;
    this.replica = replica;
    this.registrar = registrar;
    this.terms = terms;
    this.clock = clock;
    this.writer = feed.writer;
    this.inProcessFeed = feed.inProcess;
    this.distributor = new Distributor(feed.writer, replica, store, logger, { adopt: config.feedAdopt, purge: { afterMs: config.purgeAfterS * 1_000, clock } });
    this.applied = new AppliedReports(store.logId, replica.digests, () => replica.network.position);
  }

  /**
   * Opens the log, folds it, and starts to publish. Resolves when writes can be taken; the feeds may still be catching up (`ready`).
   * `failed` is called when the process can no longer do its work and should end.
   */
  static async start(config: NvaConfig, clock: Clock, logger: Logger, failed: (cause: unknown) => void): Promise<Core> {
    await makeDirectory(config.dataDir);
    const store = await SqliteEventStore.open({ directory: join(config.dataDir, 'log'), codec: createEventCodec(), clock });
    const replica = new Replica(store, logger);
    const registrar = new Registrar(store, replica, clock, logger);
    const terms = new TermKeeper(registrar, replica, clock, logger);
    await replica.start(failed);
    await upgradeFold(store, replica, clock, logger);
    const core = new Core(store, replica, registrar, terms, makeFeed(config, clock, logger, replica.network.position), config, clock, logger);
    terms.start();
    core.distributor.start(failed).then(
      () => (core.#distributing = true),
      (cause: unknown) => failed(cause),
    );
    return core;
  }

  /** Writes are taken and the feeds are equal to the fold. */
  get ready(): boolean {
    return this.replica.caughtUp && this.#distributing;
  }

  async stop(): Promise<void> {
    await this.terms.stop();
    await this.distributor.stop();
    await this.replica.stop();
    await this.store.close();
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new ConfigError(`DATA_DIR: expected a directory that can be written, or made, at ${path}: ${(cause as Error).message}`, { cause });
  }
}

function makeFeed(config: NvaConfig, clock: Clock, logger: Logger, floor: number): { writer: FeedWriter; inProcess: InProcessFeed | null } {
  if (config.kafkaBrokers.length === 0) {
    const feed = new InProcessFeed(config.feedPrefix, new Topics(floor));
    return { writer: feed, inProcess: feed };
  }
  const writer = new KafkaFeedWriter({
    brokers: config.kafkaBrokers,
    prefix: config.feedPrefix,
    clientId: 'nva',
    clock,
    log: (level, message, fields) => logger[level](message, fields),
  });
  return { writer, inProcess: null };
}
