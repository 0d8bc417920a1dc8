import { Argument, type Command } from 'commander';
import type { LoggedEvent, Mapping, Member, Nve, OracleGroup, TenantSystem, Vn } from '../api/answers.ts';
import { PAGE, part, type NvaClient, type Page, type Query } from '../api/client.ts';
import { wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import * as columns from '../output/columns.ts';
import { table, type Column } from '../output/table.ts';
import { Session, wholeNumber } from '../session.ts';

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
  readonly name: (item: T) => string;
}

const kind = <T>(of: Kind<T>): Kind<unknown> => of as Kind<unknown>;
const mappingName = ({ tsId, vlan, ip }: Mapping): string =>
  `mapping/${tsId}/${[...(vlan === null ? [] : [`vlan-${vlan}`]), ...(ip === null ? [] : [ip])].join('/') || 'untagged'}`;

export const KINDS: readonly Kind<unknown>[] = [
  kind<Vn>({
    names: ['vns', 'vn'],
    doc: 'virtual networks',
    options: ['at'],
    list: ({ at }) => ['/v1/vns', { at }],
    one: (id, { at }) => [`/v1/vns/${part(id)}`, { at }],
    columns: () => columns.VN_COLUMNS,
    name: ({ vnid }) => `vn/${vnid}`,
  }),
  kind<Nve>({
    names: ['nves', 'nve'],
    doc: 'network virtualization edges',
    options: ['at'],
    list: ({ at }) => ['/v1/nves', { at }],
    one: (id, { at }) => [`/v1/nves/${part(id)}`, { at }],
    columns: () => columns.NVE_COLUMNS,
    name: ({ nveId }) => `nve/${nveId}`,
  }),
  kind<TenantSystem>({
    names: ['tenant-systems', 'tenant-system', 'ts'],
    doc: 'tenant systems that are attached (--vn, --nve, --tenant, --state)',
    options: ['at', 'vn', 'nve', 'tenant', 'state'],
    list: ({ at, vn, nve, tenant, state }) => ['/v1/tenant-systems', { at, vnid: vn, nveId: nve, tenantId: tenant, state }],
    one: (id, { at, tenant }) => [`/v1/tenant-systems/${part(id)}`, { at, tenantId: tenant }],
    columns: () => columns.TS_COLUMNS,
    name: ({ tsId }) => `ts/${tsId}`,
  }),
  kind<Member>({
    names: ['members', 'member'],
    doc: 'the NVEs of a VN (--vn)',
    options: ['at', 'vn'],
    list: ({ at, vn }) => [`/v1/vns/${part(needed('vn', vn))}/members`, { at }],
    columns: () => columns.MEMBER_COLUMNS,
    name: ({ nveId }) => `member/${nveId}`,
  }),
  kind<Mapping>({
    names: ['mappings', 'mapping'],
    doc: 'what a VN distributes (--vn), or holds back (--conflicted)',
    options: ['at', 'vn', 'conflicted'],
    list: ({ at, vn, conflicted }) => [`/v1/vns/${part(needed('vn', vn))}/mappings`, { at, conflicted }],
    columns: ({ conflicted }) => (conflicted ? columns.WITHHELD_COLUMNS : columns.MAPPING_COLUMNS),
    name: mappingName,
  }),
  kind<Mapping>({
    names: ['table'],
    doc: 'every mapping that an NVE should hold (--nve)',
    options: ['at', 'nve'],
    list: ({ at, nve }) => [`/v1/nves/${part(needed('nve', nve))}/table`, { at }],
    columns: () => columns.TABLE_COLUMNS,
    name: (entry) => `vn/${entry.vnid}/${mappingName(entry)}`,
  }),
  kind<LoggedEvent>({
    names: ['events', 'event'],
    doc: `the log, newest first, ${DEFAULT_EVENTS} unless --limit says more (--entity, --type, --actor, --from, --to)`,
    options: ['entity', 'type', 'actor', 'from', 'to'],
    list: ({ actor, from, to }) => ['/v1/events', { actor, from, to, order: 'desc' }],
    columns: () => columns.EVENT_COLUMNS,
    name: ({ position }) => `event/${position}`,
  }),
  kind<OracleGroup>({
    names: ['oracles', 'oracle'],
    doc: 'which registrars serve what',
    options: [],
    // It has no pages.
    list: () => ['/v1/oracles', { limit: undefined }],
    columns: () => columns.ORACLE_COLUMNS,
    name: ({ group }) => `oracle/${group}`,
  }),
];

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
    .option('--state <state>', 'tenant systems that stand so: associated, activated, failed, conflicted, orphaned, unbound')
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
  const limit = options.limit ?? (of.names[0] === 'events' ? DEFAULT_EVENTS : MAX_ITEMS);
  const items = ids.length > 0 ? await named(session.client, of, ids, options) : await all(session, of, options, limit);
  const value = ids.length === 1 ? items[0] : { items };
  const shown = of.columns(options).filter(({ wide }) => !wide || session.format === 'wide');
  await session.show(
    value,
    () => items.map(of.name),
    () => table(items, shown, session.paint),
  );
  if (items.length === 0 && session.format !== 'name' && !session.isData)
    session.say(of.names[0] === 'table' ? 'its table is empty' : `there are no ${of.names[0]} here`);
}

const GET_OPTIONS = new Set<string>(KINDS.flatMap(({ options }) => options));
const isOfGet = (option: string): boolean => GET_OPTIONS.has(option);

async function named(client: NvaClient, of: Kind<unknown>, ids: readonly string[], options: GetOptions): Promise<unknown[]> {
  const { one } = of;
  if (!one) throw wrongUsage(`${of.names[0]} are listed, not shown by an id`);
  const items: unknown[] = [];
  for (const id of ids) items.push(await client.get(...one(id, options)));
  return items;
}

async function all(session: Session, of: Kind<unknown>, options: GetOptions, limit: number): Promise<unknown[]> {
  const [path, query] = of.list(options);
  if (of.names[0] === 'events') return events(session.client, options, query, limit);
  const items: unknown[] = [];
  const paged = 'limit' in query ? query : { ...query, limit: Math.min(PAGE, limit + 1) };
  for await (const item of session.client.items(path, paged)) {
    if (items.length === limit) {
      session.say(`there are more than ${limit}`);
      break;
    }
    items.push(item);
  }
  return items;
}

/** The log pages backwards, by `before`. */
async function events(client: NvaClient, { entity = [], type = [] }: GetOptions, query: Query, limit: number): Promise<unknown[]> {
  const many = [
    ...entity.map((value) => `entity=${encodeURIComponent(value)}`),
    ...type.map((value) => `type=${encodeURIComponent(value)}`),
  ];
  const path = `/v1/events${many.length === 0 ? '' : `?${many.join('&')}`}`;
  const items: unknown[] = [];
  const pages = client.pages((before) =>
    client.get<Page<unknown>>(path, { ...query, limit: Math.min(PAGE, limit - items.length), before }),
  );
  for await (const page of pages) {
    items.push(...page.items);
    if (items.length >= limit) break;
  }
  return items;
}

function needed(option: string, value: string | undefined): string {
  if (value === undefined) throw wrongUsage(`--${option} is missing`);
  return value;
}
