import type { Policies } from '@nva/codec';
import { MAX_BINDINGS_PER_TS, type BindingLine, type Command } from '@nva/domain';
import {
  MAX_BID,
  MAX_REASON_LENGTH,
  MAX_VN_NAME_LENGTH,
  MAX_VLAN,
  MAX_VNID,
  parseBid,
  parseIp,
  parseLogicalInterface,
  parseMac,
  parseNveId,
  parseReason,
  parseSiteId,
  parseTunnelAddress,
  Refusal,
  parseTenantId,
  parseTsId,
  parseVlan,
  parseVmId,
  parseVnid,
  parseVnName,
} from '@nva/identifiers';
import {
  attributes,
  boolean,
  integer,
  list,
  matching,
  object,
  oneOf,
  optional,
  position,
  required,
  type Fields,
  type JsonSchema,
} from './readers.ts';

export const MAX_ADDRESSES_PER_NVE = 16;
export const MAX_POLICY_ATTRIBUTES = 64;
export const MAX_ATTRIBUTE_LENGTH = 256;
export const MAX_LEASE_S = 86_400;
export const MAX_LIFETIME_S = 0x7f_ff_ff_ff;
/** Maximum number of VNs reported in one heartbeat. */
export const MAX_APPLIED = 4_096;

const text: JsonSchema = { type: 'string' };
const id: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]*$', maxLength: 128 };
const whole = (minimum: number, maximum: number): JsonSchema => ({ type: 'integer', minimum, maximum });
const macSchema: JsonSchema = { type: 'string', examples: ['02:00:5e:10:00:01'] };
const ipSchema: JsonSchema = { type: 'string', examples: ['192.0.2.1', '2001:db8::1'] };

const tsId = required(parseTsId, id, 'The tenant system: one vNIC of one VM.');
const nveId = required(parseNveId, { ...id, pattern: '^(?!.*[._]outcomes$)[A-Za-z0-9][A-Za-z0-9._-]*$', maxLength: 100 }, 'The NVE.');
const vnid = required(parseVnid, whole(1, MAX_VNID), 'Virtual network identifier.');
const tenantId = required(parseTenantId, id, 'The tenant.');
/** For commands that mean an existing tenant system. */
const whose = optional(parseTenantId, id, 'Its tenant; needed where several tenants have a tenant system of that id that could be meant.');
const mac = required(parseMac, macSchema, 'A unicast MAC; any usual spelling, answered as aa:bb:cc:dd:ee:ff.');
const incarnation = integer(0, Number.MAX_SAFE_INTEGER);

const bid = (received: unknown, field: string): ReturnType<typeof parseBid> | 0 => (received === 0 ? 0 : parseBid(received, field));

const bindingFields: Fields = {
  bid: optional(parseBid, whole(1, MAX_BID), 'Binding identifier, unique per tenant system.'),
  vnid: optional(parseVnid, whole(1, MAX_VNID), 'The VN; needed the first time.'),
  vlan: optional(parseVlan, whole(1, MAX_VLAN), 'VLAN id, in an L2 VN; a binding there without one is of frames without a tag.'),
  ip: optional(parseIp, ipSchema, 'IP address; needed the first time in an L3 VN.'),
  lifetimeS: optional(integer(0, MAX_LIFETIME_S), whole(0, MAX_LIFETIME_S), 'Seconds until it lapses unless renewed; 0 de-registers.'),
};
/** In canonical form, each only once: a flood list would hold a duplicate twice. */
const tunnelAddresses = (received: unknown, field: string): readonly string[] => {
  const addresses = list(parseTunnelAddress, 1, MAX_ADDRESSES_PER_NVE)(received, field);
  const twice = addresses.findIndex((address, i) => addresses.indexOf(address) !== i);
  if (twice !== -1)
    throw new Refusal('address-duplicate', 'an underlay address is given twice', {
      field: `${field}[${twice}]`,
      received: addresses[twice],
      row: 'R2',
    });
  return addresses;
};
const objectSchema = (fields: Fields): JsonSchema => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(fields).filter((name) => fields[name]!.required),
  properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, { ...field.schema, description: field.doc }])),
});
const bindings = list(object<BindingLine>(bindingFields), 0, MAX_BINDINGS_PER_TS);
const bindingsSchema: JsonSchema = { type: 'array', items: objectSchema(bindingFields), maxItems: MAX_BINDINGS_PER_TS };

const attributesSchema: JsonSchema = {
  type: 'object',
  additionalProperties: { ...text, maxLength: MAX_ATTRIBUTE_LENGTH },
  maxProperties: MAX_POLICY_ATTRIBUTES,
};

const policyFields: Fields = {
  access: optional(attributes(MAX_POLICY_ATTRIBUTES, MAX_ATTRIBUTE_LENGTH), attributesSchema, 'Attributes of the access path.'),
  tunnel: optional(
    attributes(MAX_POLICY_ATTRIBUTES, MAX_ATTRIBUTE_LENGTH),
    attributesSchema,
    'Traffic-engineering attributes of the tunnels.',
  ),
};
const policies = (received: unknown, field: string): Policies => ({
  access: {},
  tunnel: {},
  ...object<Partial<Policies>>(policyFields)(received, field),
});

/** What an NVE reports to have applied for one VN (contract, heartbeat). */
export interface Applied {
  readonly vnid: number;
  readonly log: string;
  readonly position: number;
  readonly digest: string;
}

const appliedFields: Fields = {
  vnid,
  log: required(matching(/^[0-9a-f-]{36}$/, 'a UUID'), { ...text, format: 'uuid' }, 'The log that the position belongs to.'),
  position: required(position, text, 'Position of the newest change applied, a decimal string.'),
  digest: required(
    matching(/^[0-9a-f]{16}$/, '16 hex digits'),
    { ...text, pattern: '^[0-9a-f]{16}$' },
    'Digest of the table at that position.',
  ),
};

export interface CommandSpec {
  readonly type: Command['type'];
  readonly doc: string;
  readonly fields: Fields;
}

/** Every command that a caller can give, by its name in NDJSON. */
export const CATALOGUE = {
  putVn: {
    type: 'putVn',
    doc: 'Create or update a VN. Tenant and service never change.',
    fields: {
      vnid,
      tenantId,
      name: required(
        parseVnName,
        { ...text, minLength: 1, maxLength: MAX_VN_NAME_LENGTH },
        'Name of the VN, for people: one line, without invisible characters.',
      ),
      service: required(oneOf('l2', 'l3'), { enum: ['l2', 'l3'] }, 'Forwarding service.'),
      encapsulation: required(oneOf('vxlan', 'nvgre', 'mpls-gre'), { enum: ['vxlan', 'nvgre', 'mpls-gre'] }, 'Data plane encapsulation.'),
      context: optional(policies, objectSchema(policyFields), 'Access and tunnel policies; absent leaves them as they are.'),
    },
  },
  deleteVn: { type: 'deleteVn', doc: 'Delete a VN that no tenant system is in.', fields: { vnid } },
  releaseVn: {
    type: 'releaseVn',
    doc: 'Free the VNID of a deleted VN before its time: its topic is deleted, and any tenant may have it (operators).',
    fields: {
      vnid,
      reason: required(
        parseReason,
        { ...text, minLength: 1, maxLength: MAX_REASON_LENGTH },
        'Why, for the audit: one line, without invisible characters.',
      ),
    },
  },
  connectNve: {
    type: 'connectNve',
    doc: 'Connect notification of an NVE.',
    fields: {
      nveId,
      siteId: required(parseSiteId, id, 'The site whose edge it is.'),
      mac: required(parseMac, macSchema, 'Underlay MAC.'),
      addresses: required(
        tunnelAddresses,
        { type: 'array', items: ipSchema, minItems: 1, maxItems: MAX_ADDRESSES_PER_NVE },
        'Underlay IP addresses, each once, preferred first. None may be of another NVE that is reachable.',
      ),
      incarnation: optional(
        incarnation,
        { type: 'integer', minimum: 0 },
        'Grows with every restart of the NVE. Absent: the one that is known, or 0.',
      ),
      leaseS: optional(integer(1, MAX_LEASE_S), whole(1, MAX_LEASE_S), 'Seconds without heartbeat until it counts as unreachable.'),
      force: optional(boolean, { type: 'boolean' }, 'Take addresses that a reachable NVE of another id has (operators).'),
    },
  },
  disconnectNve: {
    type: 'disconnectNve',
    doc: 'Disconnect an NVE: unreachable at once, its attachments stay. Forgetting removes it.',
    fields: { nveId, forget: optional(boolean, { type: 'boolean' }, 'Remove it; refused while tenant systems are attached.') },
  },
  heartbeat: {
    type: 'heartbeat',
    doc: 'Renew the lease of an NVE, restore a lapsed one, report what it has applied.',
    fields: {
      nveId,
      incarnation: required(incarnation, { type: 'integer', minimum: 0 }, 'The incarnation that it connected with; 0 where it gave none.'),
      applied: optional(
        list(object<Applied>(appliedFields), 0, MAX_APPLIED),
        { type: 'array', items: objectSchema(appliedFields), maxItems: MAX_APPLIED },
        'What it has applied, per VN.',
      ),
    },
  },
  attach: {
    type: 'attach',
    doc: 'Attach a tenant system to an NVE, or move it there.',
    fields: {
      nveId,
      tsId,
      tenantId,
      vmId: required(parseVmId, id, 'The VM whose vNIC it is.'),
      mac,
      logicalInterface: optional(
        parseLogicalInterface,
        { ...text, minLength: 1, maxLength: MAX_VN_NAME_LENGTH },
        'Access link at the NVE; never sent to a remote NVE.',
      ),
      bindings: optional(bindings, bindingsSchema, 'The whole set; absent leaves it as it is.'),
      state: optional(
        oneOf('associated', 'activated'),
        { enum: ['associated', 'activated'] },
        'Two-phase attachment; activated unless given.',
      ),
      placement: optional(oneOf('move', 'add'), { enum: ['move', 'add'] }, 'add keeps the other NVEs; move, the default, leaves them.'),
    },
  },
  detach: { type: 'detach', doc: 'Detach a tenant system from an NVE.', fields: { nveId, tsId, tenantId: whose } },
  remove: { type: 'remove', doc: 'Detach a tenant system from every NVE (operators).', fields: { tsId, tenantId: whose } },
  registerBindings: {
    type: 'registerBindings',
    doc: 'Register, change or renew several bindings, all or nothing.',
    fields: {
      tsId,
      tenantId: whose,
      bindings: required(
        list(object<BindingLine>(bindingFields), 1, MAX_BINDINGS_PER_TS),
        { ...bindingsSchema, minItems: 1 },
        'One line per binding.',
      ),
    },
  },
  registerBinding: {
    type: 'registerBinding',
    doc: 'Register or renew one binding by its BID; 0 is the binding without one.',
    fields: { ...bindingFields, tsId, tenantId: whose, bid: required(bid, whole(0, MAX_BID), 'Its BID, 0 for the binding without one.') },
  },
  deregisterBinding: {
    type: 'deregisterBinding',
    doc: 'De-register a binding by its BID; 0 is the binding without one.',
    fields: { tsId, tenantId: whose, bid: required(bid, whole(0, MAX_BID), 'Its BID, 0 for the binding without one.') },
  },
  changeMac: { type: 'changeMac', doc: 'Change the MAC of a tenant system in all its VNs.', fields: { tsId, tenantId: whose, mac } },
  connectionFailure: {
    type: 'connectionFailure',
    doc: 'A tenant system can no longer reach a VN through an NVE; attaching there again clears it.',
    fields: { tsId, tenantId: whose, nveId, vnid: optional(parseVnid, whole(1, MAX_VNID), 'The VN; absent means all of them.') },
  },
  passAddress: {
    type: 'passAddress',
    doc: 'Pass an IP, the MAC or both to another tenant system of the tenant, or exchange them, in one change.',
    fields: {
      tsId,
      tenantId: whose,
      to: required(parseTsId, id, 'The tenant system that takes what passes.'),
      vnid: optional(parseVnid, whole(1, MAX_VNID), 'The VN of the IP; comes with it.'),
      ip: optional(parseIp, ipSchema, 'The IP that passes: one that the holder has in the VN.'),
      forIp: optional(parseIp, ipSchema, 'An IP of the taker in that VN that goes the other way.'),
      mac: optional(parseMac, macSchema, 'The MAC that passes: that of the holder. In all VNs of both.'),
      forMac: optional(parseMac, macSchema, 'The MAC that the holder has from then on; absent: the taker\u2019s former one.'),
      bid: optional(parseBid, whole(1, MAX_BID), 'BID of the taker\u2019s binding; absent: the holder\u2019s.'),
      vlan: optional(
        parseVlan,
        whole(1, MAX_VLAN),
        'VLAN of the taker\u2019s binding; absent: the one by which it is in the VN, or else the holder\u2019s.',
      ),
      lifetimeS: optional(
        integer(1, MAX_LIFETIME_S),
        whole(1, MAX_LIFETIME_S),
        'Lifetime of the taker\u2019s binding in seconds; absent: that of the holder\u2019s.',
      ),
    },
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof CATALOGUE;

export const commandNames = Object.keys(CATALOGUE) as CommandName[];

/** JSON schema of a command's body, without the fields that come from elsewhere (the path). */
export function commandSchema(name: CommandName, without: readonly string[] = []): JsonSchema {
  const fields: Fields = Object.fromEntries(Object.entries(CATALOGUE[name].fields).filter(([field]) => !without.includes(field)));
  return objectSchema({ ...fields, ifRevision: ENVELOPE.ifRevision! });
}

/** Fields that may accompany every command. */
export const ENVELOPE: Fields = {
  ifRevision: optional(
    integer(-1, Number.MAX_SAFE_INTEGER),
    { type: 'integer', minimum: -1 },
    'Refuse unless the stream is at this revision; -1 means that it does not exist.',
  ),
  idempotencyKey: optional(matching(/^[\x21-\x7e]{1,128}$/, '1 to 128 printable characters'), text, 'Like the Idempotency-Key header.'),
  correlationId: optional(matching(/^[\x21-\x7e]{1,128}$/, '1 to 128 printable characters'), text, 'Like the X-Correlation-Id header.'),
};
