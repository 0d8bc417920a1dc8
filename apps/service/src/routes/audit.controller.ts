import { Controller, Get, Header, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { createCommandCodec, createEventCodec, createRecordCodec } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import type { RecordedEvent } from '@nva/ports';
import type { FastifyRequest } from 'fastify';
import { MAX_NAMES, readAuditQuery, type Queries } from '../reads/audit-query.ts';
import type { AuditPage, AuditSearch } from '../reads/audit-search.ts';
import { DescribesList, DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import type { PageText } from '../reads/paging.ts';
import { AUDIT_SEARCH, READS } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { contextOf } from '../access/request-context.ts';
import type { Steps } from '../turns/sliced.ts';

/** Events that are converted to JSON in one step. */
const EVENTS_PER_STEP = 64;

/** The audit log and the schemas. */
@Controller('v1')
@ApiTags('audit')
@DescribesProblems()
export class AuditController {
  readonly #reads: Reads;
  readonly #search: AuditSearch;
  readonly #schemas = new Map(
    [...createEventCodec().schemas, ...createRecordCodec().schemas, ...createCommandCodec().schemas].map(({ fingerprint, schema }) => [
      fingerprint,
      schema,
    ]),
  );

  constructor(@Inject(READS) reads: Reads, @Inject(AUDIT_SEARCH) search: AuditSearch) {
    this.#reads = reads;
    this.#search = search;
  }

  @Get('events')
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiOperation({
    summary:
      'The log, oldest first or newest first, of what is asked for (operators). A question looks at a bounded part of it: a page may have fewer items, or none, and a `next`.',
  })
  @DescribesQuery({
    ...PAGING,
    after: 'A position; 0 unless given. Oldest first, the `next` of the page before.',
    before: 'A position; events before it. Newest first, the `next` of the page before.',
    order: 'asc, oldest first; desc, newest first, which is the default where `before` is given.',
    actor: 'Whose commands: operator:<name>, nve:<nveId>, system:<part>.',
    correlationId: 'As the answers and events have it.',
    from: 'Recorded at this time or later, RFC 3339.',
    to: 'Recorded before this time, RFC 3339.',
  })
  @DescribesList(
    'entity',
    MAX_NAMES,
    'A stream: ts-<id> (ts-<id>@<tenant> where another tenant had the id first), vn-<vnid>, nve-<id>, fold, log. May be given several times.',
  )
  @DescribesList('type', MAX_NAMES, 'A type of event, as docs/schemas.md names it. May be given several times.')
  async events(@Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    const { caller } = contextOf(request);
    this.#reads.visibleTo(caller).operator();
    const found = await this.#search.page(readAuditQuery(query), () => this.#reads.inTurns(caller, nothing()));
    return this.#reads.inTurns(caller, eventsText(found));
  }

  @Get('schemas/:fingerprint')
  @ApiOperation({ summary: 'An Avro schema by its CRC-64-AVRO fingerprint.' })
  schema(@Param('fingerprint') fingerprint: string, @Query() query: Readonly<Record<string, string>>): unknown {
    only(query);
    const schema = this.#schemas.get(fingerprint);
    if (!schema)
      throw new Refusal('schema-unknown', 'there is no schema of that fingerprint', { field: 'fingerprint', received: fingerprint });
    return schema;
  }
}

function* nothing(): Steps<void> {}

function* eventsText({ events, next }: AuditPage): Steps<PageText> {
  const items: string[] = [];
  for (const event of events) {
    items.push(JSON.stringify(eventBody(event)));
    if (items.length % EVENTS_PER_STEP === 0) yield;
  }
  return `{"items":[${items.join(',')}]${next === null ? '' : `,"next":"${next}"`}}`;
}

/** Fields of events that are positions; in JSON they are decimal strings, as every position. */
const POSITION_FIELDS: ReadonlySet<string> = new Set(['head', 'lostTo', 'owner']);

function eventBody({ position, stream, revision, id, event }: RecordedEvent): unknown {
  const { audit, ...fields } = event.data;
  const data = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, POSITION_FIELDS.has(name) && typeof value === 'number' ? String(value) : value]),
  );
  return {
    position: String(position),
    stream,
    revision,
    id,
    type: event.type,
    recordedAt: new Date(audit.recordedAt).toISOString(),
    actor: audit.actor,
    correlationId: audit.correlationId,
    idempotencyKey: audit.idempotencyKey,
    data,
  };
}
