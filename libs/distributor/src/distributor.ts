import type { RecordChange } from '@nva/fold';
import { FeedFenced, feedKey, FeedRefused, LogRefused, type EventStore, type FeedBatch, type FeedName, type FeedWriter, type Logger, type Position, type RecordedEvent } from '@nva/ports';
import { readLineage, type Replica } from '@nva/replica';
import { GuardedFeedWriter } from './guarded-writer.ts';
import { assertCheckpointsWithin, assertWithin } from './lost-end.ts';
import { longGone, lookEveryMs, purgeAppend, type PurgeOptions } from './purge.ts';
import { recordsOfChange, type Owns } from './records.ts';
import { reconcile, type Reconciliation } from './reconcile.ts';
import { Rights, type AccessOptions } from './rights.ts';

/** Records waiting to be published at most. Beyond it they are dropped, and the feeds are reconciled instead when they answer again. */
export const MAX_QUEUED_RECORDS = 200_000;
/** Records in one call of `publish` at most. */
export const MAX_BATCH_RECORDS = 5_000;
/** Calls of `publish` on their way at once: what a feed's shard is busy with, others need not wait for. */
const MAX_PUBLISHES_IN_FLIGHT = 4;
/** A checkpoint is saved after this many events, and at the end. */
const CHECKPOINT_EVERY_EVENTS = 50_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;

interface Queued {
  readonly position: Position;
  readonly recordedAt: number;
  readonly batches: readonly FeedBatch[];
}

/** A call of `publish` on its way. */
interface Flight {
  readonly events: number;
  readonly records: number;
  readonly position: Position;
  readonly landed: Promise<void>;
}

export interface DistributorOptions {
  /** Make the feeds of another log equal to this one (FEED_ADOPT). */
  readonly adopt: boolean;
  /** Absent: topics of deleted VNs stay. */
  readonly purge?: PurgeOptions;
  /** The VNs that this process distributes; the writer must own their shards. All by default. */
  readonly owns?: Owns;
  /** Grants and revokes NVEs' rights to read. Absent where everybody may, or nobody asks. */
  readonly access?: AccessOptions;
}

/**
 * Publishes what the fold changes. It starts with a reconciliation and goes on with every change after it. When the feeds do not answer
 * it retries; when too much has queued up meanwhile it lets the queue go and reconciles, so that an outage of any length costs bounded
 * memory and ends with right tables. It never withdraws anything because of an outage (X6).
 *
 * Several processes may share the VNs (`owns`): each publishes what is about its own, on the feeds of NVEs too, and a VN's membership and
 * member records, whose order matters, are one process's. One that is superseded in any of its VNs stops: it was told to distribute what is
 * another's, and only who runs it can say which is right.
 */
export class Distributor {
  readonly #writer: FeedWriter;
  readonly #replica: Replica;
  readonly #store: EventStore;
  readonly #logger: Logger;
  readonly #options: DistributorOptions;
  readonly #owns: Owns;
  /** null where nobody asks who may read. */
  readonly rights: Rights | null;
  /** UUIDs that the log had before. */
  #lineage: ReadonlySet<string> = new Set();
  #queue: Queued[] = [];
  #queuedRecords = 0;
  /** VNIDs whose topic may be due to be deleted. */
  #purges: number[] = [];
  #looking: NodeJS.Timeout | undefined;
  #tending: NodeJS.Timeout | undefined;
  #overflowed = false;
  #started = false;
  #reconciling = false;
  #stopping = false;
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #published: Position = 0;
  /** What the queue would publish up to: an event that concerns no feed of ours does not stand in it. */
  #queuedTo: Position = 0;
  #sinceCheckpoint = 0;
  readonly counters = { recordsPublished: 0, publishFailures: 0, reconciliations: 0, undecodable: 0, vnsPurged: 0 };

  /** Publishes nothing before `start`. */
  constructor(writer: FeedWriter, replica: Replica, store: EventStore, logger: Logger, options: DistributorOptions) {
    this.rights = options.access ? this.#rightsOf(options.access, replica, logger, options.owns) : null;
    this.#writer = this.rights ? new GuardedFeedWriter(writer, this.rights) : writer;
    this.#replica = replica;
    this.#store = store;
    this.#logger = logger;
    this.#options = options;
    this.#owns = options.owns ?? (() => true);
    replica.onFolded((recorded, changes) => this.#folded(recorded, changes));
  }

  /** Everything at or before this position that is about VNs that this process distributes is on the feeds. */
  get publishedPosition(): Position {
    return this.#published;
  }

  /** When the oldest event was recorded that waits to be published, ms since the epoch; null if none does, or a reconciliation will publish it. */
  get oldestQueuedAt(): number | null {
    return this.#queue[0]?.recordedAt ?? null;
  }

  get queuedRecords(): number {
    return this.#queuedRecords;
  }

  /**
   * Once the replica has caught up. Resolves when the feeds are equal to the fold; tries for as long as it takes while they do not answer.
   * Rejects if they are refused, if they show that the log has lost its end, or if another writer takes over; `failed` is called if that happens later.
   */
  async start(failed: (cause: unknown) => void): Promise<Reconciliation> {
    const reconciliation = await this.#retrying(async () => {
      await this.#writer.open();
      // What the writer before has published is of events that are in the log by now; a fold behind them would put older values over it.
      await this.#replica.passed((await this.#store.head()).position);
      await this.#checkLog();
      await this.rights?.start();
      return this.#reconcile();
    });
    if (this.rights) this.#tending = setInterval(() => void this.tendRights(), this.rights.tendEveryMs);
    this.#running = this.#run().catch((cause: unknown) => {
      this.#logger.error('the distributor has stopped', { err: cause });
      // Who took over sees to the rights.
      clearInterval(this.#tending);
      failed(cause);
    });
    const { purge } = this.#options;
    if (purge) this.#looking = setInterval(() => this.purge(), lookEveryMs(purge));
    return reconciliation;
  }

  /** Grants, revokes and compares what is due of NVEs' rights now. Called by the timer. */
  async tendRights(): Promise<void> {
    await this.rights?.tend();
    if (this.rights?.hasReleased) this.#wake();
  }

  /** Looks for topics of VNs long gone, to delete them when there is nothing to publish. Called by the timer. */
  purge(): void {
    const { purge } = this.#options;
    if (!purge || this.#purges.length > 0) return;
    this.#purges = longGone(this.#replica.network, this.#owns, purge);
    this.#wake();
  }

  /** Publishes what is queued, then stops. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#looking);
    clearInterval(this.#tending);
    this.#wake();
    await this.#running;
    await this.#writer.close();
  }

  #folded(recorded: RecordedEvent, changes: readonly RecordChange[]): void {
    if (!this.#started || this.#overflowed) return;
    this.#sinceCheckpoint++;
    const batches = [...feedOpenedBy(recorded), ...recordsOfChange(recorded, changes, this.#store.logId, this.#writer, this.#owns)];
    this.#queuedTo = recorded.position;
    if (batches.length === 0) {
      if (this.#queue.length === 0 && !this.#reconciling) this.#published = recorded.position;
      return;
    }
    this.#queue.push({ position: recorded.position, recordedAt: recorded.event.data.audit.recordedAt, batches });
    for (const { records } of batches) this.#queuedRecords += records.length;
    if (this.#queuedRecords > MAX_QUEUED_RECORDS) {
      this.#overflow();
      this.#logger.warn('too many changes wait for the feeds; they will be reconciled instead', { position: recorded.position });
    }
    this.#wake();
  }

  #overflow(): void {
    this.#overflowed = true;
    this.#queue = [];
    this.#queuedRecords = 0;
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.rights?.hasReleased) await this.#reconcileReleased(this.rights.takeReleased());
      else if (this.#queue.length > 0 || this.#overflowed) await this.#retrying<unknown>(() => (this.#overflowed ? this.#reconcile() : this.#publishQueued()));
      else if (this.#stopping) break;
      else if (this.#purges.length > 0) await this.#purgeTopic(this.#purges.shift()!);
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.#saveCheckpoint();
  }

  /**
   * In turn with what is published: if the VN is created again while its topic goes, that is queued behind and makes the topic anew. The
   * event comes after the topic is gone, and only if nothing happened to the VN since; until then the VNID stays its tenant's.
   */
  async #purgeTopic(vnid: number): Promise<void> {
    const append = purgeAppend(this.#replica.network, vnid, this.#options.purge!);
    if (!append) return;
    try {
      await this.rights?.revokeAll(vnid);
      await this.#writer.delete({ kind: 'vn', vnid });
      const [result] = await this.#store.append([append]);
      if (result!.outcome !== 'appended') return;
      this.counters.vnsPurged++;
      this.#logger.info('the topic of a deleted VN is deleted, and its VNID free', { vnid });
    } catch (error) {
      if (error instanceof FeedFenced) throw error;
      this.#logger.warn('the topic of a deleted VN was not purged; it is tried again later', { err: error, vnid });
    }
  }

  /** Until it succeeds, is refused for good, or a stop is asked for. */
  async #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof FeedFenced || error instanceof FeedRefused || error instanceof LogRefused || this.#stopping) throw error;
        this.counters.publishFailures++;
        this.#logger.warn('the feeds do not answer; trying again', { err: error, retryMs });
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** Sends what is queued, several calls in flight; a failure lets them all settle and leaves in the queue what is not acknowledged. */
  async #publishQueued(): Promise<void> {
    const queue = this.#queue;
    const flights: Flight[] = [];
    let launched = 0;
    try {
      while ((launched < queue.length && !this.rights?.hasReleased) || flights.length > 0) {
        while (launched < queue.length && !this.rights?.hasReleased && flights.length < MAX_PUBLISHES_IN_FLIGHT) {
          const flight = await this.#launch(queue, launched);
          flights.push(flight);
          launched += flight.events;
        }
        await flights[0]!.landed;
        if (queue !== this.#queue) break;
        const { events, records, position } = flights.shift()!;
        queue.splice(0, events);
        launched -= events;
        this.#queuedRecords -= records;
        this.counters.recordsPublished += records;
        this.#published = queue.length === 0 ? this.#queuedTo : position;
      }
    } finally {
      await Promise.allSettled(flights.map(({ landed }) => landed));
    }
    if (this.#sinceCheckpoint >= CHECKPOINT_EVERY_EVENTS) await this.#saveCheckpoint();
  }

  /** Hands over whole changes from `from` on, up to a bound. Calls are made in order, which is the order within each feed. */
  async #launch(queue: readonly Queued[], from: number): Promise<Flight> {
    let events = 0;
    let records = 0;
    while (from + events < queue.length && records < MAX_BATCH_RECORDS) {
      for (const batch of queue[from + events]!.batches) records += batch.records.length;
      events++;
    }
    const taken = queue.slice(from, from + events);
    const { memberships, tables } = merge(taken.flatMap((queued) => queued.batches));
    await this.#writer.ensure([...memberships, ...tables].map((batch) => batch.feed));
    // An NVE is told of a VN before it appears in it; the order in which it is told of an end does not matter.
    const told = memberships.filter((batch) => batch.records.length > 0);
    if (told.length > 0) await this.#writer.publish(told);
    const landed = tables.length > 0 ? this.#writer.publish(tables) : Promise.resolve();
    // Whoever waits for it finds the failure; until then it is not unhandled.
    landed.catch(() => undefined);
    return { events, records, position: taken.at(-1)!.position, landed };
  }

  /** The network may go on while the feeds are read; what it changes from here on is queued, and repeats are harmless (X1). */
  async #reconcile(): Promise<Reconciliation> {
    this.#started = true;
    this.#overflowed = false;
    this.#reconciling = true;
    const { network } = this.#replica;
    const from = network.position;
    let reconciliation: Reconciliation;
    try {
      await this.rights?.beforeReconciling();
      reconciliation = await this.#compare(this.#owns);
    } catch (error) {
      this.#overflow();
      throw error;
    } finally {
      this.#reconciling = false;
    }
    this.counters.reconciliations++;
    this.counters.undecodable += reconciliation.undecodable;
    this.counters.recordsPublished += reconciliation.published;
    this.#published = this.#queue.length === 0 ? Math.max(from, this.#queuedTo) : from;
    this.#logger.info('the feeds are reconciled with the fold', { ...reconciliation, position: from });
    await this.#saveCheckpoint();
    return reconciliation;
  }

  #compare(owns: Owns): Promise<Reconciliation> {
    return reconcile(this.#replica.network, this.#writer, {
      log: this.#store.logId,
      owns,
      adopts: (log) => this.#adopts(log),
      within: (mark) => assertWithin(this.#store, [mark]),
      batchRecords: MAX_BATCH_RECORDS,
      undecodable: (feed, { key, at, cause }) => this.#logger.error('a record on a feed cannot be decoded; its key is published again', { err: cause, feed: feedKey(feed), topic: this.#writer.address(feed).topic, offset: at, key }),
    });
  }

  /** In turn with what is published, so that what is queued behind, which is newer or the same, comes after it. */
  async #reconcileReleased(vnids: readonly number[]): Promise<void> {
    const released = new Set(vnids);
    await this.#retrying(() => this.#compare((vnid) => released.has(vnid)));
  }

  #rightsOf(access: AccessOptions, replica: Replica, logger: Logger, owns: Owns = () => true): Rights {
    const caughtUp = async (): Promise<void> => replica.passed((await this.#store.head()).position);
    return new Rights(access, { network: replica.network, owns, logger, published: () => this.#published, caughtUp });
  }

  async #checkLog(): Promise<void> {
    this.#lineage = new Set((await readLineage(this.#store)).previous);
    const [checkpoint] = await Promise.all([this.#writer.loadCheckpoint(), assertCheckpointsWithin(this.#store, this.#writer)]);
    if (!checkpoint || checkpoint.log === this.#store.logId || this.#adopts(checkpoint.log)) return;
    throw new FeedRefused(`the feeds belong to log ${checkpoint.log}, this is log ${this.#store.logId}; set FEED_ADOPT=true to make them equal to this log`);
  }

  /** Feeds of this log from before a renewal are its own; those of a stranger are only where that was asked for. */
  #adopts(log: string): boolean {
    return this.#options.adopt || this.#lineage.has(log);
  }

  async #saveCheckpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    await this.#writer.saveCheckpoint({ log: this.#store.logId, position: this.#published, checkpoint: this.#store.checkpointAt(this.#published) });
  }
}

/**
 * An NVE follows its own feed from when it has connected, so the feed is made then: before its first record, and as reconciliation would (X8).
 * Every process does: whichever comes first makes it.
 */
const feedOpenedBy = ({ event }: RecordedEvent): readonly FeedBatch[] => (event.type === 'NveConnected' ? [{ feed: { kind: 'nve', nveId: event.data.nveId }, records: [] }] : []);

/** One batch per feed, each in the order of the log. */
function merge(batches: readonly FeedBatch[]): { readonly memberships: FeedBatch[]; readonly tables: FeedBatch[] } {
  const merged = new Map<string, { feed: FeedName; records: FeedBatch['records'][number][] }>();
  for (const { feed, records } of batches) {
    const name = feedKey(feed);
    const present = merged.get(name);
    if (present) present.records.push(...records);
    else merged.set(name, { feed, records: [...records] });
  }
  const all = [...merged.values()];
  return { memberships: all.filter(({ feed }) => feed.kind === 'nve'), tables: all.filter(({ feed }) => feed.kind === 'vn') };
}
