import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachLine, line, macOf, populate, postLines, startNva, temporaryDirectory, tsBody, vnBody, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let nva: NvaFixture;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const file = join(directory.path, '..', 'tokens.json');
  await writeFile(
    file,
    JSON.stringify({
      operators: [{ name: 'op', sha256: sha256('op') }],
      nves: [1, 2].map((n) => ({ nveId: `nve${n}`, tenants: null, sha256: sha256(`nve${n}`) })),
    }),
  );
  nva = await startNva({ env: { TOKENS_FILE: file, RATE_LIMIT_PER_S: '100000' } });
  await populate(nva.http, 'op');
  // At nve1: in VN 1, in no VN, failed, associated only, and one that another tenant has the id of too. At nve2: both homes of one of them.
  const at = (nve: number, tsId: string, body: object) => call('op', 'put', `/v1/nves/nve${nve}/tenant-systems/${tsId}`, body).expect(200);
  await at(1, 'a', tsBody(1));
  await at(1, 'b', tsBody(2, { bindings: [] }));
  await at(1, 'c', tsBody(3));
  await at(1, 'd', tsBody(4, { state: 'associated' }));
  await at(1, 'web', tsBody(5, { bindings: [] }));
  await at(1, 'web', tsBody(5, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.5' }] }));
  await at(2, 'c', tsBody(3, { placement: 'add', logicalInterface: 'tap-2' }));
  await at(2, 'e', tsBody(6, { bindings: [{ vnid: 2, vlan: 6 }] }));
  await at(2, 'gone', tsBody(7));
  await call('op', 'delete', '/v1/tenant-systems/gone').expect(200);
  await call('op', 'post', '/v1/tenant-systems/c/connection-failure', { nveId: 'nve1' }).expect(200);
});

afterAll(async () => {
  await nva.stop();
  await directory.remove();
});

function call(who: string, method: 'get' | 'put' | 'post' | 'delete', path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}`);
  return body === undefined ? request : request.send(body);
}

type Item = { readonly tsId: string; readonly tenantId: string };
const listed = async (path: string, who = 'op'): Promise<string[]> =>
  ((await call(who, 'get', path).expect(200)).body.items as Item[]).map(({ tsId, tenantId }) =>
    tenantId === 'red' ? tsId : `${tsId}@${tenantId}`,
  );

describe('what is attached', () => {
  it('at an NVE is listed in the order of the ids, also what is in no VN and in no table', async () => {
    expect(await listed('/v1/nves/nve1/tenant-systems')).toEqual(['a', 'b', 'c', 'd', 'web@blue', 'web']);
    expect(await listed('/v1/nves/nve2/tenant-systems')).toEqual(['c', 'e']);
    expect(await listed('/v1/nves/nve3/tenant-systems')).toEqual([]);
  });

  it('each with its state: where it is, its bindings, and how they stand', async () => {
    for (const [place, tsId] of [
      ['nves/nve1', 'a'],
      ['nves/nve1', 'c'],
      ['vns/1', 'd'],
    ] as const) {
      const { items } = (await call('op', 'get', `/v1/${place}/tenant-systems`).expect(200)).body;
      expect(items.find((item: Item) => item.tsId === tsId)).toEqual(
        (await call('op', 'get', `/v1/tenant-systems/${tsId}`).expect(200)).body,
      );
    }
  });

  it('in a VN is listed, distributed or not', async () => {
    expect(await listed('/v1/vns/1/tenant-systems')).toEqual(['a', 'c', 'd']);
    expect(await listed('/v1/vns/9/tenant-systems')).toEqual(['web@blue']);
    expect(await listed('/v1/vns/1/tenant-systems?state=failed')).toEqual(['c']);
  });

  it.each([
    ['', ['a', 'b', 'c', 'd', 'e', 'web@blue', 'web']],
    ['tenantId=blue', ['web@blue']],
    ['nveId=nve2', ['c', 'e']],
    ['vnid=1&nveId=nve2', ['c']],
    ['state=unbound', ['b', 'web']],
    ['state=associated', ['d']],
    ['state=failed', ['c']],
    ['state=failed&nveId=nve2', []],
    ['state=activated&vnid=1', ['a', 'c']],
    ['state=conflicted', []],
    ['state=orphaned', []],
  ])('anywhere is listed by «%s»', async (query, expected) => {
    expect(await listed(`/v1/tenant-systems?${query}`)).toEqual(expected);
  });

  it.each([
    ['/v1/tenant-systems?state=odd', 400, 'out-of-range', 'state'],
    ['/v1/tenant-systems?colour=red', 400, 'unknown-field', 'colour'],
    ['/v1/tenant-systems?nveId=nve77', 404, 'nve-unknown', 'nveId'],
    ['/v1/tenant-systems?vnid=77', 404, 'vn-unknown', 'vnid'],
    ['/v1/nves/nve77/tenant-systems', 404, 'nve-unknown', 'nveId'],
    ['/v1/vns/77/tenant-systems', 404, 'vn-unknown', 'vnid'],
    ['/v1/vns/1/tenant-systems?limit=0', 400, 'out-of-range', 'limit'],
  ])('is asked for wrongly by %s', async (path, status, code, field) => {
    expect((await call('op', 'get', path).expect(status)).body).toMatchObject({ code, field });
  });

  it('is an NVE\u2019s to see as far as it is attached there: of itself, of its VNs, of all', async () => {
    expect(await listed('/v1/nves/nve2/tenant-systems', 'nve2')).toEqual(['c', 'e']);
    expect(await listed('/v1/tenant-systems', 'nve2')).toEqual(['c', 'e']);
    expect(await listed('/v1/vns/1/tenant-systems', 'nve2')).toEqual(['c']);
    for (const path of [
      '/v1/nves/nve1/tenant-systems',
      '/v1/tenant-systems?nveId=nve1',
      '/v1/vns/9/tenant-systems',
      '/v1/tenant-systems?vnid=9',
      '/v1/vns/77/tenant-systems',
    ])
      expect((await call('nve2', 'get', path).expect(403)).body).toMatchObject({ code: 'forbidden' });
    const { items } = (await call('nve1', 'get', '/v1/nves/nve1/tenant-systems').expect(200)).body;
    expect(items.find(({ tsId }: Item) => tsId === 'c').attachments, 'the access link at another NVE (R11)').toEqual([
      { nveId: 'nve1', logicalInterface: null, state: 'activated' },
      { nveId: 'nve2', logicalInterface: null, state: 'activated' },
    ]);
  });
});

describe('a refusal for what is in use', () => {
  it('says of a VN by what: the first few and the call that lists all', async () => {
    const { body } = await call('op', 'delete', '/v1/vns/1').expect(409);
    expect(body).toMatchObject({
      code: 'vn-in-use',
      inUseBy: { first: ['a', 'c', 'd'].map((tsId) => ({ tsId, tenantId: 'red' })), query: '/v1/vns/1/tenant-systems' },
    });
    expect(body.detail).toContain('GET /v1/vns/1/tenant-systems lists them, first of all a of tenant red, c of tenant red');
    expect((await call('op', 'get', body.inUseBy.query).expect(200)).body.items).toHaveLength(3);
  });

  it('says of an NVE by what, in NDJSON too, and names a tenant system that is in no table', async () => {
    const { body } = await call('op', 'delete', '/v1/nves/nve1?forget=true').expect(409);
    expect(body).toMatchObject({ code: 'nve-in-use', actual: 6, inUseBy: { query: '/v1/nves/nve1/tenant-systems' } });
    expect(body.inUseBy.first.map(({ tsId, tenantId }: Item) => `${tsId}@${tenantId}`)).toEqual([
      'a@red',
      'b@red',
      'c@red',
      'd@red',
      'web@blue',
    ]);
    const [answer] = await postLines(nva.url, line('disconnectNve', { nveId: 'nve1', forget: true }), { authorization: 'Bearer op' });
    expect(answer).toMatchObject({ status: 409, inUseBy: body.inUseBy });
  });

  it('tells an NVE nothing of it: it may not delete a VN', async () => {
    const { body } = await call('nve1', 'delete', '/v1/vns/1').expect(403);
    expect(body).not.toHaveProperty('inUseBy');
  });
});

describe('many tenant systems at an NVE', () => {
  const MANY = 3_000;

  it('are all listed once, page by page, while others come and go', async () => {
    await call('op', 'put', '/v1/vns/4', vnBody()).expect(200);
    const lines = Array.from({ length: MANY }, (_, i) =>
      attachLine(i + 1_000, 3, { bindings: [{ vnid: 4, ip: `10.9.${i >> 8}.${i & 255}` }] }),
    );
    for (const answer of await postLines(nva.url, lines.join(''), { authorization: 'Bearer op' }))
      expect(answer).toMatchObject({ status: 200 });
    const staying = Array.from({ length: MANY }, (_, i) => `ts${i + 1_000}`).toSorted();
    for (const list of ['/v1/nves/nve3/tenant-systems?', '/v1/vns/4/tenant-systems?', '/v1/tenant-systems?state=activated&']) {
      const seen: string[] = [];
      for (let after: string | undefined = '', turn = 0; after !== undefined; turn++) {
        const { items, next } = (await call('op', 'get', `${list}limit=257&after=${encodeURIComponent(after)}`).expect(200)).body as {
          items: Item[];
          next?: string;
        };
        seen.push(...items.map(({ tsId, tenantId }) => (tenantId === 'red' ? tsId : `${tsId}@${tenantId}`)));
        after = next;
        await call('op', 'put', `/v1/nves/nve3/tenant-systems/x${turn}`, {
          tenantId: 'red',
          vmId: 'x',
          mac: macOf(200 + turn),
          bindings: [],
        }).expect(200);
        if (turn > 0) await call('op', 'delete', `/v1/tenant-systems/x${turn - 1}`).expect(200);
      }
      expect(
        seen.filter((tsId) => tsId.startsWith('ts')),
        list,
      ).toEqual(staying);
      expect(new Set(seen).size).toBe(seen.length);
    }
  }, 300_000);
});
