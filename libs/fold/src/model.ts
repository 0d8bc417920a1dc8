import type { Binding, Mapping, PublishedAttachment, VnContext, VnMember } from '@nva/codec';
import { mappingKey } from '@nva/codec';
import { sameList, samePolicies, type Nve, type TenantSystem, type Vn } from '@nva/domain';
import type { FeedName, Position } from '@nva/ports';
import { ClaimTable } from './claims.ts';
import { OrderedMap } from './ordered.ts';

/** A tenant system's state in the fold: its bindings are FoldedBindings. */
export interface ConnectedTenantSystem extends TenantSystem {
  readonly bindings: readonly FoldedBinding[];
}

/** A tenant system in the fold. */
export interface FoldedTs {
  state: ConnectedTenantSystem;
  revision: number;
  /** Position of its last event. */
  position: Position;
}

/**
 * A binding and what the fold knows about it. It is the binding object in the tenant system's state itself, so a million
 * bindings need no second object each.
 */
export class FoldedBinding implements Binding {
  readonly bid: number | null;
  readonly vnid: number;
  readonly vlan: number | null;
  readonly ip: string | null;
  readonly lifetimeS: number | null;
  /** The incarnation of the VN that the binding is effective in; null while orphaned. */
  vn: FoldedVn | null;
  /** Position of its present mapping record; 0 while it has none. */
  position: Position = 0;

  constructor(binding: Binding, vn: FoldedVn | null) {
    this.bid = binding.bid;
    this.vnid = binding.vnid;
    this.vlan = binding.vlan;
    this.ip = binding.ip;
    this.lifetimeS = binding.lifetimeS;
    this.vn = vn;
  }
}

/** One incarnation of a VN: a new object each time the VNID is created. */
export class FoldedVn {
  state: Vn;
  revision: number;
  position: Position;
  /** Position of the event that created this incarnation. */
  readonly incarnation: Position;
  readonly feed: FeedName;
  contextPosition: Position;
  /** In the log's time (`LogTime`); null while it is alive. */
  deletedAtMs: number | null = null;
  readonly members: OrderedMap<string, FoldedMember>;
  readonly macs: ClaimTable;
  readonly ips: ClaimTable;

  constructor(
    state: Vn,
    revision: number,
    position: Position,
    incarnation: Position = position,
    inside: Pick<FoldedVn, 'members' | 'macs' | 'ips'> = { members: new OrderedMap(), macs: new ClaimTable(), ips: new ClaimTable() },
  ) {
    this.members = inside.members;
    this.macs = inside.macs;
    this.ips = inside.ips;
    this.state = state;
    this.revision = revision;
    this.position = position;
    this.incarnation = incarnation;
    this.contextPosition = position;
    this.feed = { kind: 'vn', vnid: state.vnid };
  }

  get alive(): boolean {
    return this.state.status === 'alive';
  }
}

/** An NVE in a VN (R35): it exists while any tenant system at the NVE has an effective binding in the VN. */
export interface FoldedMember {
  readonly vn: FoldedVn;
  readonly nve: FoldedNve;
  tenantSystems: number;
  /** Position at which the NVE joined; 0 until that is determined. */
  since: Position;
  /** Position of its present member record. */
  position: Position;
}

export class FoldedNve {
  readonly nveId: string;
  /** null while other events only mention the NVE. */
  state: Nve | null = null;
  revision = -1;
  position: Position = 0;
  /** Numbers of the tenant systems attached here, and of their bindings. */
  attachments = 0;
  bindings = 0;
  readonly memberships: OrderedMap<number, FoldedMember>;
  readonly feed: FeedName;
  /** The attachment lists of mappings that are reached only through this NVE. All these mappings share them. */
  readonly alone: { readonly associated: readonly PublishedAttachment[]; readonly activated: readonly PublishedAttachment[] };

  constructor(nveId: string, memberships = new OrderedMap<number, FoldedMember>()) {
    this.nveId = nveId;
    this.memberships = memberships;
    this.feed = { kind: 'nve', nveId };
    this.alone = { associated: [{ nveId, state: 'associated' }], activated: [{ nveId, state: 'activated' }] };
  }

  get known(): boolean {
    return this.state !== null && this.state.status !== 'forgotten';
  }
}

export function contextValue(vn: Vn): VnContext {
  const { vnid, name, tenantId, service, encapsulation, policies } = vn;
  return { vnid, name, tenantId, service, encapsulation, policies };
}

export function memberValue(nve: Nve): VnMember {
  return { nveId: nve.nveId, mac: nve.mac, addresses: nve.addresses, reachable: nve.status === 'reachable' };
}

export function mappingValue(ts: TenantSystem, binding: Binding, attachments: readonly PublishedAttachment[]): Mapping {
  return {
    tsId: ts.tsId,
    bid: binding.bid,
    mac: ts.mac,
    ip: binding.ip,
    vlan: binding.vlan,
    attachments,
    mobility: ts.mobility,
    via: null,
  };
}

export const bindingKey = (ts: TenantSystem, binding: Binding): string => mappingKey({ tsId: ts.tsId, vlan: binding.vlan, ip: binding.ip });

export function sameContext(a: VnContext, b: VnContext): boolean {
  return (
    a.name === b.name &&
    a.tenantId === b.tenantId &&
    a.service === b.service &&
    a.encapsulation === b.encapsulation &&
    samePolicies(a.policies, b.policies)
  );
}

export function sameMember(a: VnMember, b: VnMember): boolean {
  return a.mac === b.mac && a.reachable === b.reachable && sameList(a.addresses, b.addresses);
}

export function sameMapping(a: Mapping, b: Mapping): boolean {
  return (
    a.bid === b.bid &&
    a.mac === b.mac &&
    a.ip === b.ip &&
    a.vlan === b.vlan &&
    a.mobility === b.mobility &&
    a.via === b.via &&
    (a.attachments === b.attachments ||
      (a.attachments.length === b.attachments.length &&
        a.attachments.every((x, i) => x.nveId === b.attachments[i]!.nveId && x.state === b.attachments[i]!.state)))
  );
}

/** The entry of an NVE in a VN; created if there is none yet. */
export function memberOf(vn: FoldedVn, nve: FoldedNve): FoldedMember {
  let member = vn.members.get(nve.nveId);
  if (!member) {
    member = { vn, nve, tenantSystems: 0, since: 0, position: 0 };
    vn.members.set(nve.nveId, member);
  }
  return member;
}
