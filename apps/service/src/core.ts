import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { Distributor, type Owns } from '@nva/distributor';
import { SqliteEventStore } from '@nva/event-log';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import { KafkaFeedWriter } from '@nva/kafka';
import type { Clock, EventStore, FeedWriter, Logger, Position } from '@nva/ports';
import { Registrar, TermKeeper, upgradeFold } from '@nva/registrar';
import { Replica } from '@nva/replica';
import { AppliedReports } from './applied-reports.ts';
import { ConfigError, type NvaConfig } from './config.ts';
import type { Role } from './roles.ts';

/** What a registrar has. */
export interface Registration {
  readonly registrar: Registrar;
  readonly terms: TermKeeper;
}

/** What a distributor has. */
export interface Distribution {
  readonly distributor: Distributor;
  readonly writer: FeedWriter;
  /** null when the feeds are on Kafka. */
  readonly inProcessFeed: InProcessFeed | null;
}

export interface CoreOptions {
  readonly roles: readonly Role[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** The process can no longer do its work and should end. */
  readonly failed: (cause: unknown) => void;
}

/**
 * Everything of a process but HTTP: the log and its fold, and by its roles registrar and distributor. Starts in the order of dependence
 * and stops in the reverse one.
 */
export class Core {
  readonly config: NvaConfig;
  readonly clock: Clock;
  readonly store: EventStore;
  readonly replica: Replica;
  readonly applied: AppliedReports;
  readonly registration: Registration | null;
  #distribution: Distribution | null = null;
  #distributing = false;

  private constructor(config: NvaConfig, store: EventStore, { roles, clock, logger }: CoreOptions) {
    this.config = config;
    this.clock = clock;
    this.store = store;
    this.replica = new Replica(store, logger);
    this.applied = new AppliedReports(store.logId, this.replica.digests, () => this.replica.network.position);
    this.registration = roles.includes('registrar') ? register(store, this.replica, clock, logger) : null;
  }

  /** Opens the log and folds it, then begins to publish. Resolves when the process can do its work; the feeds may still be catching up (`ready`). */
  static async start(config: NvaConfig, options: CoreOptions): Promise<Core> {
    const { clock, logger, roles, failed } = options;
    const core = new Core(config, await openStore(config, clock), options);
    const { store, replica, registration } = core;
    await replica.start(failed);
    await upgradeFold(store, replica, clock, logger);
    registration?.terms.start();
    if (roles.includes('distributor')) core.#distribute(options);
    return core;
  }

  /** null for a process that does not distribute. */
  get distribution(): Distribution | null {
    return this.#distribution;
  }

  /** The process does its work: the fold has caught up, and the feeds are equal to it if they are this process's. */
  get ready(): boolean {
    return this.replica.caughtUp && (this.#distribution === null || this.#distributing);
  }

  async stop(): Promise<void> {
    await this.registration?.terms.stop();
    await this.#distribution?.distributor.stop();
    await this.replica.stop();
    await this.store.close();
  }

  #distribute({ clock, logger, failed }: CoreOptions): void {
    const { config, store, replica } = this;
    const { writer, inProcessFeed, owns } = feedsOf(config, replica.network.position, clock, logger);
    const purge = { afterMs: config.purgeAfterS * 1_000, clock };
    const distributor = new Distributor(writer, replica, store, logger, { adopt: config.feedAdopt, purge, owns });
    this.#distribution = { distributor, writer, inProcessFeed };
    distributor.start(failed).then(
      () => (this.#distributing = true),
      (cause: unknown) => failed(cause),
    );
  }
}

async function openStore(config: NvaConfig, clock: Clock): Promise<EventStore> {
  try {
    await mkdir(config.dataDir, { recursive: true });
  } catch (cause) {
    throw new ConfigError(`DATA_DIR: expected a directory that can be written, or made, at ${config.dataDir}: ${(cause as Error).message}`, { cause });
  }
  return SqliteEventStore.open({ directory: join(config.dataDir, 'log'), codec: createEventCodec(), clock });
}

/** Where the process publishes, and about which VNs. Feeds in process are whole up to `position`, before which nobody followed them. */
function feedsOf(config: NvaConfig, position: Position, clock: Clock, logger: Logger): { readonly writer: FeedWriter; readonly inProcessFeed: InProcessFeed | null; readonly owns: Owns } {
  if (config.kafkaBrokers.length === 0) {
    const feed = new InProcessFeed(config.feedPrefix, new Topics(position));
    return { writer: feed, inProcessFeed: feed, owns: () => true };
  }
  const writer = new KafkaFeedWriter({
    brokers: config.kafkaBrokers,
    prefix: config.feedPrefix,
    owned: config.distributorShards,
    clientId: 'nva',
    clock,
    log: (level, message, fields) => logger[level](message, fields),
  });
  return { writer, inProcessFeed: null, owns: (vnid) => writer.owns(vnid) };
}

function register(store: EventStore, replica: Replica, clock: Clock, logger: Logger): Registration {
  const registrar = new Registrar(store, replica, clock, logger);
  return { registrar, terms: new TermKeeper(registrar, replica, clock, logger) };
}
