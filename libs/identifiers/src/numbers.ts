import { Refusal, type RefusalCode } from './refusal.ts';

declare const brand: unique symbol;
type Branded<B extends string> = number & { readonly [brand]: B };

/** Virtual network identifier: 24 bits, 0 reserved. */
export type Vnid = Branded<'Vnid'>;
/** VLAN id, 1 to 4094 (IEEE 802.1Q: 0 is priority-tagged, 4095 reserved). */
export type VlanId = Branded<'VlanId'>;
/** Binding identifier, 1 to 65535, unique per tenant system (R18, RFC 5648 section 4.1). */
export type Bid = Branded<'Bid'>;

export const MAX_VNID = 0xff_ff_ff;
export const MAX_VLAN = 4094;
export const MAX_BID = 0xff_ff;

function parseInRange(received: unknown, field: string, max: number, code: RefusalCode, what: string, row?: string): number {
  if (typeof received !== 'number' || !Number.isInteger(received))
    throw new Refusal('wrong-type', `a ${what} is an integer`, { field, received });
  if (received < 1 || received > max) throw new Refusal(code, `a ${what} is 1 to ${max}`, { field, received, ...(row ? { row } : {}) });
  return received;
}

export const parseVnid = (received: unknown, field = 'vnid'): Vnid =>
  parseInRange(received, field, MAX_VNID, 'vnid-out-of-range', 'VNID') as Vnid;
export const parseVlan = (received: unknown, field = 'vlan'): VlanId =>
  parseInRange(received, field, MAX_VLAN, 'vlan-out-of-range', 'VLAN id') as VlanId;
export const parseBid = (received: unknown, field = 'bid'): Bid =>
  parseInRange(received, field, MAX_BID, 'bid-out-of-range', 'BID', 'R18') as Bid;

/**
 * Turns a decimal string from a URL into a number. Returns anything else unchanged, so that the parsers above refuse it with the
 * received value.
 */
export function numeral(received: unknown): unknown {
  return typeof received === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(received) ? Number(received) : received;
}
