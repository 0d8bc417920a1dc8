import type { ClaimTable } from './claims.ts';
import type { FoldedBinding, FoldedTs, FoldedVn } from './model.ts';

/** An address that a tenant system claims in a VN. */
export interface Claim {
  readonly vn: FoldedVn;
  readonly kind: 'macs' | 'ips';
  readonly address: string;
}

const sameClaim = (a: Claim, b: Claim): boolean => a.vn === b.vn && a.kind === b.kind && a.address === b.address;

/**
 * Visits the claims of a tenant system: its MAC in every VN that it is in, and the IP of each binding (R13). The claim of the MAC
 * covers the VLAN and MAC of an L2 binding.
 */
export function eachClaim(ts: FoldedTs, visit: (vn: FoldedVn, kind: Claim['kind'], address: string, ts: FoldedTs) => void): void {
  const { bindings, mac } = ts.state;
  for (let i = 0; i < bindings.length; i++) {
    const { vn, ip } = bindings[i]!;
    if (!vn) continue;
    if (firstInVn(bindings, vn) === i) visit(vn, 'macs', mac, ts);
    // An L2 VN may have one IP on several VLANs: it is claimed once.
    if (ip !== null && (bindings.length === 1 || bindings.findIndex((b) => b.vn === vn && b.ip === ip) === i)) visit(vn, 'ips', ip, ts);
  }
}

export function claimsOf(ts: FoldedTs): readonly Claim[] {
  const claims: Claim[] = [];
  eachClaim(ts, (vn, kind, address) => claims.push({ vn, kind, address }));
  return claims;
}

/** Index of the first binding in a VN, for things that count once per VN. */
export function firstInVn(bindings: readonly FoldedBinding[], vn: FoldedVn): number {
  return bindings.length === 1 ? 0 : bindings.findIndex((b) => b.vn === vn);
}

/**
 * Changes the claims of tenant systems from `before` to their present ones. An address that one of the two gives up and the other
 * takes was passed on, so it keeps its place in the order of arrival (X2). Returns the other tenant systems that have become
 * holders.
 */
export function moveClaims(tenantSystems: readonly FoldedTs[], before: readonly (readonly Claim[])[]): Set<FoldedTs> {
  const after = tenantSystems.map((ts) => claimsOf(ts));
  const ends = (claim: Claim, i: number): boolean => has(before[i]!, claim) && !has(after[i]!, claim);
  const partner = (i: number): number | null => (tenantSystems.length === 2 ? 1 - i : null);
  const successors = new Set<FoldedTs>();
  const passed = new Set<ClaimTable>();
  tenantSystems.forEach((ts, i) => {
    const to = partner(i);
    for (const claim of before[i]!) {
      if (has(after[i]!, claim)) continue;
      const table = claim.vn[claim.kind];
      if (to !== null && has(after[to]!, claim)) {
        table.pass(claim.address, ts, tenantSystems[to]!);
        passed.add(table);
      } else {
        const successor = table.release(claim.address, ts);
        if (successor && !tenantSystems.includes(successor)) successors.add(successor);
      }
    }
  });
  tenantSystems.forEach((ts, i) => {
    const from = partner(i);
    for (const claim of after[i]!)
      if (!has(before[i]!, claim) && !(from !== null && ends(claim, from))) claim.vn[claim.kind].claim(claim.address, ts);
  });
  for (const table of passed)
    tenantSystems.forEach((ts, i) =>
      table.settle(
        ts,
        after[i]!.some((claim) => claim.vn[claim.kind] === table),
      ),
    );
  return successors;
}

const has = (claims: readonly Claim[], claim: Claim): boolean => claims.some((other) => sameClaim(claim, other));
