import { Argument, type Command } from 'commander';
import type { Mapping, Member, Nve, TenantSystem, Vn } from '../api/answers.ts';
import { part, type Query } from '../api/client.ts';
import type { Io } from '../io.ts';
import {
  bindingText,
  MAPPING_COLUMNS,
  MEMBER_COLUMNS,
  NOTHING,
  reachableCell,
  standing,
  statusCell,
  TS_COLUMNS,
} from '../output/columns.ts';
import { fields, table, type Cell, type Column } from '../output/table.ts';
import { Session } from '../session.ts';

/** So many of each part are shown. */
const SHOWN = 50;

interface Options {
  readonly tenant?: string;
  readonly at?: string;
}

/** The beginning of a list, and whether there is more. */
interface Beginning<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

export function addDescribe(program: Command, io: Io): void {
  program
    .command('describe')
    .summary('show one thing with all that belongs to it')
    .description(
      `Show a VN with its NVEs and mappings, an NVE with its VNs and tenant systems, or a tenant system. The first ${SHOWN} of each are shown.`,
    )
    .addArgument(new Argument('<kind>', 'what it is').choices(['vn', 'nve', 'ts', 'tenant-system']))
    .argument('<id>', 'VNID, NVE id or id of the tenant system')
    .option('--tenant <id>', 'tenant of the tenant system, where several have one of that id')
    .option('--at <instant>', 'as it was at a position or a time (RFC 3339)')
    .action(async (kind: string, id: string, { tenant, at }: Options, command: Command) => {
      const session = new Session(command, io);
      if (kind === 'vn') return describeVn(session, id, { at });
      if (kind === 'nve') return describeNve(session, id, { at });
      return describeTs(session, id, { at, tenantId: tenant });
    });
}

async function describeVn(session: Session, id: string, query: Query): Promise<void> {
  const path = `/v1/vns/${part(id)}`;
  const vn = await session.client.get<Vn>(path, query);
  const members = await beginning<Member>(session, `${path}/members`, query);
  const mappings = await beginning<Mapping>(session, `${path}/mappings`, query);
  const { paint } = session;
  await session.show(
    { ...vn, memberList: members.items, mappingList: mappings.items },
    () => [`vn/${vn.vnid}`],
    () =>
      fields(
        [
          ['VNID', String(vn.vnid)],
          ['Name', vn.name],
          ['Tenant', vn.tenantId],
          ['Service', `${vn.service} over ${vn.encapsulation}`],
          ['Access policies', attributes(vn.context.access)],
          ['Tunnel policies', attributes(vn.context.tunnel)],
          ['NVEs', String(vn.members)],
          ['Tenant systems', String(vn.tenantSystems)],
          ['Digest', `${vn.digest} at ${vn.digestPosition}`],
          ['Revision', `${vn.revision}, at position ${vn.position}`],
        ],
        paint,
      ) +
      section(session, 'NVEs', members, MEMBER_COLUMNS) +
      section(session, 'Mappings', mappings, MAPPING_COLUMNS),
  );
}

async function describeNve(session: Session, id: string, query: Query): Promise<void> {
  const path = `/v1/nves/${part(id)}`;
  const nve = await session.client.get<Nve>(path, query);
  const tenantSystems = await beginning<TenantSystem>(session, `${path}/tenant-systems`, query);
  const { paint } = session;
  const vns: readonly Column<Nve['memberships'][number]>[] = [
    { title: 'VNID', cell: ({ vnid }) => String(vnid) },
    { title: 'SINCE', cell: ({ since }) => since },
    { title: 'APPLIED', cell: ({ applied }) => applied?.position ?? NOTHING },
    {
      title: 'VERDICT',
      cell: ({ applied }) => ({ text: applied?.verdict ?? 'not reported', paint: applied?.verdict === 'same' ? paint.good : paint.warn }),
    },
  ];
  await session.show(
    { ...nve, tenantSystemList: tenantSystems.items },
    () => [`nve/${nve.nveId}`],
    () =>
      fields(
        [
          ['NVE', nve.nveId],
          ['Site', nve.siteId],
          ['Status', statusCell(nve, paint)],
          ['Reachable', reachableCell(nve.reachable, paint)],
          ['MAC', nve.mac],
          ['Addresses', nve.addresses.join(', ')],
          ['Incarnation', String(nve.incarnation)],
          ['Lease', nve.leaseS === null ? NOTHING : `${nve.leaseS} s`],
          ['Identity alarm', nve.identityAlarm ? { text: 'raised: two hosts may have its id', paint: paint.bad } : NOTHING],
          ['Tenant systems', String(nve.tenantSystems)],
          ['Revision', `${nve.revision}, at position ${nve.position}`],
        ],
        paint,
      ) +
      section(session, 'VNs', { items: nve.memberships.slice(0, SHOWN), more: nve.memberships.length > SHOWN }, vns) +
      section(session, 'Tenant systems', tenantSystems, TS_COLUMNS),
  );
}

async function describeTs(session: Session, id: string, query: Query): Promise<void> {
  const ts = await session.client.get<TenantSystem>(`/v1/tenant-systems/${part(id)}`, query);
  const { paint } = session;
  const rows: (readonly [string, Cell])[] = [
    ['Tenant system', ts.tsId],
    ['Tenant', ts.tenantId],
    ['VM', ts.vmId],
    ['MAC', ts.mac],
    ['State', standing(ts, paint)],
    ['Effective', reachableCell(ts.effective, paint)],
    ...ts.attachments.map(({ nveId, state, logicalInterface }): readonly [string, Cell] => [
      'At',
      `${nveId}, ${state}${logicalInterface ? `, on ${logicalInterface}` : ''}`,
    ]),
    ...ts.bindings.map((binding): readonly [string, Cell] => [
      'Binding',
      `${bindingText(binding)}${binding.lifetimeS === null ? '' : `, for ${binding.lifetimeS} s`}`,
    ]),
    ...ts.conflicts.map(({ vnid, address, heldBy }): readonly [string, Cell] => [
      'Conflict',
      { text: `${address} in VN ${vnid} is held by ${heldBy ?? 'somebody else'}`, paint: paint.bad },
    ]),
    ...ts.failures.map(({ nveId, vnid }): readonly [string, Cell] => [
      'Failure',
      { text: `${vnid === null ? 'no VN' : `VN ${vnid} not`} reachable through ${nveId}`, paint: paint.bad },
    ]),
    ...ts.orphaned.map((vnid): readonly [string, Cell] => ['Orphaned', { text: `VN ${vnid} was deleted`, paint: paint.bad }]),
    ['VNs', ts.memberships.join(', ') || NOTHING],
    ['Moves', `${ts.mobility}${ts.moveAlarm ? ', more than 5 within 180 s' : ''}`],
    ['Revision', `${ts.revision}, at position ${ts.position}`],
  ];
  await session.show(
    ts,
    () => [`ts/${ts.tsId}`],
    () => fields(rows, paint),
  );
}

async function beginning<T>(session: Session, path: string, query: Query): Promise<Beginning<T>> {
  const items: T[] = [];
  for await (const item of session.client.items<T>(path, { ...query, limit: SHOWN + 1 })) {
    if (items.length === SHOWN) return { items, more: true };
    items.push(item);
  }
  return { items, more: false };
}

function section<T>(session: Session, title: string, { items, more }: Beginning<T>, columns: readonly Column<T>[]): string {
  const { paint } = session;
  if (items.length === 0) return '';
  const shown = columns.filter(({ wide }) => !wide || session.format === 'wide');
  return `\n${paint.heading(title)}\n${table(items, shown, paint)}${more ? `${paint.dim('and more')}\n` : ''}`;
}

const attributes = (policies: Readonly<Record<string, string>>): string =>
  Object.entries(policies)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ') || NOTHING;
