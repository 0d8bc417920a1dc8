import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../libs/registrar/test/harness.ts';
import { SseReader } from './sse-reader.ts';
import { attachLine, nveBody, populate, postLines, startNva, tsBody, type NvaFixture } from './support.ts';

/** How often a running process looks at its clock. */
const STEP_MS = 100;
const LEASE_S = 5;

let clock: ManualClock;
let nva: NvaFixture;

beforeEach(async () => {
  clock = new ManualClock();
  nva = await startNva({ clock });
  await populate(nva.http);
});

afterEach(() => nva.stop());

/** Time passes in a process that runs: tick by tick. What lapsed is recorded when it resolves. */
async function pass(seconds: number): Promise<void> {
  for (let ms = 0; ms < seconds * 1_000; ms += STEP_MS) {
    clock.advance(STEP_MS);
    await nva.server.core.registrarRole!.deadlines.tick();
  }
}

const get = async (path: string) => (await nva.http.get(path).expect(200)).body;
const types = async (entity: string): Promise<string[]> =>
  (await get(`/v1/events?entity=${entity}`)).items.map(({ type }: { type: string }) => type);
const status = async () => (await get('/v1/nves/nve1')).status;
const attach = (fields: object = {}) => nva.http.put('/v1/nves/nve1/tenant-systems/ts1').send(tsBody(1, fields)).expect(200);
const connect = () =>
  nva.http
    .put('/v1/nves/nve1')
    .send(nveBody(1, { leaseS: LEASE_S }))
    .expect(200);
const heartbeat = () => nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 1 });

describe('a lease', () => {
  it('that is not renewed lapses in one event: a record of the member, its mappings stay; a heartbeat restores it', async () => {
    await connect();
    await attach();
    const feed = await SseReader.open(`${nva.url}/v1/vns/1/feed`);
    await feed.snapshot();
    await pass(LEASE_S + 3);
    expect(await status()).toBe('lapsed');
    expect(await feed.take(1)).toMatchObject([{ data: { key: 'member/nve1', value: { reachable: false } } }]);
    expect(await get('/v1/nves/nve1')).toMatchObject({ reachable: false, tenantSystems: 1 });
    expect((await get('/v1/vns/1/mappings')).items).toHaveLength(1);
    expect((await get('/v1/events?entity=nve-nve1')).items.at(-1)).toMatchObject({ actor: 'system:terms' });

    const before = await nva.head();
    expect((await heartbeat().expect(200)).body).toMatchObject({ position: String(before + 1) });
    expect(await feed.take(1)).toMatchObject([{ data: { key: 'member/nve1', value: { reachable: true } } }]);
    expect(await status()).toBe('reachable');
    feed.close();
  });

  it('that has lapsed keeps nobody from attaching there, over REST or in NDJSON: it is recorded, effective, and distributed with a member that is not reachable', async () => {
    await connect();
    await pass(LEASE_S + 3);
    expect(await status()).toBe('lapsed');
    expect((await attach()).body).toMatchObject({ effective: true, memberships: [1] });
    expect(await postLines(nva.url, attachLine(2, 1))).toMatchObject([{ status: 200, effective: true, memberships: [1] }]);
    expect((await get('/v1/vns/1/members')).items).toMatchObject([{ nveId: 'nve1', reachable: false, tenantSystems: 2 }]);
    expect((await get('/v1/vns/1/mappings')).items).toHaveLength(2);
    expect(await status()).toBe('lapsed');
    await nva.http.delete('/v1/nves/nve1').expect(200);
    expect((await nva.http.put('/v1/nves/nve1/tenant-systems/ts3').send(tsBody(3)).expect(409)).body).toMatchObject({
      code: 'nve-disconnected',
      field: 'nveId',
      received: 'nve1',
    });
    expect(await postLines(nva.url, attachLine(3, 1))).toMatchObject([
      { line: 1, status: 409, code: 'nve-disconnected', field: 'nveId', received: 'nve1' },
    ]);
  });

  it('that is renewed in time does not lapse, and renewing it records nothing', async () => {
    await connect();
    const before = await nva.head();
    for (let i = 0; i < 5; i++) {
      await pass(LEASE_S - 2);
      await heartbeat().expect(200);
    }
    expect(await status()).toBe('reachable');
    expect(await nva.head()).toBe(before);
  });

  it('is not renewed by a heartbeat of another incarnation', async () => {
    await connect();
    await pass(LEASE_S - 2);
    await nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 7 }).expect(409);
    await pass(4);
    expect(await status()).toBe('lapsed');
  });

  it('starts anew with the server, however long that was away (X6)', async () => {
    await connect();
    await pass(LEASE_S - 2);
    const before = await nva.head();
    clock.advance(3_600_000);
    await nva.restart();
    await pass(LEASE_S - 2);
    expect(await status()).toBe('reachable');
    expect(await nva.head()).toBe(before);
    await pass(LEASE_S);
    expect(await status()).toBe('lapsed');
  });

  it('starts anew after the process stood still (X6)', async () => {
    await connect();
    clock.advance(3_600_000);
    await nva.server.core.registrarRole!.deadlines.tick();
    await pass(LEASE_S - 2);
    expect(await status()).toBe('reachable');
  });

  it('has no say for an NVE without one', async () => {
    await pass(60);
    expect(await status()).toBe('reachable');
    expect(await types('nve-nve1')).toHaveLength(1);
  });
});

describe('a lifetime (R24a)', () => {
  it('takes its binding out of the VN unless it is renewed, by BID alone (R22)', async () => {
    await attach({
      bindings: [
        { bid: 1, vnid: 1, ip: '10.0.0.1', lifetimeS: LEASE_S },
        { bid: 2, vnid: 1, ip: '10.0.0.2', lifetimeS: LEASE_S },
      ],
    });
    const before = await nva.head();
    await pass(LEASE_S - 2);
    await nva.http.put('/v1/tenant-systems/ts1/bindings/2').expect(200);
    expect(await nva.head()).toBe(before);
    await pass(4);
    expect(await nva.head()).toBe(before + 1);
    expect((await get('/v1/vns/1/mappings')).items).toMatchObject([{ bid: 2, ip: '10.0.0.2' }]);
    await pass(LEASE_S + 3);
    expect((await get('/v1/vns/1/mappings')).items).toEqual([]);
    expect(await get('/v1/tenant-systems/ts1')).toMatchObject({ attachments: [{ nveId: 'nve1' }], bindings: [], memberships: [] });
    expect((await get('/v1/vns/1/members')).items).toEqual([]);
  });

  it('is renewed by attaching again, whether that says the lifetime or leaves it as it is', async () => {
    await attach({ bindings: [{ vnid: 1, ip: '10.0.0.1', lifetimeS: LEASE_S }] });
    for (const bindings of [
      [{ vnid: 1, ip: '10.0.0.1', lifetimeS: LEASE_S }],
      [{ vnid: 1, ip: '10.0.0.1' }],
      [{ vnid: 1, ip: '10.0.0.1' }],
    ]) {
      await pass(LEASE_S - 2);
      await attach({ bindings });
    }
    expect(await types('ts-ts1')).toHaveLength(1);
    expect((await get('/v1/vns/1/mappings')).items).toHaveLength(1);
    await pass(LEASE_S + 2);
    expect((await get('/v1/vns/1/mappings')).items).toEqual([]);
  });
});
