import type { Mapping, NvaEvent, PublishedAttachment } from '@nva/codec';
import { CONTEXT_KEY, memberKey, membershipKey } from '@nva/codec';
import {
  evolveNve,
  evolveTenantSystem,
  evolveVn,
  isNveEvent,
  isTenantSystemEvent,
  isVnEvent,
  samePolicies,
  sameList,
  type NveEvent,
  type TenantSystem,
  type TenantSystemEvent,
  type VnEvent,
} from '@nva/domain';
import type { Position, RecordedEvent } from '@nva/ports';
import { inOrder, type RecordChange } from './changes.ts';
import { Connection, connectionKey, contextValue, FoldedNve, FoldedVn, mappingValue, memberValue, sameMapping, type ConnectedTenantSystem, type FoldedMember, type FoldedTs } from './model.ts';

/** Grows when the same log would fold to other tables than before (design, `FoldUpgraded`). */
export const FOLD_VERSION = 1;

type FoldedEvent = Pick<RecordedEvent, 'position' | 'revision' | 'event'>;

/** A mapping record as it stood before an event. */
interface Published {
  readonly vn: FoldedVn;
  readonly key: string;
  readonly value: Mapping;
  readonly position: Position;
}

/**
 * The whole network as a fold over the log: VN membership, mapping tables, address claims, reachability. `apply` takes one event
 * and returns the minimal, ordered list of records that it changes.
 *
 * Every event touches a small set of tenant systems. For those, and no others, `apply` takes down what they publish, changes the
 * state, and publishes what they now should: the difference is the change. Nothing depends on how a state came about, so there is
 * no case analysis of transitions that could miss one. The claims tell which others are touched: whoever comes to hold an address
 * that was released. Published values are not stored but derived again from the state, for their memory would be the largest part.
 */
export class Network {
  position: Position = 0;
  readonly tenantSystems = new Map<string, FoldedTs>();
  readonly vns = new Map<number, FoldedVn>();
  readonly nves = new Map<string, FoldedNve>();
  readonly #names = new Map<string, string>();
  #changes: RecordChange[] = [];

  /** Folds one event. An event at or before `position` has been folded already and changes nothing. */
  apply(recorded: FoldedEvent): readonly RecordChange[] {
    const { position, revision, event } = recorded;
    if (position <= this.position) return [];
    this.position = position;
    this.#changes = [];
    this.#dispatch(event, revision);
    return inOrder(this.#changes);
  }

  #dispatch(event: NvaEvent, revision: number): void {
    if (isTenantSystemEvent(event)) this.#tenantSystem(event, revision);
    else if (isVnEvent(event)) this.#vn(event, revision);
    else if (isNveEvent(event)) this.#nve(event, revision);
  }

  // Tenant systems

  #tenantSystem(event: TenantSystemEvent, revision: number): void {
    const { tsId } = event.data;
    const known = this.tenantSystems.get(tsId);
    const next = this.#connected(evolveTenantSystem(known?.state ?? null, event), known?.state);
    if (!known) {
      const ts: FoldedTs = { state: next, revision, position: this.position };
      this.tenantSystems.set(tsId, ts);
      this.#enter(ts);
      return;
    }
    this.#redo([known], () => {
      known.state = next;
      known.revision = revision;
      known.position = this.position;
    });
  }

  /** Makes the state that an event evolved to the fold's own. It is a fresh object, so it is changed in place: a copy of each is felt in a replay. */
  #connected(fresh: TenantSystem, before: TenantSystem | undefined): ConnectedTenantSystem {
    const state = fresh as { -readonly [K in keyof ConnectedTenantSystem]: ConnectedTenantSystem[K] };
    state.bindings = this.#connect(fresh);
    if (fresh.attachments !== before?.attachments) state.attachments = this.#adopt(fresh);
    state.tenantId = this.#name(fresh.tenantId);
    return state;
  }

  /** New bindings become Connections to the VN as it now is, if it lives and is the tenant's; those that stay, stay. */
  #connect(state: TenantSystem): readonly Connection[] {
    return state.bindings.map((binding) => {
      if (binding instanceof Connection) return binding;
      const vn = this.vns.get(binding.vnid);
      return new Connection(binding, vn?.alive && vn.state.tenantId === state.tenantId ? vn : null);
    });
  }

  /** One string per NVE and tenant instead of one per event, and an entry for every NVE that is spoken of. */
  #adopt(state: TenantSystem): TenantSystem['attachments'] {
    return state.attachments.map((attachment) => {
      const nve = this.nveNamed(attachment.nveId);
      return { nveId: nve.nveId, logicalInterface: attachment.logicalInterface, state: attachment.state };
    });
  }

  #name(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }

  /** The entry of an NVE, made if there is none yet. */
  nveNamed(nveId: string): FoldedNve {
    let nve = this.nves.get(nveId);
    if (!nve) {
      nve = new FoldedNve(nveId);
      this.nves.set(nveId, nve);
    }
    return nve;
  }

  // Taking down and publishing again

  /** Takes down what some tenant systems have, lets `change` happen, and publishes what they then should have. */
  #redo(tenantSystems: readonly FoldedTs[], change: () => void): void {
    const before = tenantSystems.map((ts) => this.#published(ts));
    const touched: FoldedMember[] = [];
    tenantSystems.forEach((ts) => this.#count(ts, -1, touched));
    const claims = tenantSystems.map((ts) => claimsOf(ts));
    change();
    const successors = new Set<FoldedTs>();
    tenantSystems.forEach((ts, i) => this.#release(ts, claims[i]!, claimsOf(ts), successors));
    tenantSystems.forEach((ts, i) => this.#claim(ts, claims[i]!, claimsOf(ts)));
    tenantSystems.forEach((ts) => this.#count(ts, 1, touched));
    this.#settleMembers(touched);
    tenantSystems.forEach((ts, i) => this.#settleMappings(ts, before[i]!));
    for (const successor of successors) if (!tenantSystems.includes(successor)) this.#settleMappings(successor, this.#published(successor));
  }

  /** The short way for a tenant system that has nothing yet. */
  #enter(ts: FoldedTs): void {
    const touched: FoldedMember[] = [];
    eachClaim(ts, (vn, kind, address) => vn[kind].claim(address, ts));
    this.#count(ts, 1, touched);
    this.#settleMembers(touched);
    this.#settleMappings(ts, []);
  }

  #published(ts: FoldedTs): readonly Published[] {
    const published: Published[] = [];
    for (const connection of ts.state.bindings) {
      const value = this.mappingOf(ts, connection);
      if (value) published.push({ vn: connection.vn!, key: connectionKey(ts.state, connection), value, position: connection.position });
    }
    return published;
  }

  /** The mapping record of a connection as it is distributed now; null if it is orphaned, conflicted or not reached. */
  mappingOf(ts: FoldedTs, connection: Connection): Mapping | null {
    return connection.position === 0 ? null : mappingValue(ts.state, connection, this.#reachedAt(ts.state, connection.vnid));
  }

  /** The attachments through which a VN is reached: at an NVE that is known, and not failed (R56). */
  #reachedAt(state: TenantSystem, vnid: number): readonly PublishedAttachment[] {
    const { attachments, failures } = state;
    if (attachments.length === 1 && failures.length === 0) {
      const nve = this.nves.get(attachments[0]!.nveId)!;
      return nve.known ? nve.alone[attachments[0]!.state] : [];
    }
    return attachments
      .filter((a) => this.nves.get(a.nveId)!.known && !failures.some((f) => f.nveId === a.nveId && (f.vnid === null || f.vnid === vnid)))
      .map((a) => ({ nveId: a.nveId, state: a.state }));
  }

  /** An entry is published if it holds all of its addresses and can be reached (X2). */
  #current(ts: FoldedTs, connection: Connection): Mapping | null {
    const { vn } = connection;
    if (!vn || vn.macs.holder(ts.state.mac) !== ts) return null;
    if (connection.ip !== null && vn.ips.holder(connection.ip) !== ts) return null;
    const attachments = this.#reachedAt(ts.state, connection.vnid);
    return attachments.length === 0 ? null : mappingValue(ts.state, connection, attachments);
  }

  #settleMappings(ts: FoldedTs, before: readonly Published[]): void {
    const gone = before.length === 0 ? null : new Set(before);
    for (const connection of ts.state.bindings) {
      const value = this.#current(ts, connection);
      if (!value) {
        connection.position = 0;
        continue;
      }
      const { feed } = connection.vn!;
      const key = connectionKey(ts.state, connection);
      const former = gone === null ? undefined : before.find((p) => p.vn === connection.vn && p.key === key);
      if (former) gone!.delete(former);
      if (former && sameMapping(former.value, value)) {
        connection.position = former.position;
        continue;
      }
      connection.position = this.position;
      this.#changes.push({ feed, key, value: { type: 'Mapping', data: value }, previous: former?.position ?? null });
    }
    if (gone) for (const { vn, key, position } of gone) this.#changes.push({ feed: vn.feed, key, value: null, previous: position });
  }

  // Claims

  #release(ts: FoldedTs, before: readonly Claim[], after: readonly Claim[], successors: Set<FoldedTs>): void {
    for (const claim of before) {
      if (after.some((other) => sameClaim(claim, other))) continue;
      const successor = claim.vn[claim.kind].release(claim.address, ts);
      if (successor) successors.add(successor);
    }
  }

  #claim(ts: FoldedTs, before: readonly Claim[], after: readonly Claim[]): void {
    for (const claim of after) if (!before.some((other) => sameClaim(claim, other))) claim.vn[claim.kind].claim(claim.address, ts);
  }

  // Membership

  /** Counts a tenant system in or out of the VNs of its NVEs, and out of the NVEs' attachments. */
  #count(ts: FoldedTs, step: 1 | -1, touched: FoldedMember[]): void {
    const { attachments, bindings } = ts.state;
    for (const { nveId } of attachments) {
      const nve = this.nves.get(nveId)!;
      nve.attachments += step;
      if (!nve.known) continue;
      for (let i = 0; i < bindings.length; i++) {
        const { vn } = bindings[i]!;
        if (!vn || firstInVn(bindings, vn) !== i) continue;
        const member = memberOf(vn, nve);
        member.tenantSystems += step;
        touched.push(member);
      }
    }
  }

  /** A member may be listed twice: what was settled is not changed again. */
  #settleMembers(touched: readonly FoldedMember[]): void {
    for (const member of touched) {
      const { vn, nve } = member;
      if (member.tenantSystems === 0) {
        vn.members.delete(nve.nveId);
        nve.memberships.delete(vn.state.vnid);
        if (member.since === 0) continue;
        this.#changes.push({ feed: vn.feed, key: memberKey(nve.nveId), value: null, previous: member.position });
        this.#changes.push({ feed: nve.feed, key: membershipKey(vn.state.vnid), value: null, previous: member.since });
        member.since = 0;
      } else if (member.since === 0) {
        member.since = this.position;
        member.position = this.position;
        nve.memberships.set(vn.state.vnid, member);
        this.#changes.push({ feed: nve.feed, key: membershipKey(vn.state.vnid), value: { type: 'Membership', data: { vnid: vn.state.vnid, since: this.position } }, previous: null });
        this.#changes.push({ feed: vn.feed, key: memberKey(nve.nveId), value: { type: 'VnMember', data: memberValue(nve.state!) }, previous: null });
      }
    }
  }

  // VNs

  #vn(event: VnEvent, revision: number): void {
    const { vnid } = event.data;
    const known = this.vns.get(vnid);
    const state = evolveVn(known?.state ?? null, event);
    switch (event.type) {
      case 'VnCreated': {
        if (known?.alive) throw new Error(`VN ${vnid} is created while it lives`);
        const vn = new FoldedVn(state, revision, this.position);
        this.vns.set(vnid, vn);
        this.#changes.push({ feed: vn.feed, key: CONTEXT_KEY, value: { type: 'VnContext', data: contextValue(state) }, previous: null });
        return;
      }
      case 'VnUpdated': {
        const vn = known!;
        const same = vn.state.name === state.name && vn.state.encapsulation === state.encapsulation && samePolicies(vn.state.policies, state.policies);
        this.#advance(vn, state, revision);
        if (same) return;
        this.#changes.push({ feed: vn.feed, key: CONTEXT_KEY, value: { type: 'VnContext', data: contextValue(state) }, previous: vn.contextPosition });
        vn.contextPosition = this.position;
        return;
      }
      case 'VnDeleted': {
        const vn = known!;
        const inside = [...new Set(vn.macs.everyone())];
        this.#redo(inside, () => {
          this.#advance(vn, state, revision);
          for (const ts of inside) for (const connection of ts.state.bindings) if (connection.vn === vn) connection.vn = null;
        });
        this.#changes.push({ feed: vn.feed, key: CONTEXT_KEY, value: null, previous: vn.contextPosition });
        return;
      }
      case 'VnPurged':
        this.#advance(known!, state, revision);
    }
  }

  #advance(vn: FoldedVn, state: FoldedVn['state'], revision: number): void {
    vn.state = state;
    vn.revision = revision;
    vn.position = this.position;
  }

  // NVEs

  #nve(event: NveEvent, revision: number): void {
    const nve = this.nveNamed(event.data.nveId);
    const before = nve.state;
    const state = evolveNve(before, event);
    const becomesKnown = !nve.known;
    const change = (): void => {
      nve.state = state;
      nve.revision = revision;
      nve.position = this.position;
    };
    if (nve.attachments > 0 && (becomesKnown || state.status === 'forgotten')) {
      // Only a race makes this: an attach that was decided before the NVE was forgotten and appended after. Rare enough to look at everyone.
      this.#redo([...this.tenantSystems.values()].filter((ts) => ts.state.attachments.some((a) => a.nveId === nve.nveId)), change);
      return;
    }
    change();
    if (!before || becomesKnown) return;
    const was = memberValue(before);
    const is = memberValue(state);
    if (was.mac === is.mac && was.reachable === is.reachable && sameList(was.addresses, is.addresses)) return;
    for (const member of nve.memberships.values()) {
      this.#changes.push({ feed: member.vn.feed, key: memberKey(nve.nveId), value: { type: 'VnMember', data: is }, previous: member.position });
      member.position = this.position;
    }
  }
}

function memberOf(vn: FoldedVn, nve: FoldedNve): FoldedMember {
  let member = vn.members.get(nve.nveId);
  if (!member) {
    member = { vn, nve, tenantSystems: 0, since: 0, position: 0 };
    vn.members.set(nve.nveId, member);
  }
  return member;
}

interface Claim {
  readonly vn: FoldedVn;
  readonly kind: 'macs' | 'ips';
  readonly address: string;
}

const sameClaim = (a: Claim, b: Claim): boolean => a.vn === b.vn && a.kind === b.kind && a.address === b.address;

/** What a tenant system claims: its MAC in every VN that it is in, and the IP of each binding (R13). An L2 binding's VLAN and MAC are covered by the MAC. */
export function eachClaim(ts: FoldedTs, visit: (vn: FoldedVn, kind: Claim['kind'], address: string) => void): void {
  const { bindings, mac } = ts.state;
  for (let i = 0; i < bindings.length; i++) {
    const { vn, ip } = bindings[i]!;
    if (!vn) continue;
    if (firstInVn(bindings, vn) === i) visit(vn, 'macs', mac);
    // An L2 VN may have one IP on several VLANs: it is claimed once.
    if (ip !== null && (bindings.length === 1 || bindings.findIndex((b) => b.vn === vn && b.ip === ip) === i)) visit(vn, 'ips', ip);
  }
}

function claimsOf(ts: FoldedTs): readonly Claim[] {
  const claims: Claim[] = [];
  eachClaim(ts, (vn, kind, address) => claims.push({ vn, kind, address }));
  return claims;
}

function firstInVn(bindings: readonly Connection[], vn: FoldedVn): number {
  return bindings.length === 1 ? 0 : bindings.findIndex((b) => b.vn === vn);
}
