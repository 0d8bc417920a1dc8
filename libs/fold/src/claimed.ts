import type { Connection, FoldedTs, FoldedVn } from './model.ts';

/** An address that a tenant system claims in a VN. */
export interface Claim {
  readonly vn: FoldedVn;
  readonly kind: 'macs' | 'ips';
  readonly address: string;
}

export const sameClaim = (a: Claim, b: Claim): boolean => a.vn === b.vn && a.kind === b.kind && a.address === b.address;

/** What a tenant system claims: its MAC in every VN that it is in, and the IP of each binding (R13). An L2 binding's VLAN and MAC are covered by the MAC. */
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

/** Index of the first binding in a VN: what is counted or claimed once a VN is counted there. */
export function firstInVn(bindings: readonly Connection[], vn: FoldedVn): number {
  return bindings.length === 1 ? 0 : bindings.findIndex((b) => b.vn === vn);
}
