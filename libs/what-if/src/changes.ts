import type { TableValue } from '@nva/fold';
import { tsNameOf } from '@nva/identifiers';
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

/** Collects what events change: the last change of each key of each feed, and the tenant systems that events are about. */
export class Changes {
  readonly feeds = new Map<string, ChangedFeed>();
  /** Names of the tenant systems in whose streams there are events. */
  readonly tsNames = new Set<string>();
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
