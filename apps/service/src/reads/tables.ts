import { bindingKey, type FoldedBinding, type FoldedNve, type FoldedTs, type FoldedVn, type Network } from '@nva/fold';
import { page, smallest, type Entry, type PageQuery, type PageText } from './paging.ts';
import { stepped, walk, type Steps } from '../turns/sliced.ts';
import { isConflicted, mappingBody, memberBody, withheldBody } from './views.ts';

/** A suffix that sorts after every key with the same prefix. */
const BEHIND = '\uffff';
/** VNIDs as text that sorts like the numbers. */
export const paddedVnid = (vnid: number): string => String(vnid).padStart(8, '0');

/** The mappings that a VN distributes, in order of their keys. */
export function* mappingEntries(network: Network, vn: FoldedVn, after = ''): Generator<Entry | undefined, void> {
  for (const ts of walk(vn.macs.order, ({ state }) => `mapping/${state.tsId}/${BEHIND}` <= after)) {
    if (!ts) yield undefined;
    else
      yield* entriesOf(
        ts,
        vn,
        (binding) => network.mappingOf(ts, binding) !== null,
        (binding) => mappingBody(network.mappingOf(ts, binding)!, binding.position),
      );
  }
}

/** A page of the mappings that a VN withholds (X2). Only tenant systems that contest an address are read. */
export function* withheldPage(network: Network, vn: FoldedVn, query: PageQuery): Steps<PageText> {
  const entries = yield* smallest(withheldEntries(network, vn), query.after, query.limit + 1);
  return yield* page(entries, query);
}

/** Every mapping that an NVE should have, VN by VN. */
export function* tableEntries(network: Network, nve: FoldedNve, after = ''): Generator<Entry | undefined, void> {
  for (const vnid of walk(nve.memberships.order, (other) => `${paddedVnid(other)}/${BEHIND}` <= after)) {
    const vn = vnid === undefined ? undefined : nve.memberships.get(vnid)?.vn;
    const prefix = vn && `${paddedVnid(vnid!)}/`;
    if (!vn || !prefix) yield undefined;
    else
      for (const entry of mappingEntries(network, vn, after.startsWith(prefix) ? after.slice(prefix.length) : ''))
        yield entry && [prefix + entry[0], () => ({ vnid, ...(entry[1]() as object) })];
  }
}

/** The members of a VN, in order of their NVE ids. */
export function* memberEntries(vn: FoldedVn, after = ''): Generator<Entry | undefined, void> {
  for (const nveId of walk(vn.members.order, (other) => other <= after)) {
    const member = nveId === undefined ? undefined : vn.members.get(nveId);
    yield member && [member.nve.nveId, () => memberBody(member)];
  }
}

function* withheldEntries(network: Network, vn: FoldedVn): Generator<Entry | undefined, void> {
  const met = new Set<FoldedTs>();
  for (const table of [vn.macs, vn.ips]) {
    for (const ts of stepped(table.withheld())) {
      if (!ts || met.has(ts)) {
        yield undefined;
        continue;
      }
      met.add(ts);
      yield* entriesOf(
        ts,
        vn,
        (binding) => network.mappingOf(ts, binding) === null && isConflicted(ts, binding),
        (binding) => withheldBody(ts, binding),
      );
    }
  }
}

/** The connections of a tenant system in a VN, in order of their keys. */
function* entriesOf(
  ts: FoldedTs,
  vn: FoldedVn,
  listed: (binding: FoldedBinding) => boolean,
  body: (binding: FoldedBinding) => unknown,
): Generator<Entry, void> {
  const entries: Entry[] = [];
  for (const binding of ts.state.bindings)
    if (binding.vn === vn && listed(binding)) entries.push([bindingKey(ts.state, binding), () => body(binding)]);
  if (entries.length > 1) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  yield* entries;
}
