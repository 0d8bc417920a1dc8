import { CSV_LISTS, csvFields, type CsvField } from '@nva/codec';
import { Argument, Option, type Command } from 'commander';
import type { LoggedEvent, Mapping, Member, Nve, OracleGroup, TenantSystem, Vn } from '../api/answers.ts';
import { PAGE, part, type NvaClient, type Page, type Query } from '../api/client.ts';
import { wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import * as columns from '../output/columns.ts';
import type { Column } from '../output/table.ts';
import { Session, wholeNumber, type Listing } from '../session.ts';

/** The most items that one `get` collects. */
const MAX_ITEMS = 1_000_000;
const DEFAULT_EVENTS = 100;

export interface GetOptions {
  readonly vn?: string;
  readonly nve?: string;
  readonly tenant?: string;
  readonly state?: string;
  readonly conflicted?: true;
  readonly entity?: string[];
  readonly type?: string[];
  readonly actor?: string;
  readonly from?: string;
  readonly to?: string;
  readonly at?: string;
  readonly limit?: number;
}

/** What there is to get: its names on the command line, where it is asked for, how it is shown. */
interface Kind<T> {
  readonly names: readonly [string, ...(readonly string[])];
  readonly doc: string;
  readonly options: readonly (keyof GetOptions)[];
  readonly list: (options: GetOptions) => readonly [path: string, query: Query];
  readonly one?: (id: string, options: GetOptions) => readonly [path: string, query: Query];
  readonly columns: (options: GetOptions) => readonly Column<T>[];
  readonly fields: (options: GetOptions) => readonly CsvField<Readonly<Record<string, unknown>>>[];
  readonly name: (item: T) => string;
}

const kind = <T>(of: Kind<T>): Kind<unknown> => of as Kind<unknown>;

const ORACLE_FIELDS: readonly CsvField<Readonly<Record<string, unknown>>>[] = [
  ['group', ({ group }) => group],
  ['oracleId', ({ owner }) => (owner as { readonly oracleId: string } | null)?.oracleId],
  ...csvFields<Readonly<Record<string, unknown>>>('urls', 'nves', 'sites', 'tenants', 'rest'),
];

export const KINDS: readonly Kind<unknown>[] = [
  kind<Vn>({
    names: ['vns', 'vn'],
    doc: 'virtual networks',
    options: ['at'],
    list: ({ at }) => ['/v1/vns', { at }],
    one: (id, { at }) => [`/v1/vns/${part(id)}`, { at }],
    columns: () => columns.VN_COLUMNS,
    fields: () => CSV_LISTS.vns,
    name: ({ vnid }) => `vn/${vnid}`,
  }),
  kind<Nve>({
    names: ['nves', 'nve'],
    doc: 'network virtualization edges',
    options: ['at'],
    list: ({ at }) => ['/v1/nves', { at }],
    one: (id, { at }) => [`/v1/nves/${part(id)}`, { at }],
    columns: () => columns.NVE_COLUMNS,
    fields: () => CSV_LISTS.nves,
    name: ({ nveId }) => `nve/${nveId}`,
  }),
  kind<TenantSystem>({
    names: ['tenant-systems', 'tenant-system', 'ts'],
    doc: 'tenant systems that are attached (--vn, --nve, --tenant, --state)',
    options: ['at', 'vn', 'nve', 'tenant', 'state'],
    list: ({ at, vn, nve, tenant, state }) => ['/v1/tenant-systems', { at, vnid: vn, nveId: nve, tenantId: tenant, state }],
    one: (id, { at, tenant }) => [`/v1/tenant-systems/${part(id)}`, { at, tenantId: tenant }],
    columns: () => columns.TS_COLUMNS,
    fields: () => CSV_LISTS.tenantSystems,
    name: ({ tsId }) => `ts/${tsId}`,
  }),
  kind<Member>({
    names: ['members', 'member'],
    doc: 'the NVEs of a VN (--vn)',
    options: ['at', 'vn'],
    list: ({ at, vn }) => [`/v1/vns/${part(needed('vn', vn))}/members`, { at }],
    columns: () => columns.MEMBER_COLUMNS,
    fields: () => CSV_LISTS.members,
    name: ({ nveId }) => `member/${nveId}`,
  }),
  kind<Mapping>({
    names: ['mappings', 'mapping'],
    doc: 'what a VN distributes (--vn), or holds back (--conflicted)',
    options: ['at', 'vn', 'conflicted'],
    list: ({ at, vn, conflicted }) => [`/v1/vns/${part(needed('vn', vn))}/mappings`, { at, conflicted }],
    columns: ({ conflicted }) => (conflicted ? columns.WITHHELD_COLUMNS : columns.MAPPING_COLUMNS),
    fields: ({ conflicted }) => (conflicted ? CSV_LISTS.conflicted : CSV_LISTS.mappings),
    name: columns.mappingName,
  }),
  kind<Mapping>({
    names: ['table'],
    doc: 'every mapping that an NVE should hold (--nve)',
    options: ['at', 'nve'],
    list: ({ at, nve }) => [`/v1/nves/${part(needed('nve', nve))}/table`, { at }],
    columns: () => columns.TABLE_COLUMNS,
    fields: () => CSV_LISTS.table,
    name: (entry) => `vn/${entry.vnid}/${columns.mappingName(entry)}`,
  }),
  kind<LoggedEvent>({
    names: ['events', 'event'],
    doc: `the log, newest first, ${DEFAULT_EVENTS} unless --limit says more (--entity, --type, --actor, --from, --to)`,
    options: ['entity', 'type', 'actor', 'from', 'to'],
    list: ({ actor, from, to }) => ['/v1/events', { actor, from, to, order: 'desc' }],
    columns: () => columns.EVENT_COLUMNS,
    fields: () => CSV_LISTS.events,
    name: ({ position }) => `event/${position}`,
  }),
  kind<OracleGroup>({
    names: ['oracles', 'oracle'],
    doc: 'which registrars serve what',
    options: [],
    // It has no pages.
    list: () => ['/v1/oracles', { limit: undefined }],
    columns: () => columns.ORACLE_COLUMNS,
    fields: () => ORACLE_FIELDS,
    name: ({ group }) => `oracle/${group}`,
  }),
];

const STATES = ['associated', 'activated', 'failed', 'conflicted', 'orphaned', 'unbound'];
const collect = (value: string, before: string[] = []): string[] => [...before, value];

export function addGet(program: Command, io: Io): void {
  program
    .command('get')
    .summary('list what there is')
    .description(
      `List what there is, or show single ones by their ids.\n\nKinds:\n${KINDS.map(({ names, doc }) => `  ${names.join(', ')}: ${doc}`).join('\n')}`,
    )
    .addArgument(new Argument('<kind>', 'what to list').choices(KINDS.flatMap(({ names }) => names)))
    .argument('[ids...]', 'VNIDs, NVE ids or ids of tenant systems; all without any')
    .option('--vn <vnid>', 'of that VN')
    .option('--nve <id>', 'of that NVE')
    .option('--tenant <id>', 'of that tenant')
    .addOption(new Option('--state <state>', 'tenant systems that stand so').choices(STATES))
    .option('--conflicted', 'mappings that are held back for an address that somebody else holds')
    .option('--entity <stream>', 'events of that stream, such as ts-vm1; may be repeated', collect)
    .option('--type <type>', 'events of that type; may be repeated', collect)
    .option('--actor <actor>', 'events of that actor')
    .option('--from <time>', 'events recorded at or after it')
    .option('--to <time>', 'events recorded before it')
    .option('--at <instant>', 'as it was at a position or a time (RFC 3339)')
    .option('--limit <number>', 'no more than so many', (text) => wholeNumber(text, 1, MAX_ITEMS))
    .action(async (name: string, ids: string[], options: GetOptions, command: Command) =>
      get(new Session(command, io), name, ids, options),
    );
}

async function get(session: Session, name: string, ids: readonly string[], options: GetOptions): Promise<void> {
  const of = KINDS.find(({ names }) => names.includes(name))!;
  for (const option of Object.keys(options) as (keyof GetOptions)[])
    if (option !== 'limit' && isOfGet(option) && !of.options.includes(option))
      throw wrongUsage(`--${option} says nothing about ${of.names[0]}`);
  const batches = ids.length > 0 ? named(session.client, of, ids, options) : all(session, of, options);
  const listing: Listing<unknown> = {
    columns: of.columns(options),
    fields: of.fields(options) as readonly CsvField<unknown>[],
    name: of.name,
  };
  const count = await session.list(batches, listing, (items) => (ids.length === 1 ? items[0] : { items }));
  if (count === 0 && !session.isData) session.say(of.names[0] === 'table' ? 'its table is empty' : `there are no ${of.names[0]} here`);
}

const GET_OPTIONS = new Set<string>(KINDS.flatMap(({ options }) => options));
const isOfGet = (option: string): boolean => GET_OPTIONS.has(option);

type Batches = AsyncGenerator<readonly unknown[], void>;

async function* named(client: NvaClient, of: Kind<unknown>, ids: readonly string[], options: GetOptions): Batches {
  const { one } = of;
  if (!one) throw wrongUsage(`${of.names[0]} are listed, not shown by an id`);
  const items: unknown[] = [];
  for (const id of ids) items.push(await client.get(...one(id, options)));
  yield items;
}

async function* all(session: Session, of: Kind<unknown>, options: GetOptions): Batches {
  const [path, query] = of.list(options);
  const isLog = of.names[0] === 'events';
  const limit = options.limit ?? (isLog ? DEFAULT_EVENTS : Infinity);
  const paged = 'limit' in query ? query : { ...query, limit: Math.min(PAGE, limit + 1) };
  let left = limit;
  for await (const items of isLog ? events(session.client, options, query, limit) : session.client.batches(path, paged)) {
    yield items.slice(0, left);
    // The log is long: nobody wonders.
    if (items.length > left && !isLog) session.say(`there are more than ${limit}`);
    if (items.length > left || (isLog && items.length === left)) return;
    left -= items.length;
  }
}

/** The log pages backwards, by `before`. */
async function* events(client: NvaClient, { entity = [], type = [] }: GetOptions, query: Query, limit: number): Batches {
  const many = [
    ...entity.map((value) => `entity=${encodeURIComponent(value)}`),
    ...type.map((value) => `type=${encodeURIComponent(value)}`),
  ];
  const path = `/v1/events${many.length === 0 ? '' : `?${many.join('&')}`}`;
  for await (const { items } of client.pages((before) =>
    client.get<Page<unknown>>(path, { ...query, limit: Math.min(PAGE, limit), before }),
  ))
    yield items;
}

function needed(option: string, value: string | undefined): string {
  if (value === undefined) throw wrongUsage(`--${option} is missing`);
  return value;
}
