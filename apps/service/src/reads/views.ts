import type { Mapping } from '@nva/codec';
import {
  memberValue,
  standingOf,
  type Conflict,
  type FoldedBinding,
  type FoldedMember,
  type FoldedNve,
  type FoldedTs,
  type FoldedVn,
  type FeedDigests,
} from '@nva/fold';
import { feedKey } from '@nva/ports';

/** JSON of the query answers. Positions are decimal strings; mappings and members have the fields of their Avro records. */
export function vnBody(vn: FoldedVn, digests: Pick<FeedDigests, 'current'>): unknown {
  const { digest, position: digestPosition } = digests.current(feedKey(vn.feed));
  const { vnid, tenantId, name, service, encapsulation, policies } = vn.state;
  return {
    vnid,
    tenantId,
    name,
    service,
    encapsulation,
    context: policies,
    incarnation: String(vn.incarnation),
    members: vn.members.size,
    tenantSystems: vn.macs.count,
    digest,
    digestPosition: String(digestPosition),
    revision: vn.revision,
    position: String(vn.position),
  };
}

export const memberBody = ({ nve, since, position, tenantSystems }: FoldedMember): unknown => ({
  ...memberValue(nve.state!),
  tenantSystems,
  since: String(since),
  position: String(position),
});

export const mappingBody = (mapping: Mapping, position: number): object => ({ ...mapping, position: String(position) });

const conflictsOf = (ts: FoldedTs, { vnid, ip }: FoldedBinding): readonly Conflict[] =>
  standingOf(ts).conflicts.filter((conflict) => conflict.vnid === vnid && (conflict.address === ts.state.mac || conflict.address === ip));

export const isConflicted = (ts: FoldedTs, binding: FoldedBinding): boolean => conflictsOf(ts, binding).length > 0;

/** A binding that is withheld because another tenant system holds one of its addresses (X2). */
export function withheldBody(ts: FoldedTs, binding: FoldedBinding): unknown {
  const { bid, vlan, ip } = binding;
  const { tsId, mac, attachments } = ts.state;
  return {
    tsId,
    bid,
    mac,
    ip,
    vlan,
    attachments: attachments.map(({ nveId, state }) => ({ nveId, state })),
    conflicts: conflictsOf(ts, binding),
  };
}

/**
 * The registration of a tenant system and its standing. `attachments` are those that the caller may see; `moveAlarm`: the tenant
 * system moves too often.
 */
export function tenantSystemBody(ts: FoldedTs, attachments: FoldedTs['state']['attachments'], moveAlarm: boolean): object {
  const { moves: _moves, place: _place, awaits: _awaits, bindings, ...state } = ts.state;
  return {
    ...state,
    attachments,
    bindings: bindings.map(({ bid, vnid, vlan, ip, lifetimeS }) => ({ bid, vnid, vlan, ip, lifetimeS })),
    ...standingOf(ts),
    moveAlarm,
    revision: ts.revision,
    position: String(ts.position),
  };
}

/** An NVE without its memberships, which may be many (`nveText`). */
export function nveBody(nve: FoldedNve, identityAlarm: boolean): object {
  const { nveId, status, siteId, mac, addresses, incarnation, leaseS } = nve.state!;
  return {
    nveId,
    siteId,
    mac,
    addresses,
    incarnation,
    leaseS,
    status,
    reachable: status === 'reachable',
    tenantSystems: nve.attachments,
    identityAlarm,
    revision: nve.revision,
    position: String(nve.position),
  };
}
