import type { Mapping } from './generated/types.ts';

/** Keys of the records on a VN's feed and on an NVE's feed (contract, «Kafka»). UTF-8. */
export const CONTEXT_KEY = 'context';
export const memberKey = (nveId: string): string => `member/${nveId}`;
export const membershipKey = (vnid: number): string => `vn/${vnid}`;

/** The VNID in a `membershipKey`; null for any other text. */
export function membershipVnid(key: string): number | null {
  const digits = /^vn\/([1-9][0-9]{0,7})$/.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}

/**
 * `mapping/<tsId>/<ip>` in an L3 VN, `mapping/<tsId>/vlan-N` or `mapping/<tsId>/vlan-N/<ip>` in an L2 VN; for untagged frames
 * there, `mapping/<tsId>/untagged` or `mapping/<tsId>/<ip>`. MAC and BID are not part of the key, so a move, a MAC change and a
 * BID given later are one record each, and there is no moment without an entry.
 */
export function mappingKey(mapping: Pick<Mapping, 'tsId' | 'vlan' | 'ip'>): string {
  if (mapping.vlan === null) return `mapping/${mapping.tsId}/${mapping.ip ?? 'untagged'}`;
  return mapping.ip === null
    ? `mapping/${mapping.tsId}/vlan-${mapping.vlan}`
    : `mapping/${mapping.tsId}/vlan-${mapping.vlan}/${mapping.ip}`;
}

const REMOVED = { mapping: 0, member: 1, context: 2, membership: 2 } as const;
const HELD = { membership: 3, context: 3, member: 4, mapping: 5 } as const;

/**
 * The rank of a record within one change of a feed, lower first (contract, «Kafka»): removed mappings, removed members, a removed
 * context or membership; then present context or membership, members, mappings. All code that makes or applies a change keeps
 * this order.
 */
export function rankInChange(key: string, removed: boolean): number {
  const kind =
    key === CONTEXT_KEY ? 'context' : key.startsWith('member/') ? 'member' : key.startsWith('mapping/') ? 'mapping' : 'membership';
  return (removed ? REMOVED : HELD)[kind];
}

/** Ranks are below this. */
export const RANKS_IN_CHANGE = 6;
