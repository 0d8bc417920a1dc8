import type { Binding } from '@nva/codec';
import type { Nve, TenantSystem, Vn } from '@nva/domain';
import type { Position } from '@nva/ports';
import { eachClaim, firstInVn } from './claimed.ts';
import { FoldedBinding, FoldedVn, type FoldedMember, type FoldedNve, type FoldedTs } from './model.ts';
import { Network } from './network.ts';
import type { LogTimeState } from './log-time.ts';
import type { FoldedOracle } from './oracles.ts';
import { RULES } from './rules.ts';

/** The fold as plain data, including positions and the order of claims: `restore` makes the same network from it. */
export interface NetworkSnapshot extends SnapshotFrame {
  readonly oracles: readonly OracleSnapshot[];
  readonly nves: readonly NveSnapshot[];
  readonly vns: readonly VnSnapshot[];
  readonly tenantSystems: readonly TenantSystemSnapshot[];
}

/** The position of a snapshot in the log, and the rules that it was folded by. */
export interface SnapshotFrame {
  readonly foldVersion: number;
  readonly foldRevision: number;
  readonly position: Position;
  readonly time: LogTimeState;
}

export type OracleSnapshot = readonly [group: string, oracle: FoldedOracle];

export interface NveSnapshot {
  readonly nveId: string;
  readonly state: Nve | null;
  readonly revision: number;
  readonly position: Position;
}

export interface VnSnapshot {
  readonly state: Vn;
  readonly revision: number;
  readonly position: Position;
  readonly incarnation: Position;
  readonly contextPosition: Position;
  readonly deletedAtMs: number | null;
  readonly members: readonly { readonly nveId: string; readonly since: Position; readonly position: Position }[];
  readonly contestedMacs: readonly ContestedSnapshot[];
  readonly contestedIps: readonly ContestedSnapshot[];
}

/** The claimants of an address, the holder first. */
export type ContestedSnapshot = readonly [address: string, tsIds: readonly string[]];

export interface TenantSystemSnapshot {
  /** The tenant system's name, if it is not the id, because another tenant used the id first. */
  readonly name: string | null;
  readonly state: TenantSystem;
  readonly revision: number;
  readonly position: Position;
  /** One per binding: the position of its record (0: no record), or null for an orphaned binding. */
  readonly positions: readonly (Position | null)[];
}

const plainBinding = ({ bid, vnid, vlan, ip, lifetimeS }: Binding): Binding => ({ bid, vnid, vlan, ip, lifetimeS });

export const frameOf = (network: Network): SnapshotFrame => ({
  foldVersion: network.version,
  foldRevision: network.versionRevision,
  position: network.position,
  time: network.time.state,
});

export const nveSnapshot = ({ nveId, state, revision, position }: FoldedNve): NveSnapshot => ({ nveId, state, revision, position });

export const vnSnapshot = (vn: FoldedVn): VnSnapshot => ({
  state: vn.state,
  revision: vn.revision,
  position: vn.position,
  incarnation: vn.incarnation,
  contextPosition: vn.contextPosition,
  deletedAtMs: vn.deletedAtMs,
  members: [...vn.members.values()].map(({ nve, since, position }) => ({ nveId: nve.nveId, since, position })),
  contestedMacs: vn.macs.contested(),
  contestedIps: vn.ips.contested(),
});

export const tenantSystemSnapshot = (network: Network, ts: FoldedTs): TenantSystemSnapshot =>
  tenantSystemAs(network.namesakes.nameOf(ts), ts);

const tenantSystemAs = (name: string, { state, revision, position }: FoldedTs): TenantSystemSnapshot => ({
  name: name === state.tsId ? null : name,
  state: { ...state, bindings: state.bindings.map(plainBinding) },
  revision,
  position,
  positions: state.bindings.map((binding) => (binding.vn ? binding.position : null)),
});

/** Takes the whole snapshot at once. If other work waits, take it in parts (`NetworkCapture`). */
export const takeSnapshot = (network: Network): NetworkSnapshot => ({
  ...frameOf(network),
  oracles: [...network.oracles],
  nves: [...network.nves.values()].map(nveSnapshot),
  vns: [...network.vns.values()].map(vnSnapshot),
  tenantSystems: [...network.tenantSystems].map(([name, ts]) => tenantSystemAs(name, ts)),
});

/** Throws if the snapshot was folded by rules that this build does not have. */
export function restore(snapshot: NetworkSnapshot, versions = RULES): Network {
  const restoring = new NetworkRestorer(snapshot, versions);
  for (const oracle of snapshot.oracles) restoring.oracle(oracle);
  for (const nve of snapshot.nves) restoring.nve(nve);
  for (const vn of snapshot.vns) restoring.vn(vn);
  for (const { name, state, revision, position, positions } of snapshot.tenantSystems) {
    const bindings = state.bindings.map((binding, i) => restoring.binding(binding, positions[i]!));
    restoring.tenantSystem({ state: { ...state, bindings }, revision, position }, name);
  }
  return restoring.finish();
}

/**
 * Makes a network from a snapshot, entry by entry: oracles and NVEs, then VNs, then tenant systems in any order. Nobody may use
 * the network before `finish`; if anything throws before, discard it.
 */
export class NetworkRestorer {
  readonly #network: Network;
  /** VNs with contested addresses, and their snapshots. */
  readonly #contested = new Map<FoldedVn, VnSnapshot>();

  /** Throws for rules that this build does not have. */
  constructor({ foldVersion, foldRevision, position, time }: SnapshotFrame, versions = RULES) {
    this.#network = new Network(versions);
    this.#network.follow(foldVersion, foldRevision);
    this.#network.position = position;
    this.#network.time.restore(time);
  }

  oracle([group, oracle]: OracleSnapshot): void {
    this.#network.oracles.set(group, oracle);
  }

  nve({ nveId, state, revision, position }: NveSnapshot): FoldedNve {
    const nve = Object.assign(this.#network.nveNamed(nveId), { state, revision, position });
    this.#network.tunnelEnds.enter(nve);
    return nve;
  }

  vn(snapshot: VnSnapshot): void {
    const vn = new FoldedVn(snapshot.state, snapshot.revision, snapshot.position, snapshot.incarnation);
    vn.contextPosition = snapshot.contextPosition;
    vn.deletedAtMs = snapshot.deletedAtMs;
    this.#network.vns.set(vn.state.vnid, vn);
    if (vn.alive) this.#network.holdings.vn(vn.state.tenantId, 1);
    for (const { nveId, since, position } of snapshot.members) {
      const nve: FoldedNve = this.#network.nveNamed(nveId);
      const member: FoldedMember = { vn, nve, tenantSystems: 0, since, position };
      vn.members.set(nveId, member);
      nve.memberships.set(vn.state.vnid, member);
    }
    if (snapshot.contestedMacs.length + snapshot.contestedIps.length > 0) this.#contested.set(vn, snapshot);
  }

  /** `position` as in TenantSystemSnapshot. */
  binding(binding: Binding, position: Position | null): FoldedBinding {
    const folded = new FoldedBinding(binding, position === null ? null : this.#network.vns.get(binding.vnid)!);
    folded.position = position ?? 0;
    return folded;
  }

  /** The tenant system becomes part of the fold; `binding` makes its bindings. `name` as in TenantSystemSnapshot. */
  tenantSystem(ts: FoldedTs, name: string | null): void {
    const { tsId, bindings, attachments } = ts.state;
    this.#network.tenantSystems.set(name ?? tsId, ts);
    if (name !== null) this.#network.namesakes.add(name, ts);
    eachClaim(ts, this.#claim);
    this.#network.holdings.tenantSystem(ts.state, 1);
    for (const { nveId } of attachments) {
      const nve = this.#network.nves.get(nveId)!;
      nve.attachments++;
      nve.bindings += bindings.length;
      if (!nve.known) continue;
      for (let i = 0; i < bindings.length; i++) {
        const { vn } = bindings[i]!;
        if (vn && firstInVn(bindings, vn) === i) vn.members.get(nveId)!.tenantSystems++;
      }
    }
  }

  /** Claims were made in the order of the entries. Claims of contested addresses are now put into their order of arrival. */
  finish(): Network {
    for (const [{ macs, ips }, { contestedMacs, contestedIps }] of this.#contested) {
      for (const [address, tsIds] of contestedMacs) macs.reorder(address, tsIds);
      for (const [address, tsIds] of contestedIps) ips.reorder(address, tsIds);
    }
    return this.#network;
  }

  readonly #claim = (vn: FoldedVn, kind: 'macs' | 'ips', address: string, ts: FoldedTs): void => {
    if (this.#contested.has(vn)) vn[kind].claim(address, ts);
    else vn[kind].claimAlone(address, ts);
  };
}
