import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, startNva, tsBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

const recorded = async (call: PromiseLike<{ readonly status: number; readonly body: { readonly position?: string } }>): Promise<string> => {
  const { status, body } = await call;
  if (status >= 300) throw new Error(JSON.stringify(body));
  return body.position!;
};
const attach = (n: number, nve: number, fields: object = {}): Promise<string> =>
  recorded(nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields)));
const detach = (n: number, nve: number): Promise<string> => recorded(nva.http.delete(`/v1/nves/nve${nve}/tenant-systems/ts${n}`));

interface Item {
  readonly position: string;
  readonly recordedAt: string;
  readonly type: string;
  readonly actor: string;
  readonly what: string;
  readonly changes: readonly { readonly key: string; readonly value: object | null }[];
}

const pageOf = async (url: string): Promise<{ readonly items: readonly Item[]; readonly next?: string }> =>
  (await nva.http.get(url).expect(200)).body;

/** Positions of what the tests do. */
let [first, moved, macChanged, gone, then]: string[] = [];

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
  first = await attach(1, 1);
  await attach(2, 1, { bindings: [{ vnid: 1, ip: '10.0.0.2', bid: 5 }] });
  then = String(await nva.head());
  moved = await attach(1, 2);
  macChanged = await recorded(nva.http.put('/v1/tenant-systems/ts2/mac').send({ mac: macOf(0x22) }));
  await attach(3, 3);
  gone = await detach(3, 3);
  await attach(4, 3, { state: 'associated' });
});
afterAll(() => nva.stop());

/** Times are those of the test. */
const timeless = (told: readonly string[]): string[] => told.map((one) => one.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'));
async function sentences(query: string): Promise<readonly string[]> {
  return timeless((await nva.http.get(`/v1/explain?${query}`).expect(200)).body.sentences);
}

describe('GET /v1/explain', () => {
  it('tells who holds an address, how that came, and who has not proven to know it (X12)', async () => {
    expect(await sentences('vnid=1&ip=10.0.0.1')).toEqual([
      `10.0.0.1 in VN 1 is ts1 (02:00:00:00:00:01) at nve2, as it stands since <time> (position ${moved}).`,
      'operator:local created VN 1 («VN1») for tenant red at <time> (position 1); this made the VN.',
      'operator:local connected NVE nve2 at 198.51.100.2 at <time> (position 5); this is the last that happened to NVE nve2.',
      `operator:local attached ts1 (02:00:00:00:00:01) at nve1 with 10.0.0.1 in VN 1 at <time> (position ${first}); this brought the entry into the table, gave its MAC, gave its registration.`,
      `operator:local moved ts1 from nve1 to nve2 at <time> (position ${moved}); this put it at nve2.`,
      '0 of 3 NVEs of the VN have proven that they hold this.',
      'nve1 has not: it has reported nothing of this VN.',
      'nve2 has not: it has reported nothing of this VN.',
      'nve3 has not: it has reported nothing of this VN.',
    ]);
  });

  it.each([
    ['vnid=1&ip=10.0.0.1&nveId=nve2', '10.0.0.1 in VN 1 is ts1, which NVE nve2 has itself: it reaches it without a tunnel.'],
    [
      'vnid=1&ip=10.0.0.1&nveId=nve9',
      'NVE nve9 is not in VN 1, so it is not told of 10.0.0.1, which is ts1 at nve2: it has no tenant system there.',
    ],
    ['vnid=1&ip=10.0.0.99', 'Nobody has ever had 10.0.0.99 in VN 1.'],
    ['vnid=77&ip=10.0.0.1', 'There has never been a VN 77, so nobody has 10.0.0.1 in it.'],
    ['vnid=2&mac=02:00:00:00:00:01', 'Nobody has ever had 02:00:00:00:00:01 in VN 2.'],
  ])('answers %s (X12)', async (query, sentence) => {
    expect((await sentences(query))[0]).toBe(sentence);
  });

  it('tells who removed an entry (X12)', async () => {
    expect((await sentences('vnid=1&ip=10.0.0.3'))[0]).toBe(
      `Nobody has 10.0.0.3 in VN 1: the last one was ts3, until operator:local detached ts3 from nve3 at <time> (position ${gone}).`,
    );
  });

  it('tells what an address was at an instant, without a proof (X10, X12)', async () => {
    const { body } = await nva.http.get(`/v1/explain?vnid=1&ip=10.0.0.1&at=${then}`).expect(200);
    expect(body).toMatchObject({
      there: true,
      reason: 'distributed',
      at: { position: then },
      entries: [{ attachments: [{ nveId: 'nve1' }] }],
    });
    expect(body).not.toHaveProperty('proof');
  });

  it('tells that an attachment is only associated, and that an NVE is not reachable (X12, X5, X6)', async () => {
    expect(await sentences('vnid=1&ip=10.0.0.4')).toContain(
      'ts4 is only associated at nve3: it is in the tables, and nve3 does not forward for it yet (X5).',
    );
    await recorded(nva.http.delete('/v1/nves/nve3'));
    expect(await sentences('vnid=1&ip=10.0.0.4')).toContain(
      'NVE nve3 is not reachable; what is behind it stays in the tables and waits for its return (X6).',
    );
    await recorded(nva.http.put('/v1/nves/nve3').send(nveBody(3, { incarnation: 2 })));
  });

  it('tells which NVEs have proven it, by their digests (X12)', async () => {
    const { digest } = (await nva.http.get('/v1/vns/1').expect(200)).body;
    const applied = [{ vnid: 1, log: nva.server.core.store.logId, position: String(await nva.head()), digest }];
    await nva.http.post('/v1/nves/nve1/heartbeat').send({ incarnation: 1, applied }).expect(200);
    await nva.http
      .post('/v1/nves/nve2/heartbeat')
      .send({ incarnation: 1, applied: [{ ...applied[0], position: first, digest: '0000000000000001' }] })
      .expect(200);
    const { proof } = (await nva.http.get('/v1/explain?vnid=1&ip=10.0.0.1').expect(200)).body;
    expect(proof.proven).toEqual([{ nveId: 'nve1', position: applied[0]!.position, digest }]);
    expect(proof.unproven.map(({ nveId, why }: { nveId: string; why: string }) => [nveId, why])).toEqual([
      ['nve2', expect.stringMatching(/^it (?:holds another table|.*cannot be compared)$/)],
      ['nve3', 'it has reported nothing of this VN'],
    ]);
  });

  it.each([
    ['vnid=1', 'missing-field', 'ip'],
    ['ip=10.0.0.1', 'missing-field', 'vnid'],
    ['vnid=1&ip=10.0.0.1&mac=02:00:00:00:00:01', 'missing-field', 'ip'],
    ['vnid=1&ip=999', 'ip-malformed', undefined],
    ['vnid=1&ip=10.0.0.1&at=soon', 'wrong-type', 'at'],
    ['vnid=1&ip=10.0.0.1&foo=1', 'unknown-field', 'foo'],
  ])('refuses %s', async (query, code, field) => {
    const { body } = await nva.http.get(`/v1/explain?${query}`).expect(400);
    expect(body).toMatchObject({ code, ...(field && { field }) });
  });
});

describe('GET /v1/diff', () => {
  it('tells what was added, removed and changed in a VN, and who did it (X11)', async () => {
    const { body } = await nva.http.get(`/v1/diff?vnid=1&from=${then}&to=${gone}`).expect(200);
    expect(body.items.map(({ key, change, event }: { key: string; change: string; event: Item }) => [key, change, event.position])).toEqual(
      [
        ['mapping/ts1/10.0.0.1', 'changed', moved],
        ['mapping/ts2/10.0.0.2', 'changed', macChanged],
        ['member/nve2', 'added', moved],
      ],
    );
    expect(body.items[1]).toMatchObject({
      before: { mac: macOf(2) },
      after: { mac: macOf(0x22), position: macChanged },
      event: { type: 'MacChanged', actor: 'operator:local', what: `changed the MAC of ts2 to ${macOf(0x22)}` },
    });
    expect([body.from.position, body.to.position]).toEqual([then, gone]);
  });

  it('tells what an NVE came to hold, and to hold no more (X11)', async () => {
    const { items } = (await nva.http.get(`/v1/diff?nveId=nve2&from=${then}&to=${gone}`).expect(200)).body;
    expect(items.map(({ vnid, key, change }: { vnid: number; key: string; change: string }) => [vnid, key, change])).toEqual([
      [1, 'context', 'added'],
      [1, 'mapping/ts1/10.0.0.1', 'added'],
      [1, 'mapping/ts2/10.0.0.2', 'added'],
      [1, 'member/nve1', 'added'],
      [1, 'member/nve2', 'added'],
    ]);
  });

  it.each(['vnid=1', 'nveId=nve2'])('comes in pages, for %s (X11)', async (of) => {
    const whole = (await nva.http.get(`/v1/diff?${of}&from=${then}`).expect(200)).body.items;
    const paged: unknown[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const { items, next } = await pageOf(`/v1/diff?${of}&from=${then}&limit=2&after=${encodeURIComponent(after)}`);
      paged.push(...items);
      after = next;
    }
    expect(paged).toEqual(whole);
  });

  it.each([
    ['vnid=1', 400, 'missing-field', 'from'],
    ['from=1', 400, 'missing-field', 'vnid'],
    ['vnid=1&nveId=nve1&from=1', 400, 'missing-field', 'vnid'],
    ['vnid=1&from=5&to=3', 400, 'out-of-range', 'from'],
    ['vnid=1&from=0', 422, 'nothing-then', 'from'],
    ['vnid=1&from=1&to=1970-01-01T00:00:00Z', 422, 'nothing-then', 'to'],
  ])('refuses %s', async (query, status, code, field) => {
    const { body } = await nva.http.get(`/v1/diff?${query}`).expect(status);
    expect(body).toMatchObject({ code, field });
  });
});

describe('GET /v1/timeline', () => {
  const items = async (query: string): Promise<readonly Item[]> => (await nva.http.get(`/v1/timeline?${query}`).expect(200)).body.items;

  it('tells what happened to a tenant system, and what came of it in the tables (X11)', async () => {
    const told = await items('tsId=ts1');
    expect(told.map(({ position, type, changes }) => [position, type, changes.map(({ key }) => key)])).toEqual([
      [first, 'TenantSystemAttached', ['mapping/ts1/10.0.0.1']],
      [moved, 'TenantSystemMoved', ['mapping/ts1/10.0.0.1']],
    ]);
    expect(told[1]).toMatchObject({ actor: 'operator:local', what: 'moved ts1 from nve1 to nve2' });
  });

  it('tells who had an address when (X11)', async () => {
    expect((await items('vnid=1&ip=10.0.0.3')).map(({ type, changes }) => [type, changes.map(({ value }) => value !== null)])).toEqual([
      ['TenantSystemAttached', [true]],
      ['TenantSystemDetached', [false]],
    ]);
    // With the former MAC, until it was another.
    expect((await items(`vnid=1&mac=${macOf(2)}`)).map(({ type }) => type)).toEqual(['TenantSystemAttached', 'MacChanged']);
  });

  it('tells of a VN and of an NVE, in pages or as lines (X11)', async () => {
    for (const of of ['vnid=1', 'nveId=nve1']) {
      const whole = await items(of);
      expect(whole.length).toBeGreaterThan(1);
      const paged: Item[] = [];
      for (let after: string | undefined = '0'; after !== undefined;) {
        const page = await pageOf(`/v1/timeline?${of}&limit=1&after=${after}`);
        paged.push(...page.items);
        after = page.next;
      }
      expect(paged).toEqual(whole);
      const response = await fetch(`${nva.url}/v1/timeline?${of}&limit=1`, { headers: { accept: 'application/x-ndjson' } });
      expect(response.headers.get('content-type')).toBe('application/x-ndjson');
      const lines = (await response.text()).split('\n');
      expect(lines.pop()).toBe('');
      expect(lines.map((line) => JSON.parse(line) as Item)).toEqual(whole);
    }
  });

  it('tells of an interval (X11)', async () => {
    expect((await items(`vnid=1&from=${first}&to=${moved}`)).map(({ position }) => position)).toEqual([then, moved]);
  });

  it.each([
    ['', 400, 'missing-field', 'vnid'],
    ['vnid=1&nveId=nve1', 400, 'missing-field', 'vnid'],
    ['ip=10.0.0.1&nveId=nve1', 400, 'missing-field', 'vnid'],
    ['vnid=1&tenantId=red', 400, 'missing-field', 'tsId'],
    ['tsId=nobody', 404, 'ts-unknown', 'tsId'],
    ['vnid=1&from=9&to=2', 400, 'out-of-range', 'from'],
    ['vnid=1&from=0', 422, 'nothing-then', 'from'],
    ['vnid=1&at=5', 400, 'unknown-field', 'at'],
  ])('refuses «%s»', async (query, status, code, field) => {
    const { body } = await nva.http.get(`/v1/timeline?${query}`).expect(status);
    expect(body).toMatchObject({ code, field });
  });
});

describe('GET /v1/trace', () => {
  const traced = async (query: string): Promise<{ readonly outcome: string; readonly sentences: readonly string[] }> =>
    (await nva.http.get(`/v1/trace?${query}`).expect(200)).body;

  it('tells the way over a tunnel, step by step (X13)', async () => {
    const { outcome, sentences: told } = await traced('from=ts2&to=10.0.0.1');
    expect(outcome).toBe('delivered');
    expect(told).toEqual([
      'ts2 sends to 10.0.0.1 in VN 1; it is attached at nve1.',
      `nve1 looks 10.0.0.1 up: tunnel, since ts1 is at nve2 (entry of position ${moved}).`,
      'nve1 sends it to nve2 by vxlan, from 198.51.100.1 to 198.51.100.2, VNID 1.',
      `nve2 looks 10.0.0.1 up: local, since it has ts1 itself (R52) (entry of position ${moved}).`,
      'nve2 hands it to ts1.',
    ]);
  });

  it('tells it of an instant: before the move both were at one NVE (X10, X13)', async () => {
    expect((await traced(`from=ts2&to=10.0.0.1&at=${then}`)).sentences).toEqual([
      'ts2 sends to 10.0.0.1 in VN 1; it is attached at nve1.',
      `nve1 looks 10.0.0.1 up: local, since it has ts1 itself (R52) (entry of position ${first}).`,
      'nve1 hands it to ts1.',
    ]);
  });

  it.each([
    [
      'from=ts2&to=10.0.0.99',
      'dropped',
      'nve1 looks 10.0.0.99 up: dropped, since nobody has the address, and nothing is flooded in an L3 VN.',
    ],
    [
      'from=ts1&to=10.0.0.4',
      'dropped',
      'nve2 looks 10.0.0.4 up: dropped, since the tenant system is only associated wherever it is, and nobody forwards for it yet (X5) (entry of position ',
    ],
    [
      'from=ts4&to=10.0.0.1',
      'dropped',
      'ts4 cannot send to 10.0.0.1 in VN 1: it is only associated, and its NVE does not forward for it yet (X5).',
    ],
    ['from=ts3&to=10.0.0.1', 'dropped', 'ts3 cannot send to 10.0.0.1: it is in no VN.'],
    ['from=ts1&to=10.0.0.2&vnid=2', 'dropped', 'ts1 cannot send to 10.0.0.2 in VN 2: the VN has no entry of it.'],
  ])('tells why %s is %s (X13)', async (query, outcome, sentence) => {
    const found = await traced(query);
    expect(found.outcome).toBe(outcome);
    expect(found.sentences.at(-1)).toContain(sentence);
  });

  it.each([
    ['to=10.0.0.1', 400, 'missing-field', 'from'],
    ['from=ts1', 400, 'missing-field', 'to'],
    ['from=nobody&to=10.0.0.1', 404, 'ts-unknown', 'tsId'],
    ['from=ts1&to=10.0', 400, 'ip-malformed', undefined],
    ['from=ts1&to=10.0.0.1&at=0', 422, 'nothing-then', 'at'],
  ])('refuses «%s»', async (query, status, code, field) => {
    const { body } = await nva.http.get(`/v1/trace?${query}`).expect(status);
    expect(body).toMatchObject({ code, ...(field && { field }) });
  });
});

describe('GET /v1/reachability', () => {
  it('tells when it broke, and who did it (X14)', async () => {
    await attach(5, 1);
    const together = await attach(6, 2);
    const apart = await detach(6, 2);
    const { body } = await nva.http.get('/v1/reachability?a=ts5&b=ts6').expect(200);
    expect(body).toMatchObject({
      reachable: false,
      partial: false,
      intervals: [{ vnid: 1, began: { position: together }, ended: { position: apart } }],
    });
    expect(timeless(body.sentences)).toEqual([
      `ts5 and ts6 could reach each other in VN 1 since operator:local attached ts6 (02:00:00:00:00:06) at nve2 with 10.0.0.6 in VN 1 at <time> (position ${together}), until operator:local detached ts6 from nve2 at <time> (position ${apart}).`,
    ]);
    expect((await nva.http.get(`/v1/reachability?a=ts5&b=ts6&to=${together}`).expect(200)).body).toMatchObject({ reachable: true });
    expect((await nva.http.get(`/v1/reachability?a=ts5&b=ts6&from=${apart}`).expect(200)).body.sentences).toEqual([
      'ts5 and ts6 could not reach each other at any time of that.',
    ]);
  });

  it.each([
    ['a=ts1', 400, 'missing-field', 'b'],
    ['a=ts1&b=nobody', 404, 'ts-unknown', 'tsId'],
    ['a=ts1&b=ts2&from=9&to=2', 400, 'out-of-range', 'from'],
    ['a=ts1&b=ts2&vnid=1', 400, 'unknown-field', 'vnid'],
  ])('refuses %s', async (query, status, code, field) => {
    expect((await nva.http.get(`/v1/reachability?${query}`).expect(status)).body).toMatchObject({ code, field });
  });
});
