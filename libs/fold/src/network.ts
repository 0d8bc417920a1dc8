import type { Mapping, NvaEvent, VnContext, VnMember } from '@nva/codec';
import { CONTEXT_KEY, memberKey, membershipKey } from '@nva/codec';
import {
  evolveNve,
  evolveTaker,
  evolveTenantSystem,
  evolveVn,
  isAwaited,
  isNveEvent,
  isTenantSystemEvent,
  isVnEvent,
  type AddressPassed,
  type NveEvent,
  type TenantSystemEvent,
  type VnEvent,
} from '@nva/domain';
import { nveIdAlike, tsNameOf } from '@nva/identifiers';
import { LogRefused, WRITTEN_BY_NEWER, type Position, type RecordedEvent } from '@nva/ports';
import { inOrder, type RecordChange } from './changes.ts';
import { isVoid, type FoldedOracle } from './oracles.ts';
import { Connecting } from './connecting.ts';
import { Fork } from './fork.ts';
import type { Holdings } from './holdings.ts';
import { claimsOf, eachClaim, firstInVn, moveClaims } from './claimed.ts';
import {
  bindingKey,
  FoldedNve,
  FoldedVn,
  memberOf,
  sameContext,
  sameMapping,
  sameMember,
  type FoldedBinding,
  type FoldedMember,
  type FoldedTs,
} from './model.ts';
import { LogTime } from './log-time.ts';
import { nameIn, type Namesakes } from './namesakes.ts';
import { noParts } from './network-parts.ts';
import type { OrderedMap } from './ordered.ts';
import { reachedAt } from './reach.ts';
import { RULES, type FoldRules } from './rules.ts';
import type { TunnelEnds } from './tunnel-ends.ts';
import { Whereabouts } from './whereabouts.ts';

type FoldedEvent = Pick<RecordedEvent, 'position' | 'stream' | 'revision' | 'event'>;

/**
 * Called for every existing object right before an event changes it; possibly several times for one object, and also for new
 * objects.
 */
export interface ChangeWatcher {
  tenantSystem(ts: FoldedTs): void;
  /** The VN itself, its members or the contested claims in it are about to change. */
  vn(vn: FoldedVn): void;
}

/** A mapping record before an event. */
type Published = Pick<RecordChange, 'key'> & { readonly vn: FoldedVn; readonly value: Mapping; readonly position: Position };

/**
 * The whole network as a fold over the log: VN membership, mapping tables, address claims, reachability. `apply` takes one event
 * and returns the minimal, ordered list of records that it changes.
 *
 * Every event touches a small set of tenant systems. For these, `apply` notes what they publish, changes the state, and derives
 * what they now should publish; the difference is the change. Nothing depends on how a state came about, so there is no case
 * analysis of transitions that could miss a case. The claims tell which other tenant systems are touched: those that become
 * holders of a released address. Published values are not stored but derived again from the state, because they would take most
 * of the memory.
 */
export class Network {
  position: Position = 0;
  /** The log's present version of the rules, and the revision of the stream that says so. */
  version = 1;
  versionRevision = -1;
  /** Whether the last event did not count: a lapse, or a passing, that came too late. */
  passedOver = false;
  rules: FoldRules;
  /** By the end of their stream's name (`tsNameOf`): the id, except for namesakes. */
  readonly tenantSystems: Map<string, FoldedTs>;
  readonly namesakes: Namesakes;
  readonly whereabouts: Whereabouts;
  readonly vns: OrderedMap<number, FoldedVn>;
  readonly nves: OrderedMap<string, FoldedNve>;
  readonly holdings: Holdings;
  /** By the form of their ids in which Kafka compares them: nearly always one NVE each. */
  readonly nvesAlike: Map<string, readonly FoldedNve[]>;
  readonly tunnelEnds: TunnelEnds;
  readonly time = new LogTime();
  /** The owner of the deadlines of each group. */
  readonly oracles: Map<string, FoldedOracle>;
  /** What a fork has copied of its original; null for a network that is no fork. */
  origin: Fork | null = null;
  /** Called before changes while a capture is under way. */
  watcher: ChangeWatcher | null = null;
  readonly #connecting = new Connecting(this);
  readonly #versions: readonly FoldRules[];
  #changes: RecordChange[] = [];

  /** `versions` are the rules by version; RULES except in tests. */
  constructor(versions = RULES, parts = noParts()) {
    this.#versions = versions;
    this.rules = versions[0]!;
    this.tenantSystems = parts.tenantSystems;
    this.namesakes = parts.namesakes;
    this.whereabouts = new Whereabouts(parts.tenantSystems);
    this.vns = parts.vns;
    this.nves = parts.nves;
    this.holdings = parts.holdings;
    this.nvesAlike = parts.nvesAlike;
    this.tunnelEnds = parts.tunnelEnds;
    this.oracles = parts.oracles;
  }

  /**
   * A network that is as this one is and goes its own way: what it folds changes nothing here. It costs what is looked at in it, and
   * not the whole network. It reads this network while it goes; once this network has folded another event, it throws.
   */
  fork(): Network {
    const origin = new Fork(this);
    const forked = new Network(this.#versions, origin.parts());
    forked.origin = origin;
    forked.follow(this.version, this.versionRevision);
    forked.position = this.position;
    forked.time.restore(this.time.state);
    return forked;
  }

  /** The newest version of the rules that it knows. */
  get newestVersion(): number {
    return this.#versions.length;
  }

  /** Folds one event. An event at or before `position` has been folded already and changes nothing. */
  apply(recorded: FoldedEvent): readonly RecordChange[] {
    const { position, event } = recorded;
    if (position <= this.position) return [];
    this.position = position;
    this.time.take(event.data.audit.recordedAt);
    this.#changes = [];
    this.#dispatch(event, recorded);
    return inOrder(this.#changes);
  }

  #dispatch(event: NvaEvent, { stream, revision }: FoldedEvent): void {
    const taker = event.type === 'AddressPassed' ? this.takerOf(event, stream) : undefined;
    this.passedOver =
      isVoid(event, this.oracles) || (event.type === 'AddressPassed' && !isAwaited(event, revision, taker?.state, taker?.revision));
    if (this.passedOver) this.#passOver(event, stream, revision);
    else if (taker) this.#passed(event as AddressPassed, this.tenantSystems.get(tsNameOf(stream)!)!, revision, taker);
    else if (isTenantSystemEvent(event)) this.#tenantSystem(event, nameIn(stream, event.data.tsId), revision);
    else if (isVnEvent(event)) this.#vn(event, revision);
    else if (isNveEvent(event)) this.#nve(event, revision);
    else if (event.type === 'FoldUpgraded') this.#upgrade(event, revision);
    else if (event.type === 'OracleTookOver')
      this.oracles.set(event.data.group, { oracleId: event.data.oracleId, url: event.data.url, position: this.position, revision });
  }

  /** The taker of a passing; undefined if the holder's tenant has no such tenant system. */
  takerOf({ data }: AddressPassed, stream: string): FoldedTs | undefined {
    return this.namesakes.of(data.to, this.tenantSystems.get(tsNameOf(stream)!)!.state.tenantId);
  }

  /** An event that does not count is still the last of its stream. */
  #passOver({ data }: NvaEvent, stream: string, revision: number): void {
    const ts = 'tsId' in data ? this.tenantSystems.get(tsNameOf(stream)!) : undefined;
    if (ts) this.watcher?.tenantSystem(ts);
    const folded = ts ?? ('nveId' in data ? this.nves.get(data.nveId) : undefined);
    if (folded) Object.assign(folded, { revision, position: this.position });
  }

  // Rules

  /** Continues with a version of the rules, as a snapshot or the log says. Throws for a version that this build does not have. */
  follow(version: number, revision: number): void {
    const rules = this.#versions[version - 1];
    if (!rules)
      throw new LogRefused(
        `the log is folded by version ${version} of the rules; this build has versions 1 to ${this.#versions.length}. ${WRITTEN_BY_NEWER}`,
      );
    this.rules = rules;
    this.version = version;
    this.versionRevision = revision;
  }

  /** Derives every record by the old rules and by the new ones; the records that differ are the change. */
  #upgrade({ data }: Extract<NvaEvent, { type: 'FoldUpgraded' }>, revision: number): void {
    const former = this.rules;
    this.#redo([...this.tenantSystems.values()], () => this.follow(data.toVersion, revision));
    for (const vn of this.vns.values()) {
      if (!vn.alive) continue;
      const context = this.rules.context(vn.state);
      if (!sameContext(context, former.context(vn.state))) this.#republishContext(vn, context);
      for (const member of vn.members.values()) {
        const value = this.rules.member(member.nve.state!);
        if (!sameMember(value, former.member(member.nve.state!))) this.#republishMember(member, value);
      }
    }
  }

  #republishContext(vn: FoldedVn, context: VnContext): void {
    this.watcher?.vn(vn);
    this.#changes.push({ feed: vn.feed, key: CONTEXT_KEY, value: { type: 'VnContext', data: context }, previous: vn.contextPosition });
    vn.contextPosition = this.position;
  }

  #republishMember(member: FoldedMember, value: VnMember): void {
    this.watcher?.vn(member.vn);
    this.#changes.push({
      feed: member.vn.feed,
      key: memberKey(value.nveId),
      value: { type: 'VnMember', data: value },
      previous: member.position,
    });
    member.position = this.position;
  }

  // Tenant systems

  #tenantSystem(event: TenantSystemEvent, name: string, revision: number): void {
    const known = this.tenantSystems.get(name);
    const next = this.#connecting.connected(evolveTenantSystem(known?.state ?? null, event), known?.state);
    if (!known) {
      const ts: FoldedTs = { state: next, revision, position: this.position };
      this.tenantSystems.set(name, ts);
      this.namesakes.add(name, ts);
      this.whereabouts.moved(ts, null);
      this.#enter(ts);
      return;
    }
    const { attachments } = known.state;
    this.#redo([known], () => {
      known.state = next;
      known.revision = revision;
      known.position = this.position;
    });
    this.whereabouts.moved(known, attachments);
  }

  /** Changes both tenant systems at once, so there is no moment when nobody has the address, or two have it. */
  #passed(event: AddressPassed, holder: FoldedTs, revision: number, taker: FoldedTs): void {
    const [given, taken] = [
      this.#connecting.connected(evolveTenantSystem(holder.state, event), holder.state),
      this.#connecting.connected(evolveTaker(taker.state, event), taker.state),
    ];
    this.#redo([holder, taker], () => {
      Object.assign(holder, { state: given, revision, position: this.position });
      Object.assign(taker, { state: taken, position: this.position });
    });
  }

  /** The entry of an NVE; created if there is none yet. */
  nveNamed(nveId: string): FoldedNve {
    let nve = this.nves.get(nveId);
    if (!nve) {
      nve = new FoldedNve(nveId);
      this.nves.set(nveId, nve);
      const name = nveIdAlike(nveId);
      this.nvesAlike.set(name, [...(this.nvesAlike.get(name) ?? []), nve]);
    }
    return nve;
  }

  // Taking down and publishing again

  /** Notes what some tenant systems publish, lets `change` happen, and publishes what they then should. */
  #redo(tenantSystems: readonly FoldedTs[], change: () => void): void {
    if (this.watcher) tenantSystems.forEach((ts) => this.#tell(ts));
    const before = tenantSystems.map((ts) => this.#published(ts));
    const touched: FoldedMember[] = [];
    tenantSystems.forEach((ts) => this.#count(ts, -1, touched));
    const claims = tenantSystems.map((ts) => claimsOf(ts));
    change();
    if (this.watcher) tenantSystems.forEach((ts) => this.#tell(ts));
    const successors = moveClaims(tenantSystems, claims);
    tenantSystems.forEach((ts) => this.#count(ts, 1, touched));
    this.#settleMembers(touched);
    tenantSystems.forEach((ts, i) => this.#settleMappings(ts, before[i]!));
    for (const successor of successors) this.#succeed(successor);
  }

  #succeed(successor: FoldedTs): void {
    this.watcher?.tenantSystem(successor);
    this.#settleMappings(successor, this.#published(successor));
  }

  /** Also reports the VNs in which it counts as a member and claims addresses. */
  #tell(ts: FoldedTs): void {
    this.watcher!.tenantSystem(ts);
    for (const { vn } of ts.state.bindings) if (vn) this.watcher!.vn(vn);
  }

  /** The short way for a tenant system that has nothing yet. */
  #enter(ts: FoldedTs): void {
    if (this.watcher) this.#tell(ts);
    const touched: FoldedMember[] = [];
    eachClaim(ts, (vn, kind, address) => vn[kind].claim(address, ts));
    this.#count(ts, 1, touched);
    this.#settleMembers(touched);
    this.#settleMappings(ts, []);
  }

  #published(ts: FoldedTs): readonly Published[] {
    const published: Published[] = [];
    for (const binding of ts.state.bindings) {
      const value = this.mappingOf(ts, binding);
      if (value) published.push({ vn: binding.vn!, key: bindingKey(ts.state, binding), value, position: binding.position });
    }
    return published;
  }

  /** The mapping record of a binding as it is distributed now; null if it is orphaned, withheld or not reachable. */
  mappingOf(ts: FoldedTs, binding: FoldedBinding): Mapping | null {
    return binding.position === 0 ? null : this.rules.mapping(ts.state, binding, reachedAt(this.nves, ts.state, binding.vnid));
  }

  /** A mapping is published if its tenant system holds all of its addresses and is reachable (X2). */
  #current(ts: FoldedTs, binding: FoldedBinding): Mapping | null {
    const { vn } = binding;
    if (!vn || vn.macs.holder(ts.state.mac) !== ts) return null;
    if (binding.ip !== null && vn.ips.holder(binding.ip) !== ts) return null;
    const attachments = reachedAt(this.nves, ts.state, binding.vnid);
    return attachments.length === 0 ? null : this.rules.mapping(ts.state, binding, attachments);
  }

  #settleMappings(ts: FoldedTs, before: readonly Published[]): void {
    const gone = before.length === 0 ? null : new Set(before);
    for (const binding of ts.state.bindings) {
      const value = this.#current(ts, binding);
      if (!value) {
        binding.position = 0;
        continue;
      }
      const { feed } = binding.vn!;
      const key = bindingKey(ts.state, binding);
      const former = gone === null ? undefined : before.find((p) => p.vn === binding.vn && p.key === key);
      if (former) gone!.delete(former);
      if (former && sameMapping(former.value, value)) {
        binding.position = former.position;
        continue;
      }
      binding.position = this.position;
      this.#changes.push({ feed, key, value: { type: 'Mapping', data: value }, previous: former?.position ?? null });
    }
    if (gone) for (const { vn, key, position } of gone) this.#changes.push({ feed: vn.feed, key, value: null, previous: position });
  }

  // Membership

  /** Adds a tenant system to, or removes it from, the counts of its tenant, of its NVEs, and of the VNs of its NVEs. */
  #count(ts: FoldedTs, step: 1 | -1, touched: FoldedMember[]): void {
    const { attachments, bindings } = ts.state;
    this.holdings.tenantSystem(ts.state, step);
    for (const { nveId } of attachments) {
      const nve = this.nves.get(nveId)!;
      nve.attachments += step;
      nve.bindings += step * bindings.length;
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

  /** A member may be listed twice: a settled one is not changed again. */
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
        this.#changes.push({
          feed: nve.feed,
          key: membershipKey(vn.state.vnid),
          value: { type: 'Membership', data: { vnid: vn.state.vnid, since: this.position } },
          previous: null,
        });
        this.#changes.push({
          feed: vn.feed,
          key: memberKey(nve.nveId),
          value: { type: 'VnMember', data: this.rules.member(nve.state!) },
          previous: null,
        });
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
        this.holdings.vn(state.tenantId, 1);
        this.#changes.push({
          feed: vn.feed,
          key: CONTEXT_KEY,
          value: { type: 'VnContext', data: this.rules.context(state) },
          previous: null,
        });
        return;
      }
      case 'VnUpdated': {
        const vn = known!;
        const before = this.rules.context(vn.state);
        this.#advance(vn, state, revision);
        const context = this.rules.context(state);
        if (!sameContext(before, context)) this.#republishContext(vn, context);
        return;
      }
      case 'VnDeleted': {
        const vn = known!;
        this.holdings.vn(state.tenantId, -1);
        const inside = [...new Set(vn.macs.everyone())];
        this.#redo(inside, () => {
          this.#advance(vn, state, revision);
          for (const ts of inside) for (const binding of ts.state.bindings) if (binding.vn === vn) binding.vn = null;
        });
        vn.deletedAtMs = this.time.ms;
        this.#changes.push({ feed: vn.feed, key: CONTEXT_KEY, value: null, previous: vn.contextPosition });
        return;
      }
      case 'VnReleased':
      case 'VnPurged':
        this.#advance(known!, state, revision);
    }
  }

  #advance(vn: FoldedVn, state: FoldedVn['state'], revision: number): void {
    this.watcher?.vn(vn);
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
      this.tunnelEnds.leave(nve);
      nve.state = state;
      nve.revision = revision;
      nve.position = this.position;
      this.tunnelEnds.enter(nve);
    };
    if (nve.attachments > 0 && (becomesKnown || state.status === 'forgotten')) {
      // Only a race causes this: an attach that was decided before the NVE was forgotten and appended after. It is rare enough to
      // look at all tenant systems.
      this.#redo(
        [...this.tenantSystems.values()].filter((ts) => ts.state.attachments.some((a) => a.nveId === nve.nveId)),
        change,
      );
      return;
    }
    change();
    if (!before || becomesKnown) return;
    const value = this.rules.member(state);
    if (sameMember(this.rules.member(before), value)) return;
    for (const member of nve.memberships.values()) this.#republishMember(member, value);
  }
}
