import { FeedDenied, FeedUnavailable, sleep, type Clock } from '@nva/ports';
import type { Admin } from 'kafkajs';
import { isMissing, isRefusal } from './failures.ts';
import type { FollowedFeed } from './followed-feed.ts';
import { Generation } from './generation.ts';
import type { Log } from './options.ts';
import { reachability } from './reachable-topics.ts';
import { warnOfRebalanceDelay } from './rebalance-delay.ts';
import type { ClientFactory } from './client.ts';

/** Feeds that are followed within this time join together. */
const COALESCE_MS = 50;
/** Time between two checks of feeds that are missing or denied. */
const APART_RETRY_MS = 500;
/** Wait between two attempts to reach the cluster, doubled each time. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

export interface ClusterFollowerOptions {
  readonly client: ClientFactory;
  /** Prefix of the group names; the number of the generation follows. */
  readonly groupPrefix: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Follows feeds of one Kafka cluster: one consumer at a time over all readable topics, and a new one whenever feeds join. */
export class ClusterFollower {
  readonly #options: ClusterFollowerOptions;
  readonly #feeds = new Map<string, FollowedFeed>();
  /**
   * Missing or denied feeds, by topic. They are not followed together with the others, because kafkajs treats one such topic as
   * fatal for all.
   */
  readonly #apart = new Map<string, { readonly cause: Error; readonly readDenied: boolean }>();
  #generations: number;
  #current: Generation | undefined;
  #admin: Admin | undefined;
  #changing: Promise<void> | undefined;
  #again = false;
  #backoffMs = FIRST_BACKOFF_MS;
  /** Functions that cancel a wait; undefined if nothing is awaited. */
  #unjoin: (() => void) | undefined;
  #unlook: (() => void) | undefined;
  #checkedDelay = false;
  readonly #closing = new AbortController();

  constructor(options: ClusterFollowerOptions) {
    this.#options = options;
    // The numbers start at the present time, so that a restarted process does not meet its former self in a group.
    this.#generations = options.clock.wallMs();
  }

  add(feed: FollowedFeed): void {
    this.#feeds.set(feed.topic, feed);
    this.#unjoin ??= this.#options.clock.after(COALESCE_MS, () => {
      this.#unjoin = undefined;
      this.#change();
    });
  }

  /** Nothing more of this feed is delivered after the call. */
  remove(feed: FollowedFeed): void {
    feed.close();
    if (this.#feeds.get(feed.topic) !== feed) return;
    this.#feeds.delete(feed.topic);
    this.#apart.delete(feed.topic);
    this.#current?.leave(feed);
    if (this.#feeds.size === 0) this.#change();
  }

  isFollowed(topic: string): boolean {
    return this.#feeds.has(topic);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#unjoin?.();
    this.#unlook?.();
    for (const feed of this.#feeds.values()) feed.close();
    await this.#changing;
    await this.#current?.stop();
    await this.#admin?.disconnect();
  }

  /** One change at a time; events during a change cause another one. */
  #change(): void {
    this.#again = true;
    this.#changing ??= this.#changeWhileNeeded().finally(() => {
      this.#changing = undefined;
      if (this.#again && !this.#closing.signal.aborted) this.#change();
    });
  }

  async #changeWhileNeeded(): Promise<void> {
    while (this.#again && !this.#closing.signal.aborted) {
      this.#again = false;
      try {
        await this.#makeRight();
        this.#backoffMs = FIRST_BACKOFF_MS;
      } catch (failure) {
        await this.#afterFailure(failure as Error);
      }
    }
  }

  async #makeRight(): Promise<void> {
    const wanted = [...this.#feeds.values()].filter((feed) => !this.#apart.has(feed.topic));
    const previous = this.#current;
    if (wanted.length === 0) {
      this.#current = undefined;
      await previous?.stop();
      return;
    }
    if (previous && wanted.every((feed) => previous.feeds.get(feed.topic) === feed)) return;
    const { reachable, unreachable } = await reachability(
      await this.#connected(),
      wanted.map((feed) => feed.topic),
    );
    for (const [topic, cause] of unreachable) this.#setApart(topic, cause, false);
    const feeds = reachable.flatMap((topic) => this.#feeds.get(topic) ?? []);
    if (feeds.length === 0) {
      this.#again = previous !== undefined;
      return;
    }
    const next = this.#generation(feeds);
    try {
      await next.start();
    } catch (failure) {
      await next.stop().catch(() => undefined);
      if (!isRefusal(failure)) throw failure;
      await this.#findDenied(feeds, failure as Error);
      this.#again = true;
      return;
    }
    this.#current = next;
    for (const feed of feeds) feed.resumed();
    for (const feed of feeds) if (feed.closed) next.leave(feed);
    previous?.stop().catch((failure: unknown) => this.#options.log('debug', `Leaving the former group: ${String(failure)}`));
    this.#checkRebalanceDelay();
  }

  #generation(feeds: readonly FollowedFeed[]): Generation {
    const groupId = `${this.#options.groupPrefix}${this.#generations++}`;
    return new Generation(this.#options.client, groupId, feeds, this.#options.clock, (generation, cause) =>
      this.#failed(generation, cause),
    );
  }

  /** The consumer ended for a reason of its own: broker gone, topic deleted or right withdrawn. The next generation finds out which. */
  #failed(generation: Generation, cause: Error): void {
    if (generation !== this.#current || this.#closing.signal.aborted) return;
    this.#options.log('warn', `The consumer ended: ${cause.message}`, { topics: generation.feeds.size });
    this.#current = undefined;
    for (const feed of generation.feeds.values()) feed.suspect();
    this.#change();
  }

  /** Some topic is visible but not readable, and the failure does not say which: each one is tried alone. */
  async #findDenied(feeds: readonly FollowedFeed[], cause: Error): Promise<void> {
    for (const feed of feeds) if (!this.#closing.signal.aborted && !(await this.#canRead(feed))) this.#setApart(feed.topic, cause, true);
  }

  async #canRead(feed: FollowedFeed): Promise<boolean> {
    const trial = this.#generation([feed]);
    try {
      await trial.start();
      return true;
    } catch (failure) {
      if (isRefusal(failure) || isMissing(failure)) return false;
      throw failure;
    } finally {
      await trial.stop().catch(() => undefined);
    }
  }

  #setApart(topic: string, cause: Error, readDenied: boolean): void {
    const feed = this.#feeds.get(topic);
    if (!feed) return;
    this.#options.log('warn', `Topic ${topic} cannot be followed: ${cause.message}`, { topic });
    this.#apart.set(topic, { cause, readDenied });
    const Trouble = readDenied || isRefusal(cause) ? FeedDenied : FeedUnavailable;
    feed.interrupted(new Trouble(`Topic ${topic} cannot be followed: ${cause.message}`, { cause }));
    // It may come back as another topic of the same name.
    if (isMissing(cause)) feed.restart('the topic was made anew');
    this.#unlook ??= this.#lookSoon();
  }

  #lookSoon(): () => void {
    return this.#options.clock.after(APART_RETRY_MS, () => void this.#retryApart());
  }

  async #retryApart(): Promise<void> {
    try {
      const { reachable, unreachable } = await reachability(await this.#connected(), [...this.#apart.keys()]);
      // A missing topic may exist and be denied by now, or the other way round.
      for (const [topic, cause] of unreachable)
        if (isMissing(cause) !== isMissing(this.#apart.get(topic)?.cause)) this.#setApart(topic, cause, false);
      for (const topic of reachable) {
        const feed = this.#feeds.get(topic);
        if (!feed || !this.#apart.get(topic)?.readDenied || (await this.#canRead(feed))) this.#apart.delete(topic);
      }
      if (reachable.some((topic) => !this.#apart.has(topic))) this.#change();
    } catch (failure) {
      this.#options.log('debug', `Looking for missing topics: ${String(failure)}`);
    } finally {
      this.#unlook = this.#apart.size > 0 && !this.#closing.signal.aborted ? this.#lookSoon() : undefined;
    }
  }

  async #afterFailure(failure: Error): Promise<void> {
    this.#again = true;
    // If a topic disappeared between the check and the join, check again at once.
    if (isMissing(failure) && this.#backoffMs === FIRST_BACKOFF_MS) {
      this.#backoffMs *= 2;
      return;
    }
    this.#options.log('warn', `Following ${this.#feeds.size} feeds failed, again in ${this.#backoffMs} ms: ${failure.message}`);
    const cause = new FeedUnavailable(`The feeds cannot be reached: ${failure.message}`, { cause: failure });
    for (const feed of this.#feeds.values()) if (this.#current?.feeds.get(feed.topic) !== feed) feed.interrupted(cause);
    await this.#disconnectAdmin();
    await sleep(this.#options.clock, this.#backoffMs, { signal: this.#closing.signal }).catch(() => undefined);
    this.#backoffMs = Math.min(2 * this.#backoffMs, MAX_BACKOFF_MS);
  }

  async #connected(): Promise<Admin> {
    if (this.#admin) return this.#admin;
    const admin = this.#options.client().admin();
    await admin.connect();
    return (this.#admin = admin);
  }

  async #disconnectAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.disconnect().catch(() => undefined);
  }

  #checkRebalanceDelay(): void {
    if (this.#checkedDelay || !this.#admin) return;
    this.#checkedDelay = true;
    void warnOfRebalanceDelay(this.#admin, this.#options.log);
  }
}
