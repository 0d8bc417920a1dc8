import { Controller, Get, Header, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Refusal, tsStream, type TenantId, type TsId } from '@nva/identifiers';
import { actorOf } from '@nva/registrar';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { contextOf } from '../access/request-context.ts';
import { askerOf } from '../audit/asker.ts';
import type { ArchivePart, ArchiveQuestion } from '../audit/archive.ts';
import type { Audit, Question } from '../audit/audit.ts';
import { withProof, type Reporting } from '../audit/proof.ts';
import { readAt, readDiff, readExplain, readReachability, readTimeline, readTrace } from '../audit/questions.ts';
import { readWhatIf } from '../audit/what-if-question.ts';
import type { AppliedLookup } from '../core/applied-lookup.ts';
import { AT, DescribesProblems, DescribesQuery, PAGING, WHAT_IF } from '../http/describes.ts';
import { JSON_TYPE } from '../http/accepted.ts';
import { APPLIED_ANYWHERE, AUDIT, READS } from '../http/providers.ts';
import { answerList, type NextPage } from '../http/list-answer.ts';
import { MAX_LIMIT } from '../reads/paging.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';

type Queries = Readonly<Record<string, string>>;

/** An Avro object container file. */
const ARCHIVE_TYPE = 'avro/binary';
const INTERVAL = {
  from: 'An instant: a position, or a time as RFC 3339 has it. What happened after it counts.',
  to: 'An instant; now, unless given.',
};

const placeOf = ({ position }: { readonly position: string }): { readonly position: number } => ({ position: Number(position) });

/** What became of tables, and how (operators). */
@Controller('v1')
@ApiTags('audit')
@DescribesProblems()
export class HistoryController {
  readonly #reads: Reads;
  readonly #audit: Audit | null;
  readonly #applied: AppliedLookup;

  constructor(@Inject(READS) reads: Reads, @Inject(AUDIT) audit: Audit | null, @Inject(APPLIED_ANYWHERE) applied: AppliedLookup) {
    this.#reads = reads;
    this.#applied = applied;
    this.#audit = audit;
  }

  @Get('diff')
  @ApiOperation({
    summary:
      'What is different in a VN, or in what an NVE holds, from one instant to another, each entry with the event that did it (operators).',
  })
  @DescribesQuery({ ...PAGING, ...INTERVAL, vnid: 'Either this or nveId.', nveId: 'Either this or vnid.' })
  async diff(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#operator(request);
    const question = readDiff(query, this.#reads.network.position);
    // In lines, both ends of the interval stay where the first page found them.
    const next: NextPage = (after, { from, to }) =>
      this.#ask({ ...question, after, limit: MAX_LIMIT, from: placeOf(from!), to: placeOf(to!) }, request);
    await answerList('diff', await this.#ask(question, request), next, request, reply);
  }

  @Get('timeline')
  @ApiOperation({
    summary:
      'What happened to a VN, an NVE, a tenant system or an address, who did it, when, and which records it changed (operators). A page may be short of its limit, and have a next.',
  })
  @DescribesQuery({
    ...PAGING,
    ...INTERVAL,
    vnid: 'A VN; with ip or mac, the address in it.',
    nveId: 'An NVE.',
    tsId: 'A tenant system.',
    tenantId: 'The tenant of tsId; needed where several have one of that id.',
    ip: 'An address in the VN.',
    mac: 'An address in the VN.',
  })
  async timeline(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#operator(request);
    const question = readTimeline(query, this.#reads.network.position, (tsId, tenantId) => this.#streamOf(tsId, tenantId, request));
    const next: NextPage = (after, { to }) => this.#ask({ ...question, after: Number(after), limit: MAX_LIMIT, to: placeOf(to!) }, request);
    await answerList('timeline', await this.#ask(question, request), next, request, reply);
  }

  @Get('explain')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary:
      'Why an address is in a VN or is not, at the NVA or as an NVE sees it: the events that made it so, and, of the present, which NVEs have proven to hold it (operators).',
  })
  @DescribesQuery({ ...AT, vnid: 'The VN, always.', ip: 'Either this or mac.', mac: 'Either this or ip.', nveId: 'As seen by this NVE.' })
  async explain(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    this.#operator(request);
    const question = readExplain(query, this.#reads.network.position);
    const answer = await this.#ask(question, request);
    return question.at ? answer : withProof(answer, await this.#membersOf(question.vnid, request));
  }

  @Get('trace')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary: 'The way of a packet from a tenant system to an address, step by step, as the tables of the NVEs decide it (operators).',
  })
  @DescribesQuery({
    ...AT,
    from: 'The tenant system that sends, always.',
    tenantId: 'Its tenant; needed where several have one of that id.',
    to: 'An IP or a MAC, always.',
    vnid: 'The VN; needed where the sender is in several that it could be.',
  })
  trace(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    this.#operator(request);
    const question = readTrace(query, this.#reads.network.position, (tsId, tenantId) => this.#streamOf(tsId, tenantId, request));
    return this.#ask(question, request);
  }

  @Get('reachability')
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary:
      'When two tenant systems could reach each other, with the event that began each interval and the one that ended it (operators).',
  })
  @DescribesQuery({
    ...INTERVAL,
    a: 'A tenant system, always.',
    b: 'Another one, always.',
    tenantId: 'Their tenant; needed where several have one of these ids.',
  })
  reachability(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    this.#operator(request);
    const question = readReachability(query, this.#reads.network.position, (tsId, tenantId) => this.#streamOf(tsId, tenantId, request));
    return this.#ask(question, request);
  }

  @Post('what-if')
  @HttpCode(200)
  @Header('content-type', JSON_TYPE)
  @ApiOperation({
    summary:
      'What would come of commands and failures, now or at an instant: the outcome of each, what would change in which table, and who could no longer reach whom. Nothing is recorded (operators).',
  })
  @ApiBody({ schema: WHAT_IF })
  whatIf(@Req() request: FastifyRequest): Promise<string> {
    this.#operator(request);
    only(request.query as Queries);
    return this.#ask(readWhatIf(request.body, contextOf(request).caller, this.#reads.network.position), request);
  }

  @Get('export')
  @ApiOperation({
    summary:
      'The events of the log as an Avro object container file, up to an instant, or to now: a backup, and what a proof is made from (operators). A file that was cut off is known by its header.',
  })
  @ApiProduces(ARCHIVE_TYPE)
  @DescribesQuery({ to: INTERVAL.to })
  async export(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#operator(request);
    only(query, 'to');
    const { to } = query;
    const head = this.#reads.network.position;
    const beginning = await this.#part(
      { kind: 'archive', part: 'beginning', to: to === undefined ? null : readAt(to, 'to'), head },
      request,
    );
    await reply
      .type(ARCHIVE_TYPE)
      .header('content-disposition', `attachment; filename="nva-${beginning.log}-${beginning.to}.avro"`)
      .send(Readable.from(this.#parts(beginning, request), { objectMode: false, highWaterMark: 1 }));
  }

  async *#parts(beginning: ArchivePart, request: FastifyRequest): AsyncGenerator<Uint8Array, void> {
    yield beginning.bytes;
    const { to } = beginning;
    for (let { last } = beginning; last < to;) {
      const part = await this.#part({ kind: 'archive', part: 'events', after: last, to, head: to }, request);
      yield part.bytes;
      ({ last } = part);
    }
  }

  #part(question: ArchiveQuestion, request: FastifyRequest): Promise<ArchivePart> {
    if (!this.#audit) throw new Refusal('not-found', 'this process keeps no history (HISTORY)');
    return this.#audit.archive(question, actorOf(contextOf(request).caller));
  }

  /** What the members of a VN have reported to have applied of it. */
  async #membersOf(vnid: number, request: FastifyRequest): Promise<readonly Reporting[]> {
    const nveIds = [...(this.#reads.network.vns.get(vnid)?.members.values() ?? [])].map(({ nve }) => nve.nveId);
    const applied = await this.#applied.ofThese(nveIds, contextOf(request).authorization);
    return nveIds.map((nveId) => ({ nveId, applied: applied(nveId, vnid) }));
  }

  #ask(question: Question, request: FastifyRequest): Promise<string> {
    if (!this.#audit) throw new Refusal('not-found', 'this process keeps no history (HISTORY)');
    return this.#audit.ask(question, askerOf(request));
  }

  #operator(request: FastifyRequest): void {
    this.#reads.visibleTo(contextOf(request).caller).operator();
  }

  #streamOf(tsId: TsId, tenantId: TenantId | undefined, request: FastifyRequest): string {
    const ts = this.#reads.visibleTo(contextOf(request).caller).tenantSystemNamed(tsId, tenantId);
    if (!ts) throw new Refusal('ts-unknown', `there is no tenant system ${tsId}`, { field: 'tsId', received: tsId });
    return tsStream(this.#reads.network.namesakes.nameOf(ts));
  }
}
