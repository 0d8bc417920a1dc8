import type { Auditor } from '@nva/audit';
import { CONTEXT_KEY, memberKey, type Mapping, type VnMember } from '@nva/codec';
import type { TableRecord } from '@nva/fold';
import { numeral, parseNveId, parseVnid, Refusal } from '@nva/identifiers';
import { feedKey, type FeedName, type Position } from '@nva/ports';
import type { Caller } from '@nva/registrar';
import { page, pageQuery, type Entry } from '../reads/paging.ts';
import { asksForConflicted, resolved, resolveQuery, vnidOfResolve, type Asked, type QueryName } from '../reads/queries.ts';
import { only } from '../reads/query-readers.ts';
import { paddedVnid } from '../reads/tables.ts';
import { mappingBody } from '../reads/views.ts';
import { oneStep, type Steps } from '../turns/sliced.ts';

/** Tables that are kept for the next page, and how many records they may have altogether. */
const MAX_KEPT = 8;
const MAX_KEPT_RECORDS = 200_000;
const SORTED_PER_STEP = 256;

type Records = ReadonlyMap<string, TableRecord>;

/**
 * Queries that the history answers: what a VN or an NVE was told, and who held an address. The answers are those of a network of that
 * position.
 */
export class HistoryQueries {
  readonly #auditor: Auditor;
  readonly #kept = new Map<string, Records>();

  constructor(auditor: Auditor) {
    this.#auditor = auditor;
  }

  /** null if the history does not answer such a query; it answers with null if it does not have this one. Throws Refusal. */
  query(name: QueryName, asked: Asked, position: Position): Steps<string | null> | null {
    switch (name) {
      case 'mappings':
        return asksForConflicted(asked) ? null : this.#mappings(asked, position);
      case 'table':
        return this.#table(asked, position);
      case 'resolve':
        return asked.query['mode'] === 'redirect' ? null : oneStep(() => this.#resolve(asked, position));
      default:
        return null;
    }
  }

  *#mappings({ path, query, caller }: Asked, position: Position): Steps<string> {
    const vnid = parseVnid(numeral(path['vnid']));
    const records = this.#records({ kind: 'vn', vnid }, position);
    assertSeen(vnid, caller, (key) => records.has(key));
    return yield* page(mappingsIn(records), pageQuery(query));
  }

  *#table({ path, query, caller }: Asked, position: Position): Steps<string | null> {
    only(query, 'after', 'limit');
    const nveId = parseNveId(path['nveId']);
    if (caller.kind === 'nve' && caller.nveId !== nveId) return null;
    const paged = pageQuery(query);
    const memberships = this.#records({ kind: 'nve', nveId }, position);
    // An NVE that is in no VN may be known or not.
    if (memberships.size === 0) return null;
    return yield* page(this.#tables(memberships, paged.after ?? '', position), paged);
  }

  *#tables(memberships: Records, after: string, position: Position): Generator<Entry | undefined, void> {
    const vnids = [...memberships.values()]
      .flatMap(({ value }) => (value?.type === 'Membership' ? [value.data.vnid] : []))
      .toSorted((a, b) => a - b);
    for (const vnid of vnids) {
      const prefix = `${paddedVnid(vnid)}/`;
      // No key has this character: everything of the VN stands before it.
      if (`${prefix}\uffff` <= after) continue;
      for (const entry of mappingsIn(this.#records({ kind: 'vn', vnid }, position)))
        yield entry && [prefix + entry[0], () => ({ vnid, ...(entry[1]() as object) })];
      yield undefined;
    }
  }

  #resolve(asked: Asked, position: Position): string {
    const vnid = parseVnid(numeral(vnidOfResolve(asked)));
    const feed = { kind: 'vn', vnid } as const;
    const record = (key: string): TableRecord | null => this.#auditor.ask((history) => history.record(feed, key, position));
    assertSeen(vnid, asked.caller, (key) => record(key) !== null);
    const { address } = resolveQuery(asked);
    const found = this.#auditor.ask((history) => history.resolve(vnid, address, position));
    const nveIds = new Set(found.flatMap(({ mapping }) => mapping.attachments.map(({ nveId }) => nveId)));
    const members = [...nveIds].map((nveId) => record(memberKey(nveId))!.value!.data as VnMember);
    return JSON.stringify(
      resolved(
        vnid,
        address,
        found.map(({ mapping, position: since }) => mappingBody(mapping, since)),
        members,
      ),
    );
  }

  #records(feed: FeedName, position: Position): Records {
    const name = `${feedKey(feed)} ${position}`;
    const records =
      this.#kept.get(name) ??
      new Map(this.#auditor.ask((history) => history.table(feed, position)).map((record) => [record.key, record] as const));
    this.#kept.delete(name);
    this.#kept.set(name, records);
    let kept = 0;
    for (const { size } of this.#kept.values()) kept += size;
    for (const [oldest, { size }] of this.#kept) {
      if (this.#kept.size === 1 || (this.#kept.size <= MAX_KEPT && kept <= MAX_KEPT_RECORDS)) break;
      this.#kept.delete(oldest);
      kept -= size;
    }
    return records;
  }
}

/** Throws the Refusal that a network would answer with, if the caller may not see the VN, or if it is not there. */
function assertSeen(vnid: number, caller: Caller, has: (key: string) => boolean): void {
  if (caller.kind === 'nve' && !has(memberKey(caller.nveId)))
    throw new Refusal('forbidden', 'the NVE is not in that VN', { field: 'vnid', received: vnid });
  if (!has(CONTEXT_KEY)) throw new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });
}

/** The mappings among the records of a VN, in order of their keys. */
function* mappingsIn(records: Records): Generator<Entry | undefined, void> {
  const mappings = [...records.values()].filter(({ value }) => value?.type === 'Mapping');
  mappings.sort((a, b) => (a.key < b.key ? -1 : 1));
  let met = 0;
  for (const { key, value, position } of mappings) {
    yield [key, () => mappingBody(value!.data as Mapping, position)];
    if (++met % SORTED_PER_STEP === 0) yield undefined;
  }
}
