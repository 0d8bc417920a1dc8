import type { Network } from '@nva/fold';
import { feedKey, type Clock, type FeedAccess, type FeedBatch, type FeedRight, type Logger, type Position } from '@nva/ports';
import type { Owns } from './records.ts';

/** A right that nothing is due to goes after this many grace times, whatever the NVE says, or does not say. */
const MAX_GRACES = 10;
/** What is there is compared with what is due so often, beside what this process grants and revokes itself. */
export const LOOK_EVERY_MS = 60_000;
/** After a failure, doubled with each that follows it. There is no last try: what nobody could see to stays to be done. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 16_000;
/** Rights revoked in one call at most; the rest follow. */
const MAX_REVOKED_TOGETHER = 1_000;

export interface AccessOptions {
  readonly access: FeedAccess;
  readonly clock: Clock;
  /** From when an NVE was told that it left a VN until it may no longer read it, in milliseconds. */
  readonly graceMs: number;
  /** LOOK_EVERY_MS by default. */
  readonly lookEveryMs?: number;
  /**
   * Whether the NVE's last heartbeat names the VN, as far as that can be told; asked when the grace time is over. Never rejects.
   * Absent: the grace time alone decides.
   */
  readonly stillFollows?: (nveId: string, vnid: number) => Promise<boolean>;
}

export interface RightsView {
  readonly network: Network;
  readonly owns: Owns;
  readonly logger: Logger;
  /** Everything at or before it has been told to the NVEs. */
  readonly published: () => Position;
  /** Resolves when the network has passed what is in the log now. */
  readonly caughtUp: () => Promise<void>;
}

/** A right that is there and not due. */
interface Surplus {
  /** What has to be published before its time runs. */
  readonly position: Position;
  sinceMs: number | null;
}

/**
 * Which NVE may read which feed, made equal to the fold: an NVE that is known may read its own feed, and those of the VNs it is in.
 * It depends on what is due and what is there, never on how either came about: what lacks is granted at once, what is too much goes
 * after the grace time, and joining again within it keeps the right.
 *
 * Granting comes before telling (contract, «Kafka»). A VN with a right that cannot be granted is withheld, whole: nothing of it is
 * published, so that no NVE is told of a VN that it cannot read, and nothing else waits. It is released when the right is there,
 * and reconciled then.
 *
 * Where several processes share the VNs, each sees to the rights to its own, and all of them to NVEs' own feeds. What is due is in
 * the log, so whoever takes over sees to the same rights. How long one has been too much is known to the process alone: its grace
 * time begins anew there.
 *
 * What becomes of a right of an NVE to a VN (`test/rights.unit.spec.ts` follows both tables, row by row):
 *
 * | the right is     | what happens                                       | then it is       |
 * | ---------------- | -------------------------------------------------- | ---------------- |
 * | lacking          | it can be granted                                  | due and there    |
 * | lacking          | it cannot be granted                               | lacking          |
 * | due and there    | somebody takes it away                             | due and there    |
 * | due and there    | the NVE leaves the VN                              | too much, untold |
 * | too much, untold | the grace time goes by                             | too much, untold |
 * | too much, untold | the NVE is told that it left                       | too much         |
 * | too much, untold | the NVE joins again                                | due and there    |
 * | too much         | half of the grace time goes by                     | too much         |
 * | too much         | the grace time goes by                             | gone             |
 * | too much         | the grace time goes by, and nothing can be revoked | overdue          |
 * | too much         | the grace time goes by, and heartbeats name the VN | kept             |
 * | too much         | the NVE joins again                                | due and there    |
 * | too much         | the VN is long gone                                | gone             |
 * | overdue          | the next try can revoke it                         | gone             |
 * | overdue          | the NVE joins again, and the next try sees it      | due and there    |
 * | kept             | heartbeats name the VN no more                     | gone             |
 * | kept             | ten grace times have gone by                       | gone             |
 * | kept             | the NVE joins again                                | due and there    |
 * | kept             | the VN is long gone                                | gone             |
 *
 * And what becomes of the VN. It is withheld until what was left out of it is told, and so still is when it is released:
 *
 * | the VN is | what happens                                  | then the VN is |
 * | --------- | --------------------------------------------- | -------------- |
 * | open      | every right can be granted                    | open           |
 * | open      | a right cannot be granted                     | withheld       |
 * | withheld  | another right could be granted by now, unseen | withheld       |
 * | withheld  | a look finds rights lacking still             | withheld       |
 * | withheld  | a look can grant what lacks                   | released       |
 * | withheld  | the released are taken                        | withheld       |
 * | released  | a right cannot be granted                     | released       |
 * | released  | a look finds nothing lacking                  | released       |
 * | released  | the released are taken                        | open           |
 */
export class Rights {
  readonly #options: AccessOptions;
  readonly #view: RightsView;
  /** What is there, as far as is known. */
  #held = new Map<string, FeedRight>();
  readonly #surplus = new Map<string, Surplus>();
  readonly #withheld = new Set<number>();
  readonly #released = new Set<number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** Granting failed: what needs it is withheld until it has succeeded. */
  #failing = false;
  #retryMs = RETRY_FIRST_MS;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #tending: Promise<void> | undefined;
  /** Grants and revocations one after the other, so that none is overtaken by its opposite. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly counters = { granted: 0, revoked: 0, failures: 0 };

  constructor(options: AccessOptions, view: RightsView) {
    this.#options = options;
    this.#view = view;
  }

  /** How often to `tend`, in milliseconds. */
  get tendEveryMs(): number {
    return Math.min(1_000, this.#options.graceMs / 4);
  }

  /** Rights that are too much, and there until their grace time is over or they can be revoked. */
  get waiting(): number {
    return this.#surplus.size;
  }

  get withheld(): ReadonlySet<number> {
    return this.#withheld;
  }

  /** Grants what lacks. Rejects if that cannot be done, or be known. */
  async start(): Promise<void> {
    await this.#look();
    await this.grant(this.#lacking());
  }

  /** What an NVE cannot read yet of what the batches tell it, whether or not it has left since: its removal comes after. */
  lackingFor(batches: readonly FeedBatch[]): FeedRight[] {
    const lacking = new Map<string, FeedRight>();
    const need = (right: FeedRight): void => {
      if (!this.#held.has(nameOf(right))) lacking.set(nameOf(right), right);
    };
    for (const { feed, records } of batches) {
      if (feed.kind !== 'nve') continue;
      const own = { nveId: feed.nveId, feed };
      if (this.#isDue(own)) need(own);
      for (const { value } of records)
        if (value?.type === 'Membership') need({ nveId: feed.nveId, feed: { kind: 'vn', vnid: value.data.vnid } });
    }
    return [...lacking.values()];
  }

  /** Grants what is not there yet. Rejects if anything could not be granted. */
  grant(rights: readonly FeedRight[]): Promise<void> {
    return this.#inTurn(async () => {
      const lacking = rights.filter((right) => !this.#held.has(nameOf(right)));
      if (lacking.length === 0) return;
      await this.#options.access.grant(lacking);
      for (const right of lacking) this.#held.set(nameOf(right), right);
      this.counters.granted += lacking.length;
    });
  }

  /**
   * Grants, or withholds the VNs of those that it could not grant; at once while granting fails, so that nothing else waits. Never
   * rejects.
   */
  async grantOrWithhold(rights: readonly FeedRight[]): Promise<void> {
    if (this.#failing) return this.#withhold(rights);
    try {
      await this.grant(rights);
    } catch (error) {
      this.#failing = true;
      this.#failed();
      this.#withhold(rights);
      this.#view.logger.error('rights of NVEs could not be granted; their VNs are withheld until they are', {
        err: error,
        rights: rights.length,
        first: nameOf(rights[0]!),
        vnids: this.#withheld.size,
      });
    }
  }

  /** Withholds every VN with a right that is due and cannot be granted. Before the feeds are reconciled. Never rejects. */
  async beforeReconciling(): Promise<void> {
    await this.grantOrWithhold(this.#lacking());
  }

  /**
   * Takes back every right to a VN’s feed, whatever the grace time: before its VNID is another tenant’s. Rejects if that cannot be
   * done.
   */
  async revokeAll(vnid: number): Promise<void> {
    await this.#look();
    const names = [...this.#held].filter(([, { feed }]) => feed.kind === 'vn' && feed.vnid === vnid).map(([name]) => name);
    await this.#revoke(names);
  }

  /**
   * VNs whose rights are there now, each told once; whoever asks reconciles their feeds, and has nothing else under way. Until then
   * they are withheld: a change published to one of them before what was left out would make a table that never was.
   */
  takeReleased(): number[] {
    const released = [...this.#released];
    this.#released.clear();
    for (const vnid of released) this.#withheld.delete(vnid);
    return released;
  }

  get hasReleased(): boolean {
    return this.#released.size > 0;
  }

  /** Called by the timer, again and again. Never rejects. */
  tend(): Promise<void> {
    this.#tending ??= this.#tend().finally(() => (this.#tending = undefined));
    return this.#tending;
  }

  async close(): Promise<void> {
    await this.#tending;
    await this.#turn.catch(() => undefined);
    await this.#options.access.close();
  }

  async #tend(): Promise<void> {
    if (this.#now() < this.#retryAtMs) return;
    try {
      const due = this.#now() - this.#lookedAtMs >= (this.#options.lookEveryMs ?? LOOK_EVERY_MS);
      try {
        if (due || this.#failing) await this.#restore();
      } finally {
        // One right that cannot be granted keeps no other from being revoked.
        await this.#revokeSurplus();
      }
      this.#retryMs = RETRY_FIRST_MS;
    } catch (error) {
      this.#failed();
      this.#view.logger.warn('the rights of NVEs could not be seen to; trying again', {
        err: error,
        retryMs: this.#retryAtMs - this.#now(),
        vnids: this.#withheld.size,
        waiting: this.waiting,
      });
    }
  }

  async #restore(): Promise<void> {
    await this.#look();
    const lacking = this.#lacking();
    if (lacking.length > 0) {
      this.#view.logger.info('rights of NVEs are not there; granting them', { rights: lacking.length, first: nameOf(lacking[0]!) });
      // A rejection is of the worst of them; the others may be there.
      await this.grant(lacking).catch(async (error: unknown) => {
        await this.#look();
        this.#release();
        throw error;
      });
    }
    this.#failing = false;
    this.#release();
  }

  #look(): Promise<void> {
    return this.#inTurn(async () => {
      const listed = await this.#options.access.list();
      this.#held = new Map(listed.filter(({ whole }) => whole).map((right) => [nameOf(right), right]));
      // A part of a right that nothing is due to is too much as well.
      for (const right of listed) if (!right.whole && !this.#isDue(right)) this.#held.set(nameOf(right), right);
      for (const name of this.#surplus.keys()) if (!this.#held.has(name)) this.#surplus.delete(name);
      this.#lookedAtMs = this.#now();
    });
  }

  async #revokeSurplus(): Promise<void> {
    const names: string[] = [];
    for (const [name, right] of this.#held) {
      if (this.#isDue(right) || !this.#isOurs(right)) this.#surplus.delete(name);
      else if (names.length < MAX_REVOKED_TOGETHER && this.#isOver(name) && !(await this.#isKept(name, right))) names.push(name);
    }
    if (names.length === 0) return;
    // A fold that lags may not know yet that an NVE has joined again.
    await this.#view.caughtUp();
    await this.#revoke(names);
  }

  #revoke(names: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const rights = names.flatMap((name) => this.#held.get(name) ?? []).filter((right) => !this.#isDue(right));
      if (rights.length === 0) return;
      for (const right of rights) this.#held.delete(nameOf(right));
      try {
        await this.#options.access.revoke(rights);
      } catch (error) {
        for (const right of rights) this.#held.set(nameOf(right), right);
        throw error;
      }
      for (const right of rights) this.#surplus.delete(nameOf(right));
      this.counters.revoked += rights.length;
      this.#view.logger.info('rights of NVEs are revoked', { rights: rights.length, first: nameOf(rights[0]!) });
    });
  }

  /** Its time runs from when the NVE has been told. */
  #isOver(name: string): boolean {
    let surplus = this.#surplus.get(name);
    if (!surplus) this.#surplus.set(name, (surplus = { position: this.#view.network.position, sinceMs: null }));
    if (surplus.sinceMs === null && this.#view.published() >= surplus.position) surplus.sinceMs = this.#now();
    return surplus.sinceMs !== null && this.#now() - surplus.sinceMs >= this.#options.graceMs;
  }

  /** Its grace time is over; it may stay for as long as the NVE names the VN, within bounds. */
  async #isKept(name: string, { nveId, feed }: FeedRight): Promise<boolean> {
    const { graceMs, stillFollows } = this.#options;
    const overMs = this.#now() - (this.#surplus.get(name)?.sinceMs ?? 0);
    return feed.kind === 'vn' && stillFollows !== undefined && overMs < MAX_GRACES * graceMs && (await stillFollows(nveId, feed.vnid));
  }

  #isDue({ nveId, feed }: FeedRight): boolean {
    const nve = this.#view.network.nves.get(nveId);
    if (feed.kind === 'nve') return feed.nveId === nveId && nve?.known === true;
    return nve?.memberships.has(feed.vnid) === true;
  }

  #isOurs({ feed }: FeedRight): boolean {
    return feed.kind === 'nve' || this.#view.owns(feed.vnid);
  }

  #lacking(): FeedRight[] {
    const lacking: FeedRight[] = [];
    const need = (right: FeedRight): void => {
      if (!this.#held.has(nameOf(right))) lacking.push(right);
    };
    for (const { nveId, known, feed, memberships } of this.#view.network.nves.values()) {
      if (known) need({ nveId, feed });
      for (const { vn } of memberships.values()) if (this.#view.owns(vn.state.vnid)) need({ nveId, feed: vn.feed });
    }
    return lacking;
  }

  #failed(): void {
    this.counters.failures++;
    this.#retryAtMs = this.#now() + this.#retryMs;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }

  #withhold(rights: readonly FeedRight[]): void {
    for (const { feed } of rights) if (feed.kind === 'vn') this.#withheld.add(feed.vnid);
  }

  #release(): void {
    if (this.#withheld.size === 0) return;
    const waiting = new Set(this.#lacking().flatMap(({ feed }) => (feed.kind === 'vn' ? [feed.vnid] : [])));
    const released: number[] = [];
    for (const vnid of this.#withheld) {
      if (!waiting.has(vnid) && !this.#released.has(vnid)) released.push(vnid);
    }
    for (const vnid of released) this.#released.add(vnid);
    if (released.length > 0) this.#view.logger.info('VNs that were withheld are published again', { vnids: released.slice(0, 16) });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action, action);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }
}

/** `leaf-1 vn/100`, as a key and for people. */
const nameOf = ({ nveId, feed }: FeedRight): string => `${nveId} ${feedKey(feed)}`;
