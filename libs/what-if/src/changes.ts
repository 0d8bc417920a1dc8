import type { TableValue } from '@nva/fold';
import { STREAM_PREFIX, tsNameOf } from '@nva/identifiers';
import { feedKey, type FeedName } from '@nva/ports';
import type { RehearsedEvent } from '@nva/registrar';

/** What a key of a feed would be in the end. */
export interface LastChange {
  /** null: it would be removed. */
  readonly after: TableValue | null;
  /** The step that changed it last. */
  readonly step: number;
  /** Published, so that the NVEs learn of it. */
  readonly told: boolean;
}

export interface ChangedFeed {
  readonly feed: FeedName;
  readonly keys: Map<string, LastChange>;
}

/** Collects what events change: the last change of each key of each feed, and what the events are about. */
export class Changes {
  readonly feeds = new Map<string, ChangedFeed>();
  /** Names of the tenant systems in whose streams there are events. */
  readonly tsNames = new Set<string>();
  /** NVEs and VNs in whose streams there are events: they may be new. */
  readonly nveIds = new Set<string>();
  readonly vnids = new Set<number>();
  readonly #shards: number;
  readonly #stopped = new Set<number>();

  constructor(shards: number) {
    this.#shards = shards;
  }

  /** From now on nothing of these shards is told. */
  stop(shards: readonly number[]): void {
    for (const shard of shards) this.#stopped.add(shard);
  }

  isTold(vnid: number): boolean {
    return !this.#stopped.has(vnid % this.#shards);
  }

  take({ stream, changes }: RehearsedEvent, step: number): void {
    const tsName = tsNameOf(stream);
    if (tsName !== undefined) this.tsNames.add(tsName);
    else if (stream.startsWith(STREAM_PREFIX.nve)) this.nveIds.add(stream.slice(STREAM_PREFIX.nve.length));
    else if (stream.startsWith(STREAM_PREFIX.vn)) this.vnids.add(Number(stream.slice(STREAM_PREFIX.vn.length)));
    for (const { feed, key, value } of changes) {
      const name = feedKey(feed);
      let changed = this.feeds.get(name);
      if (!changed) this.feeds.set(name, (changed = { feed, keys: new Map() }));
      const before = changed.keys.get(key);
      const vnid = feed.kind === 'vn' ? feed.vnid : Number(key.slice('vn/'.length));
      changed.keys.set(key, { after: value, step, told: (before?.told ?? true) && this.isTold(vnid) });
    }
  }
}
