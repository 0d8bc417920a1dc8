import { mappingKey, type FeedValue, type Mapping, type Membership, type VnMember } from '@nva/codec';
import {
  feedKey,
  type FeedCursor,
  type FeedName,
  type FeedRecord,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
  type Position,
} from '@nva/ports';

/** The log of the records, unless another one is given. */
export const SCRIPTED_LOG = '00000000-0000-4000-8000-000000000001';

/** A key and its new value; null removes the key. */
export type Entry = readonly [key: string, value: FeedValue | null];

/** The records of one whole change; the last one has the end mark. */
export function changeRecords(position: Position, entries: readonly Entry[], log = SCRIPTED_LOG): FeedRecord[] {
  return entries.map(([key, value], i) => ({ key, value, position, log, changeEnd: i === entries.length - 1 }));
}

export const contextEntry = (vnid: number, name = `vn${vnid}`, service: 'l2' | 'l3' = 'l3'): Entry => [
  'context',
  { type: 'VnContext', data: { vnid, name, tenantId: 'tenant', service, encapsulation: 'vxlan', policies: { access: {}, tunnel: {} } } },
];

export const memberEntry = (nveId: string, fields: Partial<VnMember> = {}): Entry => [
  `member/${nveId}`,
  { type: 'VnMember', data: { nveId, mac: '02:00:00:00:ff:01', addresses: [`${nveId}.underlay`], reachable: true, ...fields } },
];

/** A mapping with one activated attachment at `nveId`; `fields` override its fields. The key is made of its address. */
export function mappingEntry(tsId: string, nveId: string, fields: Partial<Mapping> & Pick<Mapping, 'mac'>): Entry {
  const data: Mapping = {
    tsId,
    bid: null,
    ip: null,
    vlan: null,
    attachments: [{ nveId, state: 'activated' }],
    mobility: 0,
    via: null,
    ...fields,
  };
  return [mappingKey(data), { type: 'Mapping', data }];
}

export const membershipEntry = (vnid: number, since: Position, topic = `nvo3.vn.${vnid}`): Entry => [
  `vn/${vnid}`,
  { type: 'Membership', data: { vnid, topic, brokers: null, since } },
];

export const removed = ([key]: Entry): Entry => [key, null];

/** One call of `follow`, controlled by a test: the follower receives everything at once. */
export class ScriptedFeed implements FeedSubscription {
  readonly feed: FeedName;
  readonly resume: FeedCursor | undefined;
  readonly membership: Membership | undefined;
  readonly #sink: FeedSink;
  #closed = false;
  #count = 0;

  constructor(feed: FeedName, options: { readonly resume?: FeedCursor; readonly membership?: Membership }, sink: FeedSink) {
    this.feed = feed;
    this.resume = options.resume;
    this.membership = options.membership;
    this.#sink = sink;
  }

  get closed(): boolean {
    return this.#closed;
  }

  restart(reason = 'scripted'): this {
    this.#sink.restart(reason);
    return this;
  }

  resuming(): this {
    this.#sink.resuming?.();
    return this;
  }

  /** A whole change. */
  change(position: Position, ...entries: Entry[]): this {
    return this.records(changeRecords(position, entries));
  }

  records(records: readonly FeedRecord[]): this {
    for (const record of records) this.#sink.record(record, String(this.#count++));
    return this;
  }

  complete(upTo?: { readonly log: string; readonly position: Position }): this {
    this.#sink.complete(String(this.#count), upTo);
    return this;
  }

  /** A whole read from the start that delivers `changes`. */
  read(changes: readonly (readonly [position: Position, ...entries: Entry[]])[]): this {
    this.restart();
    for (const [position, ...entries] of changes) this.change(position, ...entries);
    return this.complete();
  }

  undecodable(key: string | null): this {
    const at = String(this.#count++);
    this.#sink.undecodable({ undecodable: true, key, at, cause: new Error('scripted') }, at);
    return this;
  }

  interrupted(cause = new Error('scripted')): this {
    this.#sink.interrupted(cause);
    return this;
  }

  resumed(): this {
    this.#sink.resumed();
    return this;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

/** A transport without a network: it records the calls of `follow`, and delivers what a test tells it. */
export class ScriptedTransport implements FeedTransport {
  /** Every call of `follow`, in order, including closed ones. */
  readonly followed: ScriptedFeed[] = [];

  follow(feed: FeedName, options: { readonly resume?: FeedCursor; readonly membership?: Membership }, sink: FeedSink): ScriptedFeed {
    const scripted = new ScriptedFeed(feed, options, sink);
    this.followed.push(scripted);
    return scripted;
  }

  /** The present subscription of the feed. Throws if the feed is not followed. */
  feed(feed: FeedName): ScriptedFeed {
    const open = this.#open(feed).at(-1);
    if (!open) throw new Error(`${feedKey(feed)} is not followed`);
    return open;
  }

  vn(vnid: number): ScriptedFeed {
    return this.feed({ kind: 'vn', vnid });
  }

  nve(nveId: string): ScriptedFeed {
    return this.feed({ kind: 'nve', nveId });
  }

  /** How many follows of the feed are open. */
  openCount(feed: FeedName): number {
    return this.#open(feed).length;
  }

  #open(feed: FeedName): ScriptedFeed[] {
    return this.followed.filter((scripted) => !scripted.closed && feedKey(scripted.feed) === feedKey(feed));
  }

  async close(): Promise<void> {
    await Promise.all(this.followed.map((scripted) => scripted.close()));
  }
}
