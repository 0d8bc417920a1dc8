import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { History } from '@nva/history';
import { silentLogger } from '@nva/ports';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StandInProcess } from '../../../test/eventstore/stand-in-process.ts';
import { keptVns } from '../src/audit/kept-vns.ts';
import { ConfigError, createService, readConfig, type Role, type Service } from '../src/index.ts';
import { nveBody, until, vnBody } from './support.ts';

/** Of shards 1, 2, 33, 62 and 1 again. */
const VNIDS = [1, 2, 33, 62, 65];
const NVES = ['nve1', 'nve2', 'nve3'];
const SYSTEMS = ['t1', 't2', 't3', 't4'];

let directory: string;
let eventStore: StandInProcess;
const services: Service[] = [];
let registrar: Service;
/** One that keeps all, and two that share: the second keeps some of the first one's too. */
let whole: Service;
let low: Service;
let high: Service;
let head: number;
/** Positions of the events, and of the first change of a table. */
let positions: number[];
let first: number;

async function start(roles: readonly Role[], name: string, port: number, env: Record<string, string> = {}): Promise<Service> {
  const config = readConfig(
    {
      PORT: String(port),
      DATA_DIR: join(directory, name),
      EVENTSTORE_URL: eventStore.url,
      ADVERTISED_URL: `http://127.0.0.1:${port}`,
      ...env,
    },
    roles,
  );
  const service = await createService(config, roles, { logger: silentLogger, failed: () => undefined });
  services.push(service);
  return service;
}

const answerOf = async (
  { url }: Service,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: object }> => {
  const { status, body } = await supertest(url).get(path).set(headers);
  const { correlationId: _, ...rest } = body as { correlationId?: string };
  return { status, body: rest };
};

/** What the admin that keeps all answers, which the others must, too. */
async function expectSame(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const expected = await answerOf(whole, path);
  for (const sharing of [low, high]) expect(await answerOf(sharing, path), path).toEqual(expected);
  return expected as { status: number; body: Record<string, unknown> };
}

/** All pages of a list, of which each must be the same. */
async function expectSamePages(path: string): Promise<unknown[]> {
  const items: unknown[] = [];
  for (let after: string | null = null; ;) {
    const { status, body } = await expectSame(path + (after === null ? '' : `&after=${encodeURIComponent(after)}`));
    // Not everything was there from the beginning.
    if (status === 404) return items;
    items.push(...(body['items'] as unknown[]));
    if (body['next'] === undefined) return items;
    after = body['next'] as string;
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-shared-history-'));
  eventStore = await StandInProcess.start(join(directory, 'eventstore'));
  const [lowPort, highPort] = [await freePort(), await freePort()];
  const file = join(directory, 'admins.json');
  const admins = [
    // Nobody listens at the first one.
    { shards: '0-31', urls: [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${lowPort}`] },
    { shards: '32-63', urls: [`http://127.0.0.1:${highPort}`] },
  ];
  await writeFile(file, JSON.stringify({ admins }));
  registrar = await start(['registrar'], 'registrar', await freePort());
  whole = await start(['admin'], 'whole', await freePort());
  low = await start(['admin'], 'low', lowPort, { ADMIN_SHARDS: '0-31', ADMINS_FILE: file });
  high = await start(['admin'], 'high', highPort, { ADMIN_SHARDS: '1,32-63', ADMINS_FILE: file });
  const nva = supertest(registrar.url);
  for (const vnid of VNIDS) await nva.put(`/v1/vns/${vnid}`).send(vnBody()).expect(200);
  for (const [i, nveId] of NVES.entries())
    await nva
      .put(`/v1/nves/${nveId}`)
      .send(nveBody(i + 1))
      .expect(200);
  const bindings = (n: number, vnids: readonly number[]) => vnids.map((vnid, i) => ({ bid: i + 1, vnid, ip: `10.0.0.${n}` }));
  const attached = async (tsId: string, nveId: string, n: number, vnids: readonly number[]): Promise<void> => {
    const body = { tenantId: 'red', vmId: tsId, mac: `02:00:00:00:00:0${n}`, bindings: bindings(n, vnids) };
    await nva.put(`/v1/nves/${nveId}/tenant-systems/${tsId}`).send(body).expect(200);
  };
  await attached('t1', 'nve1', 1, VNIDS);
  await attached('t2', 'nve2', 2, [2, 33]);
  await attached('t3', 'nve3', 3, [62]);
  await attached('t4', 'nve1', 4, [1, 65]);
  await attached('t1', 'nve2', 1, VNIDS);
  await nva.delete('/v1/nves/nve2/tenant-systems/t2').expect(200);
  await attached('t2', 'nve3', 2, [33, 2]);
  await nva
    .put('/v1/vns/62')
    .send({ ...vnBody(), name: 'renamed' })
    .expect(200);
  head = registrar.core.replica.network.position;
  for (const admin of [whole, low, high]) await until(() => admin.core.replica.network.position >= head);
  const { body } = await supertest(whole.url).get('/v1/events?limit=1000').expect(200);
  positions = (body.items as { position: string }[]).map(({ position }) => Number(position));
  [first] = positions as [number];
  // Both histories have come so far.
  await until(async () => (await supertest(low.url).get(`/v1/nves/nve1/table?at=${head}`)).status === 200);
});

afterAll(async () => {
  for (const service of services) await service.close();
  await eventStore.kill();
  await rm(directory, { recursive: true });
});

describe('admins that share the history of a log', () => {
  it('answer about each VN at every position what one answers that keeps all (X10)', async () => {
    let met = 0;
    for (const at of positions)
      for (const vnid of VNIDS) {
        met += (await expectSamePages(`/v1/vns/${vnid}/mappings?at=${at}&limit=2`)).length;
        await expectSame(`/v1/resolve?vnid=${vnid}&ip=10.0.0.1&at=${at}`);
      }
    expect(met).toBeGreaterThan(50);
    for (const vnid of VNIDS)
      for (const path of [
        `explain?vnid=${vnid}&ip=10.0.0.2&at=${head}`,
        `diff?vnid=${vnid}&from=${first}`,
        `timeline?vnid=${vnid}`,
        `timeline?vnid=${vnid}&ip=10.0.0.2`,
      ])
        await expectSame(`/v1/${path}`);
  });

  it('put together what is of VNs of several of them, page by page (X10, X11)', async () => {
    for (const limit of [1, 2, 3, 100]) {
      for (const nveId of NVES) {
        for (const at of positions.slice(-4)) await expectSamePages(`/v1/nves/${nveId}/table?at=${at}&limit=${limit}`);
        expect((await expectSamePages(`/v1/diff?nveId=${nveId}&from=${first}&limit=${limit}`)).length).toBeGreaterThan(3);
        await expectSamePages(`/v1/timeline?nveId=${nveId}&limit=${limit}`);
      }
      for (const tsId of SYSTEMS) expect((await expectSamePages(`/v1/timeline?tsId=${tsId}&limit=${limit}`)).length).toBeGreaterThan(0);
    }
    const timeline = (await expectSame('/v1/timeline?tsId=t1&tenantId=red')).body['items'] as { changes: { vnid: number }[] }[];
    expect(timeline[0]!.changes.map(({ vnid }) => vnid)).toEqual(VNIDS);
    const lines = async ({ url }: Service): Promise<string> =>
      (await supertest(url).get('/v1/timeline?tsId=t1&limit=1').set('accept', 'application/x-ndjson')).text;
    expect(await lines(low)).toBe(await lines(whole));
  });

  it('trace and compare over all VNs, whoever keeps them (X13)', async () => {
    const outcomes = new Set<unknown>();
    for (const from of SYSTEMS)
      for (const to of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.9.9.9'])
        for (const at of positions.slice(-5)) {
          const { status, body } = await expectSame(`/v1/trace?from=${from}&to=${to}&at=${at}`);
          outcomes.add(status === 200 ? body['outcome'] : body['code']);
        }
    expect(outcomes).toEqual(new Set(['delivered', 'dropped', 'missing-field']));
    for (const a of SYSTEMS) for (const b of SYSTEMS) await expectSame(`/v1/reachability?a=${a}&b=${b}`);
    expect((await expectSame('/v1/reachability?a=t1&b=t2')).body['intervals']).toHaveLength(4);
    for (const path of [
      'trace?from=t1&to=10.0.0.3&vnid=62',
      'trace?from=t9&to=10.0.0.3',
      'diff?vnid=7&from=1',
      'timeline?tsId=t9',
      `diff?nveId=nve1&from=${head}&to=${first}`,
    ])
      await expectSame(`/v1/${path}`);
  });

  it('refuse a part of what they do not keep, and one of another log', async () => {
    const part = (text: string) => ({ 'x-audit-part': text });
    const path = `/v1/vns/33/mappings?at=${head}`;
    const log = low.core.store.logId;
    expect(await answerOf(low, path, part(`33@${head}@${log}`))).toMatchObject({
      status: 421,
      body: { code: 'misdirected', received: '33' },
    });
    expect((await answerOf(high, path, part(`33@${head}@${log}`))).status).toBe(200);
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await answerOf(high, path, part(`33@${head}@${other}`))).toMatchObject({ status: 421, body: { expected: log } });
    for (const wrong of ['', '33', `33@${head}@x`, `64@${head}@${log}`, `33@99999999999999999@${log}`])
      expect(await answerOf(high, path, part(wrong)), wrong).toMatchObject({
        status: 400,
        body: { code: 'out-of-range', field: 'X-Audit-Part' },
      });
  });

  it('say which shards nobody answers for, and answer the rest', async () => {
    await high.close();
    services.splice(services.indexOf(high), 1);
    const refused = await answerOf(low, `/v1/vns/33/mappings?at=${head}`);
    expect(refused).toMatchObject({ status: 503, body: { code: 'behind', detail: expect.stringContaining('shards 32-63') } });
    expect((await answerOf(low, `/v1/nves/nve1/table?at=${head}`)).status).toBe(503);
    expect((await answerOf(low, `/v1/vns/1/mappings?at=${head}`)).status).toBe(200);
    expect((await answerOf(low, '/v1/timeline?nveId=nve1')).status).toBe(200);
  });

  it('keep what they are given, and nothing of other VNs', async () => {
    const { store } = low.core;
    await low.close();
    services.splice(services.indexOf(low), 1);
    const thrownAway: string[] = [];
    const history = History.open({
      path: join(directory, 'low', 'history', 'admin', 'history.sqlite'),
      logId: store.logId,
      logger: { ...silentLogger, warn: (message) => thrownAway.push(message) },
      vns: keptVns(Array.from({ length: 32 }, (_, shard) => shard)),
    });
    const kept = VNIDS.filter((vnid) => history.table({ kind: 'vn', vnid }, head).length > 0);
    expect([kept, thrownAway]).toEqual([[1, 2, 65], []]);
    history.abandon();
  });
});

describe('ADMIN_SHARDS and ADMINS_FILE', () => {
  const config = async (content: unknown, env: Record<string, string> = {}) => {
    const path = join(directory, 'wrong.json');
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return readConfig(
      { DATA_DIR: directory, EVENTSTORE_URL: eventStore.url, ADVERTISED_URL: 'http://127.0.0.1:1', ADMINS_FILE: path, ...env },
      ['admin'],
    );
  };
  const URLS = ['http://admin:3000'];

  it.each([
    ['no JSON', '{', 'cannot be read as JSON'],
    ['another object', { admin: [] }, 'an object with admins'],
    ['an unknown field', { admins: [{ shards: '0-63', urls: URLS, url: 1 }] }, 'got «url»'],
    ['a shard that there is not', { admins: [{ shards: '0-64', urls: URLS }] }, 'admins[0].shards'],
    ['no url', { admins: [{ shards: '0-63', urls: [] }] }, 'admins[0].urls'],
    ['a url with a path', { admins: [{ shards: '0-63', urls: ['http://admin/v1'] }] }, 'admins[0].urls'],
    [
      'a shard twice',
      {
        admins: [
          { shards: '0-63', urls: URLS },
          { shards: '5', urls: URLS },
        ],
      },
      'shard 5 is there twice',
    ],
    ['a shard that is nobody’s', { admins: [{ shards: '0-62', urls: URLS }] }, 'shard 63 is neither there nor of ADMIN_SHARDS'],
  ])('are refused with %s', async (_, content, message) => {
    await expect(config(content, { ADMIN_SHARDS: '0-31' })).rejects.toThrow(message);
    await expect(config(content, { ADMIN_SHARDS: '0-31' })).rejects.toBeInstanceOf(ConfigError);
  });

  it('need each other, and a log that several processes read', async () => {
    const env = { DATA_DIR: directory, ADMIN_SHARDS: '0-31' };
    expect(() => readConfig({ ...env, EVENTSTORE_URL: eventStore.url, ADVERTISED_URL: 'http://127.0.0.1:1' }, ['admin'])).toThrow(
      'ADMINS_FILE: expected',
    );
    await expect(config({ admins: [{ shards: '32-63', urls: URLS }] }, { ADMIN_SHARDS: '0-31' })).resolves.toMatchObject({
      adminShards: { length: 32 },
    });
    expect(() => readConfig({ ...env, ADMINS_FILE: join(directory, 'admins.json') })).toThrow('EVENTSTORE_URL is needed');
  });
});
