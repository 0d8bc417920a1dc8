import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNva, type NvaFixture } from './support.ts';

/** The calls of the contract that this version serves, and those it adds. */
const WRITES = [
  'PUT /v1/vns/{vnid}',
  'DELETE /v1/vns/{vnid}',
  'POST /v1/vns/{vnid}/release',
  'PUT /v1/nves/{nveId}',
  'DELETE /v1/nves/{nveId}',
  'POST /v1/nves/{nveId}/heartbeat',
  'PUT /v1/nves/{nveId}/tenant-systems/{tsId}',
  'DELETE /v1/nves/{nveId}/tenant-systems/{tsId}',
  'DELETE /v1/tenant-systems/{tsId}',
  'POST /v1/tenant-systems/{tsId}/bindings',
  'PUT /v1/tenant-systems/{tsId}/bindings/{bid}',
  'DELETE /v1/tenant-systems/{tsId}/bindings/{bid}',
  'PUT /v1/tenant-systems/{tsId}/mac',
  'POST /v1/tenant-systems/{tsId}/connection-failure',
  'POST /v1/tenant-systems/{tsId}/pass',
];
const OTHERS = [
  'POST /v1/commands',
  'GET /v1/vns/{vnid}',
  'GET /v1/vns/{vnid}/members',
  'GET /v1/vns/{vnid}/mappings',
  'GET /v1/nves/{nveId}',
  'GET /v1/nves/{nveId}/table',
  'GET /v1/tenant-systems/{tsId}',
  'GET /v1/resolve',
  'GET /v1/events',
  'GET /v1/diff',
  'GET /v1/timeline',
  'GET /v1/explain',
  'GET /v1/trace',
  'GET /v1/reachability',
  'POST /v1/what-if',
  'GET /v1/export',
  'GET /v1/tlog/checkpoint',
  'GET /v1/tlog/tile/{path}',
  'GET /v1/tlog/keys',
  'GET /v1/tlog/tables',
  'GET /v1/tlog/inclusion',
  'GET /v1/tlog/consistency',
  'POST /v1/tlog/add-checkpoint',
  'GET /v1/vns/{vnid}/feed',
  'GET /v1/nves/{nveId}/feed',
  'GET /v1/schemas/{fingerprint}',
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
];
const ADDED = [
  'GET /v1/applied',
  'GET /v1/usage',
  'GET /v1/vns',
  'GET /v1/nves',
  'GET /v1/oracles',
  'GET /v1/refused',
  'GET /v1/nves/{nveId}/applied',
  'GET /v1/tenant-systems',
  'GET /v1/nves/{nveId}/tenant-systems',
  'GET /v1/vns/{vnid}/tenant-systems',
  'PUT /v1/nves/{nveId}/tenant-systems',
  'POST /v1/nves/{nveId}/evacuate',
  'POST /v1/vns/{vnid}/empty',
];

interface Schema {
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly additionalProperties?: boolean;
}

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema?: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>>;
}

let nva: NvaFixture;
let document: {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly securitySchemes: object; readonly schemas: { readonly Problem: Schema } };
};
let operations: Map<string, Operation>;

beforeAll(async () => {
  nva = await startNva();
  const response = await nva.http.get('/openapi.json').expect(200);
  document = response.body;
  operations = new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    ),
  );
});

afterAll(() => nva.stop());

describe('the OpenAPI document', () => {
  it('has every call of the contract, and no other but those that we know of', () => {
    expect([...operations.keys()].toSorted()).toEqual([...WRITES, ...OTHERS, ...ADDED].toSorted());
  });

  it('is whole: version, title, the security scheme, one name per operation', () => {
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\./),
      info: { title: expect.any(String), version: '1' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    });
    const names = [...operations.values()].map(({ operationId }) => operationId);
    expect(new Set(names).size).toBe(names.length);
    expect(document.components.schemas.Problem.required).toContain('code');
  });

  it.each([...WRITES, ...OTHERS, ...ADDED])('says of %s what it is for, and every parameter of its path', (call) => {
    const { summary, tags, parameters } = operations.get(call)!;
    expect(summary).toMatch(/\S/);
    expect(tags).toHaveLength(1);
    const inPath = [...call.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
    expect(
      parameters
        .filter((parameter) => parameter.in === 'path')
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(inPath.toSorted());
    for (const parameter of parameters)
      expect(parameter).toMatchObject({ schema: expect.any(Object), ...(parameter.in === 'path' ? { required: true } : {}) });
  });

  it.each(WRITES)('says of %s what it takes, that nothing else is taken, and what it answers', (call) => {
    const { requestBody, parameters, responses } = operations.get(call)!;
    expect(parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)).toEqual([
      'Idempotency-Key',
      'X-Correlation-Id',
      'X-Min-Position',
    ]);
    for (const status of ['200', '202'])
      expect(responses[status]?.content?.['application/json']?.schema.required).toEqual([
        'position',
        'revision',
        'effective',
        'conflicts',
        'memberships',
      ]);
    for (const status of ['default', '409', '413', '421', '422'])
      expect(responses[status]?.content?.['application/problem+json']?.schema, status).toEqual({ $ref: '#/components/schemas/Problem' });
    if (call.startsWith('DELETE')) {
      expect(parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)).toContain('ifRevision');
      return;
    }
    const { schema } = requestBody!.content['application/json']!;
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(Object.keys(schema.properties!)).toEqual(expect.arrayContaining(['ifRevision', ...schema.required!]));
    for (const [name, { description }] of Object.entries(schema.properties!)) expect(description, name).toMatch(/\S/);
    for (const { name } of parameters.filter((parameter) => parameter.in === 'path')) expect(schema.properties).not.toHaveProperty(name);
  });

  it('names what a server refuses: a write without its required fields is refused, field by field', async () => {
    for (const call of WRITES.filter((name) => !name.startsWith('DELETE'))) {
      const [method, path] = call.split(' ') as [string, string];
      const required = operations.get(call)!.requestBody!.content['application/json']!.schema.required!;
      const url = path
        .replace('{vnid}', '1')
        .replace('{bid}', '1')
        .replaceAll(/\{\w+\}/g, 'x');
      const { body } = await nva.http[method.toLowerCase() as 'put' | 'post'](url).send({});
      if (required.length > 0) expect(body, call).toMatchObject({ code: 'missing-field', field: expect.toBeOneOf([...required]) });
    }
  });
});

describe('/docs', () => {
  it('is HTML that needs no other host', async () => {
    const { text, headers } = await nva.http.get('/docs').expect(200);
    expect(headers['content-type']).toMatch('text/html');
    const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(addresses.length).toBeGreaterThan(3);
    for (const address of addresses) {
      expect(address).not.toMatch(/^(?:\w+:)?\/\//);
      await nva.http.get(new URL(address, 'http://any/docs').pathname).expect(200);
    }
  });
});
