import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SseReader } from './sse-reader.ts';
import { attachLine, macOf, nveBody, populate, postLines, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const TOKENS = {
  operators: [{ name: 'alice', sha256: sha256('operator-token') }],
  nves: [
    { nveId: 'nve1', tenants: ['red'], sha256: sha256('nve1-token') },
    { nveId: 'nve2', sha256: sha256('nve2-token') },
  ],
};

let directory: string;
let nva: NvaFixture;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-tokens-'));
  const file = join(directory, 'tokens.json');
  await writeFile(file, JSON.stringify(TOKENS));
  nva = await startNva({ env: { TOKENS_FILE: file } });
  await populate(nva.http, 'operator-token');
  // ts1 at nve1 in VN 1, ts2 at nve2 in VN 2, ts9 at nve2 in VN 9.
  await call('operator', 'put', '/v1/nves/nve1/tenant-systems/ts1', tsBody(1)).expect(200);
  await call('operator', 'put', '/v1/nves/nve2/tenant-systems/ts2', tsBody(2, { bindings: [{ vnid: 2, vlan: 2 }] })).expect(200);
  await call(
    'operator',
    'put',
    '/v1/nves/nve2/tenant-systems/ts9',
    tsBody(9, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.9' }] }),
  ).expect(200);
});

afterAll(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

type Method = 'get' | 'put' | 'post' | 'delete';
type Who = 'operator' | 'nve1' | 'nve2';

function call(who: Who, method: Method, path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}-token`);
  return body === undefined ? request : request.send(body);
}

describe('a caller without a token that is known', () => {
  it.each([
    ['no header', undefined],
    ['an unknown token', 'Bearer guess'],
    ['a hash for a token', `Bearer ${sha256('operator-token')}`],
    ['another scheme', 'Basic b3BlcmF0b3I6dG9rZW4='],
    ['an empty token', 'Bearer '],
  ])('is refused with 401 and told how: %s', async (_, authorization) => {
    const before = await nva.head();
    for (const [method, path] of [
      ['get', '/v1/vns/1'],
      ['put', '/v1/vns/7'],
      ['get', '/v1/vns/1/feed'],
      ['post', '/v1/commands'],
      ['get', '/metrics'],
      ['get', '/nowhere'],
    ] as const) {
      const request = nva.http[method](path);
      const response = await (authorization === undefined ? request : request.set('authorization', authorization));
      expect(response.status, `${method} ${path}`).toBe(401);
      expect(response.headers['www-authenticate']).toBe('Bearer');
      expect(response.headers['content-type']).toMatch('application/problem+json');
      expect(response.body).toMatchObject({ code: 'unauthenticated', field: 'Authorization' });
      expect(response.text).not.toContain('guess');
    }
    expect(await nva.head()).toBe(before);
  });

  it('may ask how the process is, and for the documentation', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs']) await nva.http.get(path).expect(200);
  });
});

describe('an operator', () => {
  it('may do and read everything, by name in the log', async () => {
    for (const path of ['/v1/vns', '/v1/nves', '/v1/vns/9', '/v1/nves/nve2/table', '/v1/tenant-systems/ts9', '/v1/events', '/metrics'])
      await call('operator', 'get', path).expect(200);
    expect((await call('operator', 'get', '/v1/events?entity=ts-ts9')).body.items).toMatchObject([{ actor: 'operator:alice' }]);
  });
});

describe('an NVE may not', () => {
  type Refused = readonly [what: string, method: Method, path: string, body: object | undefined, field: string | undefined];
  it.each<Refused>([
    ['create a VN', 'put', '/v1/vns/7', vnBody(), undefined],
    ['delete a VN', 'delete', '/v1/vns/2', undefined, undefined],
    ['connect as another', 'put', '/v1/nves/nve2', nveBody(2), 'nveId'],
    ['disconnect another', 'delete', '/v1/nves/nve2', undefined, 'nveId'],
    ['forget itself', 'delete', '/v1/nves/nve1?forget=true', undefined, undefined],
    ['send heartbeats of another', 'post', '/v1/nves/nve2/heartbeat', { incarnation: 1 }, 'nveId'],
    ['attach at another', 'put', '/v1/nves/nve2/tenant-systems/new', tsBody(5), 'nveId'],
    [
      'attach for a tenant that it does not serve',
      'put',
      '/v1/nves/nve1/tenant-systems/new',
      tsBody(5, { tenantId: 'blue', bindings: [] }),
      'tenantId',
    ],
    ['detach at another', 'delete', '/v1/nves/nve2/tenant-systems/ts2', undefined, 'nveId'],
    ['remove a TS, its own neither', 'delete', '/v1/tenant-systems/ts1', undefined, undefined],
    [
      'register bindings of a TS elsewhere',
      'post',
      '/v1/tenant-systems/ts2/bindings',
      { bindings: [{ bid: 1, vnid: 1, ip: '10.0.0.7' }] },
      'tsId',
    ],
    ['register a binding of a TS elsewhere', 'put', '/v1/tenant-systems/ts2/bindings/0', {}, 'tsId'],
    ['de-register a binding of a TS elsewhere', 'delete', '/v1/tenant-systems/ts2/bindings/0', undefined, 'tsId'],
    ['change the MAC of a TS elsewhere', 'put', '/v1/tenant-systems/ts2/mac', { mac: macOf(7) }, 'tsId'],
    ['change the MAC of a TS that is not there', 'put', '/v1/tenant-systems/nobody/mac', { mac: macOf(7) }, 'tsId'],
    ['report the connection of a TS elsewhere', 'post', '/v1/tenant-systems/ts2/connection-failure', { nveId: 'nve1' }, 'tsId'],
    ['list VNs', 'get', '/v1/vns', undefined, undefined],
    ['list NVEs', 'get', '/v1/nves', undefined, undefined],
    ['read a VN that it is not in', 'get', '/v1/vns/2', undefined, 'vnid'],
    ['read a VN that does not exist, which looks the same', 'get', '/v1/vns/77', undefined, 'vnid'],
    ['read the members of a VN that it is not in', 'get', '/v1/vns/2/members', undefined, 'vnid'],
    ['read the mappings of a VN that it is not in', 'get', '/v1/vns/2/mappings', undefined, 'vnid'],
    ['read another NVE', 'get', '/v1/nves/nve2', undefined, 'nveId'],
    ['read the table of another NVE', 'get', '/v1/nves/nve2/table', undefined, 'nveId'],
    ['read a TS elsewhere', 'get', '/v1/tenant-systems/ts2', undefined, 'tsId'],
    ['read a TS that is not there, which looks the same', 'get', '/v1/tenant-systems/nobody', undefined, 'tsId'],
    ['resolve in a VN that it is not in', 'get', '/v1/resolve?vnid=2&mac=02:00:00:00:00:02', undefined, 'vnid'],
    ['read the audit log', 'get', '/v1/events', undefined, undefined],
    ['compare tables of the past', 'get', '/v1/diff?vnid=1&from=1', undefined, undefined],
    ['read what happened', 'get', '/v1/timeline?vnid=1', undefined, undefined],
    ['have a packet traced', 'get', '/v1/trace?from=ts1&to=10.0.0.1', undefined, undefined],
    ['ask who could reach whom', 'get', '/v1/reachability?a=ts1&b=ts2', undefined, undefined],
    ['ask what if', 'post', '/v1/what-if', { steps: [{ command: 'detach', nveId: 'nve1', tsId: 'ts1' }] }, undefined],
    ['export the log', 'get', '/v1/export', undefined, undefined],
    ['read what was signed of the log', 'get', '/v1/tlog/checkpoint', undefined, undefined],
    ['read the hashes of the log', 'get', '/v1/tlog/tile/0/000.p/1', undefined, undefined],
    ['read events from bundles', 'get', '/v1/tlog/tile/entries/000.p/1', undefined, undefined],
    ['read the keys of the proof', 'get', '/v1/tlog/keys', undefined, undefined],
    ['read the digests of every VN', 'get', '/v1/tlog/tables', undefined, undefined],
    ['read the digest of its own VN with its proof', 'get', '/v1/tlog/tables?vnid=1', undefined, undefined],
    ['have an event proven', 'get', '/v1/tlog/inclusion?position=1', undefined, undefined],
    ['have a continuation proven', 'get', '/v1/tlog/consistency?from=1', undefined, undefined],
    ['ask for a cosignature', 'post', '/v1/tlog/add-checkpoint', {}, undefined],
    ['have an address explained', 'get', '/v1/explain?vnid=1&ip=10.0.0.1', undefined, undefined],
    ['read a VN of the past that it was not in', 'get', '/v1/vns/2?at=9', undefined, 'vnid'],
    ['read who was refused', 'get', '/v1/refused', undefined, undefined],
    ['read the metrics', 'get', '/metrics', undefined, undefined],
    ['follow a VN that it is not in', 'get', '/v1/vns/2/feed', undefined, 'vnid'],
    ['follow another NVE', 'get', '/v1/nves/nve2/feed', undefined, 'nveId'],
  ])('%s', async (_, method, path, body, field) => {
    const before = await nva.head();
    const response = await call('nve1', method, path, body).expect(403);
    expect(response.body).toMatchObject({ code: 'forbidden', ...(field === undefined ? {} : { field }) });
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(await nva.head()).toBe(before);
  });

  it('do in NDJSON what it may not do elsewhere; the lines beside it count', async () => {
    const results = await postLines(nva.url, attachLine(51, 1) + attachLine(52, 2) + attachLine(51, 1), {
      authorization: 'Bearer nve1-token',
    });
    expect(results).toMatchObject([{ status: 200 }, { status: 403, code: 'forbidden', field: 'nveId', received: 'nve2' }, { status: 200 }]);
  });
});

describe('an NVE may', () => {
  it('speak for itself and for what is attached to it, by name in the log', async () => {
    await call('nve1', 'put', '/v1/nves/nve1', nveBody(1)).expect(200);
    await call('nve1', 'post', '/v1/nves/nve1/heartbeat', { incarnation: 1 }).expect(200);
    await call('nve1', 'put', '/v1/nves/nve1/tenant-systems/ts60', tsBody(60)).expect(200);
    await call('nve1', 'post', '/v1/tenant-systems/ts60/bindings', {
      bindings: [
        { bid: 1, vnid: 1, ip: '10.0.0.60' },
        { bid: 2, vnid: 1, ip: '10.0.0.61' },
      ],
    }).expect(200);
    await call('nve1', 'delete', '/v1/tenant-systems/ts60/bindings/2').expect(200);
    await call('nve1', 'put', '/v1/tenant-systems/ts60/mac', { mac: macOf(61) }).expect(200);
    await call('nve1', 'post', '/v1/tenant-systems/ts60/connection-failure', { nveId: 'nve1' }).expect(200);
    await call('nve1', 'delete', '/v1/nves/nve1/tenant-systems/ts60').expect(200);
    const { items } = (await call('operator', 'get', '/v1/events?entity=ts-ts60')).body;
    expect(new Set(items.map(({ actor }: { actor: string }) => actor))).toEqual(new Set(['nve:nve1']));
  });

  it('take a TS over that moves to it, for any tenant if none are named', async () => {
    await call('operator', 'put', '/v1/nves/nve1/tenant-systems/ts70', tsBody(70)).expect(200);
    await call('nve2', 'put', '/v1/nves/nve2/tenant-systems/ts70', tsBody(70)).expect(200);
    await call('nve2', 'put', '/v1/nves/nve2/tenant-systems/ts71', tsBody(71, { tenantId: 'blue', bindings: [] })).expect(200);
    await call('nve2', 'delete', '/v1/nves/nve2/tenant-systems/ts70').expect(200);
  });

  it('read itself, the VNs that it is in and what is attached to it, and follow their feeds', async () => {
    for (const path of [
      '/v1/nves/nve1',
      '/v1/nves/nve1/table',
      '/v1/vns/1',
      '/v1/vns/1/members',
      '/v1/vns/1/mappings',
      '/v1/tenant-systems/ts1',
      '/v1/resolve?vnid=1&ip=10.0.0.1',
    ]) {
      expect((await call('nve1', 'get', path)).status, path).toBe(200);
    }
    for (const path of ['/v1/nves/nve1/feed', '/v1/vns/1/feed']) {
      const feed = await SseReader.open(`${nva.url}${path}`, { authorization: 'Bearer nve1-token' });
      expect(feed.status).toBe(200);
      expect((await feed.snapshot()).at(-1)).toMatchObject({ event: 'snapshot-complete' });
      feed.close();
    }
  });

  it('have an Idempotency-Key of the same name as another caller', async () => {
    for (const who of ['nve1', 'nve2'] as const)
      await call(who, 'put', `/v1/nves/${who}/tenant-systems/of-${who}`, tsBody(who === 'nve1' ? 80 : 81, { bindings: [] }))
        .set('idempotency-key', 'shared')
        .expect(200);
  });
});

describe('a server without tokens', () => {
  it('takes requests to this machine only, so that no page of elsewhere writes through a name of its own', async () => {
    const open = await startNva();
    const put = (host: string) => open.http.put('/v1/vns/1').set('host', host).send(vnBody());
    for (const host of ['attacker.example', 'attacker.example:3000', '127.0.0.1.attacker.example', '192.0.2.1:3000']) {
      const { status, body } = await put(host);
      expect([status, body.code, body.field, body.received], host).toEqual([403, 'forbidden', 'Host', host]);
    }
    expect(await open.head()).toBe(0);
    for (const host of ['localhost', '127.0.0.1:3000', '[::1]:3000']) expect((await put(host)).status, host).toBe(200);
    await open.stop();
  });
});
