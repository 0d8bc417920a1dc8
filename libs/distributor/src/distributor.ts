import type { RecordChange } from '@nva/fold';
import {
  FeedFenced,
  feedKey,
  FeedRefused,
  LogRefused,
  randomIds,
  sleep,
  systemClock,
  type Clock,
  type EventStore,
  type FeedName,
  type FeedWriter,
  type Logger,
  type Position,
  type RecordedEvent,
} from '@nva/ports';
import type { Replica } from '@nva/replica';
import { Aside } from './aside.ts';
import { Doubts } from './doubts.ts';
import { Fillings } from './filling.ts';
import { GuardedFeedWriter } from './guarded-writer.ts';
import { FeedOrigin } from './feed-origin.ts';
import { assertFrom, assertWithin, OwnEnd } from './lost-end.ts';
import { LOOK_AT_FEEDS_EVERY_MS, type DistributorOptions } from './options.ts';
import { DeletedVns, lookEveryMs, purged } from './purge.ts';
import { Queue } from './queue.ts';
import { beginsWith, feedOpenedBy, merge, recordsOfChange, type Flight, type Owns, type Queued } from './records.ts';
import { differencesOf, reconcile, type ReconcileOptions, type Reconciliation } from './reconcile.ts';
import { Rights, type AccessOptions } from './rights.ts';
import { Verification } from './verification.ts';

/** Records per call of `publish`. */
export const MAX_BATCH_RECORDS = 5_000;
/** Concurrent calls of `publish`: the other shards need not wait for a busy one. */
const MAX_PUBLISHES_IN_FLIGHT = 4;
/** A checkpoint is saved after this many events, and at the end. */
const CHECKPOINT_EVERY_EVENTS = 50_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;
/** How often the distributor checks whether something is due. */
const TICK_MS = 500;

/**
 * Publishes the changes of the fold. It starts with a reconciliation, then publishes every change. When the feeds do not answer,
 * it retries; when too much has queued up meanwhile, it drops the queue and reconciles. So an outage of any length costs bounded
 * memory and ends with right tables. It never withdraws anything because of an outage (X6). A fault of one feed is no outage:
 * that feed is set aside (`Aside`). The writer detects a feed that lost its records, and the distributor fills it from the fold
 * before it publishes anything else there.
 *
 * Several processes may share the VNs (`owns`). Each publishes the records about its own VNs, also on the feeds of NVEs. So the
 * membership and member records of a VN, whose order matters, come from one process. A process that is superseded in any of its
 * VNs stops: it was configured to distribute what another process owns, and only the operator can say which one is right.
 */
export class Distributor {
  readonly #writer: FeedWriter;
  readonly #replica: Replica;
  readonly #store: EventStore;
  readonly #logger: Logger;
  readonly #options: DistributorOptions;
  readonly #owns: Owns;
  readonly #fillings: Fillings;
  /** null if nothing checks rights. */
  readonly rights: Rights | null;
  readonly #origin: FeedOrigin;
  readonly #ownEnd: OwnEnd;
  readonly aside: Aside;
  readonly doubts: Doubts;
  readonly #clock: Clock;
  readonly #queue = new Queue();
  /** VNIDs whose topic may be due for deletion. */
  #purges: number[] = [];
  readonly #deleted: DeletedVns;
  #endLooks: (() => void) | null = null;
  #endTending: () => void = () => undefined;
  #endTicks: () => void = () => undefined;
  #lookAtMs = 0;
  #verifyAtMs = 0;
  readonly #verification: Verification | null;
  #started = false;
  #reconciling = false;
  #stopping = false;
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #published: Position = 0;
  #sinceCheckpoint = 0;
  readonly counters = { recordsPublished: 0, publishFailures: 0, reconciliations: 0, undecodable: 0, vnsPurged: 0 };

  /** Publishes nothing before `start`. */
  constructor(writer: FeedWriter, replica: Replica, store: EventStore, logger: Logger, options: DistributorOptions) {
    this.rights = options.access ? this.#rightsOf(options.access, replica, logger, options.owns) : null;
    this.#clock = options.clock ?? systemClock;
    this.#deleted = new DeletedVns(replica.network, options.purge?.clock ?? this.#clock);
    this.aside = new Aside(
      replica.network,
      this.#clock,
      logger,
      () => this.#published,
      (feed) => topicOf(writer, feed),
    );
    this.doubts = new Doubts(this.#clock);
    this.#ownEnd = new OwnEnd(store, options.endedAt ?? null);
    this.#writer = new GuardedFeedWriter(writer, this.rights, this.aside, this.#ownEnd);
    this.#replica = replica;
    this.#store = store;
    this.#logger = logger;
    this.#options = options;
    this.#origin = new FeedOrigin(store, options.adopt);
    this.#owns = options.owns ?? (() => true);
    const differences = (feed: FeedName): Promise<number> => differencesOf(this.#writer, feed, this.#reconcileOptions(this.#owns));
    this.#verification = options.verify
      ? new Verification(replica.network, { clock: this.#clock, owns: this.#owns, differences, differs: (vnid) => this.doubts.add(vnid) })
      : null;
    this.#fillings = new Fillings(replica.network, { log: () => store.logId, writer, owns: this.#owns });
    replica.onFolded((recorded, changes) => {
      this.#fillings.folded(recorded, changes);
      this.#deleted.folded(recorded.event);
      if (recorded.event.type === 'VnReleased' && this.#endLooks) this.purge();
      this.#folded(recorded, changes);
    });
  }

  /**
   * Every record at or before this position, about VNs that this process distributes, is on the feeds. The position passes over
   * withheld VNs and over feeds that are set aside because they are refused. It stops at a feed that does not answer, and falls
   * back to before what a feed has lost.
   */
  get publishedPosition(): Position {
    return Math.min(this.#published, this.aside.holdsAt ?? Number.POSITIVE_INFINITY);
  }

  /** Whether no feed is known to have lost records. */
  get feedsWhole(): boolean {
    return this.aside.lost === 0;
  }

  /** When the oldest waiting event was recorded, ms since the epoch; null if no event waits, or if a reconciliation will publish it. */
  get oldestQueuedAt(): number | null {
    return this.#queue.entries[0]?.recordedAt ?? null;
  }

  get queuedRecords(): number {
    return this.#queue.records;
  }

  /**
   * To be called once the replica has caught up. Resolves when the feeds are equal to the fold; retries for as long as they do
   * not answer. Rejects if the feeds are refused, if they show that the log has lost its end, or if another writer takes over;
   * calls `failed` if that happens later.
   */
  async start(failed: (cause: unknown) => void): Promise<Reconciliation> {
    const reconciliation = await this.#retrying(async () => {
      await this.#writer.open();
      // Everything that the former writer published comes from events that are in the log by now. A fold that is behind them
      // would put older values over theirs.
      await this.#replica.passed((await this.#store.head()).position);
      await this.#origin.check(this.#writer);
      await this.rights?.start();
      return this.#reconcile();
    });
    if (this.rights) this.#endTending = this.#clock.every(this.rights.tendEveryMs, () => void this.tendRights());
    this.#lookAtMs = this.#clock.monotonicMs() + this.#lookEveryMs;
    this.#endTicks = this.#clock.every(Math.min(TICK_MS, this.#lookEveryMs), () => this.#tick());
    this.#running = this.#run().catch((cause: unknown) => {
      this.#logger.error('the distributor has stopped', { err: cause });
      // The process that took over manages the rights.
      this.#endTending();
      this.#endTicks();
      failed(cause);
    });
    const { purge } = this.#options;
    if (purge) this.#endLooks = this.#clock.every(lookEveryMs(purge), () => this.purge());
    return reconciliation;
  }

  /** Grants, revokes and compares the rights of NVEs that are due now. Called by the timer. */
  async tendRights(): Promise<void> {
    await this.rights?.tend();
    if (this.rights?.hasReleased) this.#wake();
  }

  /** Looks for topics of VNs deleted long ago; they are deleted when there is nothing to publish. Called by the timer. */
  purge(): void {
    const { purge } = this.#options;
    if (!purge || this.#purges.length > 0) return;
    this.#purges = this.#deleted.longGone(this.#owns, purge.afterMs);
    this.#wake();
  }

  /**
   * An NVE holds another table of the VN than the fold at the same position: the VN's feed is compared with the fold again, in
   * turn with publications and within bounds.
   */
  doubt(vnid: number): void {
    if (this.#owns(vnid)) this.doubts.add(vnid);
  }

  /** Publishes the queue, then stops. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#endLooks?.();
    this.#endTending();
    this.#endTicks();
    this.#wake();
    await this.#running;
    await this.#writer.close();
  }

  #folded(recorded: RecordedEvent, changes: readonly RecordChange[]): void {
    if (!this.#started || this.#queue.overflowed) return;
    this.#sinceCheckpoint++;
    const batches = [...feedOpenedBy(recorded), ...recordsOfChange(recorded, changes, this.#store.logId, this.#writer, this.#owns)];
    this.#queue.reaches = recorded.position;
    if (batches.length === 0) {
      if (this.#queue.isEmpty && !this.#reconciling) this.#published = recorded.position;
      return;
    }
    if (!this.#queue.push({ position: recorded.position, recordedAt: recorded.event.data.audit.recordedAt, batches })) {
      this.#logger.warn('too many changes wait for the feeds; they will be reconciled instead', { position: recorded.position });
    }
    this.#wake();
  }

  get #lookEveryMs(): number {
    return this.#options.lookEveryMs ?? LOOK_AT_FEEDS_EVERY_MS;
  }

  get #isLookDue(): boolean {
    return this.#writer.look !== undefined && !this.#stopping && this.#clock.monotonicMs() >= this.#lookAtMs;
  }

  #tick(): void {
    if (this.#isLookDue || this.aside.isDue || this.doubts.isDue) this.#wake();
    if (this.#clock.monotonicMs() < this.#verifyAtMs) return;
    this.#verifyAtMs = this.#clock.monotonicMs() + this.#lookEveryMs;
    void this.#verification?.next();
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#isLookDue) await this.#look();
      else if (this.rights?.hasReleased) await this.#reconcileReleased(this.rights.takeReleased());
      else if (this.aside.isDue && !this.#stopping) await this.#retrying(() => this.#restore());
      else if (!this.#queue.isEmpty || this.#queue.overflowed)
        await this.#retrying<unknown>(() => (this.#queue.overflowed ? this.#reconcile() : this.#publishQueued()));
      else if (this.#stopping) break;
      else if (this.doubts.isDue) await this.#compareDoubted(this.doubts.take()!);
      else if (this.#purges.length > 0) await this.#purgeTopic(this.#purges.shift()!);
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.#saveCheckpoint();
  }

  /** A look that fails says nothing about the feeds and stops no publication. */
  async #look(): Promise<void> {
    try {
      await this.#writer.look!();
    } catch (error) {
      if (error instanceof FeedFenced) throw error;
      this.#logger.warn('the check whether a feed was deleted or emptied failed; it is made again by itself', { err: error });
    }
    // However long the look took, publications come first now.
    this.#lookAtMs = this.#clock.monotonicMs() + this.#lookEveryMs;
  }

  /** Fills the feeds whose retry is due: those that lost records, and those that could not be written to. */
  async #restore(): Promise<void> {
    const reconciliation = await this.#compare(this.#owns, this.aside.take());
    this.aside.tried();
    this.#count(reconciliation);
  }

  async #compareDoubted(vnid: number): Promise<void> {
    if (!this.#replica.network.vns.has(vnid)) return;
    const reconciliation = await this.#retrying(() => this.#compare(this.#owns, [{ kind: 'vn', vnid }]));
    this.doubts.compared(reconciliation.wrong);
    this.#count(reconciliation);
    this.#logger[reconciliation.wrong > 0 ? 'warn' : 'info']('a VN whose table an NVE holds differently was compared with the fold', {
      vnid,
      ...reconciliation,
    });
  }

  async #purgeTopic(vnid: number): Promise<void> {
    const deleteFeed = async (): Promise<void> => {
      await this.rights?.revokeAll(vnid);
      await this.#writer.delete({ kind: 'vn', vnid });
    };
    if (
      await purged(vnid, {
        network: this.#replica.network,
        store: this.#store,
        logger: this.#logger,
        purge: this.#options.purge!,
        ids: this.#options.ids ?? randomIds,
        deleteFeed,
      })
    )
      this.counters.vnsPurged++;
  }

  /** Retries until it succeeds, is refused permanently, or has to stop. */
  async #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof FeedFenced || error instanceof FeedRefused || error instanceof LogRefused || this.#stopping) throw error;
        this.#lookAtMs = 0;
        this.counters.publishFailures++;
        this.#logger.warn('the feeds do not answer; trying again', { err: error, retryMs });
        await sleep(this.#clock, retryMs);
        if (this.#started && this.#isLookDue) await this.#look();
      }
    }
  }

  /**
   * Publishes the queue with several calls in flight. After a failure, waits for all of them and keeps in the queue what is not
   * acknowledged.
   */
  async #publishQueued(): Promise<void> {
    const queue = this.#queue.entries;
    const flights: Flight[] = [];
    let launched = 0;
    try {
      const goesOn = (): boolean => launched < queue.length && !this.rights?.hasReleased && !this.#isLookDue && !this.aside.isDue;
      while (goesOn() || flights.length > 0) {
        while (goesOn() && flights.length < MAX_PUBLISHES_IN_FLIGHT) {
          const flight = await this.#launch(queue, launched);
          flights.push(flight);
          launched += flight.events;
        }
        await flights[0]!.landed;
        if (queue !== this.#queue.entries) break;
        const { events, records, position } = flights.shift()!;
        this.#queue.done(events, records);
        launched -= events;
        this.counters.recordsPublished += records;
        this.#published = queue.length === 0 ? this.#queue.reaches : position;
      }
    } finally {
      await Promise.allSettled(flights.map(({ landed }) => landed));
    }
    if (this.#sinceCheckpoint >= CHECKPOINT_EVERY_EVENTS) await this.#saveCheckpoint();
  }

  /** Publishes whole changes from `from` on, up to a bound. Calls are made in order, which is the order within each feed. */
  async #launch(queue: readonly Queued[], from: number): Promise<Flight> {
    let events = 0;
    let records = 0;
    while (from + events < queue.length && records < MAX_BATCH_RECORDS) {
      for (const batch of queue[from + events]!.batches) records += batch.records.length;
      events++;
    }
    const taken = queue.slice(from, from + events);
    const { memberships, tables } = merge(taken.flatMap((queued) => queued.batches));
    const { fresh } = await this.#writer.ensure([...memberships, ...tables].map((batch) => batch.feed));
    const lost = fresh.filter((feed) => !beginsWith(this.#replica.network, feed, tables, taken[0]!.position));
    this.aside.put(
      lost.map((feed) => ({
        feed,
        trouble: 'lost',
        cause: new Error(`${feedKey(feed)} was gone when something was to be published to it, and is made anew`),
      })),
    );
    // An NVE learns of a VN before it appears in the VN's table. The order does not matter for the end of a membership.
    const told = memberships.filter((batch) => batch.records.length > 0);
    if (told.length > 0) await this.#writer.publish(told);
    const landed = tables.length > 0 ? this.#writer.publish(tables) : Promise.resolve();
    // The caller that awaits the promise handles the failure; this keeps it from being unhandled until then.
    landed.catch(() => undefined);
    return { events, records, position: taken.at(-1)!.position, landed };
  }

  /** The network may go on while the feeds are read: its changes from here on are queued, and repeats are harmless (X1). */
  async #reconcile(): Promise<Reconciliation> {
    this.#started = true;
    this.#queue.begin();
    this.#reconciling = true;
    const { network } = this.#replica;
    const from = network.position;
    let reconciliation: Reconciliation;
    try {
      await this.rights?.beforeReconciling();
      reconciliation = await this.#compare(this.#owns);
    } catch (error) {
      this.#queue.overflow();
      throw error;
    } finally {
      this.#reconciling = false;
    }
    this.counters.reconciliations++;
    this.#count(reconciliation);
    this.#published = this.#queue.isEmpty ? Math.max(from, this.#queue.reaches) : from;
    this.#logger.info('the feeds are reconciled with the fold', { ...reconciliation, position: from });
    await this.#saveCheckpoint();
    return reconciliation;
  }

  #count({ undecodable, published }: Reconciliation): void {
    this.counters.undecodable += undecodable;
    this.counters.recordsPublished += published;
  }

  #compare(owns: Owns, only?: readonly FeedName[]): Promise<Reconciliation> {
    return reconcile(this.#replica.network, this.#writer, this.#reconcileOptions(owns, only));
  }

  #reconcileOptions(owns: Owns, only?: readonly FeedName[]): ReconcileOptions {
    return {
      log: this.#store.logId,
      owns,
      ...(only && { only }),
      isClosed: (feed) => this.aside.isClosed(feed),
      failed: (failures) => this.aside.put(failures),
      adopts: (log) => this.#origin.adopts(log),
      ownEnd: this.#ownEnd,
      within: (mark) => assertWithin(this.#store, [mark]),
      assertFrom: (record, feed) => assertFrom(this.#store, record, this.#writer.address(feed).topic),
      madeAnew: (feed, { key, position }) =>
        this.#logger.warn('a feed holds a record that is too new for its key, so it is made anew', { feed: feedKey(feed), key, position }),
      batchRecords: MAX_BATCH_RECORDS,
      published: () => this.#published,
      changedAt: (feed) => this.#replica.digests.current(feedKey(feed)).position,
      fill: (feed) => this.#fillings.begin(feed),
      timers: this.#clock,
      undecodable: (feed, { key, at, cause }) =>
        this.#logger.error('a record on a feed cannot be decoded; its key is published again', {
          err: cause,
          feed: feedKey(feed),
          topic: this.#writer.address(feed).topic,
          offset: at,
          key,
        }),
    };
  }

  /** In turn with publications, so that the queued changes, which are newer or the same, come after it. */
  async #reconcileReleased(vnids: readonly number[]): Promise<void> {
    const released = new Set(vnids);
    await this.#retrying(() => this.#compare((vnid) => released.has(vnid)));
  }

  #rightsOf(access: AccessOptions, replica: Replica, logger: Logger, owns: Owns = () => true): Rights {
    const caughtUp = async (): Promise<void> => replica.passed((await this.#store.head()).position);
    return new Rights(access, { network: replica.network, owns, logger, published: () => this.publishedPosition, caughtUp });
  }

  async #saveCheckpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    await this.#writer.saveCheckpoint({
      log: this.#store.logId,
      position: this.#published,
      checkpoint: this.#store.checkpointAt(this.#published),
    });
  }
}

function topicOf(writer: FeedWriter, feed: FeedName): string {
  try {
    return writer.address(feed).topic;
  } catch {
    return feedKey(feed);
  }
}
