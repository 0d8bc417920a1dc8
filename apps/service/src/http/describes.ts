import { ApiBody, ApiHeader, ApiOperation, ApiParam, ApiQuery, ApiResponse } from '@nestjs/swagger';
import {
  CATALOGUE,
  commandNames,
  commandSchema,
  sweepNames,
  SWEEPS,
  sweepSchema,
  type CommandName,
  type JsonSchema,
  type SweepName,
} from '@nva/commands';
import { MAX_STEPS } from '@nva/what-if';
import { SCENARIOS } from '../audit/what-if-question.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../reads/paging.ts';
import { PROBLEM_TYPE } from '../refusals/problem.ts';

type OpenApiSchema = NonNullable<Extract<Parameters<typeof ApiResponse>[0], { schema?: unknown }>['schema']>;

const text: JsonSchema = { type: 'string' };
const asSchema = (schema: JsonSchema): OpenApiSchema => schema as OpenApiSchema;

const answerSchema = asSchema({
  type: 'object',
  required: ['position', 'revision', 'effective', 'conflicts', 'memberships'],
  properties: {
    position: { ...text, description: 'Position of the event, decimal.' },
    revision: { type: 'integer', description: 'Revision of the stream, for ifRevision.' },
    effective: { type: 'boolean' },
    conflicts: {
      type: 'array',
      items: { type: 'object', required: ['vnid', 'address'], properties: { vnid: { type: 'integer' }, address: text, heldBy: text } },
    },
    memberships: { type: 'array', items: { type: 'integer' } },
  },
});

/** Every call may be answered with a problem. */
export const DescribesProblems = (): ClassDecorator & MethodDecorator =>
  ApiResponse({
    status: 'default',
    description: 'A problem (RFC 9457).',
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  });

/** Documents the query fields of a call. */
export const DescribesQuery =
  (fields: Readonly<Record<string, string>>): MethodDecorator =>
  (target, key, descriptor) => {
    for (const [name, description] of Object.entries(fields))
      ApiQuery({ name, description, required: false, schema: asSchema(text) })(target, key, descriptor);
  };

/** Documents a query field that may be given several times. */
export const DescribesList = (name: string, maxItems: number, description: string): MethodDecorator =>
  ApiQuery({ name, description, required: false, explode: true, schema: asSchema({ type: 'array', items: text, maxItems }) });

/** A query that is answered for the past too. */
export const AT = {
  at: 'An instant: a position, or a time as RFC 3339 has it. The answer is as the log was then, and its `at` says which event was the last. Now, unless given.',
};

export const PAGING = { after: 'Where the page before ended: its `next`.', limit: 'Items at most, 1 to 1000; 100 unless given.' };

/** The body of a what-if. */
export const WHAT_IF = asSchema({
  type: 'object',
  additionalProperties: false,
  required: ['steps'],
  properties: {
    at: { ...text, description: AT.at },
    limit: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIMIT,
      description: `Changed records, and pairs, that are listed; ${DEFAULT_LIMIT} unless given. All are counted.`,
    },
    steps: {
      type: 'array',
      minItems: 1,
      maxItems: MAX_STEPS,
      description: 'What is supposed, one after the other: a command as a line of /v1/commands has it, or a scenario.',
      items: {
        anyOf: [
          {
            type: 'object',
            required: ['command'],
            properties: { command: { type: 'string', enum: [...commandNames, ...sweepNames] } },
            additionalProperties: true,
          },
          ...Object.entries(SCENARIOS).map(([scenario, { doc, fields }]) => ({
            type: 'object',
            additionalProperties: false,
            description: doc,
            required: ['scenario', ...Object.keys(fields)],
            properties: {
              scenario: { type: 'string', enum: [scenario] },
              ...Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, { ...one.schema, description: one.doc }])),
            },
          })),
        ],
      },
    },
  },
});

/**
 * Documents a write from the catalogue: the fields of the path as parameters, the others as the body, or as query fields for
 * calls that usually have no body.
 */
export function DescribesWrite(name: CommandName, inPath: readonly string[], rest: 'in body' | 'in query' = 'in body'): MethodDecorator {
  return (target, key, descriptor) => {
    const { doc, fields } = CATALOGUE[name] as { doc: string; fields: Readonly<Record<string, { schema: JsonSchema; doc: string }>> };
    const schema = commandSchema(name, inPath);
    const decorators = [
      ApiOperation({ summary: doc }),
      ...inPath.map((field) => ApiParam({ name: field, schema: asSchema(fields[field]!.schema), description: fields[field]!.doc })),
      ApiHeader({
        name: 'Idempotency-Key',
        required: false,
        description: 'Names the request: a repeat gets the original answer. Per caller, 24 h.',
      }),
      ApiHeader({ name: 'X-Correlation-Id', required: false, description: 'Lands in the event, and in the answer.' }),
      ApiResponse({ status: 200, description: 'Recorded, or so already.', schema: answerSchema }),
      ApiResponse({
        status: 202,
        description: 'Recorded, but not effective: it lost a race for an address, or its VN went away.',
        schema: answerSchema,
      }),
      DescribesProblems(),
      ...(rest === 'in body' ? [ApiBody({ schema: asSchema(schema) })] : queryFields(schema)),
    ];
    for (const decorate of decorators) decorate(target, key, descriptor);
  };
}

const sweepAnswerSchema = asSchema({
  type: 'object',
  required: ['done', 'remaining', 'items'],
  properties: {
    done: { type: 'integer', description: 'Tenant systems that were changed.' },
    remaining: { type: 'integer', description: 'Those that are still there, refused ones among them.' },
    items: {
      type: 'array',
      description:
        'One for each tenant system that was met: what came of its command, or with dryRun the revision that it would be meant for.',
      items: {
        type: 'object',
        required: ['tsId', 'tenantId'],
        properties: {
          tsId: text,
          tenantId: text,
          status: { type: 'integer' },
          position: text,
          revision: { type: 'integer' },
          code: text,
          detail: text,
        },
      },
    },
    next: { ...text, description: 'Give it as `after` to go on behind what was met; absent at the end.' },
  },
});

/** Documents a sweep. */
export function DescribesSweep(name: SweepName, inPath: readonly string[]): MethodDecorator {
  return (target, key, descriptor) => {
    const { doc, fields } = SWEEPS[name] as { doc: string; fields: Readonly<Record<string, { schema: JsonSchema; doc: string }>> };
    const decorators = [
      ApiOperation({ summary: doc }),
      ...inPath.map((field) => ApiParam({ name: field, schema: asSchema(fields[field]!.schema), description: fields[field]!.doc })),
      ApiHeader({ name: 'Idempotency-Key', required: false, description: 'No tenant system is changed twice under it. Per caller, 24 h.' }),
      ApiHeader({ name: 'X-Correlation-Id', required: false, description: 'Lands in each event, and in the answer.' }),
      ApiResponse({ status: 200, description: 'What was done, and what is left to do.', schema: sweepAnswerSchema }),
      DescribesProblems(),
      ApiBody({ schema: asSchema(sweepSchema(name, inPath)) }),
    ];
    for (const decorate of decorators) decorate(target, key, descriptor);
  };
}

function queryFields(schema: JsonSchema): MethodDecorator[] {
  const properties = schema['properties'] as Readonly<Record<string, JsonSchema>>;
  return Object.entries(properties).map(([name, { description, ...field }]) =>
    ApiQuery({ name, required: false, description: String(description), schema: asSchema(field) }),
  );
}
