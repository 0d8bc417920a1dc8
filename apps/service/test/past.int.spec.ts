import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, startNva, tsBody, until, vnBody, type NvaFixture } from './support.ts';

const TOKENS = { operator: 'token-of-operator', nve1: 'token-of-nve1', nve2: 'token-of-nve2' } as const;
type Who = keyof typeof TOKENS;
const digest = (token: string): string => createHash('sha256').update(token).digest('hex');

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

let folder: string;
let nva: NvaFixture;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nva-past-'));
  const file = join(folder, 'tokens.json');
  await writeFile(
    file,
    JSON.stringify({
      operators: [{ name: 'alice', sha256: digest(TOKENS.operator) }],
      nves: [
        { nveId: 'nve1', sha256: digest(TOKENS.nve1) },
        { nveId: 'nve2', sha256: digest(TOKENS.nve2) },
      ],
    }),
    { mode: 0o600 },
  );
  nva = await startNva({ env: { TOKENS_FILE: file, RATE_LIMIT_PER_S: '100000', SNAPSHOT_EVERY_EVENTS: '17' } });
  await populate(nva.http, TOKENS.operator);
});
afterAll(async () => {
  await nva.stop();
  await rm(folder, { recursive: true, force: true });
});

async function get(url: string, who: Who): Promise<Answer> {
  const { status, body } = await nva.http.get(url).set('authorization', `Bearer ${TOKENS[who]}`);
  return { status, body: body as Record<string, unknown> };
}

async function send(method: 'put' | 'post' | 'delete', url: string, body?: object): Promise<void> {
  const call = nva.http[method](url).set('authorization', `Bearer ${TOKENS.operator}`);
  const { status } = await (body ? call.send(body) : call);
  // Some are refused: by the rules, or because a command before was.
  if (status >= 500) throw new Error(`${method} ${url} was answered with ${status}`);
}

const VNS = [1, 2, 9, 4_000];
const NVES = ['nve1', 'nve2', 'nve3', 'nve-nowhere'];
const TENANT_SYSTEMS = ['ts1', 'ts2', 'ts3', 'ts4', 'ts5'];
const URLS = [
  '/v1/vns?',
  '/v1/vns?limit=1&',
  ...VNS.flatMap((vnid) => [
    `/v1/vns/${vnid}?`,
    `/v1/vns/${vnid}/members?`,
    `/v1/vns/${vnid}/mappings?`,
    `/v1/vns/${vnid}/mappings?limit=1&after=mapping/ts1/&`,
    `/v1/vns/${vnid}/mappings?conflicted=true&`,
    `/v1/vns/${vnid}/tenant-systems?`,
    ...['10.0.0.1', '10.0.0.2', '10.0.0.7'].map((ip) => `/v1/resolve?vnid=${vnid}&ip=${ip}&`),
    ...[1, 2].map((n) => `/v1/resolve?vnid=${vnid}&mac=${macOf(n)}&`),
    `/v1/resolve?vnid=${vnid}&ip=10.0.0.1&mode=redirect&`,
  ]),
  '/v1/nves?',
  ...NVES.flatMap((id) => [
    `/v1/nves/${id}?`,
    `/v1/nves/${id}/table?`,
    `/v1/nves/${id}/table?limit=1&after=00000001/mapping/ts1/10.0.0.1&`,
    `/v1/nves/${id}/tenant-systems?`,
    `/v1/usage?nveId=${id}&`,
  ]),
  '/v1/tenant-systems?',
  '/v1/tenant-systems?state=activated&',
  ...TENANT_SYSTEMS.map((id) => `/v1/tenant-systems/${id}?`),
  '/v1/usage?tenantId=red&',
];

/** Positions in a list of mappings mean nothing. */
const comparable = ({ status, body }: Answer): unknown => {
  const { at: _at, correlationId: _correlationId, ...rest } = body;
  if (status !== 200) return { status, code: body['code'], field: body['field'], detail: body['detail'] };
  const mappings = rest['mappings'] as readonly object[] | undefined;
  return { status, body: mappings ? { ...rest, mappings: mappings.map((one) => JSON.stringify(one)).toSorted() } : rest };
};

let seed = 42;
const below = (bound: number): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * bound);
};
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

/** Something that changes tables, or would: attaches, moves, races for addresses, failures, VNs that come and go, NVEs that leave. */
async function step(): Promise<void> {
  const [n, nve] = [1 + below(5), pick(['nve1', 'nve2', 'nve3'])];
  const path = `/v1/nves/${nve}/tenant-systems/ts${n}`;
  switch (below(10)) {
    case 0:
    case 1:
    case 2:
      return send('put', path, tsBody(n));
    case 3:
      return send('put', path, tsBody(n, { bindings: [{ vnid: 1, ip: '10.0.0.7' }] }));
    case 4:
      return send('post', `/v1/tenant-systems/ts${n}/connection-failure`, { nveId: nve, vnid: pick([1, 2]) });
    case 5:
      return send('delete', path);
    case 6:
      return send('put', path, tsBody(n, { bindings: [{ vnid: 2, vlan: 10 + below(2) }] }));
    case 7:
      return below(3) === 0 ? send('delete', '/v1/vns/9') : send('put', `/v1/vns/${pick([1, 9])}`, vnBody({ name: `VN-${below(9)}` }));
    case 8:
      return send('delete', `/v1/nves/${nve}`);
    default:
      return send('put', `/v1/nves/${nve}`, nveBody(Number(nve.at(-1)), { incarnation: 1 + below(3) }));
  }
}

describe('a query about the past', () => {
  it('is answered as it was answered then, by every call and to every caller, by position and by time (X10)', async () => {
    const then = new Map<number, Map<string, unknown>>();
    for (let i = 0; i < 80; i++) {
      await step();
      const position = await nva.head();
      if (then.has(position)) continue;
      const answers = new Map<string, unknown>();
      for (const who of Object.keys(TOKENS) as Who[]) for (const url of URLS) answers.set(`${who} ${url}`, comparable(await get(url, who)));
      then.set(position, answers);
    }
    expect(then.size).toBeGreaterThan(20);
    await until(() => nva.server.core.replica.caughtUp);
    for (const [position, answers] of [...then].toSorted(() => below(3) - 1)) {
      for (const who of Object.keys(TOKENS) as Who[])
        for (const url of URLS) {
          const answer = await get(`${url}at=${position}`, who);
          expect(comparable(answer), `${who} ${url} at ${position}`).toEqual(answers.get(`${who} ${url}`));
          if (answer.status === 200) expect(answer.body['at']).toMatchObject({ position: String(position) });
        }
    }
  });

  it('is answered after a restart, and by the time of its answer (X10)', async () => {
    const before = await get('/v1/vns/2/mappings?', 'operator');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const time = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await send('put', '/v1/nves/nve3', nveBody(3, { incarnation: 4 }));
    await send('put', '/v1/nves/nve3/tenant-systems/ts99', tsBody(99, { bindings: [{ vnid: 2, vlan: 77 }] }));
    await nva.restart();
    const now = await get('/v1/vns/2/mappings?', 'operator');
    const past = await get(`/v1/vns/2/mappings?at=${time}`, 'operator');
    expect(comparable(now)).not.toEqual(comparable(before));
    expect(comparable(past)).toEqual(comparable(before));
    const { recordedAt } = past.body['at'] as { recordedAt: string };
    expect(recordedAt <= time).toBe(true);
    expect((await get(`/v1/vns/2/mappings?at=${encodeURIComponent(time.replace('Z', '+00:00'))}`, 'operator')).body).toEqual(past.body);
  });

  it.each([
    ['0', 422, 'nothing-then'],
    ['1970-01-01T00:00:00Z', 422, 'nothing-then'],
    ['yesterday', 400, 'wrong-type'],
    ['2026-02-30T00:00:00Z', 400, 'wrong-type'],
    ['99999999999999999999', 400, 'position-malformed'],
    ['', 400, 'position-malformed'],
    ['-1', 400, 'wrong-type'],
  ])('about «%s» is refused (X10)', async (at, status, code) => {
    const answer = await get(`/v1/vns?at=${at}`, 'operator');
    expect([answer.status, answer.body['code'], answer.body['field']]).toEqual([status, code, 'at']);
  });

  it('is refused if the instant is given twice, and by calls that have no past', async () => {
    expect(await get('/v1/vns?at=3&at=4', 'operator')).toMatchObject({ status: 400, body: { code: 'wrong-type', field: 'at' } });
    expect(await get('/v1/events?at=3', 'operator')).toMatchObject({ status: 400, body: { code: 'unknown-field' } });
  });

  it('about a position beyond the log, or a time to come, is one about its end (X10)', async () => {
    const head = String(await nva.head());
    for (const at of ['9007199254740991', '2999-01-01T00:00:00Z'])
      expect((await get(`/v1/vns?at=${at}`, 'operator')).body['at']).toMatchObject({ position: head });
  });

  it('is refused by what was wrong with it, as one about the present', async () => {
    for (const url of ['/v1/vns/x?', '/v1/vns/1/mappings?conflicted=maybe&', '/v1/vns?limit=0&', '/v1/resolve?vnid=1&', '/v1/vns?foo=1&']) {
      const [now, past] = [await get(url, 'operator'), await get(`${url}at=5`, 'operator')];
      expect(past.status).toBe(400);
      expect(comparable(past)).toEqual(comparable(now));
    }
  });

  it('is answered again when the file of the history was damaged', async () => {
    const position = await nva.head();
    const before = await get(`/v1/vns/2/mappings?at=${position}`, 'operator');
    expect(before.status).toBe(200);
    await nva.restart();
    expect(await get(`/v1/vns/2/mappings?at=${position}`, 'operator')).toEqual(before);
    const db = new DatabaseSync(join(nva.dataDir, 'history', 'history.sqlite'));
    db.exec("UPDATE blocks SET entries = x'00'");
    db.close();
    await until(async () => (await get(`/v1/vns/2/mappings?at=${position - 1}`, 'operator')).status === 200);
    expect(await get(`/v1/vns/2/mappings?at=${position}`, 'operator')).toEqual(before);
  });
});

describe('without a history', () => {
  it('a query about the past is refused, and one about the present answered (X10)', async () => {
    const other = await startNva({ env: { HISTORY: 'false' } });
    await populate(other.http);
    expect((await other.http.get('/v1/vns?at=1')).body).toMatchObject({ status: 400, code: 'unknown-field', field: 'at' });
    await other.http.get('/v1/vns').expect(200);
    await other.stop();
  });
});
