import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
  await nva.http
    .put('/v1/vns/3')
    .send(vnBody({ name: 'VN3', service: 'l2' }))
    .expect(200);
  await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').send(tsBody(1)).expect(200);
  await nva.http.put('/v1/nves/nve2/tenant-systems/ts2').send(tsBody(2)).expect(200);
  const bindings = [
    { bid: 1, vnid: 1, ip: '10.0.0.31' },
    { bid: 2, vnid: 2, vlan: 32 },
  ];
  await nva.http.put('/v1/nves/nve3/tenant-systems/ts3').send(tsBody(3, { bindings })).expect(200);
});

afterAll(() => nva.stop());

type Method = 'get' | 'put' | 'post' | 'delete';
type Case = readonly [name: string, method: Method, path: string, body: object | string | undefined, status: number, problem: object];

const TS1 = '/v1/nves/nve1/tenant-systems/ts1';
const NEW_TS = '/v1/nves/nve1/tenant-systems/new';
const LONG_ID = 'a'.repeat(129);

async function refused([, method, path, body, status, problem]: Case): Promise<void> {
  const before = await nva.head();
  const call = nva.http[method](path);
  const response = await (body === undefined ? call : call.set('content-type', 'application/json').send(body));
  expect(response.body).toMatchObject(problem);
  expect(response.status).toBe(status);
  expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const { code } = problem as { code: string };
  expect(response.body).toMatchObject({
    type: `urn:nvo3:problem:${code}`,
    title: code.replaceAll('-', ' '),
    status,
    detail: expect.any(String),
    correlationId: response.headers['x-correlation-id'],
  });
  expect(await nva.head()).toBe(before);
}

describe('what is not well formed is refused and records nothing:', () => {
  it.each<Case>([
    ['malformed JSON', 'put', '/v1/vns/7', '{"tenantId": "red",', 400, { code: 'malformed-json', field: '' }],
    ['JSON that is no object', 'put', '/v1/vns/7', '[1]', 400, { code: 'wrong-type', field: '', received: [1] }],
    ['JSON nested 65 deep', 'put', '/v1/vns/7', '['.repeat(65) + ']'.repeat(65), 400, { code: 'too-deep', field: '' }],
    ['JSON nested 500,000 deep', 'put', '/v1/vns/7', '['.repeat(500_000) + ']'.repeat(500_000), 400, { code: 'too-deep', field: '' }],
    ['a __proto__', 'put', '/v1/vns/7', '{"__proto__": {"tenantId": "red"}}', 400, { code: 'unknown-field', field: '__proto__' }],
    [
      'a lone surrogate in a name',
      'put',
      '/v1/vns/7',
      '{"tenantId": "red", "name": "a\\ud800", "service": "l3", "encapsulation": "vxlan"}',
      400,
      { code: 'text-surrogate', field: 'name', received: 'a\ud800' },
    ],
    [
      'a line separator in a name',
      'put',
      '/v1/vns/7',
      vnBody({ name: 'a\u2028b' }),
      400,
      { code: 'text-control', field: 'name', received: 'a\u2028b' },
    ],
    ['a C1 control in a name', 'put', '/v1/vns/7', vnBody({ name: 'a\u0085b' }), 400, { code: 'text-control', field: 'name' }],
    ['a bidi control in a name', 'put', '/v1/vns/7', vnBody({ name: 'a\u202eb' }), 400, { code: 'text-bidi', field: 'name' }],
    ['an invisible character in a name', 'put', '/v1/vns/7', vnBody({ name: 'a\u200bb' }), 400, { code: 'text-invisible', field: 'name' }],
    [
      'a bidi control in a logical interface (R11)',
      'put',
      NEW_TS,
      tsBody(7, { logicalInterface: 'port\u2066 1' }),
      400,
      { code: 'text-bidi', field: 'logicalInterface' },
    ],
    [
      'a control character in a policy (R50)',
      'put',
      '/v1/vns/7',
      vnBody({ context: { access: { qos: 'gold\n' } } }),
      400,
      { code: 'text-control', field: 'context.access.qos' },
    ],
    [
      'a lone surrogate in the name of a policy (R50)',
      'put',
      '/v1/vns/7',
      vnBody({ context: { tunnel: { ['\udc00']: 'x' } } }),
      400,
      { code: 'text-surrogate', field: 'context.tunnel' },
    ],
    ['a lone surrogate in an id', 'put', NEW_TS, tsBody(7, { vmId: 'vm\ud800' }), 400, { code: 'id-malformed', field: 'vmId' }],
    ['an unknown field', 'put', '/v1/vns/7', vnBody({ color: 'blue' }), 400, { code: 'unknown-field', field: 'color', received: 'blue' }],
    [
      'an unknown field of a binding',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: 1, ip: '10.0.0.7', mac: macOf(7) }] }),
      400,
      { code: 'unknown-field', field: 'bindings[0].mac', received: macOf(7) },
    ],
    [
      'an unknown query field of a write',
      'put',
      '/v1/vns/7?force=true',
      vnBody(),
      400,
      { code: 'unknown-field', field: 'force', received: 'true' },
    ],
    [
      'an unknown query field of a DELETE',
      'delete',
      '/v1/nves/nve1?purge=true',
      undefined,
      400,
      { code: 'unknown-field', field: 'purge', received: true },
    ],
    [
      'a field that the path has too',
      'put',
      NEW_TS,
      tsBody(7, { tsId: 'other' }),
      400,
      { code: 'unknown-field', field: 'tsId', received: 'other' },
    ],
    [
      'a missing field',
      'put',
      '/v1/vns/7',
      { tenantId: 'red', name: 'x', service: 'l3' },
      400,
      { code: 'missing-field', field: 'encapsulation' },
    ],
    ['no body at all', 'put', '/v1/vns/7', undefined, 400, { code: 'missing-field', field: 'tenantId' }],
    ['a wrong type', 'put', '/v1/vns/7', vnBody({ name: 5 }), 400, { code: 'wrong-type', field: 'name', received: 5 }],
    [
      'a wrong type of a binding',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: '1', ip: '10.0.0.7' }] }),
      400,
      { code: 'wrong-type', field: 'bindings[0].vnid', received: '1' },
    ],
    [
      'no such choice',
      'put',
      '/v1/vns/7',
      vnBody({ encapsulation: 'geneve' }),
      400,
      { code: 'out-of-range', field: 'encapsulation', received: 'geneve' },
    ],
    ['VNID 0', 'put', '/v1/vns/0', vnBody(), 400, { code: 'vnid-out-of-range', field: 'vnid', received: 0 }],
    ['a VNID of 25 bits', 'put', '/v1/vns/16777216', vnBody(), 400, { code: 'vnid-out-of-range', field: 'vnid', received: 16_777_216 }],
    ['a VNID that is no number', 'put', '/v1/vns/one', vnBody(), 400, { code: 'wrong-type', field: 'vnid', received: 'one' }],
    [
      'BID 65536 (R18)',
      'put',
      '/v1/tenant-systems/ts1/bindings/65536',
      { vnid: 1, ip: '10.0.0.9' },
      400,
      { code: 'bid-out-of-range', field: 'bid', received: 65_536, row: 'R18' },
    ],
    [
      'VLAN 4095',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: 2, vlan: 4_095 }] }),
      400,
      { code: 'vlan-out-of-range', field: 'bindings[0].vlan', received: 4_095 },
    ],
    [
      'too long an id',
      'put',
      `/v1/nves/nve1/tenant-systems/${LONG_ID}`,
      tsBody(7),
      400,
      { code: 'id-malformed', field: 'tsId', received: LONG_ID },
    ],
    [
      'an id with a slash',
      'put',
      '/v1/nves/nve1/tenant-systems/a%2Fb',
      tsBody(7),
      400,
      { code: 'id-malformed', field: 'tsId', received: 'a/b' },
    ],
    ['a malformed MAC', 'put', NEW_TS, tsBody(7, { mac: '02:00' }), 400, { code: 'mac-malformed', field: 'mac', received: '02:00' }],
    [
      'a multicast MAC (R13)',
      'put',
      NEW_TS,
      tsBody(7, { mac: '01:00:5e:00:00:01' }),
      422,
      { code: 'mac-multicast', field: 'mac', received: '01:00:5e:00:00:01', row: 'R13' },
    ],
    ['the zero MAC (R13)', 'put', NEW_TS, tsBody(7, { mac: '00:00:00:00:00:00' }), 422, { code: 'mac-zero', field: 'mac', row: 'R13' }],
    [
      'a malformed IP',
      'put',
      '/v1/nves/nve7',
      nveBody(7, { addresses: ['10.0.0.256'] }),
      400,
      { code: 'ip-malformed', field: 'addresses[0]', received: '10.0.0.256' },
    ],
    [
      'the unspecified IP (R16)',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: 1, ip: '::' }] }),
      422,
      { code: 'ip-unspecified', field: 'bindings[0].ip', received: '::', row: 'R16' },
    ],
    [
      'a multicast IP (R16)',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: 1, ip: 'ff02::1' }] }),
      422,
      { code: 'ip-multicast', field: 'bindings[0].ip', row: 'R16' },
    ],
    [
      'a loopback IP (R16)',
      'put',
      NEW_TS,
      tsBody(7, { bindings: [{ vnid: 1, ip: '127.0.0.1' }] }),
      422,
      { code: 'ip-loopback', field: 'bindings[0].ip', row: 'R16' },
    ],
    [
      'a lease of no length',
      'put',
      '/v1/nves/nve7',
      nveBody(7, { leaseS: 0 }),
      400,
      { code: 'out-of-range', field: 'leaseS', received: 0 },
    ],
    [
      'a position as a number',
      'post',
      '/v1/nves/nve1/heartbeat',
      { incarnation: 1, applied: [{ vnid: 1, log: '0'.repeat(36), position: 5, digest: '0'.repeat(16) }] },
      400,
      { code: 'position-malformed', field: 'applied[0].position', received: 5 },
    ],
    [
      'no bindings to register',
      'post',
      '/v1/tenant-systems/ts1/bindings',
      { bindings: [] },
      400,
      { code: 'out-of-range', field: 'bindings', received: 0 },
    ],
    [
      'a forget that is no boolean',
      'delete',
      '/v1/nves/nve1?forget=1',
      undefined,
      400,
      { code: 'wrong-type', field: 'forget', received: 1 },
    ],
    [
      'an ifRevision that is no integer',
      'put',
      TS1,
      tsBody(1, { ifRevision: 1.5 }),
      400,
      { code: 'wrong-type', field: 'ifRevision', received: 1.5 },
    ],
  ])('%s', async (...given) => refused(given));

  it('an oversize body', async () => {
    await refused([
      '',
      'put',
      '/v1/vns/7',
      JSON.stringify(vnBody({ name: 'x'.repeat(1_100_000) })),
      413,
      { code: 'body-too-large', field: '' },
    ]);
  });

  it('a value too long to repeat is cut where it is received', async () => {
    const { body } = await nva.http
      .put('/v1/vns/7')
      .send(vnBody({ name: 'x'.repeat(10_000) }))
      .expect(400);
    expect(body).toMatchObject({ code: 'id-malformed', field: 'name' });
    expect(body.received.length).toBeLessThan(300);
  });

  it('a body that is not UTF-8', async () => {
    const before = await nva.head();
    const body = Buffer.from(JSON.stringify(vnBody({ name: '\u00ff' })), 'latin1');
    const response = await fetch(`${nva.url}/v1/vns/7`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ code: 'text-encoding', field: '' })]);
    expect(await nva.head()).toBe(before);
  });

  it('a name of a field that is too long to repeat is cut', async () => {
    const { body } = await nva.http
      .put('/v1/vns/7')
      .send(vnBody({ ['f'.repeat(100_000)]: 1 }))
      .expect(400);
    expect(body.code).toBe('unknown-field');
    expect(JSON.stringify(body).length).toBeLessThan(2_000);
  });

  it('another content type', async () => {
    const before = await nva.head();
    for (const type of ['application/x-ndjson', 'application/xml']) {
      const { body } = await nva.http.put('/v1/vns/7').set('content-type', type).send(JSON.stringify(vnBody())).expect(400);
      expect(body).toMatchObject({ code: 'malformed-body', field: 'Content-Type' });
    }
    const { body } = await nva.http.post('/v1/commands').send({ command: 'deleteVn', vnid: 1 }).expect(400);
    expect(body).toMatchObject({ code: 'malformed-body', field: 'Content-Type', received: 'application/json' });
    expect(await nva.head()).toBe(before);
  });

  it.each([['X-Correlation-Id'], ['Idempotency-Key']])('a malformed %s', async (name) => {
    const before = await nva.head();
    for (const value of ['two words', 'x'.repeat(129)]) {
      const { body } = await nva.http.put('/v1/vns/7').set(name, value).send(vnBody()).expect(400);
      expect(body).toMatchObject({ code: 'out-of-range', field: name, received: value });
    }
    expect(await nva.head()).toBe(before);
  });

  it('a path that cannot be read', async () => {
    for (const path of ['/v1/vns/%ZZ', `/v1/tenant-systems/${'a'.repeat(300)}`]) {
      const response = await nva.http.get(path).expect(400);
      expect(response.headers['content-type']).toMatch('application/problem+json');
      expect(response.body).toMatchObject({ code: 'id-malformed', field: 'path' });
    }
  });
});

describe('what contradicts the state or a rule is refused and records nothing:', () => {
  const binding = (fields: object) => tsBody(7, { bindings: [fields] });

  it.each<Case>([
    [
      'attach to a VN of another tenant (R44)',
      'put',
      NEW_TS,
      binding({ vnid: 9, ip: '10.0.0.7' }),
      403,
      { code: 'vn-of-another-tenant', field: 'vnid', received: 9, row: 'R44' },
    ],
    [
      'attach to an unknown VN',
      'put',
      NEW_TS,
      binding({ vnid: 77, ip: '10.0.0.7' }),
      404,
      { code: 'vn-unknown', field: 'vnid', received: 77 },
    ],
    [
      'attach at an unknown NVE',
      'put',
      '/v1/nves/nowhere/tenant-systems/new',
      tsBody(7),
      404,
      { code: 'nve-unknown', field: 'nveId', received: 'nowhere' },
    ],
    [
      'a duplicate MAC in a VN (R13)',
      'put',
      NEW_TS,
      tsBody(7, { mac: macOf(2) }),
      409,
      { code: 'duplicate-mac', field: 'mac', received: macOf(2), actual: { vnid: 1, heldBy: 'ts2' }, row: 'R13' },
    ],
    [
      'a duplicate IP in a VN (R13)',
      'put',
      NEW_TS,
      binding({ vnid: 1, ip: '10.0.0.2' }),
      409,
      { code: 'duplicate-ip', field: 'ip', received: '10.0.0.2', actual: { vnid: 1, heldBy: 'ts2' }, row: 'R13' },
    ],
    [
      'a change to a MAC that is taken (R13)',
      'put',
      '/v1/tenant-systems/ts1/mac',
      { mac: macOf(2) },
      409,
      { code: 'duplicate-mac', field: 'mac', received: macOf(2), row: 'R13' },
    ],
    [
      'a second address without BIDs (R19)',
      'put',
      '/v1/tenant-systems/ts1/bindings/0',
      { vnid: 2, vlan: 7 },
      422,
      { code: 'bid-vn-mismatch', received: 2 },
    ],
    [
      'a second address with a BID, the first without (R19)',
      'put',
      '/v1/tenant-systems/ts1/bindings/5',
      { vnid: 1, ip: '10.0.0.9' },
      422,
      { code: 'bid-required', received: null, row: 'R19' },
    ],
    [
      'two addresses without BIDs at once (R19)',
      'put',
      NEW_TS,
      tsBody(7, {
        bindings: [
          { vnid: 1, ip: '10.0.0.7' },
          { vnid: 1, ip: '10.0.0.8' },
        ],
      }),
      422,
      { code: 'bid-required', field: 'bindings.bid', row: 'R19' },
    ],
    [
      'a BID taken back (R19)',
      'put',
      '/v1/nves/nve3/tenant-systems/ts3',
      tsBody(3, { bindings: [{ vnid: 1, ip: '10.0.0.31' }] }),
      422,
      { code: 'bid-taken-back', field: 'bindings[0].bid', expected: 1, row: 'R19' },
    ],
    ['an unknown BID without an address (R22)', 'put', '/v1/tenant-systems/ts3/bindings/9', {}, 422, { code: 'bid-unknown', row: 'R22' }],
    [
      'de-registering an unknown BID (R22)',
      'delete',
      '/v1/tenant-systems/ts3/bindings/9',
      undefined,
      422,
      { code: 'bid-unknown', field: 'bid', received: 9, row: 'R22' },
    ],
    [
      'the first registration of a BID without its address (R21)',
      'put',
      '/v1/tenant-systems/ts3/bindings/9',
      { vnid: 1 },
      422,
      { code: 'address-required', row: 'R21' },
    ],
    [
      'the same BID with another VN (R22)',
      'put',
      '/v1/tenant-systems/ts3/bindings/1',
      { vnid: 2, vlan: 5 },
      422,
      { code: 'bid-vn-mismatch', received: 2, expected: 1, row: 'R22' },
    ],
    [
      'de-registering a BID under another VN (R22)',
      'put',
      '/v1/tenant-systems/ts3/bindings/2',
      { vnid: 1, ip: '10.0.0.31', lifetimeS: 0 },
      422,
      { code: 'bid-vn-mismatch', field: 'vnid', received: 1, expected: 2, row: 'R22' },
    ],
    [
      'a lifetime of 0 for an unknown BID in an attach (R22)',
      'put',
      '/v1/nves/nve3/tenant-systems/ts3',
      tsBody(3, { bindings: [{ bid: 1 }, { bid: 2 }, { bid: 9, lifetimeS: 0 }] }),
      422,
      { code: 'bid-unknown', field: 'bindings[2].bid', received: 9, row: 'R22' },
    ],
    [
      'another BID for an address, in an attach (R18)',
      'put',
      '/v1/nves/nve3/tenant-systems/ts3',
      tsBody(3, { bindings: [{ bid: 9, vnid: 1, ip: '10.0.0.31' }] }),
      409,
      { code: 'address-registered', field: 'bindings[0].bid', received: 9, expected: 1, row: 'R18' },
    ],
    [
      'one BID twice in a request (R18)',
      'post',
      '/v1/tenant-systems/ts3/bindings',
      {
        bindings: [
          { bid: 7, vnid: 1, ip: '10.0.0.7' },
          { bid: 7, vnid: 1, ip: '10.0.0.8' },
        ],
      },
      422,
      { code: 'bid-duplicate', field: 'bindings[1]', row: 'R18' },
    ],
    [
      'an L3 binding without an IP (R16)',
      'put',
      NEW_TS,
      binding({ vnid: 1, vlan: 7 }),
      422,
      { code: 'ip-required', field: 'ip', row: 'R16' },
    ],
    [
      'one VLAN for two L2 VNs (R16)',
      'put',
      NEW_TS,
      tsBody(7, {
        bindings: [
          { bid: 1, vnid: 2, vlan: 7 },
          { bid: 2, vnid: 3, vlan: 7 },
        ],
      }),
      422,
      { code: 'vlan-of-another-vn', field: 'vlan', received: 7, actual: { vnid: 3, bid: 2 }, row: 'R16' },
    ],
    [
      'an L3 binding without an address, in an attach (R21)',
      'put',
      NEW_TS,
      binding({ vnid: 1 }),
      422,
      { code: 'address-required', field: 'ip', row: 'R21' },
    ],
    [
      'a detach by an NVE that the TS has left (R55)',
      'delete',
      '/v1/nves/nve2/tenant-systems/ts1',
      undefined,
      409,
      { code: 'ts-not-at-nve', field: 'nveId', received: 'nve2', actual: ['nve1'], row: 'R55' },
    ],
    [
      'a detach of an unknown TS',
      'delete',
      '/v1/nves/nve1/tenant-systems/nobody',
      undefined,
      404,
      { code: 'ts-unknown', field: 'tsId', received: 'nobody' },
    ],
    [
      'a TS of another VM (R1)',
      'put',
      TS1,
      tsBody(1, { vmId: 'vm-9' }),
      409,
      { code: 'ts-immutable', field: 'vmId', received: 'vm-9', expected: 'vm-1', row: 'R1' },
    ],
    [
      'another tenant for a VN',
      'put',
      '/v1/vns/1',
      vnBody({ tenantId: 'blue' }),
      409,
      { code: 'vn-immutable', field: 'tenantId', received: 'blue' },
    ],
    [
      'another service for a VN',
      'put',
      '/v1/vns/1',
      vnBody({ service: 'l2' }),
      409,
      { code: 'vn-immutable', field: 'service', received: 'l2', expected: 'l3' },
    ],
    ['deleting a VN in use', 'delete', '/v1/vns/1', undefined, 409, { code: 'vn-in-use', field: 'vnid', received: 1 }],
    ['deleting an unknown VN', 'delete', '/v1/vns/77', undefined, 404, { code: 'vn-unknown', field: 'vnid', received: 77 }],
    [
      'forgetting an NVE in use',
      'delete',
      '/v1/nves/nve1?forget=true',
      undefined,
      409,
      { code: 'nve-in-use', field: 'nveId', received: 'nve1', actual: 1 },
    ],
    [
      'a lower incarnation',
      'put',
      '/v1/nves/nve1',
      nveBody(1, { incarnation: 0 }),
      409,
      { code: 'nve-incarnation', field: 'incarnation', received: 0, expected: 1 },
    ],
    [
      'a heartbeat of an unknown NVE',
      'post',
      '/v1/nves/nowhere/heartbeat',
      { incarnation: 1 },
      404,
      { code: 'nve-unknown', field: 'nveId', received: 'nowhere' },
    ],
    [
      'a connection failure in a VN that it is not in (R56)',
      'post',
      '/v1/tenant-systems/ts1/connection-failure',
      { nveId: 'nve1', vnid: 2 },
      422,
      { code: 'vn-not-joined', field: 'vnid', received: 2, row: 'R56' },
    ],
    [
      'a command meant for an older state (X9)',
      'put',
      TS1,
      tsBody(1, { ifRevision: 4 }),
      409,
      { code: 'revision-mismatch', field: 'ifRevision', received: 4, expected: 4, actual: 0, row: 'X9' },
    ],
    ['reading an unknown VN', 'get', '/v1/vns/77/mappings', undefined, 404, { code: 'vn-unknown', field: 'vnid', received: 77 }],
    [
      'reading an unknown NVE',
      'get',
      '/v1/nves/nowhere/table',
      undefined,
      404,
      { code: 'nve-unknown', field: 'nveId', received: 'nowhere' },
    ],
    [
      'reading an unknown TS',
      'get',
      '/v1/tenant-systems/nobody',
      undefined,
      404,
      { code: 'ts-unknown', field: 'tsId', received: 'nobody' },
    ],
    [
      'conflicted that is neither true nor false',
      'get',
      '/v1/vns/1/mappings?conflicted=maybe',
      undefined,
      400,
      { code: 'wrong-type', field: 'conflicted', received: 'maybe' },
    ],
  ])('%s', async (...given) => refused(given));
});

describe('no body is no body:', () => {
  it.each([
    ['application/json', {}],
    ['application/json; charset=utf-8', {}],
    ['application/json, sent in chunks', { 'transfer-encoding': 'chunked' }],
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', { 'content-length': '0' }],
  ])('a DELETE with content-type %s and none is done (R22)', async (type, headers) => {
    await nva.http.put('/v1/vns/8').send(vnBody()).expect(200);
    const answer = await send('DELETE', '/v1/vns/8', { 'content-type': type.split(',')[0]!, ...headers });
    expect(answer).toEqual([200, expect.objectContaining({ effective: true })]);
  });

  it('a PUT that needs one is refused for what is missing', async () => {
    expect(await send('PUT', '/v1/vns/8', { 'content-type': 'application/json' })).toEqual([
      400,
      expect.objectContaining({ code: 'missing-field', field: 'tenantId' }),
    ]);
  });
});

/** A request as it is given, without a body. */
async function send(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<[number, unknown]> {
  const call = request(`${nva.url}${path}`, { method, headers });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return [response.statusCode!, await json(response)];
}
