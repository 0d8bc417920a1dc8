import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NveClient, SseTransport } from '@nva/nve';
import { SseReader } from './sse-reader.ts';
import { macOf, nveBody, startNva, temporaryDirectory, tsBody, until, vnBody, type NvaFixture } from './support.ts';

const VIP = '10.0.0.100';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let nva: NvaFixture;

const entry = (name: string): { sha256: string } => ({ sha256: createHash('sha256').update(`${name}-token`).digest('hex') });

beforeEach(async () => {
  directory = await temporaryDirectory();
  const file = join(directory.path, '..', 'tokens.json');
  const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => ({ nveId, tenants: nveId === 'nve3' ? ['blue'] : ['red'], ...entry(nveId) }));
  await writeFile(file, JSON.stringify({ operators: [{ name: 'alice', ...entry('operator') }], nves }));
  nva = await startNva({ env: { TOKENS_FILE: file } });
  await call('operator', 'put', '/v1/vns/1', vnBody()).expect(200);
  for (const n of [1, 2, 3]) await call('operator', 'put', `/v1/nves/nve${n}`, nveBody(n)).expect(200);
  await call(
    'nve1',
    'put',
    '/v1/nves/nve1/tenant-systems/master',
    tsBody(1, {
      bindings: [
        { bid: 1, vnid: 1, ip: '10.0.0.1' },
        { bid: 7, vnid: 1, ip: VIP },
      ],
    }),
  ).expect(200);
  await call('nve2', 'put', '/v1/nves/nve2/tenant-systems/backup', tsBody(2, { bindings: [{ bid: 1, vnid: 1, ip: '10.0.0.2' }] })).expect(
    200,
  );
  await call('nve2', 'put', '/v1/nves/nve2/tenant-systems/reader', tsBody(9)).expect(200);
});

afterEach(async () => {
  await nva.stop();
  await directory.remove();
});

function call(who: string, method: 'get' | 'put' | 'post' | 'delete', path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}-token`).set('x-correlation-id', 'failover-1');
  return body === undefined ? request : request.send(body);
}

const takeOver = (who: string, fields: object = {}, from = 'master') =>
  call(who, 'post', `/v1/tenant-systems/${from}/pass`, { to: 'backup', vnid: 1, ip: VIP, ...fields });

describe('POST /v1/tenant-systems/{tsId}/pass', () => {
  it("by the backup's own NVE is one change on the VN's feed, and on record in both streams (X1, X2, R13)", async () => {
    const feed = await SseReader.open(`${nva.url}/v1/vns/1/feed`, { authorization: 'Bearer nve2-token' });
    await feed.snapshot();
    const { body } = await takeOver('nve2').expect(200);
    const position = String(await nva.head());
    expect(body).toEqual({ position, revision: 1, effective: true, conflicts: [], memberships: [1] });
    const [gone, come] = await feed.take(2);
    expect(gone).toMatchObject({ data: { key: `mapping/master/${VIP}`, value: null, position } });
    expect(gone!.id).toBeUndefined();
    expect(come).toMatchObject({ id: expect.stringContaining(`/${position}`), data: { key: `mapping/backup/${VIP}`, position } });
    feed.close();
    const told = async (entity: string): Promise<object[]> =>
      (await call('operator', 'get', `/v1/events?entity=${entity}&order=desc&limit=1`).expect(200)).body.items;
    const audit = { actor: 'nve:nve2', correlationId: 'failover-1' };
    expect(await told('ts-master')).toMatchObject([
      { type: 'AddressPassed', position, revision: 1, ...audit, data: { to: 'backup', toRevision: 1, ip: VIP } },
    ]);
    expect(await told('ts-backup')).toMatchObject([
      { type: 'AddressAwaited', revision: 1, ...audit, data: { from: 'master', revision: 1 } },
    ]);
    expect((await call('operator', 'get', `/v1/resolve?vnid=1&ip=${VIP}`).expect(200)).body).toMatchObject({
      mappings: [{ tsId: 'backup' }],
    });
  });

  it('is refused to every other NVE, which learns nothing of who is where, and noted (X8)', async () => {
    const before = await nva.head();
    for (const who of ['nve1', 'nve3']) {
      const answers = await Promise.all(['backup', 'nobody'].map((to) => takeOver(who, { to })));
      expect(answers.map(({ status }) => status)).toEqual([403, 403]);
      const [known, unknown] = answers.map(({ text }) => text.replace(/nobody|backup/g, '<to>'));
      expect(known).toBe(unknown);
    }
    expect(await nva.head()).toBe(before);
    const { body } = await call('operator', 'get', '/v1/refused').expect(200);
    expect(body.items).toContainEqual(
      expect.objectContaining({
        caller: 'nve:nve3',
        command: 'POST /v1/tenant-systems/:tsId/pass',
        entity: 'ts-master',
        code: 'forbidden',
      }),
    );
  });

  it('is refused for another revision of the holder, and with what is wrong with it, field by field; nothing changes (X9)', async () => {
    const before = await nva.head();
    expect((await takeOver('nve2', { ifRevision: 4 }).expect(409)).body).toMatchObject({
      code: 'revision-mismatch',
      expected: 4,
      actual: 0,
    });
    expect((await takeOver('nve2', { ip: '10.0.0.77' }).expect(409)).body).toMatchObject({
      code: 'address-not-held',
      field: 'ip',
      received: '10.0.0.77',
      actual: { vnid: 1, heldBy: null },
    });
    expect((await takeOver('nve2', { ip: '10.0.0.2' }).expect(200)).body).toMatchObject({ revision: 0 });
    expect((await takeOver('nve2', { mac: macOf(3) }).expect(409)).body).toMatchObject({ code: 'address-not-held', field: 'mac' });
    expect((await takeOver('nve2', { vnid: undefined }).expect(400)).body).toMatchObject({ code: 'missing-field', field: 'vnid' });
    expect((await takeOver('nve2', { bid: 1 }).expect(422)).body).toMatchObject({ code: 'bid-duplicate', row: 'R18' });
    expect((await takeOver('nve2', { vlan: 10 }).expect(422)).body).toMatchObject({ code: 'vlan-not-allowed', row: 'R16' });
    expect((await takeOver('nve2', { ip: undefined, vnid: undefined }).expect(422)).body).toMatchObject({ code: 'address-required' });
    expect((await takeOver('operator', { to: 'x' }).expect(404)).body).toMatchObject({ code: 'ts-unknown', field: 'to' });
    expect(await nva.head()).toBe(before);
  });

  it('leaves no moment at a remote NVE in which nobody, or two, have it: taken over and handed back, MACs and all (X2)', async () => {
    const transport = new SseTransport({ baseUrl: nva.url, token: 'nve2-token' });
    const client = new NveClient({ nveId: 'nve2', transport });
    const seen: string[] = [];
    const look = (): void => {
      const [vip, master] = [VIP, '10.0.0.1'].map((ip) => client.resolve(1, { ip }));
      seen.push(vip && master && 'mapping' in vip ? `${vip.mapping.tsId}:${vip.mapping.mac}` : 'nobody');
    };
    client.on('change', look);
    const completed = new Promise<void>((resolve) => void client.on('complete', ({ feed }) => feed.kind === 'vn' && resolve()));
    client.start();
    await completed;
    seen.length = 0;
    await takeOver('nve2').expect(200);
    await takeOver('operator', { to: 'master' }, 'backup').expect(200);
    await takeOver('nve2', { mac: macOf(1) }).expect(200);
    await takeOver('operator', { to: 'master', forIp: undefined, mac: macOf(1) }, 'backup').expect(200);
    const { position } = nva.server.core.replica.network;
    await until(() => Number(client.applied()[0]?.position ?? 0) >= position);
    await client.close();
    await transport.close();
    expect(seen).not.toContain('nobody');
    expect(new Set(seen).size).toBeGreaterThan(2);
    expect(seen.at(-1)).toBe(`master:${macOf(1)}`);
  });
});
