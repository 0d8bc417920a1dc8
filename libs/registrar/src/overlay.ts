import { factsOf, Connection, type Network } from '@nva/fold';
import type { NvaEvent } from '@nva/codec';
import {
  evolveNve,
  evolveTenantSystem,
  evolveVn,
  isNveEvent,
  isTenantSystemEvent,
  isVnEvent,
  type Facts,
  type Nve,
  type TenantSystem,
  type Vn,
} from '@nva/domain';
import { NO_STREAM } from '@nva/ports';
import { nveIdOnKafka, nveStream, tsStream, vnStream } from '@nva/identifiers';

type State = TenantSystem | Vn | Nve;

export interface StreamState {
  readonly state: State | null;
  readonly revision: number;
}

/**
 * What has been decided but not folded yet, over the fold. Every decision of this process sees it, so a duplicate of something that
 * is still being written is refused as one of something written (contract, «Answers»). An entry goes when the fold has caught up with it,
 * or when its append failed.
 */
export class Overlay {
  readonly #network: Network;
  readonly #fold: Facts;
  readonly #pending = new Map<string, StreamState>();
  /** `vnid kind address` → the tenant systems that will claim it; `nve name` → the NVEs that will have it on Kafka. */
  readonly #claims = new Map<string, Set<string>>();

  constructor(network: Network) {
    this.#network = network;
    this.#fold = factsOf(network);
  }

  get size(): number {
    return this.#pending.size;
  }

  stream(stream: string): StreamState {
    return this.#pending.get(stream) ?? this.#folded(stream);
  }

  /** Takes in an event that is on its way into the log. */
  expect(stream: string, event: NvaEvent): void {
    const { state, revision } = this.stream(stream);
    this.#set(stream, { state: evolved(state, event), revision: revision + 1 });
  }

  /** The fold has taken in the event of that revision. Once it has the last one expected it speaks for itself again: true then. */
  folded(stream: string, revision: number): boolean {
    const pending = this.#pending.get(stream);
    if (!pending || pending.revision > revision) return false;
    this.forget(stream);
    return true;
  }

  /** What was expected will not come, or not as expected. */
  forget(stream: string): void {
    const pending = this.#pending.get(stream);
    if (!pending) return;
    this.#unclaim(pending.state);
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
    nveNamedLike: (nveId) => {
      for (const like of this.#claims.get(nameKey(nveId)) ?? []) if (like !== nveId) return like;
      return this.#fold.nveNamedLike(nveId);
    },
    holder: (vnid, kind, address) => {
      for (const claimant of this.#network.vns.get(vnid)?.[kind === 'mac' ? 'macs' : 'ips'].claimants(address) ?? []) {
        const pending = this.#pending.get(tsStream(claimant.state.tsId))?.state as TenantSystem | undefined;
        if (!pending || claims(pending, vnid, kind, address)) return claimant.state;
      }
      const [tsId] = this.#claims.get(claimKey(vnid, kind, address)) ?? [];
      return tsId === undefined ? undefined : { tsId };
    },
    orphaned: (tsId, vnid) => {
      const pending = this.#pending.get(tsStream(tsId))?.state as TenantSystem | undefined;
      return pending ? pending.bindings.some((b) => b.vnid === vnid && b instanceof Connection && b.vn === null) : this.#fold.orphaned(tsId, vnid);
    },
    vnInUse: (vnid) => {
      for (const ts of this.#network.vns.get(vnid)?.macs.everyone() ?? []) {
        const pending = this.#pending.get(tsStream(ts.state.tsId))?.state as TenantSystem | undefined;
        if (!pending || pending.bindings.some((b) => b.vnid === vnid)) return true;
      }
      return this.#pendingTenantSystems().some((ts) => ts.bindings.some((b) => b.vnid === vnid));
    },
    attachmentsAt: (nveId) => {
      const at = (ts: TenantSystem | null | undefined): number => (ts?.attachments.some((a) => a.nveId === nveId) ? 1 : 0);
      return this.#pendingTenantSystems().reduce((sum, ts) => sum + at(ts) - at(this.#network.tenantSystems.get(ts.tsId)?.state), this.#fold.attachmentsAt(nveId));
    },
  };

  #folded(stream: string): StreamState {
    const folded = this.#inFold(stream);
    return folded ? { state: folded.state, revision: folded.revision } : { state: null, revision: NO_STREAM };
  }

  #inFold(stream: string): { readonly state: State | null; readonly revision: number } | undefined {
    if (stream.startsWith('ts-')) return this.#network.tenantSystems.get(stream.slice(3));
    if (stream.startsWith('vn-')) return this.#network.vns.get(Number(stream.slice(3)));
    return this.#network.nves.get(stream.slice(4));
  }

  #pendingTenantSystems(): TenantSystem[] {
    return [...this.#pending].filter(([stream]) => stream.startsWith('ts-')).map(([, { state }]) => state as TenantSystem);
  }

  #set(stream: string, next: StreamState): void {
    const before = this.#pending.get(stream);
    if (before) this.#unclaim(before.state);
    this.#pending.set(stream, next);
    for (const [key, tsId] of pendingClaims(next.state)) {
      const claimants = this.#claims.get(key);
      if (claimants) claimants.add(tsId);
      else this.#claims.set(key, new Set([tsId]));
    }
  }

  #unclaim(state: State | null): void {
    for (const [key, tsId] of pendingClaims(state)) {
      const claimants = this.#claims.get(key);
      claimants?.delete(tsId);
      if (claimants?.size === 0) this.#claims.delete(key);
    }
  }
}

const claimKey = (vnid: number, kind: 'mac' | 'ip', address: string): string => `${vnid} ${kind} ${address}`;

const claims = (ts: TenantSystem, vnid: number, kind: 'mac' | 'ip', address: string): boolean =>
  ts.bindings.some((b) => b.vnid === vnid && (kind === 'mac' ? ts.mac === address : b.ip === address));

const nameKey = (nveId: string): string => `nve ${nveIdOnKafka(nveId)}`;

/** What a state lays claim to, and by which id: addresses in VNs, an NVE its name on Kafka. */
function* pendingClaims(state: State | null): IterableIterator<readonly [key: string, id: string]> {
  if (!state) return;
  if ('siteId' in state) yield [nameKey(state.nveId), state.nveId];
  if (!('tsId' in state)) return;
  for (const { vnid, ip } of state.bindings) {
    yield [claimKey(vnid, 'mac', state.mac), state.tsId];
    if (ip !== null) yield [claimKey(vnid, 'ip', ip), state.tsId];
  }
}

function evolved(state: State | null, event: NvaEvent): State {
  if (isTenantSystemEvent(event)) return evolveTenantSystem(state as TenantSystem | null, event);
  if (isVnEvent(event)) return evolveVn(state as Vn | null, event);
  if (isNveEvent(event)) return evolveNve(state as Nve | null, event);
  throw new Error(`${event.type} belongs to no aggregate`);
}
