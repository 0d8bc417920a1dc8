import { assertCheckpointsWithin, assertFeedWithin, Distributor, type Owns } from '@nva/distributor';
import { SqliteEventStore } from '@nva/event-log';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import { KafkaFeedWriter } from '@nva/kafka';
import { LogEndLost, LogRefused, type Clock, type EventStore, type FeedWriter, type Logger, type Position } from '@nva/ports';
import { Arrivals, Election, RegistrarGroups, Registrar, SOLE, DeadlineKeeper, upgradeFold, type RegistrarGroup } from '@nva/registrar';
import { Replica } from '@nva/replica';
import type { Restored, SnapshotDirectory, SnapshotKeeper } from '@nva/snapshots';
import { AppliedReports } from './applied-reports.ts';
import type { NvaConfig } from '../config/config.ts';
import { FeedStreams } from '../streams/feed-streams.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import { AppliedLookup } from './applied-lookup.ts';
import { feedAccess } from './feed-access.ts';
import { KnownPositions } from '../log/known-positions.ts';
import { openLog } from '../log/open-log.ts';
import { LossFile } from '../log/loss-file.ts';
import { assertFeedsWithin, assertNoLossKnown, assertNoOtherLogHere, assertSnapshotsWithin, keptIn } from '../log/loss-marks.ts';
import { LossWatch } from '../log/loss-watch.ts';
import { MeasuredEventStore, MeasuredFeedWriter } from './measured.ts';
import { patiently, unlessEnded } from '../log/patience.ts';
import { probe } from './peers.ts';
import type { Role } from '../config/roles.ts';
import { keeperOf, restored, snapshotDirectory } from '../log/snapshots.ts';
import type { Tracing } from './tracing.ts';
import { CallerTurns } from '../turns/caller-turns.ts';

/** The group of registrars that share a log and serve all of it. */
export const EVERYTHING: RegistrarGroup = { name: 'all', urls: [], nves: [], sites: [], tenants: [], rest: true };

/** How long a doubt about an NVE's table waits for the fold. */
const CATCH_UP_LIMIT_MS = 10_000;

/** The parts of a registrar. */
export interface RegistrarRole {
  readonly registrar: Registrar;
  readonly deadlines: DeadlineKeeper;
  /** null if one process has the log to itself. */
  readonly groups: RegistrarGroups | null;
  readonly election: Election | null;
}

/** The parts of a distributor. */
export interface DistributorRole {
  readonly distributor: Distributor;
  readonly writer: MeasuredFeedWriter;
  /** null if the feeds are on Kafka. */
  readonly inProcessFeed: InProcessFeed | null;
  /** The consumers that follow the feeds over HTTP; null if the feeds are on Kafka. */
  readonly streams: FeedStreams | null;
}

export interface CoreOptions {
  readonly roles: readonly Role[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the process can no longer do its work and should end. */
  readonly failed: (cause: unknown) => void;
  /** The authorization that this process shows to registrars. */
  readonly peerAuthorization?: () => string | undefined;
  /** A log to use instead of the one that the configuration names; it stays open. For tests of several processes. */
  readonly store?: EventStore;
  /** Ends an unfinished start when it aborts. */
  readonly signal?: AbortSignal;
}

/** What a start has found before the core exists. */
interface Found {
  readonly snapshots: SnapshotDirectory;
  readonly from: Restored | null;
  /** See `#endedAt` of Core. */
  readonly endedAt: Position | null;
  readonly tracing: Tracing | null;
}

/**
 * Everything of a process except HTTP: the log and its fold, and, depending on its roles, registrar and distributor. Parts start
 * in the order of their dependence and stop in the reverse order.
 */
export class Core {
  readonly config: NvaConfig;
  readonly clock: Clock;
  readonly store: MeasuredEventStore;
  /** The embedded log, if this process has opened it. */
  readonly embedded: SqliteEventStore | null;
  /** False if the log was given to it. */
  readonly ownsLog: boolean;
  readonly tracing: Tracing | null;
  readonly replica: Replica;
  /** What NVEs report to this process that they have applied. */
  readonly applied: AppliedReports;
  /** What NVEs report to any process that they have applied. */
  readonly appliedAnywhere: AppliedLookup;
  readonly turns: CallerTurns;
  readonly positions = new KnownPositions();
  /** Requests that have reached this process and are not handled yet. */
  readonly arrivals: Arrivals;
  readonly registrarRole: RegistrarRole | null;
  /** Handles places that callers name and that this log does not have. */
  readonly losses: LossWatch;
  readonly #snapshotDirectory: SnapshotDirectory;
  /** null if snapshots are switched off. */
  readonly #snapshots: SnapshotKeeper | null;
  #distributorRole: DistributorRole | null = null;
  /** Where the log ended at the start, if only this process writes to it. */
  readonly #endedAt: Position | null;
  #distributing = false;
  #stopping = false;

  private constructor(config: NvaConfig, store: EventStore, options: CoreOptions, { snapshots, from, endedAt, tracing }: Found) {
    this.#endedAt = endedAt;
    const { roles, clock, logger } = options;
    this.tracing = tracing;
    this.config = config;
    this.clock = clock;
    this.arrivals = new Arrivals(clock);
    this.store = new MeasuredEventStore(store, clock, this.tracing);
    this.ownsLog = options.store === undefined;
    this.embedded = this.ownsLog && store instanceof SqliteEventStore ? store : null;
    this.turns = new CallerTurns(clock, config.lineRateLimitPerS, () => this.store.appendMs);
    this.replica = new Replica(
      this.store,
      logger,
      from ? { network: from.network, digests: from.digests, checkpoint: from.header.checkpoint } : {},
      clock,
    );
    this.replica.onFolded(({ position }) => this.positions.met(position));
    const { network, digests } = this.replica;
    this.applied = new AppliedReports(
      store.logId,
      digests,
      () => network.position,
      (nveId, vnid) => network.nves.get(nveId)?.memberships.has(vnid) ?? false,
      () => this.#caughtUp(),
    );
    this.applied.onDiffers = (vnid) => this.#distributorRole?.distributor.doubt(vnid);
    this.registrarRole = roles.includes('registrar') ? register(config, this, logger, from?.keys) : null;
    const { registrarRole } = this;
    const hears = (): boolean => registrarRole !== null && (!registrarRole.election || registrarRole.election.owner() !== null);
    this.appliedAnywhere = new AppliedLookup({ reports: this.applied, network: () => this.replica.network, hears });
    this.#snapshotDirectory = snapshots;
    this.#snapshots =
      config.snapshotEveryEvents > 0
        ? keeperOf(
            snapshots,
            {
              store: this.store,
              replica: this.replica,
              registrar: this.registrarRole?.registrar ?? null,
              everyEvents: config.snapshotEveryEvents,
            },
            options,
            from,
          )
        : null;
    this.losses = new LossWatch({
      store,
      replica: this.replica,
      file: new LossFile(config.dataDir),
      clock,
      logger,
      look: (vnid) => this.#lookAtMarks(vnid),
      failed: options.failed,
    });
  }

  /**
   * Opens the log and folds it, from a snapshot if there is one; then begins to publish. Resolves when the process can do its
   * work; the feeds may still be catching up (`ready`).
   */
  static async start(config: NvaConfig, options: CoreOptions): Promise<Core> {
    const opened = options.store ?? (await openLog(config, options.clock, options.logger, options.signal));
    try {
      return await Core.#start(config, opened, options);
    } catch (error) {
      if (!options.store) await opened.close();
      throw error;
    }
  }

  static async #start(config: NvaConfig, opened: EventStore, options: CoreOptions): Promise<Core> {
    const { clock, logger, roles, failed, signal = new AbortController().signal } = options;
    // With a log of its own, a process waits for no other server.
    const waiting = <T>(step: () => Promise<T>): Promise<T> =>
      config.eventStore ? patiently(step, { clock, logger, signal }) : unlessEnded(step(), signal);
    const file = new LossFile(config.dataDir);
    const lineage = await waiting(() => assertNoLossKnown(file, opened, config, logger));
    const snapshots = snapshotDirectory(config, options);
    await waiting(() => keptIn(file, assertSnapshotsWithin(snapshots, opened)));
    if (!options.store) await waiting(() => assertNoOtherLogHere(snapshots, opened, config));
    // This check runs while the log is folded.
    const feedsWithin = keptIn(file, roles.includes('distributor') ? assertFeedsWithin(config, opened, clock, logger) : Promise.resolve());
    feedsWithin.catch(() => undefined);
    const endedAt = config.eventStore || options.store ? null : (await opened.head()).position;
    const from = config.snapshotEveryEvents > 0 ? await waiting(() => restored(snapshots, opened, options)) : null;
    const core = new Core(config, opened, options, { snapshots, from, endedAt, tracing: await tracingOf(config, roles) });
    const { store, replica, registrarRole } = core;
    replica.onFolded(({ event, revision }) => {
      if (event.type === 'LogRenewed' && revision > lineage.revision)
        failed(
          new LogRefused(
            `the loss of the end of log ${store.logId} was accepted, and it is log ${event.data.log} from here on: start again`,
          ),
        );
    });
    await unlessEnded(replica.start(failed), signal);
    await feedsWithin.catch(async (error: unknown) => {
      await replica.stop();
      throw error;
    });
    if (registrarRole) await waiting(() => upgradeFold(store, replica, clock, logger));
    await registrarRole?.election?.start();
    registrarRole?.deadlines.start();
    if (roles.includes('distributor')) core.#distribute(options);
    else core.#snapshots?.start();
    return core;
  }

  /** null in a process that does not distribute. */
  get distributorRole(): DistributorRole | null {
    return this.#distributorRole;
  }

  /** Whether the process does its work: it is `whole`, and the event store has a leader, without which nothing can be written. */
  get ready(): boolean {
    return this.whole && this.store.leader?.node !== null;
  }

  /**
   * Whether the fold has caught up, and the feeds of this process, if any, are equal to the fold. Exception: feeds that are set
   * aside without a loss of anything on them.
   */
  get whole(): boolean {
    return (
      this.replica.caughtUp && (this.#distributorRole === null || (this.#distributing && this.#distributorRole.distributor.feedsWhole))
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.turns.commands.close();
    this.turns.reads.close();
    await this.registrarRole?.election?.stop();
    await this.registrarRole?.deadlines.stop();
    await this.#distributorRole?.distributor.stop();
    await this.replica.stop();
    await this.#snapshots?.stop();
    if (this.ownsLog) await this.store.close();
    await this.tracing?.stop().catch(() => undefined);
  }

  /** False if the log does not tell its end, or if the fold does not reach the end in time. */
  async #caughtUp(): Promise<boolean> {
    try {
      return await this.replica.passedWithin((await this.store.head()).position, CATCH_UP_LIMIT_MS);
    } catch {
      return false;
    }
  }

  /**
   * Checks the marks that this process, or an earlier one, keeps of the log elsewhere. Rejects with LogEndLost if they contradict
   * the log.
   */
  async #lookAtMarks(vnid: number | null): Promise<void> {
    await assertSnapshotsWithin(this.#snapshotDirectory, this.store);
    // Feeds in process belong to this process itself.
    if (!this.#distributorRole || this.#distributorRole.inProcessFeed) return;
    const { writer } = this.#distributorRole;
    await assertCheckpointsWithin(this.store, writer);
    if (vnid !== null) await assertFeedWithin(this.store, writer, { kind: 'vn', vnid });
  }

  #distribute({ clock, logger, failed, peerAuthorization = () => undefined }: CoreOptions): void {
    const { config, store, replica } = this;
    const feeds = feedsOf(config, replica.network.position, clock, logger);
    const { inProcessFeed, owns } = feeds;
    const writer = new MeasuredFeedWriter(feeds.writer, clock, this.tracing);
    const purge = { afterMs: config.purgeAfterS * 1_000, clock };
    const access = feedAccess({ config, clock, logger, applied: this.appliedAnywhere, authorization: peerAuthorization });
    const distributor = new Distributor(writer, replica, store, logger, {
      adopt: config.feedAdopt,
      purge,
      owns,
      clock,
      lookEveryMs: config.feedCheckEveryS * 1_000,
      verify: config.eventStore !== null,
      ...(this.#endedAt !== null && !inProcessFeed && { endedAt: this.#endedAt }),
      ...(access && { access }),
    });
    const streams = inProcessFeed && new FeedStreams(inProcessFeed, store.logId, clock, config);
    this.#distributorRole = { distributor, writer, inProcessFeed, streams };
    // A stop in the middle of the first reconciliation is not a failure.
    const ended = (cause: unknown): void => {
      if (this.#stopping) return;
      if (cause instanceof LogEndLost) this.losses.end(cause.loss);
      else failed(cause);
    };
    distributor.start(ended).then(() => {
      this.#distributing = true;
      this.#snapshots?.start();
    }, ended);
  }
}

/**
 * Where the process publishes, and which VNs. Feeds in process are complete up to `position`, because nobody followed them
 * before.
 */
function feedsOf(
  config: NvaConfig,
  position: Position,
  clock: Clock,
  logger: Logger,
): { readonly writer: FeedWriter; readonly inProcessFeed: InProcessFeed | null; readonly owns: Owns } {
  if (config.kafkaBrokers.length === 0) {
    const feed = new InProcessFeed(config.feedPrefix, new Topics(position), { lazy: true });
    return { writer: feed, inProcessFeed: feed, owns: () => true };
  }
  const writer = new KafkaFeedWriter({ ...kafkaConnection(config, clock, logger), owned: config.distributorShards });
  return { writer, inProcessFeed: null, owns: (vnid) => writer.owns(vnid) };
}

function register(
  config: NvaConfig,
  { store, replica, clock, arrivals }: Pick<Core, 'store' | 'replica' | 'clock' | 'arrivals'>,
  logger: Logger,
  keys: Restored['keys'] = [],
): RegistrarRole {
  const registrar = new Registrar(store, replica, clock, logger, { keys, quotas: config.quotas });
  const shared = config.eventStore && config.advertisedUrl !== null ? [{ ...EVERYTHING, urls: [config.advertisedUrl] }] : null;
  const list = config.groups ?? shared;
  const groups = list && new RegistrarGroups(list);
  const group = groups?.list.find(({ name }) => name === (config.group ?? EVERYTHING.name));
  const election =
    groups && group ? new Election(store, replica, clock, logger, { groups, group, url: config.advertisedUrl!, probe }) : null;
  return { registrar, groups, election, deadlines: new DeadlineKeeper(registrar, replica, clock, logger, election ?? SOLE, arrivals) };
}

/** The tracing libraries are loaded only if tracing is switched on. */
async function tracingOf({ tracing }: NvaConfig, roles: readonly Role[]): Promise<Tracing | null> {
  if (!tracing) return null;
  const loaded = await import('./tracing.ts');
  return new loaded.Tracing({ ...tracing, service: `nva-${roles.length > 1 ? 'all' : roles[0]!}` });
}
