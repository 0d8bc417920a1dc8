import type { Attachment, Binding, LoggedEvent, Mapping, Member, Nve, OracleGroup, TenantSystem, Vn } from '../api/answers.ts';
import type { Paint } from './paint.ts';
import type { Cell, Column } from './table.ts';

export const NOTHING = '-';

const said = (value: string | number | null | undefined): string =>
  value === null || value === undefined || value === '' ? NOTHING : String(value);
const listed = (values: readonly (string | number)[]): string => (values.length === 0 ? NOTHING : values.join(','));

export const VN_COLUMNS: readonly Column<Vn>[] = [
  { title: 'VNID', cell: (vn) => String(vn.vnid) },
  { title: 'NAME', cell: (vn) => vn.name },
  { title: 'TENANT', cell: (vn) => vn.tenantId },
  { title: 'SERVICE', cell: (vn) => vn.service },
  { title: 'ENCAPSULATION', cell: (vn) => vn.encapsulation },
  { title: 'NVES', cell: (vn) => String(vn.members) },
  { title: 'TENANT SYSTEMS', cell: (vn) => String(vn.tenantSystems) },
  { title: 'POSITION', cell: (vn) => vn.digestPosition, wide: true },
  { title: 'DIGEST', cell: (vn) => vn.digest, wide: true },
  { title: 'REVISION', cell: (vn) => String(vn.revision), wide: true },
];

export const NVE_COLUMNS: readonly Column<Nve>[] = [
  { title: 'NVE', cell: (nve) => nve.nveId },
  { title: 'SITE', cell: (nve) => nve.siteId },
  { title: 'STATUS', cell: statusCell },
  { title: 'ADDRESSES', cell: (nve) => listed(nve.addresses) },
  { title: 'TENANT SYSTEMS', cell: (nve) => String(nve.tenantSystems) },
  { title: 'VNS', cell: (nve) => String(nve.memberships.length) },
  { title: 'PROVEN', cell: provenCell },
  { title: 'MAC', cell: (nve) => nve.mac, wide: true },
  { title: 'INCARNATION', cell: (nve) => String(nve.incarnation), wide: true },
  { title: 'LEASE', cell: (nve) => (nve.leaseS === null ? NOTHING : `${nve.leaseS}s`), wide: true },
  { title: 'ALARM', cell: (nve, paint) => alarm(nve.identityAlarm, paint), wide: true },
];

export const TS_COLUMNS: readonly Column<TenantSystem>[] = [
  { title: 'TENANT SYSTEM', cell: (ts) => ts.tsId },
  { title: 'TENANT', cell: (ts) => ts.tenantId },
  { title: 'MAC', cell: (ts) => ts.mac },
  { title: 'AT', cell: (ts) => places(ts.attachments) },
  { title: 'BINDINGS', cell: (ts) => (ts.bindings.length === 0 ? NOTHING : ts.bindings.map(bindingText).join(' ')) },
  { title: 'STATE', cell: standing },
  { title: 'VM', cell: (ts) => ts.vmId, wide: true },
  { title: 'MOVES', cell: (ts) => String(ts.mobility), wide: true },
  { title: 'ALARM', cell: (ts, paint) => alarm(ts.moveAlarm, paint), wide: true },
  { title: 'REVISION', cell: (ts) => String(ts.revision), wide: true },
  { title: 'POSITION', cell: (ts) => ts.position, wide: true },
];

export const MEMBER_COLUMNS: readonly Column<Member>[] = [
  { title: 'NVE', cell: (member) => member.nveId },
  { title: 'REACHABLE', cell: (member, paint) => reachableCell(member.reachable, paint) },
  { title: 'ADDRESSES', cell: (member) => listed(member.addresses) },
  { title: 'MAC', cell: (member) => member.mac },
  { title: 'TENANT SYSTEMS', cell: (member) => said(member.tenantSystems) },
  { title: 'SINCE', cell: (member) => said(member.since), wide: true },
  { title: 'POSITION', cell: (member) => said(member.position), wide: true },
];

export const MAPPING_COLUMNS: readonly Column<Mapping>[] = [
  { title: 'TENANT SYSTEM', cell: (mapping) => mapping.tsId },
  { title: 'ADDRESS', cell: addressOf },
  { title: 'MAC', cell: (mapping) => mapping.mac },
  { title: 'AT', cell: (mapping) => places(mapping.attachments) },
  { title: 'BID', cell: (mapping) => said(mapping.bid), wide: true },
  { title: 'MOVES', cell: (mapping) => said(mapping.mobility), wide: true },
  { title: 'VIA', cell: (mapping) => said(mapping.via), wide: true },
  { title: 'POSITION', cell: (mapping) => said(mapping.position), wide: true },
];

export const WITHHELD_COLUMNS: readonly Column<Mapping>[] = [
  ...MAPPING_COLUMNS.slice(0, 4),
  {
    title: 'CONFLICTS',
    cell: ({ conflicts = [] }, paint) => ({
      text: conflicts.map(({ address, heldBy }) => `${address}${heldBy === undefined ? '' : ` held by ${heldBy}`}`).join(', '),
      paint: paint.bad,
    }),
  },
];

export const TABLE_COLUMNS: readonly Column<Mapping>[] = [{ title: 'VNID', cell: (entry) => said(entry.vnid) }, ...MAPPING_COLUMNS];

export const EVENT_COLUMNS: readonly Column<LoggedEvent>[] = [
  { title: 'POSITION', cell: (event) => event.position },
  { title: 'RECORDED AT', cell: (event) => event.recordedAt },
  { title: 'TYPE', cell: (event) => event.type },
  { title: 'STREAM', cell: (event) => event.stream },
  { title: 'ACTOR', cell: (event) => event.actor },
  { title: 'REVISION', cell: (event) => String(event.revision), wide: true },
  { title: 'CORRELATION', cell: (event) => event.correlationId, wide: true },
];

export const ORACLE_COLUMNS: readonly Column<OracleGroup>[] = [
  { title: 'GROUP', cell: ({ group }) => group },
  { title: 'OWNER', cell: ({ owner }) => said(owner?.oracleId) },
  { title: 'URLS', cell: ({ urls }) => listed(urls) },
  { title: 'SERVES', cell: (group) => (group.rest ? 'the rest' : listed([...group.nves, ...group.sites, ...group.tenants])) },
];

export const places = (attachments: readonly Attachment[]): string =>
  listed(attachments.map(({ nveId, state }) => (state === 'activated' ? nveId : `${nveId}(${state})`)));

/** A binding in a word: `100/192.0.2.1`, `200/vlan-7/192.0.2.1`, with its BID as `#2`. */
export function bindingText({ vnid, vlan, ip, bid }: Pick<Binding, 'vnid' | 'vlan' | 'ip' | 'bid'>): string {
  const address = [...(vlan === null ? [] : [`vlan-${vlan}`]), ...(ip === null ? [] : [ip])];
  return `${[vnid, ...(address.length === 0 ? ['untagged'] : address)].join('/')}${bid === null ? '' : `#${bid}`}`;
}

export function addressOf({ vlan, ip }: Pick<Mapping, 'vlan' | 'ip'>): string {
  if (vlan === null && ip === null) return 'untagged';
  return [...(vlan === null ? [] : [`vlan-${vlan}`]), ...(ip === null ? [] : [ip])].join(' ');
}

export const reachableCell = (reachable: boolean, paint: Paint): Cell => ({
  text: reachable ? 'yes' : 'no',
  paint: reachable ? paint.good : paint.bad,
});

function alarm(raised: boolean, paint: Paint): Cell {
  return raised ? { text: 'raised', paint: paint.bad } : NOTHING;
}

export function statusCell(nve: Pick<Nve, 'status'>, paint: Paint): Cell {
  return { text: nve.status, paint: nve.status === 'reachable' ? paint.good : paint.bad };
}

/** In how many of its VNs the NVE has proven to hold the table, by its digest. */
function provenCell({ memberships }: Nve, paint: Paint): Cell {
  const proven = memberships.filter(({ applied }) => applied?.verdict === 'same').length;
  return { text: `${proven}/${memberships.length}`, paint: proven === memberships.length ? paint.good : paint.warn };
}

export function standing(ts: TenantSystem, paint: Paint): Cell {
  const troubles = [
    ...(ts.conflicts.length > 0 ? ['conflicted'] : []),
    ...(ts.orphaned.length > 0 ? ['orphaned'] : []),
    ...(ts.failures.length > 0 ? ['failed'] : []),
  ];
  if (troubles.length > 0) return { text: troubles.join(','), paint: paint.bad };
  if (ts.attachments.length === 0) return { text: 'detached', paint: paint.dim };
  if (ts.bindings.length === 0) return { text: 'unbound', paint: paint.warn };
  if (ts.attachments.every(({ state }) => state === 'associated')) return { text: 'associated', paint: paint.warn };
  return { text: 'activated', paint: paint.good };
}

/** The key of a mapping on its feed. */
export const mappingName = ({ tsId, vlan, ip }: Mapping): string =>
  `mapping/${tsId}/${[...(vlan === null ? [] : [`vlan-${vlan}`]), ...(ip === null ? [] : [ip])].join('/') || 'untagged'}`;
