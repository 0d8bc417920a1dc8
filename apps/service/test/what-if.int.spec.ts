import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, postLines, startNva, tsBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
  for (const [n, nve] of [
    [1, 1],
    [2, 2],
    [3, 2],
  ] as const)
    await nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);
  await nva.http
    .put('/v1/nves/nve3')
    .send(nveBody(3, { leaseS: 3_600 }))
    .expect(200);
});
afterAll(() => nva.stop());

interface Told {
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly feeds: readonly {
    readonly feed: string;
    readonly changes: readonly { readonly key: string; readonly before: object | null; readonly after: object | null }[];
  }[];
  readonly at: { readonly position: string };
  readonly sentences: readonly string[];
}
const ask = async (steps: readonly object[], fields: object = {}): Promise<Told> =>
  (
    await nva.http
      .post('/v1/what-if')
      .send({ steps, ...fields })
      .expect(200)
  ).body;

const attachLine = (n: number, nve: number, fields: object = {}): object => ({
  command: 'attach',
  nveId: `nve${nve}`,
  tsId: `ts${n}`,
  ...tsBody(n),
  ...fields,
});

describe('POST /v1/what-if', () => {
  it('foretells what the same lines are then answered with, and what becomes of the tables; and records nothing (X15)', async () => {
    const lines = [
      attachLine(1, 2),
      attachLine(4, 3, { state: 'associated' }),
      attachLine(5, 1, { bindings: [{ vnid: 1, ip: '10.0.0.2' }] }),
      { command: 'passAddress', tsId: 'ts2', to: 'ts3', vnid: 1, ip: '10.0.0.2', bid: 7 },
      { command: 'evacuateNve', nveId: 'nve2', limit: 1 },
      { command: 'deleteVn', vnid: 2 },
      { command: 'deleteVn', vnid: 2 },
      { command: 'disconnectNve', nveId: 'nve2' },
    ];
    const head = await nva.head();
    const told = await ask(lines);
    expect(await nva.head()).toBe(head);
    expect(told.at.position).toBe(String(head));
    expect((await nva.http.get('/v1/tenant-systems/ts4').expect(404)).body).toMatchObject({ code: 'ts-unknown' });
    const answers = await postLines(nva.url, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const same = ['status', 'code', 'detail', 'effective', 'conflicts', 'memberships', 'done', 'remaining'];
    const comparable = (one: Readonly<Record<string, unknown>>): object =>
      Object.fromEntries(same.flatMap((name) => (one[name] === undefined ? [] : [[name, one[name]]])));
    expect(told.steps.map(comparable)).toEqual(answers.map(comparable));
    const changed = async (vnid: number): Promise<readonly object[]> =>
      (await nva.http.get(`/v1/diff?vnid=${vnid}&from=${head}`).expect(200)).body.items.map(
        ({ key, before, after }: { key: string; before: object | null; after: object | null }) => ({
          key,
          before: before && { ...before, position: undefined },
          after: after && { ...after, position: undefined },
        }),
      );
    for (const vnid of [1, 2])
      expect(
        told.feeds.find(({ feed }) => feed === `vn/${vnid}`)!.changes.map(({ key, before, after }) => ({ key, before, after })),
        `VN ${vnid}`,
      ).toEqual(await changed(vnid));
  });

  it('supposes it of an instant of the past (X10, X15)', async () => {
    const then = await nva.head();
    await nva.http.put('/v1/nves/nve1/tenant-systems/ts9').send(tsBody(9)).expect(200);
    const now = await ask([{ command: 'detach', nveId: 'nve1', tsId: 'ts9' }]);
    const before = await ask([{ command: 'detach', nveId: 'nve1', tsId: 'ts9' }], { at: String(then) });
    expect([now.steps[0]!['status'], before.steps[0]!['code'], before.at.position]).toEqual([200, 'ts-unknown', String(then)]);
  });

  it('says what burns with a site, as sentences (X15)', async () => {
    await nva.http.put('/v1/nves/nve3/tenant-systems/ts20').send(tsBody(20)).expect(200);
    await nva.http.put('/v1/nves/nve1/tenant-systems/ts21').send(tsBody(21)).expect(200);
    const { steps, sentences } = await ask([
      { scenario: 'site-fails', siteId: 'site-3' },
      { scenario: 'distributor-stops', shards: '0-63' },
      { scenario: 'vn-deleted', vnid: 9 },
    ]);
    expect(steps).toMatchObject([
      { step: 1, scenario: 'site-fails', status: 200, events: [{ type: 'NveLeaseLapsed', stream: 'nve-nve3' }] },
      { step: 2, scenario: 'distributor-stops', recorded: false, note: expect.stringContaining('nothing of 2 VNs would be published') },
      { step: 3, scenario: 'vn-deleted', done: 0, remaining: 0 },
    ]);
    expect(sentences).toContainEqual(
      expect.stringMatching(/^\d+ pairs? of tenant systems would no longer reach each other, such as ts20 and/),
    );
  });

  const detach = { command: 'detach', nveId: 'nve1', tsId: 'ts1' };
  it.each([
    ['nothing', undefined, 400, 'wrong-type', ''],
    ['a list', [], 400, 'wrong-type', ''],
    ['no steps', {}, 400, 'missing-field', 'steps'],
    ['an empty list of steps', { steps: [] }, 400, 'out-of-range', 'steps'],
    ['a million steps', { steps: Array.from({ length: 1_000_000 }, () => 0) }, 413, 'body-too-large', ''],
    ['too many steps', { steps: Array.from({ length: 1_001 }, () => detach) }, 400, 'out-of-range', 'steps'],
    ['a step of neither kind', { steps: [detach, { what: 1 }] }, 400, 'missing-field', 'steps[1].command'],
    ['an unknown command', { steps: [{ command: 'explode' }] }, 400, 'unknown-command', 'steps[0].command'],
    ['an unknown scenario', { steps: [{ scenario: 'rain' }] }, 400, 'out-of-range', 'steps[0].scenario'],
    ['a scenario without its field', { steps: [{ scenario: 'nve-fails' }] }, 400, 'missing-field', 'steps[0].nveId'],
    ['a field too many', { steps: [{ scenario: 'nve-fails', nveId: 'nve1', vnid: 1 }] }, 400, 'unknown-field', 'steps[0].vnid'],
    ['shards that are not', { steps: [{ scenario: 'distributor-stops', shards: '0-64' }] }, 400, 'out-of-range', 'steps[0].shards'],
    ['shards as a number', { steps: [{ scenario: 'distributor-stops', shards: 3 }] }, 400, 'wrong-type', 'steps[0].shards'],
    ['a wrong MAC', { steps: [{ command: 'changeMac', tsId: 'ts1', mac: 'x' }] }, 400, 'mac-malformed', 'steps[0].mac'],
    ['a key', { steps: [{ ...detach, idempotencyKey: 'k' }] }, 400, 'unknown-field', 'steps[0].idempotencyKey'],
    ['another field', { steps: [detach], dryRun: true }, 400, 'unknown-field', 'dryRun'],
    ['a limit of 0', { steps: [detach], limit: 0 }, 400, 'out-of-range', 'limit'],
    ['an instant before the log', { steps: [detach], at: '0' }, 422, 'nothing-then', 'at'],
    ['an instant that is none', { steps: [detach], at: 'soon' }, 400, 'wrong-type', 'at'],
  ])('refuses %s', async (_, body, status, code, field) => {
    const head = await nva.head();
    const response = await nva.http
      .post('/v1/what-if')
      .set('content-type', 'application/json')
      .send(body === undefined ? '' : JSON.stringify(body));
    expect([response.status, response.body.code, response.body.field]).toEqual([status, code, field]);
    expect(await nva.head()).toBe(head);
  });

  it('is refused where there is no history', async () => {
    const without = await startNva({ env: { HISTORY: 'false' } });
    try {
      expect(
        (
          await without.http
            .post('/v1/what-if')
            .send({ steps: [detach] })
            .expect(404)
        ).body,
      ).toMatchObject({ code: 'not-found' });
    } finally {
      await without.stop();
    }
  });

  it('of an address that is taken tells who holds it', async () => {
    const { steps } = await ask([attachLine(30, 1, { mac: macOf(21), bindings: [{ vnid: 1, ip: '10.0.0.30' }] })]);
    expect(steps[0]).toMatchObject({ status: 409, code: 'duplicate-mac', recorded: false, events: [] });
  });
});
