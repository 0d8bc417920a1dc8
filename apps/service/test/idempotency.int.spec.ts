import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attachLine, populate, postLines, startNva, tsBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterEach(() => nva.stop());

const keyed = (key: string, n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).set('idempotency-key', key).send(tsBody(n, fields));

describe('an Idempotency-Key', () => {
  it('gives a repeat the original answer, whatever happened since', async () => {
    const { body } = await keyed('k1', 1, 1).expect(200);
    await nva.http.delete('/v1/nves/nve1/tenant-systems/ts1').expect(200);
    const before = await nva.head();
    expect((await keyed('k1', 1, 1).expect(200)).body).toEqual(body);
    expect(await nva.head()).toBe(before);
    expect((await nva.http.get('/v1/tenant-systems/ts1')).body.attachments).toEqual([]);
  });

  it('is the same request whatever the order of its fields, and is kept in the event', async () => {
    const { body } = await keyed('k1', 1, 1).expect(200);
    const reversed = Object.fromEntries(Object.entries(tsBody(1)).toReversed());
    const again = await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').set('idempotency-key', 'k1').send(reversed).expect(200);
    expect(again.body).toEqual(body);
    expect((await nva.http.get('/v1/events?entity=ts-ts1')).body.items).toMatchObject([{ idempotencyKey: 'k1' }]);
  });

  it('with another body or another path is refused', async () => {
    await keyed('k1', 1, 1).expect(200);
    const before = await nva.head();
    const expected = { code: 'idempotency-key-reused', field: 'Idempotency-Key', received: 'k1' };
    expect((await keyed('k1', 1, 1, { mac: '02:00:00:00:00:77' }).expect(422)).body).toMatchObject(expected);
    expect((await keyed('k1', 1, 2).expect(422)).body).toMatchObject(expected);
    expect((await nva.http.delete('/v1/tenant-systems/ts1').set('idempotency-key', 'k1').expect(422)).body).toMatchObject(expected);
    expect(await nva.head()).toBe(before);
  });

  it('survives a restart', async () => {
    const { body } = await keyed('k1', 1, 1).expect(200);
    await nva.http.delete('/v1/tenant-systems/ts1').expect(200);
    await nva.restart();
    const before = await nva.head();
    expect((await keyed('k1', 1, 1).expect(200)).body).toEqual(body);
    expect((await keyed('k1', 2, 1).expect(422)).body).toMatchObject({ code: 'idempotency-key-reused' });
    expect(await nva.head()).toBe(before);
  });

  it('sent twice at once is one event', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => keyed('k1', 1, 1).expect(200)));
    for (const { body } of answers) expect(body).toEqual(answers[0]!.body);
    expect(await nva.head()).toBe(7);
  });

  it('of a refused request is free: trying again decides again', async () => {
    expect((await keyed('k1', 1, 1, { bindings: [{ vnid: 77, ip: '10.0.0.1' }] }).expect(404)).body).toMatchObject({ code: 'vn-unknown' });
    await nva.http.put('/v1/vns/77').send({ tenantId: 'red', name: 'late', service: 'l3', encapsulation: 'vxlan' }).expect(200);
    await keyed('k1', 1, 1, { bindings: [{ vnid: 77, ip: '10.0.0.1' }] }).expect(200);
  });

  it('of a line in NDJSON does the same, after a restart too', async () => {
    const line = attachLine(1, 1, { idempotencyKey: 'k1' });
    const other = attachLine(2, 1, { idempotencyKey: 'k1' });
    const [first, again, reused] = await postLines(nva.url, line + line + other);
    expect(first).toMatchObject({ status: 200, position: '7' });
    expect(again).toEqual({ ...first, line: 2 });
    expect(reused).toMatchObject({ status: 422, code: 'idempotency-key-reused', received: 'k1' });
    await nva.http.delete('/v1/tenant-systems/ts1').expect(200);
    await nva.restart();
    expect(await postLines(nva.url, line + other)).toMatchObject([first, { status: 422 }]);
    expect(await nva.head()).toBe(8);
  });
});

describe('X-Correlation-Id', () => {
  it('lands in the event, and is echoed', async () => {
    const response = await nva.http
      .put('/v1/nves/nve1/tenant-systems/ts1')
      .set('x-correlation-id', 'ticket-42')
      .send(tsBody(1))
      .expect(200);
    expect(response.headers['x-correlation-id']).toBe('ticket-42');
    expect((await nva.http.get('/v1/events?entity=ts-ts1')).body.items).toMatchObject([{ correlationId: 'ticket-42' }]);
  });

  it('is echoed with a refusal, and made where there is none', async () => {
    const refused = await nva.http.delete('/v1/vns/77').set('x-correlation-id', 'ticket-43').expect(404);
    expect(refused.headers['x-correlation-id']).toBe('ticket-43');
    expect(refused.body.correlationId).toBe('ticket-43');
    const made = (await nva.http.get('/healthz').expect(200)).headers['x-correlation-id'];
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    expect((await nva.http.get('/healthz').expect(200)).headers['x-correlation-id']).not.toBe(made);
  });
});
