import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommandCodec, createEventCodec, createRecordCodec } from '@nva/codec';
import { MAX_LIMIT } from '../src/reads/paging.ts';
import { macOf, populate, startNva, tsBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterEach(() => nva.stop());

const attach = (n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields)).expect(200);
const get = async (path: string) => (await nva.http.get(path).expect(200)).body;
const member = (n: number) => ({ nveId: `nve${n}`, mac: `02:00:00:00:ff:0${n}`, addresses: [`198.51.100.${n}`], reachable: true });
const mapping = (n: number, nve: number, position: number) => ({
  tsId: `ts${n}`,
  bid: null,
  mac: macOf(n),
  ip: `10.0.0.${n}`,
  vlan: null,
  attachments: [{ nveId: `nve${nve}`, state: 'activated' }],
  mobility: 0,
  via: null,
  position: String(position),
});

describe('state', () => {
  it('of a VN (R37, R50)', async () => {
    await attach(1, 1);
    expect(await get('/v1/vns/1')).toEqual({
      vnid: 1,
      tenantId: 'red',
      name: 'VN1',
      service: 'l3',
      encapsulation: 'vxlan',
      context: { access: {}, tunnel: {} },
      incarnation: '1',
      members: 1,
      tenantSystems: 1,
      digest: expect.stringMatching(/^[0-9a-f]{16}$/),
      digestPosition: String(await nva.head()),
      revision: 0,
      position: '1',
    });
    expect((await get('/v1/vns')).items.map(({ vnid }: { vnid: number }) => vnid)).toEqual([1, 2, 9]);
  });

  it('of the members of a VN (R38)', async () => {
    await attach(1, 1);
    await attach(2, 2);
    await attach(3, 2);
    expect(await get('/v1/vns/1/members')).toEqual({
      items: [
        { ...member(1), tenantSystems: 1, since: '7', position: '7' },
        { ...member(2), tenantSystems: 2, since: '8', position: '8' },
      ],
    });
  });

  it('of the mappings of a VN has the fields of the Avro record; the logical interface is not among them (R11)', async () => {
    await attach(1, 1, { logicalInterface: 'vlan-7' });
    expect(await get('/v1/vns/1/mappings')).toEqual({ items: [mapping(1, 1, 7)] });
    expect(await get('/v1/tenant-systems/ts1')).toMatchObject({
      attachments: [{ nveId: 'nve1', logicalInterface: 'vlan-7', state: 'activated' }],
    });
  });

  it('of an NVE, and every mapping that it should hold, VN by VN (R7)', async () => {
    await attach(1, 1);
    await attach(2, 2);
    await attach(3, 2, { bindings: [{ vnid: 2, vlan: 30 }] });
    expect(await get('/v1/nves/nve2')).toEqual({
      ...member(2),
      siteId: 'site-2',
      incarnation: 1,
      leaseS: null,
      status: 'reachable',
      tenantSystems: 2,
      identityAlarm: false,
      memberships: [
        { vnid: 1, since: '8', applied: null },
        { vnid: 2, since: '9', applied: null },
      ],
      revision: 0,
      position: '5',
    });
    expect(await get('/v1/nves/nve2/table')).toEqual({
      items: [
        { vnid: 1, ...mapping(1, 1, 7) },
        { vnid: 1, ...mapping(2, 2, 8) },
        { vnid: 2, ...mapping(3, 2, 9), ip: null, vlan: 30 },
      ],
    });
    expect((await get('/v1/nves')).items.map(({ nveId }: { nveId: string }) => nveId)).toEqual(['nve1', 'nve2', 'nve3']);
  });

  it('of a tenant system: where it is, its bindings, how it stands', async () => {
    await attach(1, 1);
    await attach(1, 2);
    expect(await get('/v1/tenant-systems/ts1')).toEqual({
      tsId: 'ts1',
      tenantId: 'red',
      vmId: 'vm-1',
      mac: macOf(1),
      attachments: [{ nveId: 'nve2', logicalInterface: null, state: 'activated' }],
      bindings: [{ bid: null, vnid: 1, vlan: null, ip: '10.0.0.1', lifetimeS: null }],
      failures: [],
      mobility: 1,
      effective: true,
      conflicts: [],
      orphaned: [],
      memberships: [1],
      moveAlarm: false,
      revision: 1,
      position: '8',
    });
  });
});

describe('resolve', () => {
  it('answers directly, by IP or MAC in any spelling (R40)', async () => {
    await attach(1, 1);
    await attach(2, 2);
    const direct = { mode: 'direct', mappings: [mapping(2, 2, 8)], members: [member(2)] };
    expect(await get('/v1/resolve?vnid=1&ip=10.0.0.2')).toEqual(direct);
    expect(await get(`/v1/resolve?vnid=1&mac=${macOf(2).toUpperCase().replaceAll(':', '-')}&mode=direct`)).toEqual(direct);
  });

  it('redirects to the NVEs of the VN (R39)', async () => {
    await attach(1, 1);
    await attach(2, 2);
    const answer = await get('/v1/resolve?vnid=1&ip=10.0.0.2&mode=redirect');
    expect(answer).toMatchObject({ mode: 'redirect', members: [member(1), member(2)] });
    expect(answer).not.toHaveProperty('mappings');
  });

  it.each([
    ['vnid=1&ip=10.0.0.99', 404, { code: 'not-found', field: 'ip', received: '10.0.0.99' }],
    ['vnid=1', 400, { code: 'missing-field', field: 'ip' }],
    ['ip=10.0.0.1', 400, { code: 'missing-field', field: 'vnid' }],
    ['vnid=1&ip=10.0.0.1&mac=02:00:00:00:00:01', 400, { code: 'missing-field', field: 'ip' }],
    ['vnid=1&ip=10.0.0.1&mode=guess', 400, { code: 'out-of-range', field: 'mode', received: 'guess' }],
    ['vnid=77&ip=10.0.0.1', 404, { code: 'vn-unknown', field: 'vnid', received: 77 }],
    ['vnid=1&ip=10.0.0.1&ip=10.0.0.2', 400, { code: 'wrong-type', field: 'ip', received: ['10.0.0.1', '10.0.0.2'] }],
  ])('refuses %s', async (query, status, problem) => {
    expect((await nva.http.get(`/v1/resolve?${query}`).expect(status)).body).toMatchObject(problem);
  });
});

describe('lists', () => {
  it('page with after, limit and next until all is told', async () => {
    for (let n = 1; n <= 5; n++) await attach(n, n % 2 === 0 ? 1 : 2);
    const seen: string[] = [];
    let after = '';
    for (let pages = 1; ; pages++) {
      const { items, next } = await get(`/v1/vns/1/mappings?limit=2${after}`);
      seen.push(...items.map(({ tsId }: { tsId: string }) => tsId));
      if (next === undefined) {
        expect(pages).toBe(3);
        break;
      }
      expect(items).toHaveLength(2);
      after = `&after=${encodeURIComponent(next)}`;
    }
    expect(seen).toEqual(['ts1', 'ts2', 'ts3', 'ts4', 'ts5']);
  });

  it.each(['/v1/vns', '/v1/vns/1/members', '/v1/vns/1/mappings', '/v1/nves', '/v1/nves/nve1/table', '/v1/events'])(
    '%s takes a limit from 1 to the greatest one, and no field that it does not have',
    async (path) => {
      await nva.http.get(`${path}?limit=${MAX_LIMIT}`).expect(200);
      for (const limit of [0, MAX_LIMIT + 1])
        expect((await nva.http.get(`${path}?limit=${limit}`).expect(400)).body).toMatchObject({
          code: 'out-of-range',
          field: 'limit',
          received: String(limit),
        });
      expect((await nva.http.get(`${path}?limit=x`).expect(400)).body).toMatchObject({ code: 'wrong-type', field: 'limit', received: 'x' });
      expect((await nva.http.get(`${path}?after=1&after=2`).expect(400)).body).toMatchObject({ code: 'wrong-type', field: 'after' });
      expect((await nva.http.get(`${path}?as=5`).expect(400)).body).toMatchObject({ code: 'unknown-field', field: 'as', received: '5' });
    },
  );
});

describe('the audit log', () => {
  it('tells every event with who, when and why; of one stream with entity', async () => {
    await nva.http
      .put('/v1/nves/nve1/tenant-systems/ts1')
      .set('x-correlation-id', 'ticket-7')
      .set('idempotency-key', 'once')
      .send(tsBody(1))
      .expect(200);
    const { items } = await get('/v1/events?entity=ts-ts1');
    expect(items).toEqual([
      {
        position: '7',
        stream: 'ts-ts1',
        revision: 0,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        type: 'TenantSystemAttached',
        recordedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        actor: 'operator:local',
        correlationId: 'ticket-7',
        idempotencyKey: 'once',
        data: expect.objectContaining({ tsId: 'ts1', vmId: 'vm-1', mac: macOf(1) }),
      },
    ]);
    expect((await get('/v1/events')).items.map(({ position }: { position: string }) => position)).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
    ]);
  });

  it('tells what happened last first, whose it was, by which request and when, of several streams', async () => {
    const attached = (n: number) =>
      nva.http.put(`/v1/nves/nve1/tenant-systems/ts${n}`).set('x-correlation-id', `ticket-${n}`).send(tsBody(n)).expect(200);
    for (const n of [1, 2, 3]) await attached(n);
    const positions = async (query: string) =>
      (await get(`/v1/events?${query}`)).items.map(({ position }: { position: string }) => Number(position));
    expect(await get('/v1/events?order=desc&limit=2')).toMatchObject({ items: [{ position: '9' }, { position: '8' }], next: '8' });
    expect(await get('/v1/events?before=8&limit=2')).toMatchObject({ items: [{ position: '7' }, { position: '6' }], next: '6' });
    expect(await get('/v1/events?before=3')).toEqual({
      items: [expect.objectContaining({ position: '2' }), expect.objectContaining({ position: '1' })],
    });
    expect(await positions('order=asc&before=3')).toEqual([1, 2]);
    expect(await positions('correlationId=ticket-2')).toEqual([8]);
    expect(await positions('type=VnCreated&type=TenantSystemAttached&after=2')).toEqual([3, 7, 8, 9]);
    expect(await positions('entity=ts-ts3&entity=ts-ts1&order=desc')).toEqual([9, 7]);
    expect(await positions('actor=operator:local')).toHaveLength(9);
    expect(await positions('actor=nve:nve1')).toEqual([]);
    const { recordedAt } = (await get('/v1/events?entity=ts-ts1')).items[0];
    expect(await positions(`to=${recordedAt}&limit=1000`)).not.toContain(7);
    expect(await positions(`from=${recordedAt}`)).toContain(7);
  });

  it('pages by position, and ends at the head', async () => {
    expect(await get('/v1/events?after=2&limit=3')).toMatchObject({
      items: [{ position: '3' }, { position: '4' }, { position: '5' }],
      next: '5',
    });
    const last = await get('/v1/events?after=5&limit=3');
    expect(last.items).toMatchObject([{ position: '6' }]);
    expect(last).not.toHaveProperty('next');
    for (const after of [6, 7, 999_999]) expect(await get(`/v1/events?after=${after}`)).toEqual({ items: [] });
    expect(await get('/v1/events?entity=vn-1&after=1')).toEqual({ items: [] });
    expect(await get('/v1/events?entity=ts-nobody')).toEqual({ items: [] });
  });

  it.each([
    ['entity=../x', { code: 'id-malformed', field: 'entity', received: '../x' }],
    ['after=-1', { code: 'position-malformed', field: 'after', received: '-1' }],
    ['after=99999999999999999', { code: 'position-malformed', field: 'after' }],
  ])('refuses %s', async (query, problem) => {
    expect((await nva.http.get(`/v1/events?${query}`).expect(400)).body).toMatchObject(problem);
  });
});

describe('schemas', () => {
  it('of every event and record stand under their fingerprints', async () => {
    const schemas = [...createEventCodec().schemas, ...createRecordCodec().schemas, ...createCommandCodec().schemas];
    expect(schemas.length).toBeGreaterThan(20);
    for (const { fingerprint, schema } of schemas) expect(await get(`/v1/schemas/${fingerprint}`)).toEqual(schema);
    expect((await nva.http.get('/v1/schemas/0000000000000000').expect(404)).body).toMatchObject({
      code: 'schema-unknown',
      field: 'fingerprint',
      received: '0000000000000000',
    });
  });
});

describe('what an NVE reports to have applied', () => {
  const verdicts = async () =>
    (await get('/v1/nves/nve1')).memberships.map(({ applied }: { applied: { verdict: string } | null }) => applied?.verdict ?? null);
  const heartbeat = (applied: object[]) => nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 1, applied }).expect(200);

  it('is the same, behind, differs, or unknown where no digest is held', async () => {
    await attach(1, 1);
    const { logId } = nva.server.core.store;
    const older = nva.server.core.replica.digests.current('vn/1');
    await heartbeat([{ vnid: 1, log: logId, position: String(older.position), digest: older.digest }]);
    expect(await verdicts()).toEqual(['same']);
    await attach(2, 1);
    const newer = nva.server.core.replica.digests.current('vn/1');
    const report = { vnid: 1, log: logId, position: String(older.position), digest: older.digest };
    for (const [reported, verdict] of [
      [report, 'behind'],
      [{ ...report, position: String(newer.position), digest: newer.digest }, 'same'],
      [{ ...report, digest: '0123456789abcdef' }, 'differs'],
      [{ ...report, log: randomUUID() }, 'unknown'],
      [{ ...report, position: '1000', digest: newer.digest }, 'unknown'],
      // After a read from the start it may have more than it can tell: the newest event may be a removal.
      [{ ...report, digest: newer.digest }, 'same'],
      [{ ...report, position: '0' }, 'behind'],
      [{ ...report, position: String(newer.position) }, 'differs'],
      [{ ...report, position: '0', digest: '0123456789abcdef' }, 'unknown'],
    ] as const) {
      await heartbeat([reported]);
      expect(await verdicts(), JSON.stringify(reported)).toEqual([verdict]);
    }
    expect((await get('/v1/nves/nve1')).memberships[0].applied).toEqual({
      log: logId,
      position: '0',
      digest: '0123456789abcdef',
      verdict: 'unknown',
    });
    await heartbeat([]);
    expect(await verdicts()).toEqual([null]);
  });

  it('is not taken from a heartbeat that is refused', async () => {
    await attach(1, 1);
    const { logId: log } = nva.server.core.store;
    const { position, digest } = nva.server.core.replica.digests.current('vn/1');
    const applied = [{ vnid: 1, log, position: String(position), digest }];
    expect((await nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 2, applied }).expect(409)).body).toMatchObject({
      code: 'nve-incarnation',
      field: 'incarnation',
      received: 2,
      expected: 1,
    });
    expect(await verdicts()).toEqual([null]);
  });
});
