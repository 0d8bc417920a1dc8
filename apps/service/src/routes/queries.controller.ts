import { Controller, Get, Header, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { memberValue, resolve, type FoldedNve, type FoldedVn } from '@nva/fold';
import { COUNTED } from '@nva/domain';
import { numeral, parseIp, parseMac, parseNveId, parseTenantId, parseTsId, parseVnid, Refusal } from '@nva/identifiers';
import type { QuotaKeeper } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { changesTooOften, movesTooOften, type IdentityRate } from '../config/alarms.ts';
import type { AppliedLookup } from '../core/applied-lookup.ts';
import { DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import { nveText } from '../reads/nve-text.ts';
import { page, pageQuery, type Entry, type PageText } from '../reads/paging.ts';
import { APPLIED_ANYWHERE, IDENTITY_RATE, QUOTAS, READS } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { contextOf } from '../access/request-context.ts';
import { walk, type Steps } from '../turns/sliced.ts';
import { mappingEntries, memberEntries, paddedVnid, tableEntries, withheldPage } from '../reads/tables.ts';
import { mappingBody, tenantSystemBody, vnBody } from '../reads/views.ts';
import type { Visibility } from '../access/visibility.ts';

type Queries = Readonly<Record<string, string>>;

/** The content type of texts that are made in steps. */
const JSON_TYPE = 'application/json; charset=utf-8';

/** The present state. */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class QueriesController {
  readonly #reads: Reads;
  readonly #applied: AppliedLookup;
  readonly #quotas: QuotaKeeper;
  readonly #identityRate: IdentityRate;

  constructor(
    @Inject(READS) reads: Reads,
    @Inject(APPLIED_ANYWHERE) applied: AppliedLookup,
    @Inject(QUOTAS) quotas: QuotaKeeper,
    @Inject(IDENTITY_RATE) identityRate: IdentityRate,
  ) {
    this.#reads = reads;
    this.#applied = applied;
    this.#quotas = quotas;
    this.#identityRate = identityRate;
  }

  @Get('vns')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'Every living VN (operators).' })
  @DescribesQuery(PAGING)
  vns(@Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit');
    this.#visible(request).operator();
    return this.#inTurns(request, page(this.#living(query['after']), pageQuery(query)));
  }

  @Get('vns/:vnid')
  @ApiOperation({ summary: 'A VN (R37).' })
  vn(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query);
    return vnBody(this.#vn(vnid, request), this.#reads.digests);
  }

  @Get('vns/:vnid/members')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'The NVEs of a VN (R38).' })
  @DescribesQuery(PAGING)
  members(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit');
    return this.#inTurns(request, page(memberEntries(this.#vn(vnid, request), query['after']), pageQuery(query)));
  }

  @Get('vns/:vnid/mappings')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'What a VN distributes; with conflicted=true, what it holds back and why (X2).' })
  @DescribesQuery({ ...PAGING, conflicted: 'true: what is held back.' })
  mappings(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit', 'conflicted');
    const conflicted = query['conflicted'] ?? 'false';
    if (conflicted !== 'true' && conflicted !== 'false')
      throw new Refusal('wrong-type', 'conflicted is true or false', { field: 'conflicted', received: conflicted });
    const { network } = this.#reads;
    const vn = this.#vn(vnid, request);
    const paged = pageQuery(query);
    return this.#inTurns(
      request,
      conflicted === 'true' ? withheldPage(network, vn, paged) : page(mappingEntries(network, vn, paged.after), paged),
    );
  }

  @Get('nves')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'Every known NVE (operators).' })
  @DescribesQuery(PAGING)
  async nves(@Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit');
    this.#visible(request).operator();
    const paged = pageQuery(query);
    const applied = await this.#applied.ofAll(paged.after ?? '', paged.limit, contextOf(request).authorization);
    return this.#inTurns(
      request,
      page(this.#known(paged.after), paged, (nve) => nveText(nve, this.#alarm(nve), (vnid) => applied(nve.nveId, vnid))),
    );
  }

  @Get('nves/:nveId')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'An NVE: properties, memberships, and what it has applied, compared.' })
  async nve(@Param('nveId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    only(query);
    const nve = this.#nve(id, request);
    const applied = await this.#applied.of(nve.nveId, contextOf(request).authorization);
    return this.#inTurns(
      request,
      nveText(nve, this.#alarm(nve), (vnid) => applied.get(vnid) ?? null),
    );
  }

  @Get('nves/:nveId/table')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'Every mapping that the NVE should hold, VN by VN (R7).' })
  @DescribesQuery(PAGING)
  table(@Param('nveId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit');
    const { network } = this.#reads;
    return this.#inTurns(request, page(tableEntries(network, this.#nve(id, request), query['after']), pageQuery(query)));
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
    return tenantSystemBody(ts, visible.attachments(ts), movesTooOften(ts.state, this.#reads.clock));
  }

  @Get('usage')
  @ApiOperation({
    summary:
      'What a tenant or an NVE uses of its quota: of an NVE, what is attached there; null is no bound (operators; an NVE of itself).',
  })
  @DescribesQuery({ tenantId: 'Either this or nveId.', nveId: 'Either this or tenantId.' })
  usage(@Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query, 'tenantId', 'nveId');
    const { tenantId, nveId } = query;
    if ((tenantId === undefined) === (nveId === undefined))
      throw new Refusal('missing-field', 'exactly one of tenantId and nveId is needed', { field: 'tenantId' });
    const visible = this.#visible(request);
    if (nveId === undefined) visible.operator();
    else visible.nve(parseNveId(nveId));
    const [scope, id] = nveId === undefined ? (['tenant', parseTenantId(tenantId)] as const) : (['nve', parseNveId(nveId)] as const);
    const used = this.#quotas.used(scope, id);
    const limits = this.#quotas.limits(scope, id);
    return {
      ...(scope === 'nve' ? { nveId: id } : { tenantId: id }),
      ...Object.fromEntries(COUNTED.map((counted) => [counted, { used: used[counted], limit: limits[counted] }])),
    };
  }

  @Get('resolve')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'Who holds an address: answered directly (R40), or with the NVEs to ask (R39).' })
  @DescribesQuery({
    vnid: 'The VN, always.',
    ip: 'Either this or mac.',
    mac: 'Either this or ip.',
    mode: 'direct, the default, or redirect.',
  })
  resolve(@Query() query: Queries, @Req() request: FastifyRequest): unknown {
    only(query, 'vnid', 'ip', 'mac', 'mode');
    const { vnid, ip, mac, mode = 'direct' } = query;
    if (vnid === undefined) throw new Refusal('missing-field', 'vnid is missing', { field: 'vnid' });
    const vn = this.#vn(vnid, request);
    if ((ip === undefined) === (mac === undefined))
      throw new Refusal('missing-field', 'exactly one of ip and mac is needed', { field: 'ip' });
    if (mode !== 'direct' && mode !== 'redirect')
      throw new Refusal('out-of-range', 'mode is direct or redirect', { field: 'mode', received: mode });
    const address = ip === undefined ? { mac: parseMac(mac) } : { ip: parseIp(ip) };
    if (mode === 'redirect') return this.#inTurns(request, redirect(vn));
    const found = resolve(this.#reads.network, vn.state.vnid, address);
    if (found.length === 0)
      throw new Refusal('not-found', `nobody holds that address in VN ${vn.state.vnid}`, {
        field: ip === undefined ? 'mac' : 'ip',
        received: ip ?? mac,
      });
    const nveIds = new Set(found.flatMap(({ mapping }) => mapping.attachments.map((a) => a.nveId)));
    return {
      mode,
      mappings: found.map(({ mapping, position }) => mappingBody(mapping, position)),
      members: [...nveIds].map((nveId) => memberValue(this.#reads.network.nves.get(nveId)!.state!)),
    };
  }

  *#living(after = ''): Generator<Entry | undefined, void> {
    const { vns } = this.#reads.network;
    for (const vnid of walk(vns.order, (other) => paddedVnid(other) <= after)) {
      const vn = vnid === undefined ? undefined : vns.get(vnid);
      yield vn?.alive ? [paddedVnid(vn.state.vnid), () => vnBody(vn, this.#reads.digests)] : undefined;
    }
  }

  *#known(after = ''): Generator<Entry<FoldedNve> | undefined, void> {
    const { nves } = this.#reads.network;
    for (const nveId of walk(nves.order, (other) => other <= after)) {
      const nve = nveId === undefined ? undefined : nves.get(nveId);
      yield nve?.known ? [nve.nveId, () => nve] : undefined;
    }
  }

  #alarm(nve: FoldedNve): boolean {
    return changesTooOften(nve.state!, this.#reads.clock, this.#identityRate);
  }

  #inTurns<T>(request: FastifyRequest, steps: Steps<T>): Promise<T> {
    return this.#reads.inTurns(contextOf(request).caller, steps);
  }

  #visible(request: FastifyRequest): Visibility {
    return this.#reads.visibleTo(contextOf(request).caller);
  }

  #vn(id: string, request: FastifyRequest): FoldedVn {
    const vnid = parseVnid(numeral(id));
    this.#visible(request).vn(vnid);
    const vn = this.#reads.network.vns.get(vnid);
    if (!vn?.alive) throw new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });
    return vn;
  }

  #nve(id: string, request: FastifyRequest): FoldedNve {
    const nveId = parseNveId(id);
    this.#visible(request).nve(nveId);
    const nve = this.#reads.network.nves.get(nveId);
    if (!nve?.known) throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
    return nve;
  }
}

/** The NVEs that the caller may ask (R39). */
function* redirect(vn: FoldedVn): Steps<string> {
  const members: string[] = [];
  for (const entry of memberEntries(vn)) {
    if (entry) members.push(JSON.stringify(entry[1]()));
    else yield;
  }
  return `{"mode":"redirect","members":[${members.join(',')}]}`;
}
