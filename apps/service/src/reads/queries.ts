import { memberValue, resolve, type FoldedNve, type FoldedVn } from '@nva/fold';
import { COUNTED } from '@nva/domain';
import { numeral, parseIp, parseMac, parseNveId, parseTenantId, parseTsId, parseVnid, Refusal } from '@nva/identifiers';
import type { Caller } from '@nva/registrar';
import { Visibility } from '../access/visibility.ts';
import { changesTooOften, movesTooOften } from '../config/alarms.ts';
import { oneStep, walk, type Steps } from '../turns/sliced.ts';
import { nveText } from './nve-text.ts';
import { page, pageQuery, type Entry, type PageText } from './paging.ts';
import { only } from './query-readers.ts';
import { mappingEntries, memberEntries, paddedVnid, tableEntries, withheldPage } from './tables.ts';
import { listed } from './tenant-system-lists.ts';
import { mappingBody, tenantSystemBody, vnBody } from './views.ts';
import type { World } from './world.ts';

/** A query as it came: the parts of its path, its fields, and who asks. */
export interface Asked {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** Answers with JSON, in steps. Throws Refusal. */
export type Query = (world: World, asked: Asked) => Steps<string>;

/** The queries about the state of the network, by name. Each is asked of the present, or of an instant in the past. */
export const QUERIES = {
  vns: (world, { query, caller }) => {
    only(query, 'after', 'limit');
    visibleIn(world, caller).operator();
    return page(living(world, query['after']), pageQuery(query));
  },

  vn: (world, asked) => {
    only(asked.query);
    return text(vnBody(vnOf(world, asked), world.digests));
  },

  members: (world, asked) => {
    const { query } = asked;
    only(query, 'after', 'limit');
    return page(memberEntries(vnOf(world, asked), query['after']), pageQuery(query));
  },

  mappings: (world, asked) => {
    const conflicted = asksForConflicted(asked);
    const vn = vnOf(world, asked);
    const paged = pageQuery(asked.query);
    return conflicted ? withheldPage(world.network, vn, paged) : page(mappingEntries(world.network, vn, paged.after), paged);
  },

  nves: (world, { query, caller }) => {
    only(query, 'after', 'limit');
    visibleIn(world, caller).operator();
    const paged = pageQuery(query);
    return page(known(world, paged.after), paged, (nve) => nveOf(world, nve));
  },

  nve: (world, asked) => {
    only(asked.query);
    return nveOf(world, nveNamed(world, asked));
  },

  table: (world, asked) => {
    const { query } = asked;
    only(query, 'after', 'limit');
    return page(tableEntries(world.network, nveNamed(world, asked), query['after']), pageQuery(query));
  },

  tenantSystems: (world, asked) => {
    const { nveId, vnid, ...query } = asked.query;
    only(query, 'after', 'limit', 'tenantId', 'state');
    const place = {
      nveId: nveId === undefined ? undefined : nvePlace(world, asked.caller, nveId),
      vnid: vnid === undefined ? undefined : vnPlace(world, asked.caller, vnid),
    };
    return listed(world, place, query, asked.caller);
  },

  tenantSystemsOfNve: (world, { path, query, caller }) => {
    only(query, 'after', 'limit', 'tenantId', 'state');
    return listed(world, { nveId: nvePlace(world, caller, path['nveId']!) }, query, caller);
  },

  tenantSystemsOfVn: (world, { path, query, caller }) => {
    only(query, 'after', 'limit', 'tenantId', 'state');
    return listed(world, { vnid: vnPlace(world, caller, path['vnid']!) }, query, caller);
  },

  tenantSystem: (world, { path, query, caller }) => {
    only(query, 'tenantId');
    const tsId = parseTsId(path['tsId']);
    const visible = visibleIn(world, caller);
    const ts = visible.tenantSystemNamed(tsId, query['tenantId'] === undefined ? undefined : parseTenantId(query['tenantId']));
    visible.tenantSystem(ts);
    if (!ts) throw new Refusal('ts-unknown', `there is no tenant system ${tsId}`, { field: 'tsId', received: tsId });
    return text(tenantSystemBody(ts, visible.attachments(ts), movesTooOften(ts.state, world)));
  },

  usage: ({ quotas, ...world }, { query, caller }) => {
    only(query, 'tenantId', 'nveId');
    const { tenantId, nveId } = query;
    if ((tenantId === undefined) === (nveId === undefined))
      throw new Refusal('missing-field', 'exactly one of tenantId and nveId is needed', { field: 'tenantId' });
    const visible = visibleIn(world, caller);
    if (nveId === undefined) visible.operator();
    else visible.nve(parseNveId(nveId));
    const [scope, id] = nveId === undefined ? (['tenant', parseTenantId(tenantId)] as const) : (['nve', parseNveId(nveId)] as const);
    const used = quotas.used(scope, id);
    const limits = quotas.limits(scope, id);
    return text({
      ...(scope === 'nve' ? { nveId: id } : { tenantId: id }),
      ...Object.fromEntries(COUNTED.map((counted) => [counted, { used: used[counted], limit: limits[counted] }])),
    });
  },

  resolve: (world, asked) => {
    const vn = vnOf(world, { ...asked, path: { vnid: vnidOfResolve(asked) } });
    const { address, mode } = resolveQuery(asked);
    if (mode === 'redirect') return redirect(vn);
    const found = resolve(world.network, vn.state.vnid, address);
    const nveIds = new Set(found.flatMap(({ mapping }) => mapping.attachments.map((a) => a.nveId)));
    return text(
      resolved(
        vn.state.vnid,
        address,
        found.map(({ mapping, position }) => mappingBody(mapping, position)),
        [...nveIds].map((nveId) => memberValue(world.network.nves.get(nveId)!.state!)),
      ),
    );
  },
} satisfies Readonly<Record<string, Query>>;

export type QueryName = keyof typeof QUERIES;

/** Whether a query for the mappings of a VN asks for those that are held back. Throws Refusal. */
export function asksForConflicted({ query }: Pick<Asked, 'query'>): boolean {
  only(query, 'after', 'limit', 'conflicted');
  const { conflicted = 'false' } = query;
  if (conflicted !== 'true' && conflicted !== 'false')
    throw new Refusal('wrong-type', 'conflicted is true or false', { field: 'conflicted', received: conflicted });
  return conflicted === 'true';
}

export type Address = { readonly mac: string } | { readonly ip: string };

/** The VNID in a query for who holds an address. Throws Refusal. */
export function vnidOfResolve({ query }: Pick<Asked, 'query'>): string {
  only(query, 'vnid', 'ip', 'mac', 'mode');
  if (query['vnid'] === undefined) throw new Refusal('missing-field', 'vnid is missing', { field: 'vnid' });
  return query['vnid'];
}

/** The other fields of such a query. Throws Refusal. */
export function resolveQuery({ query }: Pick<Asked, 'query'>): { readonly address: Address; readonly mode: 'direct' | 'redirect' } {
  const { ip, mac, mode = 'direct' } = query;
  if ((ip === undefined) === (mac === undefined))
    throw new Refusal('missing-field', 'exactly one of ip and mac is needed', { field: 'ip' });
  if (mode !== 'direct' && mode !== 'redirect')
    throw new Refusal('out-of-range', 'mode is direct or redirect', { field: 'mode', received: mode });
  return { address: ip === undefined ? { mac: parseMac(mac) } : { ip: parseIp(ip) }, mode };
}

/** The answer to who holds an address. Throws Refusal `not-found` if nobody does. */
export function resolved(vnid: number, address: Address, mappings: readonly object[], members: readonly object[]): object {
  if (mappings.length > 0) return { mode: 'direct', mappings, members };
  const [field, received] = 'mac' in address ? ['mac', address.mac] : ['ip', address.ip];
  throw new Refusal('not-found', `nobody holds that address in VN ${vnid}`, { field, received });
}

const visibleIn = ({ network }: Pick<World, 'network'>, caller: Caller): Visibility => new Visibility(network, caller);

const text = (body: unknown): Steps<string> => oneStep(() => JSON.stringify(body));

const nveOf = (world: World, nve: FoldedNve): Steps<string> =>
  nveText(nve, changesTooOften(nve.state!, world, world.identityRate), (vnid) => world.applied(nve.nveId, vnid));

function* living({ network: { vns }, digests }: World, after = ''): Generator<Entry | undefined, void> {
  for (const vnid of walk(vns.order, (other) => paddedVnid(other) <= after)) {
    const vn = vnid === undefined ? undefined : vns.get(vnid);
    yield vn?.alive ? [paddedVnid(vn.state.vnid), () => vnBody(vn, digests)] : undefined;
  }
}

function* known({ network: { nves } }: World, after = ''): Generator<Entry<FoldedNve> | undefined, void> {
  for (const nveId of walk(nves.order, (other) => other <= after)) {
    const nve = nveId === undefined ? undefined : nves.get(nveId);
    yield nve?.known ? [nve.nveId, () => nve] : undefined;
  }
}

function vnOf(world: World, { path, caller }: Pick<Asked, 'path' | 'caller'>): FoldedVn {
  return world.network.vns.get(vnPlace(world, caller, path['vnid']!))!;
}

function vnPlace(world: World, caller: Caller, id: string): number {
  const vnid = parseVnid(numeral(id));
  visibleIn(world, caller).vn(vnid);
  if (!world.network.vns.get(vnid)?.alive) throw new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });
  return vnid;
}

function nveNamed(world: World, { path, caller }: Asked): FoldedNve {
  const nveId = parseNveId(path['nveId']);
  visibleIn(world, caller).nve(nveId);
  const nve = world.network.nves.get(nveId);
  if (!nve?.known) throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  return nve;
}

/** A forgotten NVE is accepted too, because a race may have left tenant systems there. */
function nvePlace(world: World, caller: Caller, id: string): string {
  const nveId = parseNveId(id);
  visibleIn(world, caller).nve(nveId);
  if (!world.network.nves.has(nveId))
    throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  return nveId;
}

/** The NVEs that the caller may ask (R39). */
function* redirect(vn: FoldedVn): Steps<PageText> {
  const members: string[] = [];
  for (const entry of memberEntries(vn)) {
    if (entry) members.push(JSON.stringify(entry[1]()));
    else yield;
  }
  return `{"mode":"redirect","members":[${members.join(',')}]}`;
}
