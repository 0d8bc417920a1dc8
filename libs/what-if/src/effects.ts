import type { Mapping, VnMember } from '@nva/codec';
import { recordOf, recordsOf, standingOf, type Conflict, type FoldedTs, type Network, type TableValue } from '@nva/fold';
import type { FeedName } from '@nva/ports';
import type { ChangedFeed, Changes } from './changes.ts';
import type { Bound, WhatIfOptions } from './what-if.ts';

/** Records of tables that one what-if looks at, besides those that change. */
export const MAX_LOOKED = 500_000;
const PER_PIECE = 256;

/** A record that would change. */
export interface ChangedRecord {
  readonly key: string;
  readonly before: TableValue | null;
  readonly after: TableValue | null;
  /** The step that would change it last. */
  readonly step: number;
}

export interface FeedEffect {
  readonly feed: FeedName;
  /** Every change of it would be published. */
  readonly told: boolean;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** In the order of their keys; fewer than are counted where a bound is met. */
  readonly changes: readonly ChangedRecord[];
}

/** What would become of the table that an NVE has: entries, and the VNs that it would come into or leave. */
export interface NveEffect {
  readonly nveId: string;
  readonly gained: number;
  readonly lost: number;
  readonly changed: number;
  readonly joined: readonly number[];
  readonly left: readonly number[];
}

/** Two tenant systems of a VN. */
export interface Pair {
  readonly vnid: number;
  readonly a: string;
  readonly b: string;
}

/** Pairs that could, or could no longer, reach each other; all are counted, and the first are listed. */
export interface Pairs {
  readonly count: number;
  readonly first: readonly Pair[];
}

/** A conflict of addresses, and the tenant system whose registration does not count for it (X2). */
export interface OwnConflict extends Conflict {
  readonly tsId: string;
}

export interface Effects {
  readonly feeds: readonly FeedEffect[];
  readonly nves: readonly NveEffect[];
  /**
   * Two tenant systems reach each other in a VN if each has an entry there with an NVE that forwards for it, and that is reachable as far
   * as the NVA knows.
   */
  readonly pairs: { readonly lost: Pairs; readonly gained: Pairs };
  readonly conflicts: { readonly appeared: readonly OwnConflict[]; readonly ended: readonly OwnConflict[] };
}

type Pieces<T> = Generator<undefined, T, void>;

/** What changes come to: `before` is the network that they begin with, `after` the one that they lead to. */
export function* effectsOf(
  before: Network,
  after: Network,
  { feeds, tsNames }: Changes,
  bounds: Set<Bound>,
  { limit, maxLooked = MAX_LOOKED }: WhatIfOptions,
): Pieces<Effects> {
  const effects: FeedEffect[] = [];
  const tables = new Tables(limit);
  const concerned = new Set(tsNames);
  let [listed, looked] = [0, 0];
  for (const changed of inOrder(feeds.values())) {
    const records = yield* changedRecords(before, changed);
    if (records.length === 0) continue;
    const { feed } = changed;
    const shown = records.slice(0, limit - listed);
    listed += shown.length;
    if (shown.length < records.length) bounds.add('changes');
    effects.push({
      feed,
      told: records.every(({ key }) => changed.keys.get(key)!.told),
      added: records.filter((record) => !record.before).length,
      changed: records.filter((record) => record.before && record.after).length,
      removed: records.filter((record) => !record.after).length,
      changes: shown,
    });
    if (feed.kind !== 'vn') continue;
    for (const name of namesIn(before, after, feed.vnid, records)) concerned.add(name);
    looked += sizeOf(before, feed.vnid);
    if (looked > maxLooked) bounds.add('tables');
    else yield* tables.take(feed.vnid, recordsOf(before, feed), records);
  }
  const conflicts = yield* conflictsOf(before, after, concerned);
  if (tables.isCut) bounds.add('pairs');
  if (conflicts.appeared.length > limit || conflicts.ended.length > limit) bounds.add('conflicts');
  return {
    feeds: effects,
    nves: tables.nves(),
    pairs: { lost: tables.lost, gained: tables.gained },
    conflicts: { appeared: conflicts.appeared.slice(0, limit), ended: conflicts.ended.slice(0, limit) },
  };
}

/** VNs by VNID, then NVEs by id. */
const inOrder = (feeds: Iterable<ChangedFeed>): readonly ChangedFeed[] => [...feeds].toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
const placeOf = ({ feed }: ChangedFeed): string => (feed.kind === 'vn' ? `a${String(feed.vnid).padStart(8, '0')}` : `b${feed.nveId}`);

/** Without those that are in the end what they were. */
function* changedRecords(before: Network, { feed, keys }: ChangedFeed): Pieces<readonly ChangedRecord[]> {
  const records: ChangedRecord[] = [];
  let met = 0;
  for (const [key, { after, step }] of keys) {
    if (++met % PER_PIECE === 0) yield;
    const value = recordOf(before, feed, key)?.value ?? null;
    if (!isSame(value, after)) records.push({ key, before: value, after, step });
  }
  return records.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** A membership that ended and began anew is another one. */
function isSame(a: TableValue | null, b: TableValue | null): boolean {
  return a === null || b === null ? a === b : JSON.stringify(a) === JSON.stringify(b);
}

/** Names of the tenant systems that changed mappings are of. */
function* namesIn(before: Network, after: Network, vnid: number, records: readonly ChangedRecord[]): Generator<string, void> {
  for (const { before: former, after: value } of records) {
    const mapping = value ?? former!;
    if (mapping.type !== 'Mapping') continue;
    const network = value ? after : before;
    const ts = network.namesakes.of(mapping.data.tsId, network.vns.get(vnid)!.state.tenantId);
    if (ts) yield network.namesakes.nameOf(ts);
  }
}

const sizeOf = (network: Network, vnid: number): number => {
  const vn = network.vns.get(vnid);
  return vn ? 1 + vn.members.size + vn.ips.count + vn.macs.count : 0;
};

function* conflictsOf(before: Network, after: Network, names: ReadonlySet<string>): Pieces<Effects['conflicts']> {
  const [appeared, ended]: [OwnConflict[], OwnConflict[]] = [[], []];
  let met = 0;
  for (const name of [...names].toSorted()) {
    if (++met % PER_PIECE === 0) yield;
    const [had, has] = [before, after].map(({ tenantSystems }) => ownConflicts(tenantSystems.get(name))) as [
      Map<string, OwnConflict>,
      Map<string, OwnConflict>,
    ];
    for (const [id, conflict] of has) if (!had.has(id)) appeared.push(conflict);
    for (const [id, conflict] of had) if (!has.has(id)) ended.push(conflict);
  }
  return { appeared, ended };
}

const ownConflicts = (ts: FoldedTs | undefined): Map<string, OwnConflict> =>
  new Map(
    (ts ? standingOf(ts).conflicts : []).map((conflict) => [
      `${conflict.vnid} ${conflict.address} ${conflict.heldBy}`,
      { tsId: ts!.state.tsId, ...conflict },
    ]),
  );

interface Counted {
  gained: number;
  lost: number;
  changed: number;
  readonly joined: number[];
  readonly left: number[];
}

/** Adds up what NVEs and pairs of tenant systems come to, VN by VN. */
class Tables {
  readonly #limit: number;
  readonly #nves = new Map<string, Counted>();
  readonly #lost: PairCount;
  readonly #gained: PairCount;

  constructor(limit: number) {
    this.#limit = limit;
    this.#lost = new PairCount(limit);
    this.#gained = new PairCount(limit);
  }

  get lost(): Pairs {
    return this.#lost;
  }

  get gained(): Pairs {
    return this.#gained;
  }

  get isCut(): boolean {
    return [this.#lost, this.#gained].some(({ count, first }) => count > first.length && first.length >= this.#limit);
  }

  *take(
    vnid: number,
    records: Iterable<{ readonly key: string; readonly value: TableValue }>,
    changes: readonly ChangedRecord[],
  ): Pieces<void> {
    const [former, next] = [new Table(), new Table()];
    const changed = new Map(changes.map((change) => [change.key, change]));
    let met = 0;
    for (const { key, value } of records) {
      former.take(key, value);
      const change = changed.get(key);
      if (!change) next.take(key, value);
      if (++met % PER_PIECE === 0) yield;
    }
    for (const { key, after } of changes) if (after) next.take(key, after);
    const mappings = changes.filter(({ key }) => key.startsWith('mapping/'));
    for (const nveId of new Set([...former.members.keys(), ...next.members.keys()])) {
      const counted = this.#nve(nveId);
      if (!next.members.has(nveId)) {
        counted.left.push(vnid);
        counted.lost += former.entries;
      } else if (former.members.has(nveId)) {
        for (const { before, after } of mappings) counted[!before ? 'gained' : after ? 'changed' : 'lost']++;
      } else {
        counted.joined.push(vnid);
        counted.gained += next.entries;
      }
    }
    const [served, serving] = [former.served(), next.served()];
    yield* this.#lost.take(vnid, served, serving);
    yield* this.#gained.take(vnid, serving, served);
  }

  /** Those of which something is different, by id. */
  nves(): readonly NveEffect[] {
    return [...this.#nves]
      .filter(([, { gained, lost, changed, joined, left }]) => gained + lost + changed + joined.length + left.length > 0)
      .map(([nveId, counted]) => ({ nveId, ...counted }))
      .toSorted((a, b) => (a.nveId < b.nveId ? -1 : 1));
  }

  #nve(nveId: string): Counted {
    let counted = this.#nves.get(nveId);
    if (!counted) this.#nves.set(nveId, (counted = { gained: 0, lost: 0, changed: 0, joined: [], left: [] }));
    return counted;
  }
}

/** What matters of a VN's table. */
class Table {
  readonly members = new Map<string, boolean>();
  readonly #mappings: Mapping[] = [];

  take(key: string, value: TableValue): void {
    if (value.type === 'Mapping') this.#mappings.push(value.data);
    else if (value.type === 'VnMember') this.members.set(key.slice('member/'.length), (value.data satisfies VnMember).reachable);
  }

  get entries(): number {
    return this.#mappings.length;
  }

  /** Tenant systems for which an NVE forwards that is reachable. */
  served(): ReadonlySet<string> {
    const isServed = ({ attachments }: Mapping): boolean =>
      attachments.some(({ nveId, state }) => state === 'activated' && (this.members.get(nveId) ?? false));
    return new Set(this.#mappings.filter(isServed).map(({ tsId }) => tsId));
  }
}

/** Pairs of which both are served in one table, and not both in another. */
class PairCount implements Pairs {
  count = 0;
  readonly first: Pair[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  *take(vnid: number, here: ReadonlySet<string>, there: ReadonlySet<string>): Pieces<void> {
    const only = [...here].filter((tsId) => !there.has(tsId)).toSorted();
    if (only.length === 0) return;
    const kept = here.size - only.length;
    this.count += choose2(here.size) - choose2(kept);
    const others = [...here].toSorted();
    const met = new Set<string>();
    for (const a of only) {
      met.add(a);
      for (const b of others) {
        if (this.first.length >= this.#limit) return;
        if (!met.has(b)) this.first.push({ vnid, a, b });
      }
      yield;
    }
  }
}

const choose2 = (n: number): number => (n * (n - 1)) / 2;
