import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { connectionKey, connectionsIn, memberValue, resolve, standingOf, type FoldedNve, type FoldedVn, type Network, type VnConnection } from '@nva/fold';
import { COUNTED, MOVE_ALARM_MOVES, MOVE_ALARM_WINDOW_MS, NO_QUOTAS } from '@nva/domain';
import { numeral, parseIp, parseMac, parseNveId, parseTenantId, parseTsId, parseVnid, Refusal } from '@nva/identifiers';
import { NOTHING_PENDING, QuotaKeeper } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { appliedBy } from './applied.ts';
import type { Core } from './core.ts';
import { DescribesProblems, DescribesQuery, PAGING } from './describes.ts';
import { page, type Entry, type Page } from './paging.ts';
import { CORE } from './providers.ts';
import { only } from './query-readers.ts';
import { contextOf } from './request-context.ts';
import { appliedBody, isConflicted, mappingBody, memberBody, nveBody, vnBody, withheldBody } from './views.ts';
import { Visibility } from './visibility.ts';

type Queries = Readonly<Record<string, string>>;

/** State as it is now. */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class QueriesController {
  readonly #core: Core;

  constructor(@Inject(CORE) core: Core) {
    this.#core = core;
  }

  @Get('vns')
  @ApiOperation({ summary: 'Every living VN (operators).' })
  @DescribesQuery(PAGING)
  vns(@Query() query: Queries, @Req() request: FastifyRequest): Page<unknown> {
    only(query, 'after', 'limit');
    this.#visible(request).operator();
    const living = [...this.#core.replica.network.vns.values()].filter((vn) => vn.alive);
    return page(living.map((vn) => [paddedVnid(vn.state.vnid), () => vnBody(vn, this.#core.replica.digests)] as const), query);
  }

  @Get('vns/:vnid')
  @ApiOperation({ summary: 'A VN (R37).' })
  vn(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query);
    return vnBody(this.#vn(vnid, request), this.#core.replica.digests);
  }

  @Get('vns/:vnid/members')
  @ApiOperation({ summary: 'The NVEs of a VN (R38).' })
  @DescribesQuery(PAGING)
  members(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): Page<unknown> {
    only(query, 'after', 'limit');
    return page([...this.#vn(vnid, request).members].map(([nveId, member]) => [nveId, () => memberBody(member)] as const), query);
  }

  @Get('vns/:vnid/mappings')
  @ApiOperation({ summary: 'What a VN distributes; with conflicted=true, what it holds back and why (X2).' })
  @DescribesQuery({ ...PAGING, conflicted: 'true: what is held back.' })
  mappings(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): Page<unknown> {
    only(query, 'after', 'limit', 'conflicted');
    const conflicted = query['conflicted'] ?? 'false';
    if (conflicted !== 'true' && conflicted !== 'false') throw new Refusal('wrong-type', 'conflicted is true or false', { field: 'conflicted', received: conflicted });
    const connections = connectionsIn(this.#core.replica.network, this.#vn(vnid, request));
    return page(conflicted === 'true' ? withheldEntries(connections) : mappingEntries(connections), query);
  }

  @Get('nves')
  @ApiOperation({ summary: 'Every known NVE (operators).' })
  @DescribesQuery(PAGING)
  nves(@Query() query: Queries, @Req() request: FastifyRequest): Page<unknown> {
    only(query, 'after', 'limit');
    this.#visible(request).operator();
    const known = [...this.#core.replica.network.nves.values()].filter((nve) => nve.known);
    return page(known.map((nve) => [nve.nveId, () => nveBody(nve, new Map([...this.#core.applied.of(nve.nveId)].map(([vnid, report]) => [vnid, appliedBody(report)])))] as const), query);
  }

  @Get('nves/:nveId')
  @ApiOperation({ summary: 'An NVE: properties, memberships, and what it has applied, compared.' })
  async nve(@Param('nveId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<unknown> {
    only(query);
    const nve = this.#nve(id, request);
    return nveBody(nve, await appliedBy(this.#core, nve.nveId, contextOf(request).authorization));
  }

  @Get('nves/:nveId/table')
  @ApiOperation({ summary: 'Every mapping that the NVE should hold, VN by VN (R7).' })
  @DescribesQuery(PAGING)
  table(@Param('nveId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Page<unknown> {
    only(query, 'after', 'limit');
    const { network } = this.#core.replica;
    return page(tableEntries(network, this.#nve(id, request)), query);
  }

  @Get('tenant-systems/:tsId')
  @ApiOperation({ summary: 'A tenant system: where it is, its bindings, and how its registration stands.' })
  @DescribesQuery({ tenantId: 'Its tenant; needed where several tenants have a tenant system of that id that could be meant.' })
  tenantSystem(@Param('tsId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query, 'tenantId');
    const tsId = parseTsId(id);
    const visible = this.#visible(request);
    const ts = visible.tenantSystemNamed(tsId, query['tenantId'] === undefined ? undefined : parseTenantId(query['tenantId']));
    visible.tenantSystem(ts);
    if (!ts) throw new Refusal('ts-unknown', `there is no tenant system ${tsId}`, { field: 'tsId', received: tsId });
    const { moves, bindings, ...state } = ts.state;
    const recent = moves.filter((at) => at > this.#core.clock.wallMs() - MOVE_ALARM_WINDOW_MS).length;
    return {
      ...state,
      attachments: visible.attachments(ts),
      bindings: bindings.map(({ bid, vnid, vlan, ip, lifetimeS }) => ({ bid, vnid, vlan, ip, lifetimeS })),
      ...standingOf(ts),
      moveAlarm: recent > MOVE_ALARM_MOVES,
      revision: ts.revision,
      position: String(ts.position),
    };
  }

  @Get('usage')
  @ApiOperation({ summary: 'What a tenant or an NVE uses of its quota: of an NVE, what is attached there; null is no bound (operators; an NVE of itself).' })
  @DescribesQuery({ tenantId: 'Either this or nveId.', nveId: 'Either this or tenantId.' })
  usage(@Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query, 'tenantId', 'nveId');
    const { tenantId, nveId } = query;
    if ((tenantId === undefined) === (nveId === undefined)) throw new Refusal('missing-field', 'either tenantId or nveId is needed', { field: 'tenantId' });
    const visible = this.#visible(request);
    if (nveId === undefined) visible.operator();
    else visible.nve(parseNveId(nveId));
    const [scope, id] = nveId === undefined ? (['tenant', parseTenantId(tenantId)] as const) : (['nve', parseNveId(nveId)] as const);
    const quotas = this.#core.registration?.registrar.quotas ?? new QuotaKeeper(NO_QUOTAS, this.#core.replica.network, NOTHING_PENDING);
    const used = quotas.used(scope, id);
    const limits = quotas.limits(scope, id);
    return { ...(scope === 'nve' ? { nveId: id } : { tenantId: id }), ...Object.fromEntries(COUNTED.map((counted) => [counted, { used: used[counted], limit: limits[counted] }])) };
  }

  @Get('resolve')
  @ApiOperation({ summary: 'Who holds an address: answered directly (R40), or with the NVEs to ask (R39).' })
  @DescribesQuery({ vnid: 'The VN, always.', ip: 'Either this or mac.', mac: 'Either this or ip.', mode: 'direct, the default, or redirect.' })
  resolve(@Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query, 'vnid', 'ip', 'mac', 'mode');
    const { vnid, ip, mac, mode = 'direct' } = query;
    if (vnid === undefined) throw new Refusal('missing-field', 'vnid is missing', { field: 'vnid' });
    const vn = this.#vn(vnid, request);
    if ((ip === undefined) === (mac === undefined)) throw new Refusal('missing-field', 'either ip or mac is needed', { field: 'ip' });
    if (mode !== 'direct' && mode !== 'redirect') throw new Refusal('out-of-range', 'mode is direct or redirect', { field: 'mode', received: mode });
    const address = ip === undefined ? { mac: parseMac(mac) } : { ip: parseIp(ip) };
    if (mode === 'redirect') return { mode, members: [...vn.members.values()].map(memberBody) };
    const found = resolve(this.#core.replica.network, vn.state.vnid, address);
    if (found.length === 0) throw new Refusal('not-found', `nobody holds that address in VN ${vn.state.vnid}`, { field: ip === undefined ? 'mac' : 'ip', received: ip ?? mac });
    const nveIds = new Set(found.flatMap(({ mapping }) => mapping.attachments.map((a) => a.nveId)));
    return {
      mode,
      mappings: found.map(({ mapping, position }) => mappingBody(mapping, position)),
      members: [...nveIds].map((nveId) => memberValue(this.#core.replica.network.nves.get(nveId)!.state!)),
    };
  }

  #visible(request: FastifyRequest): Visibility {
    return new Visibility(this.#core.replica.network, contextOf(request).caller);
  }

  #vn(id: string, request: FastifyRequest): FoldedVn {
    const vnid = parseVnid(numeral(id));
    this.#visible(request).vn(vnid);
    const vn = this.#core.replica.network.vns.get(vnid);
    if (!vn?.alive) throw new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });
    return vn;
  }

  #nve(id: string, request: FastifyRequest): FoldedNve {
    const nveId = parseNveId(id);
    this.#visible(request).nve(nveId);
    const nve = this.#core.replica.network.nves.get(nveId);
    if (!nve?.known) throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
    return nve;
  }
}

function* mappingEntries(connections: Iterable<VnConnection>): Iterable<Entry<object>> {
  for (const { ts, connection, mapping } of connections) if (mapping) yield [connectionKey(ts.state, connection), () => mappingBody(mapping, connection.position)];
}

function* withheldEntries(connections: Iterable<VnConnection>): Iterable<Entry<unknown>> {
  for (const { ts, connection, mapping } of connections) {
    if (!mapping && isConflicted(ts, connection)) yield [connectionKey(ts.state, connection), () => withheldBody(ts, connection)];
  }
}

function* tableEntries(network: Network, nve: FoldedNve): Iterable<Entry<object>> {
  for (const { vn } of nve.memberships.values()) {
    const { vnid } = vn.state;
    const prefix = paddedVnid(vnid);
    for (const [key, make] of mappingEntries(connectionsIn(network, vn))) yield [`${prefix}/${key}`, () => ({ vnid, ...make() })];
  }
}

/** VNIDs as text sort as the numbers do. */
const paddedVnid = (vnid: number): string => String(vnid).padStart(8, '0');
