import { TableDigest } from '@nva/codec';
import { feedKey, type Position } from '@nva/ports';
import type { RecordChange } from './changes.ts';
import { ForkedMap } from './forked-map.ts';

/** How many digests are kept per feed, for NVEs that report an older position. A position before these is «unknown». */
export const DIGEST_HISTORY = 128;

interface Kept {
  readonly current: TableDigest;
  /** Ascending positions; each digest holds from its position on. */
  readonly positions: Position[];
  readonly digests: string[];
}

/**
 * The judgement of a table that an NVE reports by position and digest. `same`: it is the feed's present table. `behind`: it is
 * what the table was at that position or later. `differs`: the table never was that from that position on. `unknown`: nothing can
 * be said.
 */
export type Verdict = 'same' | 'behind' | 'differs' | 'unknown';

/** The present digest of a feed, and the position of the change that made it. */
export interface CurrentDigest {
  readonly feed: string;
  readonly position: Position;
  readonly digest: string;
}

/**
 * The digest of every feed after every change, for as long as anyone may ask. Its only input from the fold are the fold's
 * changes, so a comparison detects a fold that went wrong in memory.
 */
export class FeedDigests {
  readonly #feeds: Map<string, Kept>;

  constructor(feeds = new Map<string, Kept>()) {
    this.#feeds = feeds;
  }

  /** The state when `all` gave these digests. Earlier digests of the feeds are then unknown. */
  static restored(digests: Iterable<CurrentDigest>): FeedDigests {
    const digestsOfFeeds = new FeedDigests();
    for (const { feed, position, digest } of digests) digestsOfFeeds.#feeds.set(feed, restored(position, digest));
    return digestsOfFeeds;
  }

  /**
   * Digests that go on from these, and change nothing here. They cost what is asked and changed. The original must stand still.
   * Earlier digests of the feeds are unknown.
   */
  fork(): FeedDigests {
    return new FeedDigests(
      new ForkedMap(
        () => this.#feeds,
        ({ positions, digests }) => restored(positions.at(-1)!, digests.at(-1)!),
      ),
    );
  }

  /** The digests of every feed that ever had a record. */
  all(): CurrentDigest[] {
    return [...this.#feeds].map(([feed, { positions, digests }]) => ({ feed, position: positions.at(-1)!, digest: digests.at(-1)! }));
  }

  apply(position: Position, changes: readonly RecordChange[]): void {
    const touched: Kept[] = [];
    for (const { feed, key, value, previous } of changes) {
      const kept = this.#kept(feedKey(feed));
      if (value) kept.current.set(key, position, previous);
      else if (previous !== null) kept.current.remove(key, previous);
      touched.push(kept);
    }
    for (const kept of touched) {
      if (kept.positions.at(-1) === position) continue;
      kept.positions.push(position);
      kept.digests.push(kept.current.toString());
      if (kept.positions.length > 2 * DIGEST_HISTORY) {
        kept.positions.splice(0, DIGEST_HISTORY);
        kept.digests.splice(0, DIGEST_HISTORY);
      }
    }
  }

  /** The present digest, and the position of the change that made it. */
  current(feed: string): { readonly position: Position; readonly digest: string } {
    const kept = this.#feeds.get(feed);
    return kept
      ? { position: kept.positions.at(-1)!, digest: kept.digests.at(-1)! }
      : { position: 0, digest: new TableDigest().toString() };
  }

  /** The digest at a position; null if none is kept for it. */
  at(feed: string, position: Position): string | null {
    const kept = this.#feeds.get(feed);
    if (!kept || kept.positions[0]! > position) return null;
    const { positions, digests } = kept;
    let low = 0;
    let high = positions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (positions[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return digests[low]!;
  }

  /**
   * Judges a table that is of `position` or later. A consumer that has read a compacted feed knows the newest position of the
   * live keys, but not which other keys were removed since, so its table may be newer than it can tell. A digest is a sum over
   * keys and positions; if it was the feed's digest at any time since, the table is that one. The table differs only if every
   * digest since is kept and none is equal.
   */
  judge(feed: string, position: Position, digest: string): Verdict {
    const kept = this.#feeds.get(feed);
    if (!kept) return digest === this.current(feed).digest ? 'same' : 'unknown';
    const { positions, digests } = kept;
    if (digests.at(-1) === digest) return 'same';
    if (this.at(feed, position) === digest) return 'behind';
    const found = digests.lastIndexOf(digest);
    if (found >= 0 && positions[found]! > position) return 'behind';
    return positions[0]! > position ? 'unknown' : 'differs';
  }

  #kept(feed: string): Kept {
    let kept = this.#feeds.get(feed);
    if (!kept) {
      kept = { current: new TableDigest(), positions: [], digests: [] };
      this.#feeds.set(feed, kept);
    }
    return kept;
  }
}

const restored = (position: Position, digest: string): Kept => ({
  current: new TableDigest(digest),
  positions: [position],
  digests: [digest],
});
