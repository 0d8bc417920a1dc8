/** Lines of CSV as RFC 4180 has it, for programs and for spreadsheets; and the fields of the lists that the NVA shows. */

/** A field of a table: its name in the header line, and its value in an item. */
export type CsvField<T> = readonly [name: string, of: (item: T) => unknown];

/**
 * How a spreadsheet would begin a formula: =, +, - or @, in either width, perhaps behind a tab or the end of a line. A text that begins so
 * gets an apostrophe in front, and so does one that begins with an apostrophe: whoever takes one apostrophe off has what there was.
 */
const FORMULA = /^[=+\-@\t\r\n'＝＋－＠]/u;
/** What has to stand in quotes. */
const QUOTED = /[",\r\n]|^\s|\s$/u;

/** null is an empty field; a list is its members with a blank between; anything else that is no text or number is JSON. */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  const text = typeof value === 'string' ? value : isList(value) ? value.join(' ') : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const isList = (value: unknown): value is readonly (string | number)[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string' || typeof one === 'number');

export const csvLine = (values: readonly unknown[]): string => `${values.map(csvCell).join(',')}\r\n`;
export const csvHeader = <T>(fields: readonly CsvField<T>[]): string => csvLine(fields.map(([name]) => name));
export const csvRow = <T>(fields: readonly CsvField<T>[], item: T): string => csvLine(fields.map(([, of]) => of(item)));

/** Fields that an item has by these names. */
export const csvFields = <T>(...names: readonly (keyof T & string)[]): readonly CsvField<T>[] =>
  names.map((name) => [name, (item) => item[name]]);

type Item = Readonly<Record<string, unknown>>;
type Items = readonly Item[];

const same = csvFields<Item>;
const items = (value: unknown): Items => (Array.isArray(value) ? (value as Items) : []);

/** `leaf-1:activated`; an NVE id has no colon. */
const ATTACHMENTS: CsvField<Item> = [
  'attachments',
  ({ attachments }) => items(attachments).map(({ nveId, state }) => `${String(nveId)}:${String(state)}`),
];
/** `100/192.0.2.1=vm2-eth0`: who holds what address in which VN. */
const CONFLICTS: CsvField<Item> = [
  'conflicts',
  ({ conflicts }) => items(conflicts).map(({ vnid, address, heldBy }) => `${String(vnid)}/${String(address)}=${String(heldBy ?? '')}`),
];
/** `100/vlan-7/192.0.2.1#2`, the BID last. */
const BINDINGS: CsvField<Item> = [
  'bindings',
  ({ bindings }) =>
    items(bindings).map(({ vnid, vlan, ip, bid }) => {
      const address = [...(vlan === null ? [] : [`vlan-${String(vlan)}`]), ...(ip === null ? [] : [String(ip)])];
      return `${[String(vnid), ...(address.length === 0 ? ['untagged'] : address)].join('/')}${bid === null ? '' : `#${String(bid)}`}`;
    }),
];
const MAPPINGS = [...same('tsId', 'vlan', 'ip', 'mac'), ATTACHMENTS, ...same('bid', 'mobility', 'via', 'position')];

/** Of an event that did something: when, who and what. */
const DONE: readonly CsvField<Item>[] = ['position', 'recordedAt', 'actor', 'what'].map((name) => [
  name,
  ({ event }) => (event as Item | undefined)?.[name],
]);
/** `set:vn/100/mapping/vm1-eth0/192.0.2.1`, or `removed:…`; a sign would be taken for a formula. */
const CHANGES: CsvField<Item> = [
  'changes',
  ({ changes }) =>
    items(changes).map(
      ({ vnid, nveId, key, value }) =>
        `${value === null ? 'removed' : 'set'}:${vnid === undefined ? `nve/${String(nveId)}` : `vn/${String(vnid)}`}/${String(key)}`,
    ),
];

/** The lists that the NVA answers with, by the names of their queries. */
export const CSV_LISTS = {
  vns: [
    ...same('vnid', 'name', 'tenantId', 'service', 'encapsulation', 'members', 'tenantSystems'),
    ...same('digest', 'digestPosition', 'revision', 'position'),
  ],
  nves: [
    ...same('nveId', 'siteId', 'status', 'mac', 'addresses', 'incarnation', 'leaseS', 'tenantSystems'),
    ['vnids', ({ memberships }) => items(memberships).map(({ vnid }) => Number(vnid))],
    ...same('identityAlarm', 'revision', 'position'),
  ],
  members: same('nveId', 'mac', 'addresses', 'reachable', 'tenantSystems', 'since', 'position'),
  mappings: MAPPINGS,
  conflicted: [...same('tsId', 'vlan', 'ip', 'mac'), ATTACHMENTS, ...same('bid'), CONFLICTS],
  table: [...same('vnid'), ...MAPPINGS],
  tenantSystems: [
    ...same('tsId', 'tenantId', 'vmId', 'mac'),
    ATTACHMENTS,
    BINDINGS,
    ...same('effective'),
    CONFLICTS,
    ...same('orphaned', 'memberships', 'mobility', 'moveAlarm', 'revision', 'position'),
  ],
  diff: [...same('vnid', 'key', 'change', 'before', 'after'), ...DONE],
  timeline: [...same('position', 'recordedAt', 'type', 'entity', 'actor', 'correlationId', 'what'), CHANGES],
  events: same('position', 'recordedAt', 'type', 'stream', 'revision', 'actor', 'correlationId', 'id', 'data'),
} as const satisfies Readonly<Record<string, readonly CsvField<Item>[]>>;
