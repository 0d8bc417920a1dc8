import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecordCodec } from '@nva/codec';
import { populate, startNva, tsBody, nveBody, until, type NvaFixture } from './support.ts';

interface Response {
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, Response>>;
}

let nva: NvaFixture;
let document: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>; readonly components: object };
let validating: Ajv;

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
  await nva.http
    .put('/v1/nves/nve1')
    .send(nveBody(1, { leaseS: 60 }))
    .expect(200);
  const bindings = [
    { bid: 1, vnid: 1, ip: '10.0.0.1' },
    { bid: 2, vnid: 2, vlan: 7 },
  ];
  await nva.http
    .put('/v1/nves/nve1/tenant-systems/ts1')
    .send(tsBody(1, { bindings, logicalInterface: 'tap1' }))
    .set('idempotency-key', 'one')
    .expect(200);
  await nva.http.put('/v1/nves/nve2/tenant-systems/ts2').send(tsBody(2)).expect(200);
  await nva.http.post('/v1/tenant-systems/ts2/connection-failure').send({ nveId: 'nve2', vnid: 1 }).expect(200);
  const { log } = (await nva.http.get('/readyz').expect(200)).body;
  const { digest, digestPosition: position } = (await nva.http.get('/v1/vns/1').expect(200)).body;
  await nva.http
    .post('/v1/nves/nve1/heartbeat')
    .send({ incarnation: 1, applied: [{ vnid: 1, log, position, digest }] })
    .expect(200);
  document = (await nva.http.get('/openapi.json').expect(200)).body;
  await until(async () => (await nva.http.get('/v1/tlog/tables')).status === 200);
  validating = new Ajv({ strict: false, validateFormats: false });
  validating.addSchema({ $id: 'openapi', components: document.components });
});

afterAll(() => nva.stop());

const resolved = (schema: object): object =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/')) as object;
const responseOf = (path: string, status: string): Response => document.paths[path]!['get']!.responses[status]!;

function expectValid(schema: object, body: unknown, what: string): void {
  const validate = validating.compile(resolved(schema));
  expect(validate(body), `${what}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)}`).toBe(true);
}

/** Every GET that answers with JSON, and requests whose answers are not empty. */
const REQUESTS: readonly (readonly [path: string, url: string])[] = [
  ['/v1/vns', '/v1/vns?limit=2'],
  ['/v1/vns/{vnid}', '/v1/vns/1'],
  ['/v1/vns/{vnid}/members', '/v1/vns/1/members'],
  ['/v1/vns/{vnid}/mappings', '/v1/vns/1/mappings'],
  ['/v1/vns/{vnid}/mappings', '/v1/vns/2/mappings'],
  ['/v1/vns/{vnid}/mappings', '/v1/vns/1/mappings?conflicted=true'],
  ['/v1/nves', '/v1/nves'],
  ['/v1/nves/{nveId}', '/v1/nves/nve1'],
  ['/v1/nves/{nveId}/table', '/v1/nves/nve1/table'],
  ['/v1/nves/{nveId}/applied', '/v1/nves/nve1/applied'],
  ['/v1/applied', '/v1/applied?limit=1'],
  ['/v1/tenant-systems/{tsId}', '/v1/tenant-systems/ts1'],
  ['/v1/tenant-systems/{tsId}', '/v1/tenant-systems/ts2'],
  ['/v1/tenant-systems', '/v1/tenant-systems?limit=1'],
  ['/v1/nves/{nveId}/tenant-systems', '/v1/nves/nve2/tenant-systems'],
  ['/v1/vns/{vnid}/tenant-systems', '/v1/vns/1/tenant-systems'],
  ['/v1/usage', '/v1/usage?tenantId=red'],
  ['/v1/usage', '/v1/usage?nveId=nve1'],
  ['/v1/resolve', '/v1/resolve?vnid=1&ip=10.0.0.1'],
  ['/v1/resolve', '/v1/resolve?vnid=1&ip=10.0.0.1&mode=redirect'],
  ...[
    ['/v1/vns', '/v1/vns?limit=2&at=9'],
    ['/v1/vns/{vnid}', '/v1/vns/1?at=9'],
    ['/v1/vns/{vnid}/mappings', '/v1/vns/1/mappings?at=9'],
    ['/v1/nves/{nveId}', '/v1/nves/nve1?at=9'],
    ['/v1/nves/{nveId}/table', '/v1/nves/nve1/table?at=9'],
    ['/v1/tenant-systems/{tsId}', '/v1/tenant-systems/ts1?at=9'],
    ['/v1/usage', '/v1/usage?nveId=nve1&at=9'],
    ['/v1/resolve', '/v1/resolve?vnid=1&ip=10.0.0.1&at=9'],
    ['/v1/diff', '/v1/diff?vnid=1&from=6&limit=2'],
    ['/v1/diff', '/v1/diff?nveId=nve1&from=6'],
    ['/v1/timeline', '/v1/timeline?tsId=ts1&limit=1'],
    ['/v1/timeline', '/v1/timeline?nveId=nve1&from=2'],
    ['/v1/explain', '/v1/explain?vnid=1&ip=10.0.0.1'],
    ['/v1/trace', '/v1/trace?from=ts1&to=10.0.0.1&vnid=1'],
    ['/v1/reachability', '/v1/reachability?a=ts1&b=ts2'],
    ['/v1/reachability', '/v1/reachability?a=ts1&b=ts2&from=3&to=9'],
    ['/v1/trace', '/v1/trace?from=ts1&to=10.0.0.77&vnid=1&at=9'],
    ['/v1/explain', '/v1/explain?vnid=1&ip=10.0.0.1&at=9'],
    ['/v1/explain', '/v1/explain?vnid=1&mac=02:00:00:00:00:77'],
  ].map(([path, url]) => [path, url] as [string, string]),
  ['/v1/tlog/keys', '/v1/tlog/keys'],
  ['/v1/tlog/tables', '/v1/tlog/tables'],
  ['/v1/tlog/tables', '/v1/tlog/tables?vnid=1'],
  ['/v1/tlog/inclusion', '/v1/tlog/inclusion?position=3'],
  ['/v1/tlog/consistency', '/v1/tlog/consistency?from=2&to=5'],
  ['/v1/events', '/v1/events?limit=3'],
  ['/v1/events', '/v1/events?order=desc&limit=3&type=VnCreated'],
  ['/v1/refused', '/v1/refused?limit=2'],
  ['/v1/oracles', '/v1/oracles'],
  ['/healthz', '/healthz'],
  ['/readyz', '/readyz'],
];

describe('the OpenAPI document gives a schema to the answer of', () => {
  it.each(REQUESTS)('%s, and a real one has it: %s', async (path, url) => {
    const { body, headers } = await nva.http.get(url).expect(200);
    const { schema } = responseOf(path, '200').content!['application/json']!;
    expectValid(schema, body, url);
    for (const name of Object.keys(responseOf(path, '200').headers!)) expect(headers, name).toHaveProperty([name.toLowerCase()]);
  });

  it('/v1/what-if, of every kind of step', async () => {
    const steps = [
      { command: 'detach', nveId: 'nve1', tsId: 'ts1' },
      { command: 'deleteVn', vnid: 1 },
      { command: 'evacuateNve', nveId: 'nve2' },
      { scenario: 'nve-fails', nveId: 'nve1' },
      { scenario: 'vn-deleted', vnid: 77 },
    ];
    const { body } = await nva.http.post('/v1/what-if').send({ steps }).expect(200);
    const { schema } = document.paths['/v1/what-if']!['post']!.responses['200']!.content!['application/json']!;
    expectValid(schema, body, '/v1/what-if');
  });

  it('/v1/schemas/{fingerprint}', async () => {
    const { fingerprint } = createRecordCodec().schemas[0]!;
    expectValid(
      responseOf('/v1/schemas/{fingerprint}', '200').content!['application/json']!.schema,
      (await nva.http.get(`/v1/schemas/${fingerprint}`).expect(200)).body,
      'a schema',
    );
  });

  it('every GET that answers with JSON, and says of every call what its problems are and which headers come with them', async () => {
    const asked = new Set(['/v1/schemas/{fingerprint}', ...REQUESTS.map(([path]) => path)]);
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        const json = responses['200']?.content?.['application/json'];
        if (method === 'get') expect(asked.has(path), path).toBe(json !== undefined);
        expect(Object.keys(responses), path).toEqual(expect.arrayContaining(['400', 'default']));
        if (!path.startsWith('/v1/') && path !== '/metrics') continue;
        for (const [status, header] of [
          ['401', 'WWW-Authenticate'],
          ['403', 'X-Correlation-Id'],
          ['429', 'Retry-After'],
          ['503', 'Retry-After'],
        ] as const)
          expect(responses[status]?.headers, `${method} ${path} ${status}`).toHaveProperty([header]);
      }
    }
    for (const [path, method, type] of [
      ['/metrics', 'get', 'text/plain'],
      ['/v1/commands', 'post', 'application/x-ndjson'],
      ['/v1/export', 'get', 'avro/binary'],
      ['/v1/tlog/checkpoint', 'get', 'text/plain'],
      ['/v1/tlog/tile/{path}', 'get', 'application/octet-stream'],
      ['/v1/tlog/add-checkpoint', 'post', 'text/plain'],
      ['/v1/vns/{vnid}/feed', 'get', 'text/event-stream'],
      ['/v1/nves/{nveId}/feed', 'get', 'text/event-stream'],
    ] as const) {
      expect(document.paths[path]![method]!.responses['200'], path).toMatchObject({
        description: expect.stringMatching(/\w/),
        content: { [type]: { schema: expect.any(Object) } },
      });
    }
    // Lists are answered in lines too.
    for (const path of ['/v1/vns/{vnid}/mappings', '/v1/nves/{nveId}/table', '/v1/tenant-systems', '/v1/diff', '/v1/timeline'])
      expect(Object.keys(responseOf(path, '200').content!), path).toEqual(['application/json', 'application/x-ndjson', 'text/csv']);
    for (const path of ['/v1/vns/{vnid}/feed', '/v1/nves/{nveId}/feed'])
      expect(responseOf(path, '409').headers, path).toHaveProperty(['X-Correlation-Id']);
    const refused = await nva.http.get('/v1/vns/77').expect(404);
    expectValid(responseOf('/v1/vns/{vnid}', '404').content!['application/problem+json']!.schema, refused.body, 'a problem');
  });
});

it('a VN shows the digest of its table and the position that it is of, which an NVE that has applied it reports', async () => {
  const [{ verdict }] = (await nva.http.get('/v1/nves/nve1/applied').expect(200)).body.items;
  expect(verdict).toBe('same');
  const before = (await nva.http.get('/v1/vns/1').expect(200)).body;
  await nva.http
    .put('/v1/nves/nve1/tenant-systems/ts9')
    .send(tsBody(9, { bindings: [] }))
    .expect(200);
  expect((await nva.http.get('/v1/vns/1').expect(200)).body).toMatchObject({
    digest: before.digest,
    digestPosition: before.digestPosition,
  });
  await nva.http.delete('/v1/tenant-systems/ts2').expect(200);
  const after = (await nva.http.get('/v1/vns/1').expect(200)).body;
  expect(after.digest).not.toBe(before.digest);
  expect(Number(after.digestPosition)).toBe(await nva.head());
});
