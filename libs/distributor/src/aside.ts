import { recordsOf, type Network } from '@nva/fold';
import { feedKey, type Clock, type FeedFailure, type FeedName, type FeedTrouble, type Logger, type Position } from '@nva/ports';

/** A feed that failed is tried again after this, then at intervals that double. One that was lost is filled at once. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Feeds that are named where all of them are told. */
const MAX_NAMED = 100;

/** A feed to which nothing is published until it has been compared with the fold again. */
export interface AsideFeed {
  readonly feed: FeedName;
  /** By which consumers know it. */
  readonly topic: string;
  readonly trouble: FeedTrouble;
  readonly reason: string;
}

interface Entry {
  readonly feed: FeedName;
  /** The latest. */
  trouble: FeedTrouble;
  reason: string;
  /** Something that was on it is not there, whatever keeps it from being filled again. */
  lost: boolean;
  retryMs: number;
  retryAtMs: number;
  /** It is being compared and filled: what is published goes through. */
  trying: boolean;
  /** What is published is claimed up to here at most while it is so; null holds nothing back. */
  holdsAt: Position | null;
  /** NVEs whose feeds lack something about the VN meanwhile. */
  readonly untold: Set<string>;
}

/**
 * Feeds that something is wrong with, so that no other feed waits for them. What would be published to one meanwhile is left out;
 * when its time has come, and at once if it was lost, it is compared with the fold and filled. A VN whose feed is set aside is so
 * as a whole: no NVE is told of it (X8).
 */
export class Aside {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #published: () => Position;
  readonly #topicOf: (feed: FeedName) => string;
  readonly #entries = new Map<string, Entry>();
  readonly counters = { lost: 0, restored: 0 };

  /** `published` is how far everything had been published when something failed. */
  constructor(network: Network, clock: Clock, logger: Logger, published: () => Position, topicOf: (feed: FeedName) => string) {
    this.#network = network;
    this.#clock = clock;
    this.#logger = logger;
    this.#published = published;
    this.#topicOf = topicOf;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Some of what was on the feeds is not there. */
  get lost(): number {
    let lost = 0;
    for (const entry of this.#entries.values()) if (entry.lost) lost++;
    return lost;
  }

  /** Up to where the feeds may be said to be published; null if that is not bounded by them. */
  get holdsAt(): Position | null {
    let position: Position | null = null;
    for (const { holdsAt } of this.#entries.values()) if (holdsAt !== null && (position === null || holdsAt < position)) position = holdsAt;
    return position;
  }

  /** The first of them, for people. */
  list(): readonly AsideFeed[] {
    return [...this.#entries.values()]
      .slice(0, MAX_NAMED)
      .map(({ feed, trouble, reason }) => ({ feed, topic: this.#topicOf(feed), trouble, reason }));
  }

  isClosed(feed: FeedName): boolean {
    return this.#entries.get(feedKey(feed))?.trying === false;
  }

  /** VNs of which nothing is published anywhere. */
  closedVns(): ReadonlySet<number> {
    const closed = new Set<number>();
    for (const { feed, trying } of this.#entries.values()) if (!trying && feed.kind === 'vn') closed.add(feed.vnid);
    return closed;
  }

  /** That something about the VN was left out on that NVE's feed. */
  leftOut(vnid: number, nveId: string): void {
    this.#entries.get(feedKey({ kind: 'vn', vnid }))?.untold.add(nveId);
  }

  put(failures: readonly FeedFailure[]): void {
    for (const failure of failures) this.#put(failure);
  }

  get isDue(): boolean {
    const now = this.#clock.monotonicMs();
    for (const { retryAtMs, trying } of this.#entries.values()) if (trying || retryAtMs <= now) return true;
    return false;
  }

  /** Those whose time has come, open from here on, and the feeds of NVEs that lack something of theirs. */
  take(): readonly FeedName[] {
    const now = this.#clock.monotonicMs();
    const taken = new Map<string, FeedName>();
    for (const [name, entry] of this.#entries) {
      if (!entry.trying && entry.retryAtMs > now) continue;
      entry.trying = true;
      taken.set(name, entry.feed);
      for (const nveId of entry.untold) taken.set(feedKey({ kind: 'nve', nveId }), { kind: 'nve', nveId });
    }
    return [...taken.values()];
  }

  /** Those that were taken and did not fail again are equal to the fold. */
  tried(): void {
    for (const [name, { feed, trying, lost }] of this.#entries) {
      if (!trying) continue;
      this.#entries.delete(name);
      if (lost) this.counters.restored++;
      this.#logger.info('a feed that was set aside is published again', { feed: feedKey(feed) });
    }
  }

  #put({ feed, trouble, cause }: FeedFailure): void {
    const name = feedKey(feed);
    const known = this.#entries.get(name);
    const now = this.#clock.monotonicMs();
    if (!known) {
      const retryMs = trouble === 'lost' ? 0 : RETRY_FIRST_MS;
      this.#entries.set(name, {
        feed,
        trouble,
        reason: cause.message,
        lost: trouble === 'lost',
        retryMs,
        retryAtMs: now + retryMs,
        trying: false,
        holdsAt: this.#heldBy(feed, trouble),
        untold: new Set(),
      });
    } else if (known.trying) {
      known.trying = false;
      known.retryMs = Math.min(Math.max(2 * known.retryMs, RETRY_FIRST_MS), RETRY_MAX_MS);
      known.retryAtMs = now + known.retryMs;
      if (trouble === 'lost' && !known.lost) known.holdsAt = this.#heldBy(feed, trouble);
      else if (trouble === 'refused' && !known.lost) known.holdsAt = null;
      else known.holdsAt ??= this.#heldBy(feed, trouble);
    } else if (known.trouble === trouble || trouble !== 'lost') return;
    else [known.retryAtMs, known.holdsAt] = [now, this.#heldBy(feed, trouble)];
    if (trouble === 'lost' && !known?.lost) this.counters.lost++;
    if (known) [known.trouble, known.reason, known.lost] = [trouble, cause.message, known.lost || trouble === 'lost'];
    this.#logger.error(
      trouble === 'lost'
        ? 'a feed has lost its records; they are published again'
        : 'nothing is published to this feed until it works again; it is tried again by itself',
      { feed: name, topic: this.#topicOf(feed), trouble, err: cause },
    );
  }

  /** What somebody has refused is passed over until it is allowed; what is lost is claimed no more, and what does not answer no further. */
  #heldBy(feed: FeedName, trouble: FeedTrouble): Position | null {
    if (trouble === 'refused') return null;
    if (trouble === 'unavailable') return this.#published();
    // No record of a VN is older than its creation. Walking all of all VNs, as after emptied disks, would hold this thread for long.
    if (feed.kind === 'vn') {
      const vn = this.#network.vns.get(feed.vnid);
      return vn?.alive ? vn.incarnation - 1 : null;
    }
    let first: Position | null = null;
    for (const { position } of recordsOf(this.#network, feed)) if (first === null || position < first) first = position;
    return first === null ? null : first - 1;
  }
}
