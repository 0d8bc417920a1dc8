import type { Mapping } from '@nva/codec';
import { CONTEXT_KEY, memberKey, membershipKey, membershipVnid } from '@nva/codec';
import type { Facts } from '@nva/domain';
import { nveIdAlike, nveIdOnKafka } from '@nva/identifiers';
import type { FeedName, Position } from '@nva/ports';
import type { TableRecord } from './changes.ts';
import { bindingKey, type FoldedBinding, type FoldedTs, type FoldedVn } from './model.ts';
import type { Network } from './network.ts';

/** The facts that deciders ask about other aggregates, answered from the fold alone. */
export function factsOf(network: Network): Facts {
  return {
    vn: (vnid) => {
      const vn = network.vns.get(vnid);
      return vn?.alive ? vn.state : undefined;
    },
    nveKnown: (nveId) => network.nves.get(nveId)?.known ?? false,
    nveDisconnected: (nveId) => network.nves.get(nveId)?.state?.status === 'disconnected',
    nveNamedLike: (nveId) =>
      network.nvesAlike
        .get(nveIdAlike(nveId))
        ?.find((nve) => nve.nveId !== nveId && (nveIdOnKafka(nve.nveId) === nveIdOnKafka(nveId) ? nve.state !== null : nve.known))?.nveId,
    tunnelHolder: (address, nveId) => network.tunnelEnds.at(address).find((nve) => nve.nveId !== nveId)?.nveId,
    holder: (vnid, kind, address) => network.vns.get(vnid)?.[kind === 'mac' ? 'macs' : 'ips'].holder(address)?.state,
    orphaned: ({ tsId, tenantId }, vnid) =>
      network.namesakes.of(tsId, tenantId)?.state.bindings.some((b) => b.vnid === vnid && b.vn === null) ?? false,
    vnInUse: (vnid) => (network.vns.get(vnid)?.macs.size ?? 0) > 0,
    attachmentsAt: (nveId) => network.nves.get(nveId)?.attachments ?? 0,
  };
}

/** An address in a VN that a tenant system claims and somebody else holds (X2). */
export interface Conflict {
  readonly vnid: number;
  readonly address: string;
  readonly heldBy: string;
}

/** The result of a tenant system's registration. */
export interface Standing {
  /** False if any binding is orphaned or withheld. */
  readonly effective: boolean;
  readonly conflicts: readonly Conflict[];
  /** VNIDs of bindings whose incarnation of the VN is gone. */
  readonly orphaned: readonly number[];
  /** VNs that the tenant system is in, also where its mapping is withheld, ascending. */
  readonly memberships: readonly number[];
}

export function standingOf(ts: FoldedTs): Standing {
  const conflicts: Conflict[] = [];
  const orphaned = new Set<number>();
  const memberships = new Set<number>();
  for (const binding of ts.state.bindings) {
    const { vn, vnid, ip } = binding;
    if (!vn) {
      orphaned.add(vnid);
      continue;
    }
    if (!memberships.has(vnid)) addConflict(vn.macs.holder(ts.state.mac), vnid, ts.state.mac);
    memberships.add(vnid);
    if (ip !== null) addConflict(vn.ips.holder(ip), vnid, ip);
  }
  return {
    effective: conflicts.length === 0 && orphaned.size === 0,
    conflicts,
    orphaned: [...orphaned].toSorted(ascending),
    memberships: [...memberships].toSorted(ascending),
  };

  function addConflict(holder: FoldedTs | undefined, vnid: number, address: string): void {
    if (holder && holder !== ts) conflicts.push({ vnid, address, heldBy: holder.state.tsId });
  }
}

const ascending = (a: number, b: number): number => a - b;

/** One binding in a VN: either distributed, or withheld with the reason. */
export interface BindingInVn {
  readonly ts: FoldedTs;
  readonly binding: FoldedBinding;
  readonly mapping: Mapping | null;
}

export function* bindingsIn(network: Network, vn: FoldedVn): IterableIterator<BindingInVn> {
  for (const ts of vn.macs.everyone()) {
    for (const binding of ts.state.bindings) {
      if (binding.vn === vn) yield { ts, binding, mapping: network.mappingOf(ts, binding) };
    }
  }
}

/** Every present record of a feed: context, members, mappings. Empty for a VN that is not alive and for an NVE that is in no VN. */
export function* recordsOf(network: Network, feed: FeedName): IterableIterator<TableRecord> {
  if (feed.kind === 'nve') {
    for (const [vnid, { since }] of network.nves.get(feed.nveId)?.memberships ?? []) {
      yield { key: membershipKey(vnid), value: { type: 'Membership', data: { vnid, since } }, position: since };
    }
    return;
  }
  const vn = network.vns.get(feed.vnid);
  if (!vn?.alive) return;
  yield { key: CONTEXT_KEY, value: { type: 'VnContext', data: network.rules.context(vn.state) }, position: vn.contextPosition };
  for (const { nve, position } of vn.members.values()) {
    yield { key: memberKey(nve.nveId), value: { type: 'VnMember', data: network.rules.member(nve.state!) }, position };
  }
  for (const { ts, binding, mapping } of bindingsIn(network, vn)) {
    if (mapping) yield { key: bindingKey(ts.state, binding), value: { type: 'Mapping', data: mapping }, position: binding.position };
  }
}

/** The present record of a key of a feed; null if there is none. It costs the same however large the feed is. */
export function recordOf(network: Network, feed: FeedName, key: string): TableRecord | null {
  if (feed.kind === 'nve') {
    const vnid = membershipVnid(key);
    const member = vnid === null ? undefined : network.nves.get(feed.nveId)?.memberships.get(vnid);
    if (!member) return null;
    return { key, value: { type: 'Membership', data: { vnid: vnid!, since: member.since } }, position: member.since };
  }
  const vn = network.vns.get(feed.vnid);
  if (!vn?.alive) return null;
  if (key === CONTEXT_KEY)
    return { key, value: { type: 'VnContext', data: network.rules.context(vn.state) }, position: vn.contextPosition };
  const [kind, id] = key.split('/', 2) as [string, string];
  if (kind === 'member') {
    const member = vn.members.get(id);
    return member ? { key, value: { type: 'VnMember', data: network.rules.member(member.nve.state!) }, position: member.position } : null;
  }
  const ts = network.namesakes.of(id, vn.state.tenantId);
  for (const binding of ts?.state.bindings ?? []) {
    if (binding.vn !== vn || bindingKey(ts!.state, binding) !== key) continue;
    const mapping = network.mappingOf(ts!, binding);
    return mapping && { key, value: { type: 'Mapping', data: mapping }, position: binding.position };
  }
  return null;
}

/** Every feed that has, or may have had, records. */
export function* feedsOf(network: Network): IterableIterator<FeedName> {
  for (const vn of network.vns.values()) if (vn.state.status !== 'purged') yield vn.feed;
  for (const nve of network.nves.values()) if (nve.state) yield nve.feed;
}

/** The mapping that a VN distributes for an address, if any. */
export function resolve(
  network: Network,
  vnid: number,
  address: { readonly mac: string } | { readonly ip: string },
): { readonly mapping: Mapping; readonly position: Position }[] {
  const vn = network.vns.get(vnid);
  const ts = 'mac' in address ? vn?.macs.holder(address.mac) : vn?.ips.holder(address.ip);
  if (!vn || !ts) return [];
  return ts.state.bindings
    .filter((binding) => binding.vn === vn && ('mac' in address || binding.ip === address.ip))
    .map((binding) => ({ mapping: network.mappingOf(ts, binding), position: binding.position }))
    .filter((found): found is { mapping: Mapping; position: Position } => found.mapping !== null);
}
