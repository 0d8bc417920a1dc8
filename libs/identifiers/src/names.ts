import { cut } from './received.ts';
import { Refusal } from './refusal.ts';
import { checkText } from './text.ts';

declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

export type TsId = Branded<'TsId'>;
export type NveId = Branded<'NveId'>;
export type TenantId = Branded<'TenantId'>;
export type VmId = Branded<'VmId'>;
export type SiteId = Branded<'SiteId'>;

export const MAX_ID_LENGTH = 128;
/** Shorter than other ids, and without a colon: an NVE id is part of the name of a Kafka topic. */
export const MAX_NVE_ID_LENGTH = 100;
export const MAX_VN_NAME_LENGTH = 128;
export const MAX_REASON_LENGTH = 512;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/;
const NVE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** `<prefix>.nve.x.outcomes` is the topic of the outcomes of NVE x. Kafka treats a dot and an underscore in topic names as the same. */
const RESERVED_NVE_ID = /[._]outcomes$/;

function parseId(received: unknown, field: string, form: RegExp, maxLength: number): string {
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is a string`, { field, received });
  if (received.length > maxLength || !form.test(received)) {
    const extra = form === ID ? ' : ' : ' ';
    throw new Refusal('id-malformed', `${field} is 1 to ${maxLength} letters, digits and . _${extra}-, starting with a letter or digit`, {
      field,
      received,
    });
  }
  return received;
}

export const parseTsId = (received: unknown, field = 'tsId'): TsId => parseId(received, field, ID, MAX_ID_LENGTH) as TsId;
export function parseNveId(received: unknown, field = 'nveId'): NveId {
  if (typeof received === 'string' && received.includes(':') && ID.test(received)) {
    const spelled = received.replaceAll(':', '-');
    throw new Refusal(
      'id-malformed',
      `${field} is part of the name of a Kafka topic, which has no colon: write a MAC with dashes, ${cut(spelled)}`,
      { field, received, expected: spelled },
    );
  }
  const id = parseId(received, field, NVE_ID, MAX_NVE_ID_LENGTH);
  if (RESERVED_NVE_ID.test(id))
    throw new Refusal('id-malformed', `${field} does not end in .outcomes or _outcomes: topics of NVEs do`, { field, received });
  return id as NveId;
}
/** An NVE id as Kafka compares it in topic names: ids that differ only in `.` and `_` cannot both have a topic. */
export const nveIdOnKafka = (nveId: string): string => nveId.replaceAll('.', '_');
/**
 * The form in which two NVE ids must not be equal. Kafka treats `.` and `_` as the same. People, host names (RFC 4343), MACs,
 * names of certificates and some file systems treat upper and lower case as the same, so two such ids are likely one NVE under
 * two names.
 */
export const nveIdAlike = (nveId: string): string => nveIdOnKafka(nveId).toLowerCase();
export const parseTenantId = (received: unknown, field = 'tenantId'): TenantId => parseId(received, field, ID, MAX_ID_LENGTH) as TenantId;
export const parseVmId = (received: unknown, field = 'vmId'): VmId => parseId(received, field, ID, MAX_ID_LENGTH) as VmId;
export const parseSiteId = (received: unknown, field = 'siteId'): SiteId => parseId(received, field, ID, MAX_ID_LENGTH) as SiteId;

/** Free text on one line (`checkText`). */
export function parseVnName(received: unknown, field = 'name'): string {
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is a string`, { field, received });
  if (received.length === 0 || received.length > MAX_VN_NAME_LENGTH)
    throw new Refusal('id-malformed', `${field} is 1 to ${MAX_VN_NAME_LENGTH} characters`, { field, received });
  checkText(received, field);
  return received;
}

/** The reason of an operator's action, for the audit log. Free text on one line (`checkText`). */
export function parseReason(received: unknown, field = 'reason'): string {
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is a string`, { field, received });
  if (received.trim().length === 0 || received.length > MAX_REASON_LENGTH)
    throw new Refusal('out-of-range', `${field} is 1 to ${MAX_REASON_LENGTH} characters`, { field, received });
  checkText(received, field);
  return received;
}

/** An access link at an NVE: a VLAN id or a vSwitch port, free text on one line (R11). */
export function parseLogicalInterface(received: unknown, field = 'logicalInterface'): string {
  return parseVnName(received, field);
}
