import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandNames, sweepNames } from '@nva/commands';
import { BLUE, CASES, ELSEWHERE, lineOf, OWN, pathOf, READS, withoutName, WORLD, WRITES, type Method } from './strangers.ts';
import { macOf, postLines, startNva, type NvaFixture } from './support.ts';

/** What an answer may differ in between any two calls. */
const PASSING = /^(?:date|x-ratelimit-.*|connection|keep-alive)$/;
const CALLERS = [
  ['of tenant red', 'red'],
  ['that may serve any tenant', 'any'],
] as const;

let directory: string;
let nva: NvaFixture;

const entry = (name: string): { sha256: string } => ({ sha256: createHash('sha256').update(`${name}-token`).digest('hex') });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-not-yours-'));
  const file = join(directory, 'tokens.json');
  const nves = [
    { nveId: OWN.nveId, tenants: ['red'], ...entry('red') },
    { nveId: OWN.nveId, tenants: null, ...entry('any') },
  ];
  await writeFile(file, JSON.stringify({ operators: [{ name: 'alice', ...entry('operator') }], nves }));
  nva = await startNva({ env: { TOKENS_FILE: file, RATE_LIMIT_PER_S: '100000' } });
  for (const [method, path, body] of WORLD) await call('operator', method, path, body).expect(200);
});

afterAll(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

function call(who: string, method: Method, path: string, body?: object) {
  const request = nva.http[method](path).set('authorization', `Bearer ${who}-token`).set('x-correlation-id', 'c');
  return body === undefined ? request : request.send(body);
}

/** Status, headers and body, byte by byte, without the id that was asked for. */
async function answered(who: string, method: Method, path: string, named: string, body?: object, key?: string): Promise<string> {
  const request = call(who, method, path, body);
  const { status, headers, text } = await (key === undefined ? request : request.set('idempotency-key', key));
  const kept = Object.entries(headers as Record<string, string>).filter(([name]) => !PASSING.test(name));
  return withoutName([status, kept, text], named);
}

const alike = (answers: readonly string[]): void => expect(new Set(answers), answers.join('\n')).toHaveProperty('size', 1);

describe.each(CALLERS)('to an NVE %s, what is not there, another tenant’s, or elsewhere is one and the same', (_, who) => {
  // For an NVE that may serve any tenant there is no tenant that it may not name.
  const cases = CASES.filter(({ what }) => who === 'red' || !what.startsWith('attach, tenantId'));

  it.each(cases)('in a REST call: $what', async ({ write, asked, refused: [status, code] }) => {
    const before = await nva.head();
    for (const key of [undefined, `k-${write.command}`]) {
      const answers: string[] = [];
      for (const { names, named, fields } of asked)
        answers.push(await answered(who, write.method, pathOf(write.path, names), named, fields, key));
      alike(answers);
      expect(answers[0]).toMatch(new RegExp(`^\\[${status},.*\\\\"code\\\\":\\\\"${code}\\\\"`));
    }
    expect(await nva.head()).toBe(before);
  });

  it('in NDJSON, line by line', async () => {
    const before = await nva.head();
    const lines = cases.flatMap(({ write, asked }) =>
      asked.map(({ names, fields }) => `${JSON.stringify(lineOf(write, names, fields))}\n`),
    );
    const numbered = await postLines(nva.url, lines.join(''), { authorization: `Bearer ${who}-token` });
    const results = numbered.map((result) => {
      const { line: _line, ...rest } = result;
      return rest;
    });
    for (const {
      what,
      asked,
      refused: [status, code],
    } of cases) {
      const answers = results.splice(0, asked.length);
      alike(answers.map((answer, i) => withoutName(answer, asked[i]!.named)));
      expect(answers[0], what).toMatchObject({ status, code });
    }
    expect(results).toEqual([]);
    expect(await nva.head()).toBe(before);
  });

  it.each(READS)('in a GET: %s', async (path, varied) => {
    for (const [name, values] of Object.entries(varied)) {
      const answers: string[] = [];
      for (const value of values) answers.push(await answered(who, 'get', pathOf(path, { ...OWN, [name]: value }), String(value)));
      alike(answers);
      expect(answers[0]).toMatch(/^\[403,.*\\"code\\":\\"forbidden\\"/);
    }
  });

  it('in what it attaches under an id that another tenant has, or had, or nobody, from the first revision to the last answer', async () => {
    const lives: string[] = [];
    const [nobodys, blues, formerlyBlues] = ['none', 'blue', 'gone'].map((name) => `ts-${name}-${who}`) as [string, string, string];
    for (const [i, tsId] of [blues, formerlyBlues].entries())
      await call('operator', 'put', `/v1/nves/nve-${BLUE}/tenant-systems/${tsId}`, {
        tenantId: 'blue',
        vmId: 'vm',
        mac: macOf(70 + i),
        bindings: [],
      }).expect(200);
    await call('operator', 'delete', `/v1/tenant-systems/${formerlyBlues}`).expect(200);
    for (const tsId of [nobodys, blues, formerlyBlues]) {
      const path = `/v1/nves/${OWN.nveId}/tenant-systems/${tsId}`;
      const attached = { tenantId: 'red', vmId: 'vm', mac: macOf(70), bindings: [{ bid: 1, vnid: OWN.vnid, ip: '10.0.0.70' }] };
      const life: string[] = [];
      const does = async (method: Method, at: string, body?: object): Promise<void> =>
        void life.push(await answered(who, method, at, tsId, body));
      await does('put', path, { ...attached, ifRevision: 0 });
      await does('put', path, { ...attached, ifRevision: -1 });
      await does('put', path, { ...attached, state: 'associated', ifRevision: 7 });
      await does('get', `/v1/tenant-systems/${tsId}`);
      await does('put', `/v1/tenant-systems/${tsId}/mac`, { mac: macOf(71), ifRevision: 3 });
      await does('put', `/v1/tenant-systems/${tsId}/bindings/1`, { ip: '10.0.0.71' });
      await does('delete', path);
      await does('delete', path);
      await does('get', `/v1/tenant-systems/${tsId}`);
      lives.push(life.join('\n').replaceAll(/(position\\+":\\+")\d+/g, '$1<position>'));
    }
    expect(lives[0]!.match(/^\[\d+/gm)).toEqual(['[409', '[200', '[409', '[200', '[409', '[200', '[200', '[409', '[403']);
    alike(lives);
  });

  it('in what a heartbeat says of VNs, and nothing of it is kept', async () => {
    const log = nva.server.core.store.logId;
    const digests = nva.server.core.replica.digests;
    const report = (vnid: number, digest?: string): object => {
      const held = digests.current(`vn/${vnid}`);
      return { vnid, log, position: String(held.position), digest: digest ?? held.digest };
    };
    const answers: string[] = [];
    for (const vnid of [777_777, BLUE, 888_888, ELSEWHERE]) {
      for (const digest of [undefined, 'd'.repeat(16)]) {
        answers.push(
          await answered(who, 'post', `/v1/nves/${OWN.nveId}/heartbeat`, String(vnid), {
            incarnation: 1,
            applied: [report(OWN.vnid), report(vnid, digest)],
          }),
        );
        const { body } = await call('operator', 'get', `/v1/nves/${OWN.nveId}/applied`).expect(200);
        expect(body.items).toMatchObject([{ vnid: OWN.vnid, verdict: 'same' }]);
      }
    }
    alike(answers);
    expect(nva.server.core.applied.mismatches).toBe(0);
  });
});

describe('the cases', () => {
  it('are of every command, and of every call that the documentation knows', async () => {
    expect(WRITES.map(({ command }) => command).toSorted()).toEqual([...commandNames, ...sweepNames].toSorted());
    const { paths } = (await nva.http.get('/openapi.json').expect(200)).body as { paths: Record<string, object> };
    const documented = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
    const here = new Set([
      ...WRITES.map(({ method, path }) => `${method} ${path}`),
      ...READS.map(([path]) => `get ${path.replace(/\?.*/, '')}`),
    ]);
    // Of no VN, NVE or tenant system by its id, or of every one (operators only, which auth.int.spec.ts proves).
    const others = [
      'get /healthz',
      'get /readyz',
      'get /metrics',
      'get /v1/vns',
      'get /v1/nves',
      'get /v1/applied',
      'get /v1/oracles',
      'get /v1/refused',
      'get /v1/schemas/{fingerprint}',
      'post /v1/commands',
      'post /v1/what-if',
      'get /v1/export',
      'get /v1/tlog/checkpoint',
      'get /v1/tlog/tile/{path}',
      'get /v1/tlog/keys',
      'get /v1/tlog/tables',
      'get /v1/tlog/inclusion',
      'get /v1/tlog/consistency',
      'post /v1/tlog/add-checkpoint',
    ];
    expect(documented.filter((one) => !here.has(one)).toSorted()).toEqual(others.toSorted());
  });
});

describe('an operator is told what is the matter', () => {
  it.each<[what: string, method: Method, path: string, body: object | undefined, problem: object]>([
    [
      'a detach of what is elsewhere',
      'delete',
      `/v1/nves/${OWN.nveId}/tenant-systems/ts-${BLUE}`,
      undefined,
      { status: 409, code: 'ts-not-at-nve', actual: [`nve-${BLUE}`] },
    ],
    [
      'a detach of what is not there',
      'delete',
      `/v1/nves/${OWN.nveId}/tenant-systems/ts-777777`,
      undefined,
      { status: 404, code: 'ts-unknown' },
    ],
    [
      'a VN of another tenant',
      'put',
      `/v1/nves/${OWN.nveId}/tenant-systems/ts-666666`,
      { tenantId: 'red', vmId: 'vm', mac: macOf(66), bindings: [{ vnid: BLUE, ip: '10.0.0.66' }] },
      { status: 403, code: 'vn-of-another-tenant' },
    ],
    [
      'a revision',
      'delete',
      `/v1/nves/nve-${BLUE}/tenant-systems/ts-${BLUE}`,
      { ifRevision: 7 },
      { status: 409, code: 'revision-mismatch', actual: 0 },
    ],
  ])('%s', async (_, method, path, body, problem) => {
    expect((await call('operator', method, path, body)).body).toMatchObject(problem);
  });
});

describe('an NVE that a tenant system is at', () => {
  it('is not shown the access link that it has at another NVE (R11)', async () => {
    const body = { tenantId: 'red', vmId: 'vm-1', mac: macOf(1) };
    await call('operator', 'put', `/v1/nves/${OWN.nveId}/tenant-systems/${OWN.tsId}`, { ...body, logicalInterface: 'here' }).expect(200);
    await call('operator', 'put', `/v1/nves/nve-${ELSEWHERE}/tenant-systems/${OWN.tsId}`, {
      ...body,
      logicalInterface: 'there',
      placement: 'add',
    }).expect(200);
    const links = async (who: string): Promise<string[]> =>
      (await call(who, 'get', `/v1/tenant-systems/${OWN.tsId}`).expect(200)).body.attachments.map(
        (a: { logicalInterface: string }) => a.logicalInterface,
      );
    expect(await links('red')).toEqual(['here', null]);
    expect(await links('operator')).toEqual(['here', 'there']);
  });
});
