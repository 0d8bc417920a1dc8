import type { Binding } from '@nva/codec';
import type { Nve, TenantSystem, Vn } from '@nva/domain';
import type { Position } from '@nva/ports';
import { eachClaim } from './claimed.ts';
import { Connection, FoldedVn, type FoldedNve, type FoldedTs } from './model.ts';
import { Network } from './network.ts';
import type { FoldedOracle } from './oracles.ts';
import { RULES } from './rules.ts';

/** The fold as plain data, positions and order of claims included: what `restore` makes of it is the same network. */
export interface NetworkSnapshot {
  readonly foldVersion: number;
  readonly foldRevision: number;
  readonly position: Position;
  readonly oracles: readonly (readonly [group: string, oracle: FoldedOracle])[];
  readonly nves: readonly { readonly nveId: string; readonly state: Nve | null; readonly revision: number; readonly position: Position }[];
  readonly vns: readonly VnSnapshot[];
  readonly tenantSystems: readonly TenantSystemSnapshot[];
}

interface VnSnapshot {
  readonly state: Vn;
  readonly revision: number;
  readonly position: Position;
  readonly incarnation: Position;
  readonly contextPosition: Position;
  readonly members: readonly { readonly nveId: string; readonly since: Position; readonly position: Position }[];
  readonly contestedMacs: readonly (readonly [address: string, tsIds: readonly string[]])[];
  readonly contestedIps: readonly (readonly [address: string, tsIds: readonly string[]])[];
}

interface TenantSystemSnapshot {
  readonly state: TenantSystem;
  readonly revision: number;
  readonly position: Position;
  /** One per binding: position of its record (0 has none), or null for an orphaned one. */
  readonly connections: readonly (Position | null)[];
}

const plainBinding = ({ bid, vnid, vlan, ip, lifetimeS }: Binding): Binding => ({ bid, vnid, vlan, ip, lifetimeS });

export function takeSnapshot(network: Network): NetworkSnapshot {
  return {
    foldVersion: network.version,
    foldRevision: network.versionRevision,
    position: network.position,
    oracles: [...network.oracles],
    nves: [...network.nves.values()].map(({ nveId, state, revision, position }) => ({ nveId, state, revision, position })),
    vns: [...network.vns.values()].map((vn) => ({
      state: vn.state,
      revision: vn.revision,
      position: vn.position,
      incarnation: vn.incarnation,
      contextPosition: vn.contextPosition,
      members: [...vn.members.values()].map(({ nve, since, position }) => ({ nveId: nve.nveId, since, position })),
      contestedMacs: vn.macs.contested(),
      contestedIps: vn.ips.contested(),
    })),
    tenantSystems: [...network.tenantSystems.values()].map(({ state, revision, position }) => ({
      state: { ...state, bindings: state.bindings.map(plainBinding) },
      revision,
      position,
      connections: state.bindings.map((connection) => (connection.vn ? connection.position : null)),
    })),
  };
}

/** Throws if the snapshot was taken by rules that this build does not have. */
export function restore(snapshot: NetworkSnapshot, versions = RULES): Network {
  const network = new Network(versions);
  network.follow(snapshot.foldVersion, snapshot.foldRevision);
  network.position = snapshot.position;
  for (const [group, oracle] of snapshot.oracles) network.oracles.set(group, oracle);
  for (const { nveId, state, revision, position } of snapshot.nves) Object.assign(network.nveNamed(nveId), { state, revision, position });
  for (const vn of snapshot.vns) restoreVn(network, vn);
  for (const ts of snapshot.tenantSystems) restoreTenantSystem(network, ts);
  for (const vn of snapshot.vns) {
    const { macs, ips } = network.vns.get(vn.state.vnid)!;
    for (const [address, tsIds] of vn.contestedMacs) macs.reorder(address, tsIds);
    for (const [address, tsIds] of vn.contestedIps) ips.reorder(address, tsIds);
  }
  return network;
}

function restoreVn(network: Network, snapshot: VnSnapshot): void {
  const vn = new FoldedVn(snapshot.state, snapshot.revision, snapshot.position, snapshot.incarnation);
  vn.contextPosition = snapshot.contextPosition;
  network.vns.set(vn.state.vnid, vn);
  for (const { nveId, since, position } of snapshot.members) {
    const nve: FoldedNve = network.nveNamed(nveId);
    const member = { vn, nve, tenantSystems: 0, since, position };
    vn.members.set(nveId, member);
    nve.memberships.set(vn.state.vnid, member);
  }
}

function restoreTenantSystem(network: Network, snapshot: TenantSystemSnapshot): void {
  const bindings = snapshot.state.bindings.map((binding, i) => {
    const position = snapshot.connections[i]!;
    const connection = new Connection(binding, position === null ? null : network.vns.get(binding.vnid)!);
    connection.position = position ?? 0;
    return connection;
  });
  const ts: FoldedTs = { state: { ...snapshot.state, bindings }, revision: snapshot.revision, position: snapshot.position };
  network.tenantSystems.set(ts.state.tsId, ts);
  eachClaim(ts, (vn, kind, address) => vn[kind].claim(address, ts));
  for (const { nveId } of ts.state.attachments) {
    const nve = network.nveNamed(nveId);
    nve.attachments++;
    if (nve.known) for (const vn of new Set(bindings.map((b) => b.vn))) if (vn) vn.members.get(nveId)!.tenantSystems++;
  }
}
