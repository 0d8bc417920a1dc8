import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CSV_LISTS, csvHeader, csvRow } from '@nva/codec';
import { wantedForm } from '../src/http/accepted.ts';
import { attachLine, nveBody, postLines, startNva, temporaryDirectory, vnBody, type NvaFixture } from './support.ts';

type Item = Readonly<Record<string, unknown>>;

/** More than a page has at most. */
const MANY = 1_203;
const FORMULA = '=HYPERLINK("http://x","y")';
const entry = (name: string): { sha256: string } => ({ sha256: createHash('sha256').update(`${name}-token`).digest('hex') });

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let nva: NvaFixture;
/** Of the last event before the tenant systems were detached again. */
let then: number;

const get = (path: string, accept: string, who = 'operator'): Promise<Response> =>
  fetch(nva.url + path, { headers: { accept, authorization: `Bearer ${who}-token` } });

/** All items, by pages of JSON. */
async function paged(path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let after = ''; ;) {
    const page = (await (await get(`${path}${path.includes('?') ? '&' : '?'}limit=1000${after}`, 'application/json')).json()) as {
      items: Item[];
      next?: string;
    };
    items.push(...page.items);
    if (page.next === undefined) return items;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

beforeAll(async () => {
  folder = await temporaryDirectory();
  const file = `${folder.path}.json`;
  await writeFile(
    file,
    JSON.stringify({
      operators: [{ name: 'operator', ...entry('operator') }],
      nves: [{ nveId: 'nve2', tenants: ['red'], ...entry('nve2') }],
    }),
  );
  nva = await startNva({ env: { TOKENS_FILE: file, RATE_LIMIT_PER_S: '100000' } });
  const put = (path: string, body: object) => nva.http.put(path).set('authorization', 'Bearer operator-token').send(body).expect(200);
  await put('/v1/vns/1', vnBody({ name: FORMULA }));
  await put('/v1/vns/2', vnBody({ name: 'VN2, «two»', service: 'l2' }));
  for (const n of [1, 2]) await put(`/v1/nves/nve${n}`, nveBody(n));
  const lines = Array.from({ length: MANY }, (_, i) => attachLine(i + 1, 1)).join('');
  const results = await postLines(nva.url, lines + attachLine(5_000, 2, { bindings: [{ vnid: 2, vlan: 7 }] }), {
    authorization: 'Bearer operator-token',
  });
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set([200]));
  then = await nva.head();
  await postLines(nva.url, '{"command": "detach", "nveId": "nve1", "tsId": "ts7"}\n', { authorization: 'Bearer operator-token' });
}, 300_000);

afterAll(async () => {
  await nva.stop();
  await rm(`${folder.path}.json`);
  await folder.remove();
});

describe('a list in lines', () => {
  it.each([
    ['/v1/vns', 'vns'],
    ['/v1/vns/1/members', 'members'],
    ['/v1/vns/1/mappings', 'mappings'],
    ['/v1/vns/1/mappings?conflicted=true', 'conflicted'],
    ['/v1/nves', 'nves'],
    ['/v1/nves/nve1/table', 'table'],
    ['/v1/nves/nve1/table?at=', 'table'],
    ['/v1/vns/1/mappings?at=', 'mappings'],
    ['/v1/tenant-systems', 'tenantSystems'],
    ['/v1/nves/nve2/tenant-systems', 'tenantSystems'],
    ['/v1/vns/1/tenant-systems?state=activated', 'tenantSystems'],
    ['/v1/diff?vnid=1&from=4', 'diff'],
    ['/v1/timeline?vnid=1', 'timeline'],
  ] as const)('has all that its pages have, as NDJSON and as CSV (X10): %s', async (path, name) => {
    const url = path.endsWith('at=') ? `${path}${then}` : path;
    const items = await paged(url);
    if (url.includes('mappings?at') || url.includes('table?at')) expect(items).toHaveLength(MANY);
    const ndjson = await get(url, 'application/x-ndjson');
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await ndjson.text()).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as Item)).toEqual(items);
    const csv = await get(url, 'text/csv');
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv; charset=utf-8/);
    expect(await csv.text()).toBe(csvHeader(CSV_LISTS[name]) + items.map((item) => csvRow<Item>(CSV_LISTS[name], item)).join(''));
    expect(csv.headers.get('vary')).toBe('accept');
    expect(csv.headers.get('x-at-position')).toBe(path.endsWith('at=') ? String(then) : null);
  });

  it('has every field that an item has, but for what only programs need', async () => {
    const left: Record<string, readonly string[]> = {
      vns: ['context', 'incarnation'],
      nves: ['memberships', 'reachable'],
      tenantSystems: ['failures'],
    };
    for (const [path, name] of [
      ['/v1/vns', 'vns'],
      ['/v1/nves', 'nves'],
      ['/v1/vns/1/members', 'members'],
      ['/v1/nves/nve1/table', 'table'],
      ['/v1/tenant-systems', 'tenantSystems'],
      ['/v1/events', 'events'],
    ] as const) {
      const [item] = await paged(path);
      const fields = new Set<string>(CSV_LISTS[name].map(([field]) => field));
      expect(
        Object.keys(item!).filter((field) => !fields.has(field) && !left[name]?.includes(field) && field !== 'idempotencyKey'),
      ).toEqual([]);
    }
  });

  it('goes on where `after` says, and keeps a formula from a spreadsheet', async () => {
    const text = await (await get('/v1/vns?after=00000001', 'text/csv')).text();
    expect(text.split('\r\n')[1]).toMatch(/^2,"VN2, «two»",red,l2,/);
    expect((await (await get('/v1/vns', 'text/csv')).text()).split('\r\n')[1]).toMatch(/^1,"'=HYPERLINK\(""http:\/\/x"",""y""\)",red,/);
  });

  it('says of a time which event was the last', async () => {
    const { recordedAt, position } = (await paged('/v1/events')).at(-1) as { recordedAt: string; position: string };
    const response = await get(`/v1/nves/nve2/table?at=${encodeURIComponent(recordedAt)}`, 'text/csv');
    expect([response.headers.get('x-at-position'), response.headers.get('x-at-recorded-at')]).toEqual([position, recordedAt]);
    await response.text();
  });

  it.each([
    ['/v1/vns/77/mappings', 'operator', 404, 'vn-unknown'],
    ['/v1/vns/1/mappings?at=0', 'operator', 422, 'nothing-then'],
    ['/v1/vns/1/mappings?limit=0', 'operator', 400, 'out-of-range'],
    ['/v1/vns', 'nve2', 403, 'forbidden'],
    ['/v1/vns/1/mappings', 'nve2', 403, 'forbidden'],
    ['/v1/nves/nve1/table', 'nve2', 403, 'forbidden'],
    ['/v1/diff?vnid=1&from=1', 'nve2', 403, 'forbidden'],
    ['/v1/timeline?vnid=1', 'nve2', 403, 'forbidden'],
  ])('is refused as its pages are, with a problem: %s to %s is %i %s', async (path, who, status, code) => {
    for (const accept of ['text/csv', 'application/x-ndjson']) {
      const response = await get(path, accept, who);
      expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/problem+json; charset=utf-8']);
      expect(await response.json()).toMatchObject({ code });
    }
  });

  it('shows an NVE its own table', async () => {
    expect((await (await get('/v1/nves/nve2/table', 'text/csv', 'nve2')).text()).split('\r\n')[1]).toMatch(/^2,ts5000,7,,/);
  });
});

describe('the form of a list', () => {
  it.each([
    [undefined, 'json'],
    ['*/*', 'json'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'json'],
    ['text/csv', 'csv'],
    ['Text/CSV; header=present', 'csv'],
    ['text/csv, */*', 'csv'],
    ['text/csv;q=0.5, application/json', 'json'],
    ['application/json;q=0.2, application/x-ndjson;q=0.4', 'ndjson'],
    ['text/csv;q=0', 'json'],
    ['text/csv;q=much', 'json'],
    ['image/png', 'json'],
  ])('is what Accept wants most: %s is %s', (accept, form) => {
    expect(wantedForm(accept)).toBe(form);
  });
});
