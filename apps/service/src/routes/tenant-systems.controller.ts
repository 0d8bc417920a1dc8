import { Controller, Get, Header, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FoldedTs } from '@nva/fold';
import { numeral, parseNveId, parseTenantId, parseVnid, Refusal } from '@nva/identifiers';
import type { FastifyRequest } from 'fastify';
import { movesTooOften } from '../config/alarms.ts';
import { DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import { pageQuery, type PageText } from '../reads/paging.ts';
import { READS } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { contextOf } from '../access/request-context.ts';
import { STATES, tenantSystemsPage, type State, type Wanted } from '../reads/tenant-system-lists.ts';
import { tenantSystemBody } from '../reads/views.ts';
import type { Visibility } from '../access/visibility.ts';

type Queries = Readonly<Record<string, string>>;

const JSON_TYPE = 'application/json; charset=utf-8';
const FILTERS = {
  tenantId: 'Of that tenant.',
  state: `${STATES.join(', ')}: those that stand so, at the NVE and in the VN that are asked for; conflicted is held back for an address, orphaned is of a VN that is gone, unbound is in no VN.`,
};

/** The attached tenant systems, including those that are in no table, for example without bindings or with a failure. */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class TenantSystemsController {
  readonly #reads: Reads;

  constructor(@Inject(READS) reads: Reads) {
    this.#reads = reads;
  }

  @Get('tenant-systems')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary:
      'Tenant systems that are attached anywhere; to an NVE, those attached to it. A page may be short of its limit, and have a next.',
  })
  @DescribesQuery({ ...PAGING, ...FILTERS, nveId: 'Attached at that NVE.', vnid: 'In that VN.' })
  all(@Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit', 'tenantId', 'state', 'nveId', 'vnid');
    const nveId = query['nveId'] === undefined ? undefined : this.#nve(query['nveId'], request);
    const vnid = query['vnid'] === undefined ? undefined : this.#vn(query['vnid'], request);
    return this.#page({ nveId, vnid }, query, request);
  }

  @Get('nves/:nveId/tenant-systems')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'What is attached at an NVE, in a VN or not. A page may be short of its limit, and have a next.' })
  @DescribesQuery({ ...PAGING, ...FILTERS })
  ofNve(@Param('nveId') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit', 'tenantId', 'state');
    return this.#page({ nveId: this.#nve(id, request) }, query, request);
  }

  @Get('vns/:vnid/tenant-systems')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary: 'Who is in a VN, distributed or not; to an NVE, those attached to it. A page may be short of its limit, and have a next.',
  })
  @DescribesQuery({ ...PAGING, ...FILTERS })
  ofVn(@Param('vnid') id: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit', 'tenantId', 'state');
    return this.#page({ vnid: this.#vn(id, request) }, query, request);
  }

  #page(place: Wanted, query: Queries, request: FastifyRequest): Promise<PageText> {
    const { caller } = contextOf(request);
    const visible = this.#visible(request);
    const tenantId = query['tenantId'] === undefined ? undefined : parseTenantId(query['tenantId']);
    // An NVE's own list is also the shortest.
    const wanted = { ...place, tenantId, state: stateIn(query['state']), ...(caller.kind === 'nve' && { nveId: caller.nveId }) };
    const { network, clock } = this.#reads;
    const body = (ts: FoldedTs): object => tenantSystemBody(ts, visible.attachments(ts), movesTooOften(ts.state, clock));
    return this.#reads.inTurns(caller, tenantSystemsPage(network, wanted, pageQuery(query), body));
  }

  #visible(request: FastifyRequest): Visibility {
    return this.#reads.visibleTo(contextOf(request).caller);
  }

  /** A forgotten NVE is accepted too, because a race may have left tenant systems there. */
  #nve(id: string, request: FastifyRequest): string {
    const nveId = parseNveId(id);
    this.#visible(request).nve(nveId);
    if (!this.#reads.network.nves.has(nveId))
      throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
    return nveId;
  }

  #vn(id: string, request: FastifyRequest): number {
    const vnid = parseVnid(numeral(id));
    this.#visible(request).vn(vnid);
    if (!this.#reads.network.vns.get(vnid)?.alive)
      throw new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });
    return vnid;
  }
}

function stateIn(received: string | undefined): State | undefined {
  if (received === undefined || STATES.includes(received as State)) return received as State | undefined;
  throw new Refusal('out-of-range', `state is one of ${STATES.join(', ')}`, { field: 'state', received });
}
