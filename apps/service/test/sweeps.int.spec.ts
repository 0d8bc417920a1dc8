import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attachLine, line, nveBody, populate, postLines, startNva, temporaryDirectory, tsBody, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
/** More than a caller has in one turn, so that a sweep takes several. */
const SEVERAL_TURNS = 150;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let tokens: string;
let nva: NvaFixture;

beforeAll(async () => {
  directory = await temporaryDirectory();
  tokens = join(directory.path, '..', 'tokens.json');
  await writeFile(
    tokens,
    JSON.stringify({
      operators: [{ name: 'op', sha256: sha256('op') }],
      nves: [1, 2].map((n) => ({ nveId: `nve${n}`, tenants: ['red'], sha256: sha256(`nve${n}`) })),
    }),
  );
});

afterAll(() => directory.remove());

beforeEach(async () => {
  nva = await startNva({ env: { TOKENS_FILE: tokens, RATE_LIMIT_PER_S: '100000' } });
  await populate(nva.http, 'op');
});

afterEach(() => nva.stop());

function call(who: string, method: 'get' | 'put' | 'post' | 'delete', path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}`);
  return body === undefined ? request : request.send(body);
}

const at = async (nve: number): Promise<string[]> => {
  const names: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const { items, next } = (
      await call('op', 'get', `/v1/nves/nve${nve}/tenant-systems?limit=1000&after=${encodeURIComponent(after)}`).expect(200)
    ).body as { items: { tsId: string }[]; next?: string };
    names.push(...items.map(({ tsId }) => tsId));
    after = next;
  }
  return names;
};
const attachMany = async (count: number, nve: number, fields: object = {}): Promise<void> => {
  const lines = Array.from({ length: count }, (_, i) => attachLine(i + 1, nve, fields));
  for (const answer of await postLines(nva.url, lines.join(''), { authorization: 'Bearer op' }))
    expect(answer).toMatchObject({ status: 200 });
};
type Event = { readonly type: string; readonly actor: string; readonly correlationId: string; readonly stream: string };
const eventsAfter = async (position: number): Promise<Event[]> =>
  (await call('op', 'get', `/v1/events?after=${position}&limit=1000`).expect(200)).body.items;
const sortedIds = (count: number): string[] => Array.from({ length: count }, (_, i) => `ts${i + 1}`).toSorted();

describe('an operator evacuates an NVE', () => {
  it('in one command: one detach each, under one correlation id, and other homes stay', async () => {
    await attachMany(SEVERAL_TURNS, 1);
    await attachMany(3, 2, { placement: 'add' });
    const before = await nva.head();
    const { body } = await call('op', 'post', '/v1/nves/nve1/evacuate', {}).set('x-correlation-id', 'works-on-rack-7').expect(200);
    expect(body).toMatchObject({ done: SEVERAL_TURNS, remaining: 0 });
    expect(body).not.toHaveProperty('next');
    expect(body.items.map(({ tsId }: { tsId: string }) => tsId)).toEqual(sortedIds(SEVERAL_TURNS));
    const events = await eventsAfter(before);
    expect(events).toHaveLength(SEVERAL_TURNS);
    for (const event of events)
      expect(event).toMatchObject({ type: 'TenantSystemDetached', actor: 'operator:op', correlationId: 'works-on-rack-7' });
    expect(new Set(events.map(({ stream }) => stream)).size).toBe(SEVERAL_TURNS);
    expect(await at(1)).toEqual([]);
    expect(await at(2)).toEqual(sortedIds(3));
    await call('op', 'delete', '/v1/nves/nve1?forget=true').expect(200);
  });

  it('by a dry run first, page by page, which changes nothing', async () => {
    await attachMany(25, 1);
    const before = await nva.head();
    const met: string[] = [];
    for (let after: string | undefined; ;) {
      const { body } = await call('op', 'post', '/v1/nves/nve1/evacuate', {
        dryRun: true,
        limit: 10,
        ...(after !== undefined && { after }),
      }).expect(200);
      expect(body).toMatchObject({ done: 0, remaining: 25 });
      for (const item of body.items) expect(item).toEqual({ tsId: expect.any(String), tenantId: 'red', revision: 0 });
      met.push(...body.items.map(({ tsId }: { tsId: string }) => tsId));
      after = body.next;
      if (after === undefined) break;
    }
    expect(met).toEqual(sortedIds(25));
    expect(await nva.head()).toBe(before);
  });

  it('in bounded steps: a repeat goes on where it stood, and one that finds nothing changes nothing', async () => {
    await attachMany(25, 1);
    for (const [done, remaining] of [
      [10, 15],
      [10, 5],
      [5, 0],
      [0, 0],
    ]) {
      const { body } = await call('op', 'post', '/v1/nves/nve1/evacuate', { limit: 10 }).expect(200);
      expect(body).toMatchObject({ done, remaining });
      expect(body.next === undefined).toBe(remaining === 0);
    }
  });

  it('while a tenant system moves away: whatever comes first, each is in one place or none, and none is detached elsewhere', async () => {
    await attachMany(SEVERAL_TURNS, 1);
    const moves = Array.from({ length: SEVERAL_TURNS }, (_, i) => attachLine(SEVERAL_TURNS - i, 2)).join('');
    const [{ body }] = await Promise.all([
      call('op', 'post', '/v1/nves/nve1/evacuate', {}).expect(200),
      postLines(nva.url, moves, { authorization: 'Bearer op' }),
    ]);
    for (const item of body.items) expect(item).toMatchObject({ status: 200 });
    expect(await at(1)).toEqual([]);
    expect(await at(2)).toEqual(sortedIds(SEVERAL_TURNS));
  });

  it('under an Idempotency-Key that detaches no tenant system twice', async () => {
    await attachMany(2, 1);
    const evacuate = () => call('op', 'post', '/v1/nves/nve1/evacuate', {}).set('idempotency-key', 'once').expect(200);
    expect((await evacuate()).body).toMatchObject({ done: 2 });
    await postLines(nva.url, attachLine(1, 1), { authorization: 'Bearer op' });
    // It came late, a second time.
    expect((await evacuate()).body).toMatchObject({
      done: 0,
      remaining: 1,
      items: [{ tsId: 'ts1', status: 422, code: 'idempotency-key-reused' }],
    });
    expect(await at(1)).toEqual(['ts1']);
  });
});

describe('an operator empties a VN', () => {
  it('of every binding, one event for each tenant system; what is in other VNs and attachments stay, and the VN can be deleted', async () => {
    const put = (n: number, bindings: object[]) =>
      call('op', 'put', `/v1/nves/nve1/tenant-systems/ts${n}`, tsBody(n, { bindings })).expect(200);
    await put(1, [{ vnid: 1, ip: '10.0.0.1' }]);
    await put(2, [
      { bid: 1, vnid: 1, ip: '10.0.0.2' },
      { bid: 2, vnid: 1, ip: '10.0.0.3' },
      { bid: 3, vnid: 2, vlan: 7 },
    ]);
    await put(3, [{ vnid: 2, vlan: 9 }]);
    const before = await nva.head();
    expect((await call('op', 'post', '/v1/vns/1/empty', { dryRun: true }).expect(200)).body).toMatchObject({
      done: 0,
      remaining: 2,
      items: [
        { tsId: 'ts1', revision: 0 },
        { tsId: 'ts2', revision: 0 },
      ],
    });
    expect((await call('op', 'post', '/v1/vns/1/empty', {}).expect(200)).body).toMatchObject({ done: 2, remaining: 0 });
    expect((await eventsAfter(before)).map(({ type, stream }) => [type, stream])).toEqual([
      ['BindingsRegistered', 'ts-ts1'],
      ['BindingsRegistered', 'ts-ts2'],
    ]);
    expect((await call('op', 'get', '/v1/tenant-systems/ts2').expect(200)).body).toMatchObject({
      attachments: [{ nveId: 'nve1' }],
      bindings: [{ bid: 3, vnid: 2 }],
      memberships: [2],
    });
    expect(await at(1)).toEqual(['ts1', 'ts2', 'ts3']);
    await call('op', 'delete', '/v1/vns/1').expect(200);
    expect((await call('op', 'delete', '/v1/vns/2').expect(409)).body).toMatchObject({
      code: 'vn-in-use',
      inUseBy: { first: [{ tsId: 'ts2' }, { tsId: 'ts3' }] },
    });
  });
});

describe('an NVE says what is all that it has', () => {
  const keepOnly = (n: number, tsIds: readonly string[], fields: object = {}, who = `nve${n}`) =>
    call(who, 'put', `/v1/nves/nve${n}/tenant-systems`, {
      incarnation: 1,
      tenantSystems: tsIds.map((tsId) => ({ tsId, tenantId: 'red' })),
      ...fields,
    });

  it('and what is not among it is detached from it; what it names and does not have is not attached', async () => {
    await attachMany(SEVERAL_TURNS, 1);
    await attachMany(4, 2, { placement: 'add' });
    const before = await nva.head();
    const { body } = await keepOnly(1, ['ts2', 'ts7', 'never']).expect(200);
    expect(body).toMatchObject({ done: SEVERAL_TURNS - 2, remaining: 0 });
    expect(await at(1)).toEqual(['ts2', 'ts7']);
    expect(await at(2)).toEqual(sortedIds(4));
    const events = await eventsAfter(before);
    for (const event of events) expect(event).toMatchObject({ type: 'TenantSystemDetached', actor: 'nve:nve1' });
    expect((await keepOnly(1, ['ts2', 'ts7', 'never']).expect(200)).body).toEqual({ done: 0, remaining: 0, items: [] });
    expect(await nva.head()).toBe(before + events.length);
  });

  it.each([0, 2])('and it is refused from another incarnation (%i) than its present one, which changes nothing', async (incarnation) => {
    await attachMany(2, 1);
    const before = await nva.head();
    expect((await keepOnly(1, [], { incarnation }).expect(409)).body).toMatchObject({
      code: 'nve-incarnation',
      field: 'incarnation',
      received: incarnation,
      expected: 1,
    });
    await call('op', 'put', '/v1/nves/nve1', nveBody(1, { incarnation: 3 })).expect(200);
    expect((await keepOnly(1, [], { incarnation: 1 }).expect(409)).body).toMatchObject({ code: 'nve-incarnation', expected: 3 });
    expect(await nva.head()).toBe(before + 1);
    expect(await at(1)).toEqual(['ts1', 'ts2']);
  });

  it('of itself only, and of one tenant\u2019s tenant systems apart from another\u2019s of the same id', async () => {
    await call('op', 'put', '/v1/nves/nve1/tenant-systems/web', tsBody(1)).expect(200);
    await call('op', 'put', '/v1/nves/nve1/tenant-systems/web', tsBody(2, { tenantId: 'blue', bindings: [] })).expect(200);
    expect((await keepOnly(1, [], {}, 'nve2').expect(403)).body).toMatchObject({ code: 'forbidden', field: 'nveId' });
    expect(
      (await call('nve1', 'put', '/v1/nves/nve1/tenant-systems', { incarnation: 1, tenantSystems: [{ tsId: 'web' }] }).expect(200)).body,
    ).toMatchObject({ done: 0, remaining: 0 });
    expect((await keepOnly(1, ['web']).expect(200)).body).toMatchObject({
      done: 1,
      remaining: 0,
      items: [{ tsId: 'web', tenantId: 'blue', status: 200 }],
    });
    expect((await call('op', 'get', '/v1/tenant-systems/web').expect(200)).body).toMatchObject({
      tenantId: 'red',
      attachments: [{ nveId: 'nve1' }],
    });
  });

  it('in NDJSON, where it is of all lines before it and of none after it', async () => {
    const lines = [
      ...Array.from({ length: SEVERAL_TURNS }, (_, i) => attachLine(i + 1, 1)),
      line('keepOnly', { nveId: 'nve1', incarnation: 1, tenantSystems: [{ tsId: 'ts3' }] }),
      ...Array.from({ length: SEVERAL_TURNS }, (_, i) => attachLine(i + 1_001, 1)),
      line('keepOnly', { nveId: 'nve1', incarnation: 9, tenantSystems: [] }),
      line('evacuateNve', { nveId: 'nve1' }),
      line('keepOnly', { nveId: 'nve1', incarnation: 1 }),
    ];
    const answers = await postLines(nva.url, lines.join(''), { authorization: 'Bearer nve1' });
    expect(answers.map(({ status }) => status)).toEqual([...Array.from({ length: 2 * SEVERAL_TURNS + 1 }, () => 200), 409, 403, 400]);
    expect(answers[SEVERAL_TURNS]).toMatchObject({ done: SEVERAL_TURNS - 1, remaining: 0 });
    expect(await at(1)).toEqual(['ts3', ...Array.from({ length: SEVERAL_TURNS }, (_, i) => `ts${i + 1_001}`)].toSorted());
  });

  it('whatever it names of whatever is there: what it has after is what it named of what it had, and other NVEs keep theirs', async () => {
    const ids = ['ts1', 'ts2', 'ts3', 'ts4', 'ts5'];
    let detached = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(ids),
        fc.subarray(ids),
        fc.subarray([...ids, 'other']),
        fc.integer({ min: 1, max: 3 }),
        async (here, there, named, limit) => {
          const attach = (nve: number, names: readonly string[]): string =>
            names.map((tsId) => attachLine(Number(tsId.slice(2)), nve, { placement: 'add' })).join('');
          await postLines(
            nva.url,
            line('evacuateNve', { nveId: 'nve1' }) + line('evacuateNve', { nveId: 'nve2' }) + attach(1, here) + attach(2, there),
            { authorization: 'Bearer op' },
          );
          for (let next = 1; next > 0;) {
            const { body } = await keepOnly(1, named, { limit }).expect(200);
            detached += body.done;
            next = body.remaining;
          }
          expect(await at(1)).toEqual(here.filter((tsId) => named.includes(tsId)));
          expect(await at(2)).toEqual(there);
        },
      ),
      { numRuns: 40 },
    );
    expect(detached).toBeGreaterThan(20);
  }, 300_000);

  it.each([
    [{ incarnation: 1 }, 400, 'missing-field', 'tenantSystems'],
    [{ tenantSystems: [] }, 400, 'missing-field', 'incarnation'],
    [{ incarnation: 1, tenantSystems: [{}] }, 400, 'missing-field', 'tenantSystems[0].tsId'],
    [{ incarnation: 1, tenantSystems: [], ifRevision: 1 }, 400, 'unknown-field', 'ifRevision'],
    [{ incarnation: 1, tenantSystems: [], limit: 1_001 }, 400, 'out-of-range', 'limit'],
  ])('and %j is refused, and changes nothing', async (body, status, code, field) => {
    await attachMany(1, 1);
    expect((await call('nve1', 'put', '/v1/nves/nve1/tenant-systems', body).expect(status)).body).toMatchObject({ code, field });
    expect(await at(1)).toEqual(['ts1']);
  });
});
