import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { JsonSchema } from '@nva/commands';
import { ANSWERS, SCHEMAS } from './answer-schemas.ts';
import { PROBLEM_TYPE, STATUS } from '../refusals/problem.ts';

/** Paths that need no token: they tell nothing about the network. */
export const PUBLIC_PATHS = ['/healthz', '/readyz', '/openapi.json', '/docs'];

type Responses = Record<string, Response>;

interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

interface Header {
  readonly description: string;
  readonly schema: JsonSchema;
}

interface Operation {
  parameters?: {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema?: JsonSchema;
  }[];
  security?: readonly object[];
  responses: Responses;
}

const text: JsonSchema = { type: 'string' };
const whole: JsonSchema = { type: 'integer' };

const PROBLEM: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: text,
    title: text,
    status: whole,
    detail: text,
    code: { type: 'string', enum: Object.keys(STATUS) },
    field: text,
    received: { description: 'The value received, cut where it is long.' },
    row: { ...text, description: 'Row of the requirements that refuses it.' },
    expected: {},
    actual: {},
    inUseBy: {
      type: 'object',
      description: 'Of what is in use (`vn-in-use`, `nve-in-use`): the first few tenant systems, and the call that lists all of them.',
      required: ['first', 'query'],
      properties: {
        first: { type: 'array', items: { type: 'object', required: ['tsId', 'tenantId'], properties: { tsId: text, tenantId: text } } },
        query: text,
      },
    },
    correlationId: text,
  },
};

const CORRELATION: Readonly<Record<string, Header>> = {
  'X-Correlation-Id': { description: 'As it was given, or made for the request; lands in the event.', schema: text },
};
const RATE: Readonly<Record<string, Header>> = {
  'X-RateLimit-Limit': { description: 'Requests a second that the caller may make.', schema: whole },
  'X-RateLimit-Remaining': { description: 'How many of them are left.', schema: whole },
  'X-RateLimit-Reset': { description: 'Seconds until they all are again.', schema: whole },
};
const RETRY_AFTER: Readonly<Record<string, Header>> = {
  'Retry-After': { description: 'Seconds to wait before trying again.', schema: whole },
};

/** Calls that ask, and write nothing, though they are made by POST. */
const ASKS = ['/v1/what-if'];

/** Answers that are not JSON, by path. */
const TEXTS: Readonly<Record<string, { readonly type: string; readonly description: string; readonly schema: JsonSchema }>> = {
  '/metrics': { type: 'text/plain', description: 'Prometheus\u2019s text format.', schema: text },
  '/v1/commands': {
    type: 'application/x-ndjson',
    description: 'Per line an answer with its status, or a problem.',
    schema: {
      type: 'object',
      required: ['line', 'status'],
      properties: { line: { ...whole, description: 'Number of the line in the request, from 1 on; blank lines count.' }, status: whole },
      additionalProperties: true,
    },
  },
  '/v1/export': {
    type: 'avro/binary',
    description: 'An Avro object container file, with what there is to know of it in its header.',
    schema: { ...text, format: 'binary' },
  },
  '/v1/tlog/checkpoint': { type: 'text/plain', description: 'A signed note (C2SP tlog-checkpoint).', schema: text },
  '/v1/tlog/add-checkpoint': { type: 'text/plain', description: 'A line of a signed note: the cosignature.', schema: text },
  '/v1/tlog/tile/{path}': {
    type: 'application/octet-stream',
    description: 'Hashes, or entries, as C2SP tlog-tiles has them. A full tile may be kept for ever.',
    schema: { ...text, format: 'binary' },
  },
  '/v1/vns/{vnid}/feed': {
    type: 'text/event-stream',
    description: 'hello, a snapshot or what came since, snapshot-complete, then every change as it comes.',
    schema: text,
  },
  '/v1/nves/{nveId}/feed': {
    type: 'text/event-stream',
    description: 'hello, a snapshot or what came since, snapshot-complete, then every change as it comes.',
    schema: text,
  },
};

const problem = (description: string, headers: Readonly<Record<string, Header>> = {}): Response => ({
  description,
  headers: { ...CORRELATION, ...headers },
  content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
});

/** The other answers that a call may get, and their headers. */
function problemsOf(path: string, method: string): Responses {
  const writes = method !== 'get';
  return {
    400: problem('The request is not well formed.'),
    ...(!PUBLIC_PATHS.includes(path) && {
      401: problem('Without a token that is known.', { 'WWW-Authenticate': { description: 'Bearer', schema: text } }),
      403: problem('The caller may not.'),
      429: problem('Too many requests, streams or waiting commands and reads of the caller.', RETRY_AFTER),
      503: problem('It cannot be answered now; the code says why.', RETRY_AFTER),
    }),
    ...(/[{?]|resolve|usage|tenant-systems$/.test(path) && {
      404: problem('What it speaks of is not there, or not the caller\u2019s to know.'),
    }),
    ...(path.endsWith('/feed') && { 409: problem('Last-Event-ID names a place beyond the end of the log (`ahead-of-log`).') }),
    ...(path.startsWith('/v1/tenant-systems') || writes
      ? { 409: problem('It contradicts the state of things; `expected` and `actual` say how.') }
      : {}),
    431: problem('The headers are larger than this server takes.'),
    ...(writes && {
      408: problem('The body did not come in time.'),
      413: problem('The body is larger than 1 MiB, or a line of NDJSON than its bound.'),
      421: problem('Another registrar serves it.'),
      422: problem('A rule refuses it; `row` says which.'),
    }),
  };
}

/** Lists that are answered in lines too, by `Accept`: all of it, from `after` on. */
const IN_LINES: ReadonlySet<string> = new Set([
  '/v1/vns',
  '/v1/vns/{vnid}/members',
  '/v1/vns/{vnid}/mappings',
  '/v1/vns/{vnid}/tenant-systems',
  '/v1/nves',
  '/v1/nves/{nveId}/table',
  '/v1/nves/{nveId}/tenant-systems',
  '/v1/tenant-systems',
  '/v1/diff',
  '/v1/timeline',
]);

function inLines({ properties }: JsonSchema): NonNullable<Response['content']> {
  const { items } = (properties as { readonly items: { readonly items: JsonSchema } }).items;
  return {
    'application/x-ndjson': { schema: items },
    'text/csv': {
      schema: {
        ...text,
        description:
          'All items, one a line (RFC 4180), after a line of names. A text that a spreadsheet would take for a formula has an apostrophe in front.',
      },
    },
  };
}

const MIN_POSITION = {
  name: 'X-Min-Position',
  in: 'header',
  required: false,
  description:
    'Answer from a fold that has passed this position, decimal, as a write was answered with; 503 `behind` if it does not within 5 s.',
  schema: text,
};
const CORRELATION_ID = {
  name: 'X-Correlation-Id',
  in: 'header',
  required: false,
  description: '1 to 128 printable characters; lands in the event, and in the answer.',
  schema: text,
};

function complete(path: string, method: string, operation: Operation): void {
  const versioned = path.startsWith('/v1/');
  const answer = method === 'get' || ASKS.includes(path) ? ANSWERS[path] : undefined;
  const { default: other, ...responses } = operation.responses;
  const given: Responses = Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [
      status,
      { ...response, headers: { ...CORRELATION, ...(versioned && RATE), ...response.headers } },
    ]),
  );
  if (answer)
    given['200'] = {
      ...given['200']!,
      description: given['200']!.description || 'As asked.',
      content: { 'application/json': { schema: answer }, ...(IN_LINES.has(path) && inLines(answer)) },
    };
  const plain = TEXTS[path];
  if (plain) given['200'] = { ...given['200']!, description: plain.description, content: { [plain.type]: { schema: plain.schema } } };
  if (path === '/readyz') given['503'] = { ...given['200']!, description: 'It does not do its work yet, or not any more.' };
  operation.responses = { ...problemsOf(path, method), ...given, default: other ?? problem('A problem (RFC 9457).') };
  if (PUBLIC_PATHS.includes(path)) operation.security = [];
  const parameters = (operation.parameters ??= []);
  for (const header of versioned ? [CORRELATION_ID, MIN_POSITION] : [])
    if (!parameters.some(({ name }) => name === header.name)) parameters.push(header);
}

/**
 * The document of an application: what its controllers declare, with the answers, problems, limits and headers that they have in
 * common.
 */
export function documentOf(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Network Virtualization Authority')
    .setDescription(
      'RegistrarRole of tenant systems, VNs and NVEs; membership and mapping tables; feeds. Errors are application/problem+json.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, builder);
  for (const [path, item] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(item)) complete(path, method, operation as unknown as Operation);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...(SCHEMAS as object), Problem: PROBLEM as object },
  };
  return document;
}

export function serveDocument(app: NestFastifyApplication): void {
  // Made now, because it takes longer than a request may.
  SwaggerModule.setup('docs', app, documentOf(app), { jsonDocumentUrl: 'openapi.json' });
}
