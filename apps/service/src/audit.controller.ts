import { Controller, Get, Header, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { createCommandCodec, createEventCodec, createRecordCodec } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import { readPosition } from '@nva/commands';
import type { RecordedEvent } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import type { Core } from './core.ts';
import { DescribesProblems, DescribesQuery, PAGING } from './describes.ts';
import { KnownPositions } from './known-positions.ts';
import { pageQuery, type PageText } from './paging.ts';
import { CORE } from './providers.ts';
import { only } from './query-readers.ts';
import { contextOf } from './request-context.ts';
import { inTurns, type Steps } from './sliced.ts';
import { Visibility } from './visibility.ts';

/** Decoded at once: others wait for that. */
const EVENTS_AT_ONCE = 512;

type Queries = Readonly<Record<string, string>>;

/** Events read, or made into JSON, in one step. */
const EVENTS_PER_STEP = 64;
const ENTITY = /^(?:(?:ts|vn|nve|interconnect)-[A-Za-z0-9._:@-]{1,252}|fold|log)$/;

/** The audit log and the schemas. */
@Controller('v1')
@ApiTags('audit')
@DescribesProblems()
export class AuditController {
  readonly #core: Core;
  /** Of the part of the log that a snapshot spared the fold, as far as somebody has asked for it. */
  readonly #walked = new KnownPositions();
  readonly #schemas = new Map([...createEventCodec().schemas, ...createRecordCodec().schemas, ...createCommandCodec().schemas].map(({ fingerprint, schema }) => [fingerprint, schema]));

  constructor(@Inject(CORE) core: Core) {
    this.#core = core;
  }

  @Get('events')
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiOperation({ summary: 'The log, oldest first, after a position; of one stream if entity names it (operators).' })
  @DescribesQuery({ ...PAGING, after: 'A position; 0 unless given.', entity: 'A stream: ts-<id> (ts-<id>@<tenant> where another tenant had the id first), vn-<vnid>, nve-<id>, fold, log.' })
  async events(@Query() query: Queries, @Req() request: FastifyRequest): Promise<PageText> {
    only(query, 'after', 'limit', 'entity');
    new Visibility(this.#core.replica.network, contextOf(request).caller).operator();
    const { limit } = pageQuery(query);
    const after = query['after'] === undefined ? 0 : readPosition(query['after'], 'after');
    const { entity } = query;
    if (entity !== undefined && !ENTITY.test(entity)) throw new Refusal('id-malformed', 'entity is a stream: ts-<id>, vn-<vnid>, nve-<id>, fold, log', { field: 'entity', received: entity });
    const events = entity === undefined ? await this.#all(after, limit + 1) : await this.#stream(entity, after, limit + 1, request);
    return this.#inTurns(request, eventsText(events, limit));
  }

  @Get('schemas/:fingerprint')
  @ApiOperation({ summary: 'An Avro schema by its CRC-64-AVRO fingerprint.' })
  schema(@Param('fingerprint') fingerprint: string, @Query() query: Queries): unknown {
    only(query);
    const schema = this.#schemas.get(fingerprint);
    if (!schema) throw new Refusal('schema-unknown', 'there is no schema of that fingerprint', { field: 'fingerprint', received: fingerprint });
    return schema;
  }

  async #all(after: number, limit: number): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    const { store, positions } = this.#core;
    if (after >= (await store.head()).position) return events;
    // A store reads from where an event stands, and `after` may be any number.
    let from = Math.max(positions.atOrBefore(after), this.#walked.atOrBefore(after));
    for (;;) {
      const before = from;
      for await (const batch of store.readAll({ after: store.checkpointAt(from), limit: EVENTS_AT_ONCE })) {
        for (const event of batch.events) {
          from = event.position;
          this.#walked.met(from);
          if (from > after) events.push(event);
          if (events.length === limit) return events;
        }
      }
      if (from === before) return events;
    }
  }

  #inTurns<T>(request: FastifyRequest, steps: Steps<T>): Promise<T> {
    const { turns, clock } = this.#core;
    return inTurns(turns.reads, clock, actorOf(contextOf(request).caller), steps);
  }

  async #stream(stream: string, after: number, limit: number, request: FastifyRequest): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    let passed = 0;
    for await (const event of this.#core.store.readStream(stream)) {
      if (++passed % EVENTS_PER_STEP === 0) await this.#inTurns(request, nothing());
      if (event.position > after) events.push(event);
      if (events.length === limit) break;
    }
    return events;
  }
}

function* nothing(): Steps<void> {}

function* eventsText(events: readonly RecordedEvent[], limit: number): Steps<PageText> {
  const items: string[] = [];
  for (const event of events.slice(0, limit)) {
    items.push(JSON.stringify(eventBody(event)));
    if (items.length % EVENTS_PER_STEP === 0) yield;
  }
  const next = events.length > limit ? `,"next":"${events[limit - 1]!.position}"` : '';
  return `{"items":[${items.join(',')}]${next}}`;
}

/** Fields of events that are positions: in JSON they are decimal, like every other. */
const POSITION_FIELDS: ReadonlySet<string> = new Set(['head', 'lostTo', 'owner']);

function eventBody({ position, stream, revision, id, event }: RecordedEvent): unknown {
  const { audit, ...fields } = event.data;
  const data = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, POSITION_FIELDS.has(name) && typeof value === 'number' ? String(value) : value]));
  return { position: String(position), stream, revision, id, type: event.type, recordedAt: new Date(audit.recordedAt).toISOString(), actor: audit.actor, correlationId: audit.correlationId, idempotencyKey: audit.idempotencyKey, data };
}
