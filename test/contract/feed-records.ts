import { memberKey, membershipKey } from '@nva/codec';
import type { FeedName, FeedRecord } from '@nva/ports';

export const LOG = '0b1d6f0e-5c8e-4a56-9a3e-1f6a2a6f7d10';
export const vn = (vnid: number): FeedName => ({ kind: 'vn', vnid });
export const nve = (nveId: string): FeedName => ({ kind: 'nve', nveId });

/** A member record of a VN's feed; the position is also in its value, to tell values apart. */
export function member(nveId: string, position: number, more: Partial<FeedRecord> = {}): FeedRecord {
  const addresses = [`192.0.2.${position % 256}`];
  return {
    key: memberKey(nveId),
    value: { type: 'VnMember', data: { nveId, mac: '02:00:00:00:00:01', addresses, reachable: true } },
    position,
    log: LOG,
    changeEnd: true,
    ...more,
  };
}

/** A membership record of an NVE's feed; the position is also in its value. */
export function membership(vnid: number, position: number, more: Partial<FeedRecord> = {}): FeedRecord {
  return {
    key: membershipKey(vnid),
    value: { type: 'Membership', data: { vnid, topic: `nvo3.vn.${vnid}`, brokers: null, since: position } },
    position,
    log: LOG,
    changeEnd: true,
    ...more,
  };
}

export function removal(nveId: string, position: number): FeedRecord {
  return { key: memberKey(nveId), value: null, position, log: LOG, changeEnd: true };
}

export const keyAndPosition = ({ key, position }: FeedRecord): string => `${key}@${position}`;
