import { factsOf, foldedOf, FoldedBinding, type FoldedTs, type Network } from '@nva/fold';
import type { Binding, NvaEvent } from '@nva/codec';
import {
  evolve,
  evolveTaker,
  type AggregateState,
  type Facts,
  type NamedTenantSystem,
  type Nve,
  type Passing,
  type TenantSystem,
  type TenantSystemNames,
  type Vn,
} from '@nva/domain';
import { NO_STREAM } from '@nva/ports';
import { isTenantsOwnName, nveIdAlike, nveIdOnKafka, nveStream, tsNameFor, tsNameOf, tsStream, vnStream } from '@nva/identifiers';
import { PendingUsage, type PendingWork } from './quota-keeper.ts';
import { TransientMap } from './transient-map.ts';

export interface StreamState {
  readonly state: AggregateState | null;
  readonly revision: number;
}

interface Pending extends StreamState {
  /**
   * The last event that passes an address to this tenant system. Until it is folded, the folded state of this tenant system lacks
   * the address.
   */
  readonly from?: { readonly stream: string; readonly revision: number };
  /** Keys in `#handed` that belong to this stream. */
  readonly gives?: readonly string[];
}

/**
 * What is decided but not folded yet, on top of the fold. Every decision of this process sees it. So a duplicate of something
 * that is still being written is refused like a duplicate of something written (contract, «Answers»). An entry is removed when
 * the fold has caught up with it, or when its append failed.
 */
export class Overlay implements TenantSystemNames, PendingWork {
  readonly #network: Network;
  readonly #fold: Facts;
  readonly #counting: boolean;
  readonly usage: PendingUsage;
  readonly #pending = new TransientMap<Pending>();
  /**
   * `vnid kind address` → the streams of the tenant systems that will claim it; `nve name` → the NVEs that will have this name on
   * Kafka; `tunnel address` → the NVEs that will be reachable there.
   */
  readonly #claims = new Index();
  /**
   * `claim from`, for a tenant system that gives a claim to another → the stream of the other, which also gets the place in the
   * order (X2).
   */
  readonly #handed = new TransientMap<string>();
  /** Id → names of pending tenant systems whose id another tenant already uses. */
  readonly #namesakes = new Index();

  /** `counting`: pending decisions are counted in `usage`. */
  constructor(network: Network, counting = false) {
    this.usage = new PendingUsage();
    this.#counting = counting;
    this.#network = network;
    this.#fold = factsOf(network);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Whether the fold has not passed everything of a stream that is on its way into the log. */
  isPending(stream: string): boolean {
    return this.#pending.has(stream);
  }

  stream(stream: string): StreamState {
    return this.#pending.get(stream) ?? this.#folded(stream);
  }

  /** The present or pending tenant system with a name; null if there is none. */
  tenantSystem(name: string): TenantSystem | null {
    return this.stream(tsStream(name)).state as TenantSystem | null;
  }

  tenantOf(name: string): string | undefined {
    const folded = this.#network.tenantSystems.get(name);
    return (folded?.state ?? (this.#pending.get(tsStream(name))?.state as TenantSystem | undefined))?.tenantId;
  }

  /**
   * Whether a stream has the name of id and tenant only because another tenant's attach of that id is on its way. That attach may
   * never land in the log. And if another registrar has given the plain name to this tenant meanwhile, no revision of this stream
   * would show it.
   */
  isNamedOnTrust(stream: string, tsId: string): boolean {
    const name = tsNameOf(stream)!;
    return isTenantsOwnName(name) && !this.#network.tenantSystems.has(tsId) && !this.#network.tenantSystems.has(name);
  }

  hasNamesakes(tsId: string): boolean {
    return this.#network.namesakes.hasOthers(tsId) || (this.#namesakes.size > 0 && this.#namesakes.has(tsId));
  }

  all(tsId: string): readonly NamedTenantSystem[] {
    const names = new Set([
      tsId,
      ...this.#network.namesakes.all(tsId).map((ts) => this.#network.namesakes.nameOf(ts)),
      ...this.#namesakes.all(tsId),
    ]);
    const found: NamedTenantSystem[] = [];
    for (const name of names) {
      const ts = this.tenantSystem(name);
      if (ts) found.push({ name, ts });
    }
    return found;
  }

  /** Adds an event that is on its way into the log. */
  expect(stream: string, event: NvaEvent): void {
    const { state, revision } = this.stream(stream);
    this.#set(stream, { ...this.#pending.get(stream), state: evolve(state, asWritten(event)), revision: revision + 1 });
  }

  /** Adds a passing that is on its way into the log: its two events, and the effect of the second on the taker. */
  expectPassing(stream: string, toStream: string, { awaited, passed }: Passing): void {
    const [holder, taker] = [stream, toStream].map((one) => claimKeys(this.stream(one).state as TenantSystem));
    this.expect(toStream, awaited);
    this.expect(stream, passed);
    const { state, revision } = this.stream(toStream);
    this.#set(toStream, {
      ...this.#pending.get(toStream),
      state: evolveTaker(state as TenantSystem, asWritten(passed)),
      revision,
      from: { stream, revision: this.stream(stream).revision },
    });
    this.#hand(holder!, stream, toStream);
    this.#hand(taker!, toStream, stream);
  }

  /** Records the claims that one tenant system had and the other now has. */
  #hand(before: ReadonlySet<string>, from: string, to: string): void {
    const [left, taken] = [from, to].map((one) => claimKeys(this.stream(one).state as TenantSystem));
    const given = [...before].filter((claim) => !left!.has(claim) && taken!.has(claim));
    if (given.length === 0) return;
    for (const claim of given) {
      this.#handed.delete(`${claim} ${to}`);
      this.#handed.set(`${claim} ${from}`, to);
    }
    const pending = this.#pending.get(from)!;
    this.#pending.set(from, { ...pending, gives: [...(pending.gives ?? []), ...given.map((claim) => `${claim} ${from}`)] });
  }

  /**
   * To be called when the fold has applied the event of that revision. Returns true if this was the last expected event of the
   * stream: the fold alone then answers for it again.
   */
  folded(stream: string, revision: number): boolean {
    const pending = this.#pending.get(stream);
    if (!pending) return false;
    if (pending.revision > revision || pending.from !== undefined) {
      if (this.#counting) this.usage.set(stream, this.#folded(stream).state, pending.state);
      return false;
    }
    this.forget(stream);
    return true;
  }

  /** To be called when the fold has applied the passing at `revision` of a stream, or passed over it. Returns as `folded` does. */
  passed(toStream: string, stream: string, revision: number): boolean {
    const pending = this.#pending.get(toStream);
    if (pending?.from?.stream !== stream || pending.from.revision > revision) {
      // The folded state has changed all the same.
      if (pending && this.#counting) this.usage.set(toStream, this.#folded(toStream).state, pending.state);
      return false;
    }
    const { from: _from, ...rest } = pending;
    this.#pending.set(toStream, rest);
    if (this.#counting) this.usage.set(toStream, this.#folded(toStream).state, pending.state);
    return this.folded(toStream, this.#folded(toStream).revision);
  }

  /** The expected events will not come, or not as expected. */
  forget(stream: string): void {
    const pending = this.#pending.get(stream);
    if (!pending) return;
    this.#unclaim(stream, pending.state);
    for (const given of pending.gives ?? []) this.#handed.delete(given);
    if (this.#counting) this.usage.clear(stream);
    this.#pending.delete(stream);
  }

  readonly facts: Facts = {
    vn: (vnid) => {
      const pending = this.#pending.get(vnStream(vnid));
      if (!pending) return this.#fold.vn(vnid);
      const vn = pending.state as Vn;
      return vn.status === 'alive' ? vn : undefined;
    },
    nveKnown: (nveId) => {
      const pending = this.#pending.get(nveStream(nveId));
      return pending ? (pending.state as Nve).status !== 'forgotten' : this.#fold.nveKnown(nveId);
    },
    nveDisconnected: (nveId) => {
      const pending = this.#pending.get(nveStream(nveId));
      return pending ? (pending.state as Nve).status === 'disconnected' : this.#fold.nveDisconnected(nveId);
    },
    nveNamedLike: (nveId) => {
      // An NVE whose forgetting is not folded yet frees the other spellings of its id, except those that Kafka treats as the
      // same.
      const isFree = (like: string): boolean =>
        nveIdOnKafka(like) !== nveIdOnKafka(nveId) &&
        (this.#pending.get(nveStream(like))?.state as Nve | undefined)?.status === 'forgotten';
      for (const like of this.#claims.all(nameKey(nveId))) if (like !== nveId && !isFree(like)) return like;
      const like = this.#fold.nveNamedLike(nveId);
      return like === undefined || isFree(like) ? undefined : like;
    },
    tunnelHolder: (address, nveId) => {
      const folded = this.#network.tunnelEnds.at(address).find((nve) => nve.nveId !== nveId && !this.#pending.get(nveStream(nve.nveId)));
      if (folded) return folded.nveId;
      for (const other of this.#claims.all(tunnelKey(address))) if (other !== nveId) return other;
      return undefined;
    },
    holder: (vnid, kind, address) => {
      for (const claimant of this.#network.vns.get(vnid)?.[kind === 'mac' ? 'macs' : 'ips'].claimants(address) ?? []) {
        const pending = this.#pendingOf(claimant);
        if (!pending || claimKeys(pending).has(claimKey(vnid, kind, address))) return claimant.state;
        const taker =
          this.#handed.size === 0
            ? undefined
            : this.#takerOf(claimKey(vnid, kind, address), tsStream(this.#network.namesakes.nameOf(claimant)));
        if (taker) return taker;
      }
      const stream = this.#claims.first(claimKey(vnid, kind, address));
      return stream === undefined ? undefined : (this.#pending.get(stream)!.state as TenantSystem);
    },
    orphaned: (ts, vnid) => {
      const pending = this.#pending.get(tsStream(tsNameFor(ts.tsId, ts.tenantId, this)))?.state as TenantSystem | undefined;
      return pending ? pending.bindings.some((b) => b.vnid === vnid && isOrphaned(b)) : this.#fold.orphaned(ts, vnid);
    },
    vnInUse: (vnid) => {
      for (const ts of this.#network.vns.get(vnid)?.macs.everyone() ?? []) {
        const pending = this.#pendingOf(ts);
        if (!pending || pending.bindings.some((b) => b.vnid === vnid && !isOrphaned(b))) return true;
      }
      return this.pendingTenantSystems().some((ts) => ts.bindings.some((b) => b.vnid === vnid && !isOrphaned(b)));
    },
    attachmentsAt: (nveId) => {
      const at = (ts: TenantSystem | null | undefined): number => (ts?.attachments.some((a) => a.nveId === nveId) ? 1 : 0);
      return this.pendingTenantSystems().reduce(
        (sum, ts) => sum + at(ts) - at(this.#network.namesakes.of(ts.tsId, ts.tenantId)?.state),
        this.#fold.attachmentsAt(nveId),
      );
    },
  };

  /** The tenant system that now has a claim which a stream had, also if it was passed on several times. */
  #takerOf(claim: string, stream: string): TenantSystem | undefined {
    const to = this.#handed.get(`${claim} ${stream}`);
    if (to === undefined) return undefined;
    const taker = this.stream(to).state as TenantSystem;
    return claimKeys(taker).has(claim) ? taker : this.#takerOf(claim, to);
  }

  #folded(stream: string): StreamState {
    const folded = foldedOf(this.#network, stream);
    return folded ? { state: folded.state, revision: folded.revision } : { state: null, revision: NO_STREAM };
  }

  #pendingOf(ts: FoldedTs): TenantSystem | undefined {
    return this.#pending.size === 0
      ? undefined
      : (this.#pending.get(tsStream(this.#network.namesakes.nameOf(ts)))?.state as TenantSystem | undefined);
  }

  pendingTenantSystems(): readonly TenantSystem[] {
    if (this.#pending.size === 0) return [];
    return [...this.#pending].filter(([stream]) => tsNameOf(stream) !== undefined).map(([, { state }]) => state as TenantSystem);
  }

  #set(stream: string, next: Pending): void {
    const before = this.#pending.get(stream);
    if (before) this.#unclaim(stream, before.state);
    this.#pending.set(stream, next);
    if (this.#counting) this.usage.set(stream, this.#folded(stream).state, next.state);
    // An orphaned binding is in no VN: the VN of that VNID may be another tenant's by now.
    this.#eachIndexed(stream, next.state, (index, key, entry, binding) =>
      binding && isOrphaned(binding) ? undefined : index.add(key, entry),
    );
  }

  #unclaim(stream: string, state: AggregateState | null): void {
    this.#eachIndexed(stream, state, (index, key, entry) => index.delete(key, entry));
  }

  /**
   * Visits the index entries of a pending state: a tenant system's claims, and its id if that is not its name; an NVE's name on
   * Kafka and its tunnel addresses.
   */
  #eachIndexed(
    stream: string,
    state: AggregateState | null,
    visit: (index: Index, key: string, entry: string, claimedBy?: Binding) => void,
  ): void {
    if (!state) return;
    if ('siteId' in state) {
      visit(this.#claims, nameKey(state.nveId), state.nveId);
      if (state.status === 'reachable') for (const address of state.addresses) visit(this.#claims, tunnelKey(address), state.nveId);
    }
    if (!('tsId' in state)) return;
    for (const binding of state.bindings) for (const claim of claimsBy(state, binding)) visit(this.#claims, claim, stream, binding);
    const name = tsNameOf(stream)!;
    if (isTenantsOwnName(name)) visit(this.#namesakes, state.tsId, name);
  }
}

/**
 * Entries by key, in order of arrival. Most keys have one entry, which then needs no set: every decided command adds two keys and
 * removes them again.
 */
class Index {
  readonly #entries = new TransientMap<string | Set<string>>();

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  first(key: string): string | undefined {
    const entries = this.#entries.get(key);
    return entries instanceof Set ? entries.values().next().value : entries;
  }

  all(key: string): Iterable<string> {
    const entries = this.#entries.get(key);
    return entries === undefined ? [] : entries instanceof Set ? entries : [entries];
  }

  add(key: string, entry: string): void {
    const entries = this.#entries.get(key);
    if (entries === undefined) this.#entries.set(key, entry);
    else if (entries instanceof Set) entries.add(entry);
    else if (entries !== entry) this.#entries.set(key, new Set([entries, entry]));
  }

  delete(key: string, entry: string): void {
    const entries = this.#entries.get(key);
    if (entries === entry) this.#entries.delete(key);
    else if (entries instanceof Set && entries.delete(entry) && entries.size === 0) this.#entries.delete(key);
  }
}

const claimKey = (vnid: number, kind: 'mac' | 'ip', address: string): string => `${vnid} ${kind} ${address}`;

/** All claims that a tenant system has or will have. */
function claimKeys(ts: TenantSystem): ReadonlySet<string> {
  return new Set(ts.bindings.flatMap((binding) => (isOrphaned(binding) ? [] : claimsBy(ts, binding))));
}

/** The claims from one binding: the MAC in its VN, and the IP if there is one. */
const claimsBy = ({ mac }: TenantSystem, { vnid, ip }: Binding): readonly string[] =>
  ip === null ? [claimKey(vnid, 'mac', mac)] : [claimKey(vnid, 'mac', mac), claimKey(vnid, 'ip', ip)];

const isOrphaned = (binding: Binding): boolean => binding instanceof FoldedBinding && binding.vn === null;

/** The event as the fold will read it: every binding that it registers counts as registered anew, whatever it was decided on. */
function asWritten<E extends NvaEvent>(event: E): E {
  const { bindings, toBindings } = event.data as {
    readonly bindings?: readonly Binding[] | null;
    readonly toBindings?: readonly Binding[];
  };
  if (!bindings?.some(isOrphaned) && !toBindings?.some(isOrphaned)) return event;
  return {
    ...event,
    data: { ...event.data, ...(bindings && { bindings: bindings.map(plain) }), ...(toBindings && { toBindings: toBindings.map(plain) }) },
  };
}

const plain = ({ bid, vnid, vlan, ip, lifetimeS }: Binding): Binding => ({ bid, vnid, vlan, ip, lifetimeS });

const nameKey = (nveId: string): string => `nve ${nveIdAlike(nveId)}`;

const tunnelKey = (address: string): string => `tunnel ${address}`;
