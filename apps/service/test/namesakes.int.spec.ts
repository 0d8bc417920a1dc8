import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { populate, startNva, tsBody, type NvaFixture } from './support.ts';

/** Tenants red and blue both call a tenant system `web`. VN 1 is red's, VN 9 blue's; nve1 serves both, nve2 red alone. */
const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const TOKENS = {
  operators: [{ name: 'alice', sha256: sha256('operator') }],
  nves: [
    { nveId: 'nve1', sha256: sha256('nve1') },
    { nveId: 'nve2', tenants: ['red'], sha256: sha256('nve2') },
  ],
};

let directory: string;
let nva: NvaFixture;

type Who = 'operator' | 'nve1' | 'nve2';

function call(who: Who, method: 'get' | 'put' | 'post' | 'delete', path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}`);
  return body === undefined ? request : request.send(body);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-namesakes-'));
  const file = join(directory, 'tokens.json');
  await writeFile(file, JSON.stringify(TOKENS));
  nva = await startNva({ env: { TOKENS_FILE: file } });
  await populate(nva.http, 'operator');
  await call('nve1', 'put', '/v1/nves/nve1/tenant-systems/web', tsBody(1)).expect(200);
});

afterAll(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

const WEB = '/v1/tenant-systems/web';
const blue = (fields: object = {}): object => tsBody(2, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.1' }], ...fields });

describe('tenant systems of two tenants with one id', () => {
  it('attach without being in each other\u2019s way, and each stands in its own VN', async () => {
    expect((await call('nve1', 'put', '/v1/nves/nve1/tenant-systems/web', blue({ ifRevision: -1 })).expect(200)).body).toMatchObject({
      revision: 0,
      effective: true,
      memberships: [9],
    });
    const items = async (vnid: number) => (await call('operator', 'get', `/v1/vns/${vnid}/mappings`).expect(200)).body.items;
    expect(await items(1)).toMatchObject([{ tsId: 'web', ip: '10.0.0.1' }]);
    expect(await items(9)).toMatchObject([{ tsId: 'web', ip: '10.0.0.1' }]);
  });

  it('are asked for by tenant; who does not say it is told so, unless only one can be meant', async () => {
    expect((await call('operator', 'get', WEB).expect(409)).body).toMatchObject({ code: 'ts-ambiguous', field: 'tenantId' });
    for (const tenantId of ['red', 'blue'])
      expect((await call('operator', 'get', `${WEB}?tenantId=${tenantId}`).expect(200)).body).toMatchObject({ tsId: 'web', tenantId });
    expect((await call('operator', 'get', `${WEB}?tenantId=green`).expect(404)).body).toMatchObject({ code: 'ts-unknown' });
    await call('nve2', 'put', '/v1/nves/nve2/tenant-systems/web', tsBody(1, { placement: 'add' })).expect(200);
    expect((await call('nve2', 'get', WEB).expect(200)).body).toMatchObject({ tenantId: 'red' });
  });

  it('are changed by tenant, over REST and NDJSON, and the other one stays as it is', async () => {
    const before = (await call('operator', 'get', `${WEB}?tenantId=red`)).body;
    expect((await call('operator', 'put', `${WEB}/mac`, { mac: '02:00:00:00:0b:0b' }).expect(409)).body).toMatchObject({
      code: 'ts-ambiguous',
    });
    await call('operator', 'put', `${WEB}/mac`, { tenantId: 'blue', mac: '02:00:00:00:0b:0b' }).expect(200);
    const line = { command: 'registerBinding', tsId: 'web', tenantId: 'blue', bid: 0, ip: '10.0.0.77' };
    expect(
      JSON.parse(
        (
          await call('nve1', 'post', '/v1/commands')
            .type('application/x-ndjson')
            .send(`${JSON.stringify(line)}\n`)
        ).text,
      ),
    ).toMatchObject({ status: 200 });
    expect((await call('operator', 'get', `${WEB}?tenantId=blue`)).body).toMatchObject({
      mac: '02:00:00:00:0b:0b',
      bindings: [{ ip: '10.0.0.77' }],
    });
    expect((await call('operator', 'get', `${WEB}?tenantId=red`)).body).toEqual(before);
  });

  it('have a history each, and the first one has the plain stream', async () => {
    const types = async (entity: string) =>
      (await call('operator', 'get', `/v1/events?entity=${entity}`).expect(200)).body.items.map(({ type }: { type: string }) => type);
    expect(await types('ts-web')).toEqual(['TenantSystemAttached', 'TenantSystemAttachmentAdded']);
    expect(await types('ts-web@blue')).toEqual(['TenantSystemAttached', 'MacChanged', 'BindingsRegistered']);
  });

  it('are detached by tenant, and then the id alone names the other one', async () => {
    expect((await call('nve1', 'delete', '/v1/nves/nve1/tenant-systems/web').expect(409)).body).toMatchObject({ code: 'ts-ambiguous' });
    await call('nve1', 'delete', '/v1/nves/nve1/tenant-systems/web?tenantId=blue').expect(200);
    expect((await call('operator', 'get', WEB).expect(200)).body).toMatchObject({
      tenantId: 'red',
      attachments: [{ nveId: 'nve1' }, { nveId: 'nve2' }],
    });
    await call('nve1', 'delete', '/v1/nves/nve1/tenant-systems/web').expect(200);
    expect((await call('operator', 'get', WEB).expect(200)).body).toMatchObject({ tenantId: 'red', attachments: [{ nveId: 'nve2' }] });
  });
});
