import { Controller, Get, Header, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { contextOf } from '../access/request-context.ts';
import { askerOf } from '../audit/asker.ts';
import type { StateQueries } from '../audit/state-queries.ts';
import { AT, DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import { JSON_TYPE } from '../http/accepted.ts';
import { STATE_QUERIES } from '../http/providers.ts';
import { answerList, type ListName } from '../http/list-answer.ts';
import { MAX_LIMIT } from '../reads/paging.ts';
import type { QueryName } from '../reads/queries.ts';
import { STATES } from '../reads/tenant-system-lists.ts';

type Queries = Readonly<Record<string, string>>;

/** The lists, by the names of their queries. */
const LISTS = {
  vns: 'vns',
  members: 'members',
  mappings: 'mappings',
  nves: 'nves',
  table: 'table',
  tenantSystems: 'tenantSystems',
  tenantSystemsOfNve: 'tenantSystems',
  tenantSystemsOfVn: 'tenantSystems',
} as const satisfies Partial<Readonly<Record<QueryName, ListName>>>;
const FILTERS = {
  tenantId: 'Of that tenant.',
  state: `${STATES.join(', ')}: those that stand so, at the NVE and in the VN that are asked for; conflicted is held back for an address, orphaned is of a VN that is gone, unbound is in no VN.`,
};

/** The state of the network, now or at an instant. */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class QueriesController {
  readonly #queries: StateQueries;

  constructor(@Inject(STATE_QUERIES) queries: StateQueries) {
    this.#queries = queries;
  }

  @Get('vns')
  @ApiOperation({ summary: 'Every living VN (operators).' })
  @DescribesQuery({ ...PAGING, ...AT })
  vns(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#list('vns', {}, query, request, reply);
  }

  @Get('vns/:vnid')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'A VN (R37).' })
  @DescribesQuery(AT)
  vn(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#answer('vn', { vnid }, query, request);
  }

  @Get('vns/:vnid/members')
  @ApiOperation({ summary: 'The NVEs of a VN (R38).' })
  @DescribesQuery({ ...PAGING, ...AT })
  members(@Param('vnid') vnid: string, @Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#list('members', { vnid }, query, request, reply);
  }

  @Get('vns/:vnid/mappings')
  @ApiOperation({ summary: 'What a VN distributes; with conflicted=true, what it holds back and why (X2).' })
  @DescribesQuery({ ...PAGING, ...AT, conflicted: 'true: what is held back.' })
  mappings(
    @Param('vnid') vnid: string,
    @Query() query: Queries,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#list('mappings', { vnid }, query, request, reply);
  }

  @Get('nves')
  @ApiOperation({ summary: 'Every known NVE (operators).' })
  @DescribesQuery({ ...PAGING, ...AT })
  nves(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#list('nves', {}, query, request, reply);
  }

  @Get('nves/:nveId')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary: 'An NVE: properties, memberships, and what it has applied, compared; of the past, nothing is known to be applied.',
  })
  @DescribesQuery(AT)
  nve(@Param('nveId') nveId: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#answer('nve', { nveId }, query, request);
  }

  @Get('nves/:nveId/table')
  @ApiOperation({ summary: 'Every mapping that the NVE should hold, VN by VN (R7).' })
  @DescribesQuery({ ...PAGING, ...AT })
  table(@Param('nveId') nveId: string, @Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#list('table', { nveId }, query, request, reply);
  }

  @Get('tenant-systems')
  @ApiOperation({
    summary:
      'Tenant systems that are attached anywhere, including those that are in no table; to an NVE, those attached to it. A page may be short of its limit, and have a next.',
  })
  @DescribesQuery({ ...PAGING, ...AT, ...FILTERS, nveId: 'Attached at that NVE.', vnid: 'In that VN.' })
  tenantSystems(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#list('tenantSystems', {}, query, request, reply);
  }

  @Get('nves/:nveId/tenant-systems')
  @ApiOperation({ summary: 'What is attached at an NVE, in a VN or not. A page may be short of its limit, and have a next.' })
  @DescribesQuery({ ...PAGING, ...AT, ...FILTERS })
  tenantSystemsOfNve(
    @Param('nveId') nveId: string,
    @Query() query: Queries,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#list('tenantSystemsOfNve', { nveId }, query, request, reply);
  }

  @Get('vns/:vnid/tenant-systems')
  @ApiOperation({
    summary: 'Who is in a VN, distributed or not; to an NVE, those attached to it. A page may be short of its limit, and have a next.',
  })
  @DescribesQuery({ ...PAGING, ...AT, ...FILTERS })
  tenantSystemsOfVn(
    @Param('vnid') vnid: string,
    @Query() query: Queries,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#list('tenantSystemsOfVn', { vnid }, query, request, reply);
  }

  @Get('tenant-systems/:tsId')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'A tenant system: where it is, its bindings, and how its registration stands.' })
  @DescribesQuery({ ...AT, tenantId: 'Its tenant; needed where several tenants have a tenant system of that id that could be meant.' })
  tenantSystem(@Param('tsId') tsId: string, @Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#answer('tenantSystem', { tsId }, query, request);
  }

  @Get('usage')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary:
      'What a tenant or an NVE uses of its quota: of an NVE, what is attached there; null is no bound (operators; an NVE of itself).',
  })
  @DescribesQuery({ ...AT, tenantId: 'Either this or nveId.', nveId: 'Either this or tenantId.' })
  usage(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#answer('usage', {}, query, request);
  }

  @Get('resolve')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({ summary: 'Who holds an address: answered directly (R40), or with the NVEs to ask (R39).' })
  @DescribesQuery({
    ...AT,
    vnid: 'The VN, always.',
    ip: 'Either this or mac.',
    mac: 'Either this or ip.',
    mode: 'direct, the default, or redirect.',
  })
  resolve(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#answer('resolve', {}, query, request);
  }

  /** In lines, a list of the past goes on at the position that its first page was of. */
  async #list(name: keyof typeof LISTS, path: Queries, query: Queries, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const first = await this.#answer(name, path, query, request);
    const list = query['conflicted'] === 'true' ? 'conflicted' : LISTS[name];
    await answerList(
      list,
      first,
      (after, { at }) => this.#answer(name, path, { ...query, after, limit: String(MAX_LIMIT), ...(at && { at: at.position }) }, request),
      request,
      reply,
    );
  }

  #answer(name: QueryName, path: Queries, query: Queries, request: FastifyRequest): Promise<string> {
    return this.#queries.answer(name, { path, query, caller: contextOf(request).caller }, askerOf(request));
  }
}
