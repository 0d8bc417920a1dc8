import type { Binding, NvaEvent, PublishedAttachment } from '@nva/codec';
import { CONTEXT_KEY, mappingKey, memberKey, membershipKey } from '@nva/codec';
import {
  evolveNve,
  evolveTaker,
  evolveTenantSystem,
  evolveVn,
  isNveEvent,
  isTenantSystemEvent,
  isVnEvent,
  type AddressPassed,
  type Nve,
  type TenantSystem,
  type Vn,
} from '@nva/domain';
import { feedKey, type FeedName, type Position, type RecordedEvent } from '@nva/ports';
import { inOrder, type RecordChange, type TableRecord, type TableValue } from './changes.ts';
import { RULES, type FoldRules } from './rules.ts';

/**
 * The naive twin of `Network`: after each event it derives every table of every feed from scratch and compares by value. It
 * shares the deciders' `evolve` with the incremental fold, but nothing of how that fold finds what changed. It is far too slow to
 * serve, and simple enough to be believed; tests prove that both always agree.
 */
export class Recompute {
  position: Position = 0;
  tables: ReadonlyMap<string, ReadonlyMap<string, TableRecord>> = new Map();
  /** By stream, like the maps below, because several tenants may use the same id. */
  readonly #tenantSystems = new Map<string, TenantSystem>();
  readonly #vns = new Map<number, { readonly state: Vn; readonly incarnation: Position }>();
  readonly #nves = new Map<string, Nve>();
  /** `stream vnid vlan ip` → the incarnation of the VN that the binding was registered in; absent if no such VN was alive. */
  #registeredIn = new Map<string, Position>();
  /** `kind vnid address stream` → the position since which the address is claimed. */
  #claims = new Map<string, ClaimSince>();
  readonly #revisions = new Map<string, number>();
  /** Group → position at which its deadlines were last taken over. */
  readonly #owners = new Map<string, Position>();
  readonly #feeds = new Map<string, FeedName>();
  readonly #versions: readonly FoldRules[];
  #rules: FoldRules;

  constructor(versions = RULES) {
    this.#versions = versions;
    this.#rules = versions[0]!;
  }

  apply({ position, stream, revision, event }: Pick<RecordedEvent, 'position' | 'stream' | 'revision' | 'event'>): readonly RecordChange[] {
    if (position <= this.position) return [];
    this.position = position;
    this.#revisions.set(stream, revision);
    const former = this.#claims;
    const taker = event.type === 'AddressPassed' ? this.#takerOf(event, stream, revision) : null;
    if (taker !== null) this.#pass(event as AddressPassed, stream, taker);
    else if (event.type !== 'AddressPassed') this.#evolve(event, stream);
    this.#claims = this.#deriveClaims();
    if (taker !== null) this.#keepPlaces(former, [stream, taker]);
    const before = this.tables;
    this.tables = this.#deriveTables(before);
    return inOrder(this.#difference(before, this.tables));
  }

  #evolve(event: NvaEvent, stream: string): void {
    if (this.#isSuperseded(event)) return;
    if (isVnEvent(event)) {
      const { vnid } = event.data;
      const known = this.#vns.get(vnid);
      const incarnation = event.type === 'VnCreated' ? this.position : known!.incarnation;
      this.#vns.set(vnid, { state: evolveVn(known?.state ?? null, event), incarnation });
    } else if (isNveEvent(event)) {
      const { nveId } = event.data;
      this.#nves.set(nveId, evolveNve(this.#nves.get(nveId) ?? null, event));
    } else if (isTenantSystemEvent(event)) {
      const next = evolveTenantSystem(this.#tenantSystems.get(stream) ?? null, event);
      this.#tenantSystems.set(stream, next);
      this.#registerBindings(stream, next, ('bindings' in event.data ? event.data.bindings : null) ?? []);
    } else if (event.type === 'FoldUpgraded') {
      this.#rules = this.#versions[event.data.toVersion - 1]!;
    } else if (event.type === 'OracleTookOver') {
      this.#owners.set(event.data.group, this.position);
    }
  }

  /** The stream of the taker; null if the passing does not count, because the taker's last event is not the one that awaits it. */
  #takerOf({ data }: AddressPassed, stream: string, revision: number): string | null {
    const { tenantId } = this.#tenantSystems.get(stream)!;
    const found = [...this.#tenantSystems].find(([, ts]) => ts.tsId === data.to && ts.tenantId === tenantId);
    if (!found) return null;
    const [taker, { awaits }] = found;
    const waits = awaits !== null && awaits.from === data.tsId && awaits.revision === revision;
    return waits && this.#revisions.get(taker) === data.toRevision ? taker : null;
  }

  #pass(event: AddressPassed, stream: string, taker: string): void {
    const { bindings, toBindings } = event.data;
    const next = new Map([
      [stream, evolveTenantSystem(this.#tenantSystems.get(stream)!, event)],
      [taker, evolveTaker(this.#tenantSystems.get(taker)!, event)],
    ]);
    for (const [name, ts] of next) {
      this.#tenantSystems.set(name, ts);
      this.#registerBindings(name, ts, name === stream ? bindings : toBindings);
    }
  }

  /** An address that one gave up and the other took is claimed since the earlier of their two positions. */
  #keepPlaces(former: ReadonlyMap<string, ClaimSince>, pair: readonly [string, string]): void {
    for (const [from, to] of [pair, pair.toReversed()] as [string, string][]) {
      for (const { address, stream, since } of former.values()) {
        if (stream !== from || this.#claims.has(`${address} ${from}`)) continue;
        const taken = this.#claims.get(`${address} ${to}`);
        if (taken) this.#claims.set(`${address} ${to}`, { ...taken, since: Math.min(since, taken.since) });
      }
    }
  }

  /** A lapse whose registrar had lost the group by then does not count. */
  #isSuperseded(event: NvaEvent): boolean {
    if (!('owner' in event.data) || event.data.group === null) return false;
    return this.#owners.get(event.data.group) !== event.data.owner;
  }

  /**
   * A binding that an event registers belongs to the present incarnation of the VN, if that is alive and the tenant's. Other
   * bindings stay where they were.
   */
  #registerBindings(stream: string, ts: TenantSystem, registered: readonly Binding[]): void {
    const next = new Map(
      [...this.#registeredIn].filter(([key]) => !key.startsWith(`${stream} `) || ts.bindings.some((b) => bindingKey(stream, b) === key)),
    );
    for (const binding of registered) {
      const vn = this.#vns.get(binding.vnid);
      next.delete(bindingKey(stream, binding));
      if (vn?.state.status === 'alive' && vn.state.tenantId === ts.tenantId) next.set(bindingKey(stream, binding), vn.incarnation);
    }
    this.#registeredIn = next;
  }

  #effective(stream: string, binding: Binding): boolean {
    const vn = this.#vns.get(binding.vnid);
    return vn?.state.status === 'alive' && this.#registeredIn.get(bindingKey(stream, binding)) === vn.incarnation;
  }

  #deriveClaims(): Map<string, ClaimSince> {
    const claims = new Map<string, ClaimSince>();
    for (const [stream, ts] of this.#tenantSystems) {
      for (const binding of ts.bindings.filter((b) => this.#effective(stream, b))) {
        const addresses = [`mac ${binding.vnid} ${ts.mac}`, ...(binding.ip === null ? [] : [`ip ${binding.vnid} ${binding.ip}`])];
        for (const address of addresses) {
          const key = `${address} ${stream}`;
          claims.set(key, this.#claims.get(key) ?? { address, stream, since: this.position });
        }
      }
    }
    return claims;
  }

  #holds(stream: string, address: string): boolean {
    const claims = [...this.#claims.values()].filter((claim) => claim.address === address);
    return claims.toSorted((a, b) => a.since - b.since)[0]?.stream === stream;
  }

  #known(nveId: string): boolean {
    const nve = this.#nves.get(nveId);
    return nve !== undefined && nve.status !== 'forgotten';
  }

  #deriveTables(before: ReadonlyMap<string, ReadonlyMap<string, TableRecord>>): ReadonlyMap<string, ReadonlyMap<string, TableRecord>> {
    const tables = new Map<string, Map<string, TableRecord>>();
    const put = (feed: FeedName, key: string, value: TableValue): void => {
      const name = feedKey(feed);
      this.#feeds.set(name, feed);
      const former = before.get(name)?.get(key);
      const position = former && JSON.stringify(former.value) === JSON.stringify(value) ? former.position : this.position;
      if (!tables.has(name)) tables.set(name, new Map());
      tables.get(name)!.set(key, { key, value, position });
    };
    for (const { state } of this.#vns.values()) {
      if (state.status !== 'alive') continue;
      put({ kind: 'vn', vnid: state.vnid }, CONTEXT_KEY, { type: 'VnContext', data: this.#rules.context(state) });
    }
    for (const [stream, ts] of this.#tenantSystems) {
      for (const binding of ts.bindings.filter((b) => this.#effective(stream, b))) {
        const { vnid, vlan, ip } = binding;
        const feed: FeedName = { kind: 'vn', vnid };
        const known = ts.attachments.filter((a) => this.#known(a.nveId));
        for (const { nveId } of known) {
          put(feed, memberKey(nveId), { type: 'VnMember', data: this.#rules.member(this.#nves.get(nveId)!) });
          const since = before.get(`nve/${nveId}`)?.get(membershipKey(vnid))?.position ?? this.position;
          put({ kind: 'nve', nveId }, membershipKey(vnid), { type: 'Membership', data: { vnid, since } });
        }
        const attachments: readonly PublishedAttachment[] = known
          .filter((a) => !ts.failures.some((f) => f.nveId === a.nveId && (f.vnid === null || f.vnid === vnid)))
          .map(({ nveId, state }) => ({ nveId, state }));
        const holdsAll = this.#holds(stream, `mac ${vnid} ${ts.mac}`) && (ip === null || this.#holds(stream, `ip ${vnid} ${ip}`));
        if (!holdsAll || attachments.length === 0) continue;
        const data = this.#rules.mapping(ts, binding, attachments);
        if (data) put(feed, mappingKey({ tsId: ts.tsId, vlan, ip }), { type: 'Mapping', data });
      }
    }
    return tables;
  }

  #difference(
    before: ReadonlyMap<string, ReadonlyMap<string, TableRecord>>,
    after: ReadonlyMap<string, ReadonlyMap<string, TableRecord>>,
  ): RecordChange[] {
    const changes: RecordChange[] = [];
    for (const [name, table] of after) {
      for (const { key, value, position } of table.values()) {
        if (position === this.position)
          changes.push({ feed: this.#feeds.get(name)!, key, value, previous: before.get(name)?.get(key)?.position ?? null });
      }
    }
    for (const [name, table] of before) {
      for (const { key, position } of table.values())
        if (!after.get(name)?.has(key)) changes.push({ feed: this.#feeds.get(name)!, key, value: null, previous: position });
    }
    return changes;
  }
}

interface ClaimSince {
  readonly address: string;
  readonly stream: string;
  readonly since: Position;
}

const bindingKey = (stream: string, b: Binding): string => `${stream} ${b.vnid} ${b.vlan} ${b.ip}`;
