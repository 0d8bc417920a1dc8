import { recordsOf, type Network } from '@nva/fold';
import { feedKey, type Clock, type FeedFailure, type FeedName, type FeedTrouble, type Logger, type Position } from '@nva/ports';

/** Delay before the first retry of a feed that failed; it doubles with each retry. A feed that lost its records is filled at once. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Feeds that `list` names. */
const MAX_NAMED = 100;

/** A feed to which nothing is published until it has been compared with the fold again. */
export interface AsideFeed {
  readonly feed: FeedName;
  /** The name by which consumers know the feed. */
  readonly topic: string;
  readonly trouble: FeedTrouble;
  readonly reason: string;
}

interface Entry {
  readonly feed: FeedName;
  /** The latest trouble. */
  trouble: FeedTrouble;
  reason: string;
  /** Records that were on the feed are missing, even if other trouble keeps the feed from being filled again. */
  lost: boolean;
  retryMs: number;
  retryAtMs: number;
  /** The feed is being compared and filled: publications go through. */
  trying: boolean;
  /** Upper bound of the published position while the feed is set aside; null means no bound. */
  holdsAt: Position | null;
  /** NVEs whose feeds lack records about the VN meanwhile. */
  readonly untold: Set<string>;
}

/**
 * Feeds with a fault, so that no other feed has to wait for them. Publications to such a feed are left out. When its retry is
 * due, and at once if it lost records, the feed is compared with the fold and filled. If a VN's feed is set aside, so is the
 * whole VN: no NVE is told of it (X8).
 */
export class Aside {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #published: () => Position;
  readonly #topicOf: (feed: FeedName) => string;
  readonly #entries = new Map<string, Entry>();
  readonly counters = { lost: 0, restored: 0 };

  /** `published` returns the position up to which everything is published. */
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

  /** Number of feeds with lost records. */
  get lost(): number {
    let lost = 0;
    for (const entry of this.#entries.values()) if (entry.lost) lost++;
    return lost;
  }

  /** Upper bound of the published position because of these feeds; null means no bound. */
  get holdsAt(): Position | null {
    let position: Position | null = null;
    for (const { holdsAt } of this.#entries.values()) if (holdsAt !== null && (position === null || holdsAt < position)) position = holdsAt;
    return position;
  }

  /** The first MAX_NAMED of them, for people. */
  list(): readonly AsideFeed[] {
    return [...this.#entries.values()]
      .slice(0, MAX_NAMED)
      .map(({ feed, trouble, reason }) => ({ feed, topic: this.#topicOf(feed), trouble, reason }));
  }

  isClosed(feed: FeedName): boolean {
    return this.#entries.get(feedKey(feed))?.trying === false;
  }

  /** VNs about which nothing is published on any feed. */
  closedVns(): ReadonlySet<number> {
    const closed = new Set<number>();
    for (const { feed, trying } of this.#entries.values()) if (!trying && feed.kind === 'vn') closed.add(feed.vnid);
    return closed;
  }

  /** Records that a record about the VN was left out on that NVE's feed. */
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

  /**
   * The feeds whose retry is due, and the feeds of NVEs that lack records about their VNs. Publications to these feeds go through
   * from here on.
   */
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

  /** Feeds that were taken and did not fail again are now equal to the fold. */
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

  /**
   * Upper bound of the published position. A refused feed gives none, until somebody allows it; a feed that does not answer stops
   * the position where it is; for a feed with lost records the position falls back to before these records.
   */
  #heldBy(feed: FeedName, trouble: FeedTrouble): Position | null {
    if (trouble === 'refused') return null;
    if (trouble === 'unavailable') return this.#published();
    // No record of a VN is older than its creation. Searching all records of all VNs, as after emptied disks, would block this
    // thread for long.
    if (feed.kind === 'vn') {
      const vn = this.#network.vns.get(feed.vnid);
      return vn?.alive ? vn.incarnation - 1 : null;
    }
    let first: Position | null = null;
    for (const { position } of recordsOf(this.#network, feed)) if (first === null || position < first) first = position;
    return first === null ? null : first - 1;
  }
}
