import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

/** Events that `populate` records. */
const POPULATED = 6;

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterEach(() => nva.stop());

/** What an effective write answers. `event` counts from the first one of the test. */
const answer = (event: number, revision: number, ...memberships: number[]): object => ({
  position: String(POPULATED + event),
  revision,
  effective: true,
  conflicts: [],
  memberships,
});

const attach = (n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields));

async function mappings(vnid: number): Promise<Record<string, unknown>[]> {
  return (await nva.http.get(`/v1/vns/${vnid}/mappings`).expect(200)).body.items;
}

async function members(vnid: number): Promise<string[]> {
  return (await nva.http.get(`/v1/vns/${vnid}/members`).expect(200)).body.items.map(({ nveId }: { nveId: string }) => nveId);
}

describe('the writes of a VN', () => {
  it('PUT creates, updates, and repeats without an event (R37)', async () => {
    const created = await nva.http
      .put('/v1/vns/7')
      .send(vnBody({ context: { access: { qos: 'gold' } } }))
      .expect(200);
    expect(created.body).toEqual(answer(1, 0));
    expect(created.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(
      (
        await nva.http
          .put('/v1/vns/7')
          .send(vnBody({ name: 'renamed', encapsulation: 'mpls-gre' }))
          .expect(200)
      ).body,
    ).toEqual(answer(2, 1));
    expect(
      (
        await nva.http
          .put('/v1/vns/7')
          .send(vnBody({ name: 'renamed', encapsulation: 'mpls-gre' }))
          .expect(200)
      ).body,
    ).toEqual(answer(2, 1));
    expect(await nva.head()).toBe(POPULATED + 2);
    expect((await nva.http.get('/v1/vns/7')).body).toMatchObject({
      name: 'renamed',
      encapsulation: 'mpls-gre',
      context: { access: { qos: 'gold' }, tunnel: {} },
    });
  });

  it('DELETE deletes an empty one; its VNID stays its tenant\u2019s', async () => {
    expect((await nva.http.delete('/v1/vns/2').expect(200)).body).toEqual(answer(1, 1));
    await nva.http.get('/v1/vns/2').expect(404);
    expect(
      (
        await nva.http
          .put('/v1/vns/2')
          .send(vnBody({ tenantId: 'blue' }))
          .expect(409)
      ).body,
    ).toMatchObject({ code: 'vnid-reserved', field: 'vnid', received: 2 });
    expect((await nva.http.put('/v1/vns/2').send(vnBody()).expect(200)).body).toEqual(answer(2, 2));
  });
});

describe('the writes of an NVE', () => {
  it('PUT connects, repeats without an event, and takes a higher incarnation', async () => {
    expect((await nva.http.put('/v1/nves/nve4').send(nveBody(4)).expect(200)).body).toEqual(answer(1, 0));
    expect((await nva.http.put('/v1/nves/nve4').send(nveBody(4)).expect(200)).body).toEqual(answer(1, 0));
    expect(
      (
        await nva.http
          .put('/v1/nves/nve4')
          .send(nveBody(4, { incarnation: 2, leaseS: 60 }))
          .expect(200)
      ).body,
    ).toEqual(answer(2, 1));
    expect((await nva.http.get('/v1/nves/nve4')).body).toMatchObject({ incarnation: 2, leaseS: 60, status: 'reachable' });
  });

  it('DELETE disconnects it, its attachments stay; forget=true removes it', async () => {
    await attach(1, 1).expect(200);
    expect((await nva.http.delete('/v1/nves/nve1').expect(200)).body).toEqual(answer(2, 1));
    expect((await nva.http.get('/v1/nves/nve1')).body).toMatchObject({ status: 'disconnected', reachable: false, tenantSystems: 1 });
    expect(await members(1)).toEqual(['nve1']);
    expect((await nva.http.delete('/v1/nves/nve2?forget=true').expect(200)).body).toEqual(answer(3, 1));
    expect((await nva.http.get('/v1/nves/nve2').expect(404)).body).toMatchObject({ code: 'nve-unknown', field: 'nveId', received: 'nve2' });
  });

  it('POST heartbeat renews without an event', async () => {
    const response = await nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 1, applied: [] }).expect(200);
    expect(response.body).toEqual({ position: '4', revision: 0, effective: true, conflicts: [], memberships: [] });
    expect(await nva.head()).toBe(POPULATED);
  });
});

describe('the writes of a tenant system', () => {
  it('PUT attaches (R45, R46), moves (R48, R55), adds (multihoming) and repeats without an event', async () => {
    expect((await attach(1, 1).expect(200)).body).toEqual(answer(1, 0, 1));
    expect((await attach(1, 1).expect(200)).body).toEqual(answer(1, 0, 1));
    expect((await attach(1, 2).expect(200)).body).toEqual(answer(2, 1, 1));
    expect(await members(1)).toEqual(['nve2']);
    expect((await attach(1, 3, { placement: 'add' }).expect(200)).body).toEqual(answer(3, 2, 1));
    expect(await members(1)).toEqual(['nve2', 'nve3']);
    expect(await mappings(1)).toMatchObject([{ tsId: 'ts1', attachments: [{ nveId: 'nve2' }, { nveId: 'nve3' }] }]);
  });

  it('PUT takes the two phases of an attachment (X5), and leaves bindings that are absent as they are', async () => {
    await attach(1, 1, { state: 'associated' }).expect(200);
    expect(await mappings(1)).toMatchObject([{ attachments: [{ nveId: 'nve1', state: 'associated' }] }]);
    const { bindings: _, ...without } = tsBody(1, { state: 'activated' }) as Record<string, unknown>;
    expect((await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').send(without).expect(200)).body).toEqual(answer(2, 1, 1));
    expect(await mappings(1)).toMatchObject([{ ip: '10.0.0.1', attachments: [{ nveId: 'nve1', state: 'activated' }] }]);
  });

  it('PUT without bindings attaches it in no VN; an empty set takes it out of all', async () => {
    expect((await attach(1, 1, { bindings: [] }).expect(200)).body).toEqual(answer(1, 0));
    expect((await attach(1, 1).expect(200)).body).toEqual(answer(2, 1, 1));
    expect((await attach(1, 1, { bindings: [] }).expect(200)).body).toEqual(answer(3, 2));
    expect((await nva.http.get('/v1/tenant-systems/ts1')).body.attachments).toHaveLength(1);
  });

  it('DELETE detaches at an NVE, and with the last one the NVE leaves the VN (R49)', async () => {
    await attach(1, 1).expect(200);
    await attach(1, 2, { placement: 'add' }).expect(200);
    expect((await nva.http.delete('/v1/nves/nve1/tenant-systems/ts1').expect(200)).body).toEqual(answer(3, 2, 1));
    expect((await nva.http.delete('/v1/nves/nve2/tenant-systems/ts1').expect(200)).body).toEqual(answer(4, 3));
    expect(await members(1)).toEqual([]);
    expect(await mappings(1)).toEqual([]);
  });

  it('DELETE by an operator detaches it everywhere', async () => {
    await attach(1, 1).expect(200);
    await attach(1, 2, { placement: 'add' }).expect(200);
    expect((await nva.http.delete('/v1/tenant-systems/ts1').expect(200)).body).toEqual(answer(3, 2));
    expect(await members(1)).toEqual([]);
  });

  it('POST bindings registers several, all or nothing, and gives the first its BID (R19, R20)', async () => {
    await attach(1, 1).expect(200);
    const lines = [
      { vnid: 1, ip: '10.0.0.1', bid: 1 },
      { vnid: 1, ip: '2001:DB8::0:1', bid: 2 },
      { vnid: 2, vlan: 20, bid: 3 },
    ];
    expect((await nva.http.post('/v1/tenant-systems/ts1/bindings').send({ bindings: lines }).expect(200)).body).toEqual(answer(2, 1, 1, 2));
    expect(await mappings(1)).toMatchObject([
      { bid: 1, ip: '10.0.0.1' },
      { bid: 2, ip: '2001:db8::1' },
    ]);
    expect(await mappings(2)).toMatchObject([{ bid: 3, vlan: 20, ip: null }]);
    await nva.http
      .post('/v1/tenant-systems/ts1/bindings')
      .send({ bindings: [{ bid: 2, ip: '10.0.0.9' }, { bid: 4 }] })
      .expect(422);
    expect(await mappings(1)).toMatchObject([{ bid: 1 }, { bid: 2, ip: '2001:db8::1' }]);
  });

  it('PUT and DELETE of one binding: register, renew by BID alone, change, de-register (R21, R22, R24a)', async () => {
    await attach(1, 1, { bindings: [] }).expect(200);
    const binding = '/v1/tenant-systems/ts1/bindings/5';
    expect((await nva.http.put(binding).send({ vnid: 1, ip: '10.0.0.1', lifetimeS: 600 }).expect(200)).body).toEqual(answer(2, 1, 1));
    expect((await nva.http.put(binding).expect(200)).body).toEqual(answer(2, 1, 1));
    expect((await nva.http.put(binding).send({ ip: '10.0.0.77' }).expect(200)).body).toEqual(answer(3, 2, 1));
    expect(await mappings(1)).toMatchObject([{ bid: 5, ip: '10.0.0.77' }]);
    expect((await nva.http.delete(binding).expect(200)).body).toEqual(answer(4, 3));
  });

  it('bindings/0 is the binding without a BID; lifetime 0 de-registers (R24a)', async () => {
    await attach(1, 1).expect(200);
    expect((await nva.http.put('/v1/tenant-systems/ts1/bindings/0').send({ lifetimeS: 600 }).expect(200)).body).toEqual(answer(2, 1, 1));
    expect(await mappings(1)).toMatchObject([{ bid: null, ip: '10.0.0.1' }]);
    expect((await nva.http.put('/v1/tenant-systems/ts1/bindings/0').send({ lifetimeS: 0 }).expect(200)).body).toEqual(answer(3, 2));
    expect((await nva.http.put('/v1/tenant-systems/ts1/bindings/0').send({ vnid: 1, ip: '10.0.0.1' }).expect(200)).body).toEqual(
      answer(4, 3, 1),
    );
    expect((await nva.http.delete('/v1/tenant-systems/ts1/bindings/0').expect(200)).body).toEqual(answer(5, 4));
  });

  it('PUT mac replaces every entry in one step (R14)', async () => {
    await attach(1, 1, {
      bindings: [
        { bid: 1, vnid: 1, ip: '10.0.0.1' },
        { bid: 2, vnid: 1, ip: '10.0.0.2' },
      ],
    }).expect(200);
    expect((await nva.http.put('/v1/tenant-systems/ts1/mac').send({ mac: '0200.0000.0099' }).expect(200)).body).toEqual(answer(2, 1, 1));
    expect(await mappings(1)).toMatchObject([
      { mac: '02:00:00:00:00:99', position: '8' },
      { mac: '02:00:00:00:00:99', position: '8' },
    ]);
  });

  it('POST connection-failure withdraws the mapping, attaching there again brings it back (R56)', async () => {
    await attach(1, 1).expect(200);
    expect((await nva.http.post('/v1/tenant-systems/ts1/connection-failure').send({ nveId: 'nve1', vnid: 1 }).expect(200)).body).toEqual(
      answer(2, 1, 1),
    );
    expect(await mappings(1)).toEqual([]);
    expect(await members(1)).toEqual(['nve1']);
    expect((await attach(1, 1).expect(200)).body).toEqual(answer(3, 2, 1));
    expect(await mappings(1)).toMatchObject([{ tsId: 'ts1', mac: macOf(1) }]);
  });
});

describe('an attach', () => {
  it('takes the least line of a known BID, {bid, vnid}, as POST and PUT of bindings do (R22)', async () => {
    await attach(1, 1, { bindings: [{ bid: 1, vnid: 1, ip: '10.0.0.1' }] }).expect(200);
    const before = await nva.head();
    await attach(1, 1, { bindings: [{ bid: 1, vnid: 1 }] }).expect(200);
    await nva.http
      .post('/v1/tenant-systems/ts1/bindings')
      .send({ bindings: [{ bid: 1, vnid: 1 }] })
      .expect(200);
    await nva.http.put('/v1/tenant-systems/ts1/bindings/1').send({ vnid: 1 }).expect(200);
    expect(await nva.head()).toBe(before);
  });

  it('at an NVE that has disconnected is refused as its heartbeat is', async () => {
    await nva.http.delete('/v1/nves/nve1').expect(200);
    expect((await attach(1, 1).expect(409)).body).toMatchObject({ code: 'nve-disconnected', field: 'nveId', received: 'nve1' });
    expect((await nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 1 }).expect(409)).body).toMatchObject({
      code: 'nve-disconnected',
    });
  });
});

describe('ifRevision (X9)', () => {
  it('lets a command through that is meant for the state as it is, -1 for one that is not there yet', async () => {
    expect((await attach(1, 1, { ifRevision: -1 }).expect(200)).body).toEqual(answer(1, 0, 1));
    expect((await attach(1, 2, { ifRevision: 0 }).expect(200)).body).toEqual(answer(2, 1, 1));
  });

  it('refuses a detach that was delayed, given in the query or in a body', async () => {
    await attach(1, 1).expect(200);
    await attach(1, 1, { state: 'associated' }).expect(200);
    const before = await nva.head();
    const path = '/v1/nves/nve1/tenant-systems/ts1';
    const expected = { code: 'revision-mismatch', field: 'ifRevision', received: 0, expected: 0, actual: 1, row: 'X9' };
    expect((await nva.http.delete(`${path}?ifRevision=0`).expect(409)).body).toMatchObject(expected);
    expect((await nva.http.delete(path).send({ ifRevision: 0 }).expect(409)).body).toMatchObject(expected);
    expect((await nva.http.delete(`${path}?ifRevision=1`).send({ ifRevision: 1 }).expect(400)).body).toMatchObject({
      code: 'unknown-field',
      field: 'ifRevision',
    });
    expect((await nva.http.delete(`${path}?ifRevision=-1`).expect(409)).body).toMatchObject({
      code: 'revision-mismatch',
      received: -1,
      expected: -1,
      actual: 1,
    });
    expect(await nva.head()).toBe(before);
    await nva.http.delete(`${path}?ifRevision=1`).expect(200);
  });

  it('is -1 in a query too, for what is not there', async () => {
    expect((await nva.http.delete('/v1/nves/nve1/tenant-systems/nobody?ifRevision=-1').expect(404)).body).toMatchObject({
      code: 'ts-unknown',
    });
    // What is no revision is refused as in a body.
    const inBody = (
      await nva.http
        .put('/v1/nves/nve1/tenant-systems/ts1')
        .send(tsBody(1, { ifRevision: -2 }))
        .expect(400)
    ).body;
    expect((await nva.http.delete('/v1/nves/nve1/tenant-systems/ts1?ifRevision=-2').expect(400)).body).toMatchObject({
      code: inBody.code,
      detail: inBody.detail,
      received: -2,
    });
  });
});
