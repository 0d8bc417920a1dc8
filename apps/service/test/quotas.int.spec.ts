import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { attachLine, macOf, populate, postLines, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

let directory: string;
let file: string;
let nva: NvaFixture;

/** `populate` makes VN 1 and 2 of tenant red, VN 9 of blue, and nve1 to nve3. */
const QUOTAS = {
  tenants: { '*': { tenantSystems: 3, bindings: 4 }, 'red': { vns: 3 }, 'blue': { tenantSystems: 1 } },
  nves: { nve1: { tenantSystems: 2, vns: 1 }, nve2: { bindings: 2 } },
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-quotas-'));
  file = join(directory, 'quotas.json');
  await writeFile(file, JSON.stringify(QUOTAS));
  nva = await startNva({ env: { QUOTAS_FILE: file } });
  await populate(nva.http);
});

afterEach(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

const attach = (n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields));
const bindings = (...ips: string[]) => ips.map((ip, i) => ({ bid: i + 1, vnid: 1, ip }));

describe('a quota', () => {
  it('of a tenant refuses one tenant system too many, says what there is, and changes nothing; another tenant is not touched', async () => {
    for (const n of [1, 2, 3]) await attach(n, 3).expect(200);
    const before = await nva.head();
    expect((await attach(4, 3).expect(409)).body).toMatchObject({
      code: 'quota-exceeded',
      field: 'tenantId',
      received: 'red',
      expected: { tenantSystems: 3 },
      actual: { tenantSystems: 4 },
    });
    expect(await nva.head()).toBe(before);
    await attach(9, 3, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.9' }] }).expect(200);
    expect((await attach(8, 3, { tenantId: 'blue', bindings: [] }).expect(409)).body).toMatchObject({
      code: 'quota-exceeded',
      received: 'blue',
      expected: { tenantSystems: 1 },
    });
    await nva.http.delete('/v1/tenant-systems/ts3').expect(200);
    await attach(4, 3).expect(200);
  });

  it('holds within one request too: of lines that are decided together only those that fit are taken', async () => {
    const answers = await postLines(nva.url, [1, 2, 3, 4, 5].map((n) => attachLine(n, 3)).join(''));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 409, 409]);
    expect((await nva.http.get('/v1/usage?tenantId=red').expect(200)).body).toEqual({
      tenantId: 'red',
      tenantSystems: { used: 3, limit: 3 },
      bindings: { used: 3, limit: 4 },
      vns: { used: 2, limit: 3 },
    });
  });

  it('of bindings, of VNs, and of an NVE: tenant systems, bindings and the VNs that it is in', async () => {
    expect(
      (await attach(1, 3, { bindings: bindings('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5') }).expect(409)).body,
    ).toMatchObject({ field: 'tenantId', expected: { bindings: 4 }, actual: { bindings: 5 } });
    await nva.http.put('/v1/vns/11').send(vnBody()).expect(200);
    expect((await nva.http.put('/v1/vns/12').send(vnBody()).expect(409)).body).toMatchObject({
      code: 'quota-exceeded',
      expected: { vns: 3 },
    });
    await attach(1, 1).expect(200);
    expect((await attach(2, 1, { bindings: [{ vnid: 2, vlan: 7 }] }).expect(409)).body).toMatchObject({
      field: 'nveId',
      received: 'nve1',
      expected: { vns: 1 },
      actual: { vns: 2 },
    });
    await attach(2, 1).expect(200);
    expect((await attach(3, 1).expect(409)).body).toMatchObject({ field: 'nveId', expected: { tenantSystems: 2 } });
    expect((await attach(3, 2, { bindings: bindings('10.0.0.11', '10.0.0.12', '10.0.0.13') }).expect(409)).body).toMatchObject({
      field: 'tenantId',
    });
    expect((await nva.http.get('/v1/usage?nveId=nve1').expect(200)).body).toEqual({
      nveId: 'nve1',
      tenantSystems: { used: 2, limit: 2 },
      bindings: { used: 2, limit: null },
      vns: { used: 1, limit: 1 },
    });
  });

  it('never takes away what is there, and never refuses what makes it less', async () => {
    for (const n of [1, 2]) await attach(n, 3).expect(200);
    await writeFile(file, JSON.stringify({ tenants: { red: { tenantSystems: 1 } } }));
    await nva.restart();
    expect((await attach(3, 3).expect(409)).body).toMatchObject({ actual: { tenantSystems: 3 } });
    await attach(1, 2).expect(200);
    await nva.http
      .put('/v1/tenant-systems/ts1/mac')
      .send({ mac: macOf(77) })
      .expect(200);
    await nva.http.delete('/v1/tenant-systems/ts1').expect(200);
    expect((await nva.http.get('/v1/vns/1/mappings')).body.items).toMatchObject([{ tsId: 'ts2' }]);
  });

  it('shows on the metrics how full it is, and what it refused', async () => {
    for (const n of [1, 2, 3, 4]) await attach(n, 3);
    const { text } = await nva.http.get('/metrics').expect(200);
    expect(text).toContain('nva_quota_fullest_ratio{scope="tenant",counted="tenantSystems"} 1');
    expect(text).toContain('nva_quota_refusals_total{scope="tenant",counted="tenantSystems"} 1');
  });
});

it.each([
  ['no object', '[]', 'expected an object with tenants and nves'],
  ['an unknown field', '{"sites":{}}', 'got «sites»'],
  ['an unknown thing to count', '{"tenants":{"red":{"ports":1}}}', 'tenants.red has tenantSystems, bindings, vns, got «ports»'],
  ['a limit that is no number', '{"nves":{"*":{"vns":"9"}}}', 'nves.*.vns is a whole number'],
  ['an id that cannot be', '{"nves":{"a b":{}}}', 'got «a b»'],
  ['no JSON', '{', 'cannot be read as JSON'],
])('QUOTAS_FILE with %s stops the start', async (_, content, expected) => {
  await writeFile(file, content);
  expect(() => readConfig({ QUOTAS_FILE: file })).toThrow(expected);
});
