import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachLine, populate, postLines, startNva, tsBody, type NvaFixture } from '../../service/test/support.ts';
import { run } from '../src/run.ts';
import { fakeIo, nvactl, runHere, type Ran } from './cli.ts';

/** More than a page of the NVA. */
const MANY = 1_103;

let nva: NvaFixture;
let folder: string;
let file: string;
/** Before the last move. */
let then: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvactl-lines-'));
  nva = await startNva();
  await populate(nva.http);
  await postLines(nva.url, Array.from({ length: MANY }, (_, i) => attachLine(i + 1, 1 + (i % 2))).join(''));
  then = String(await nva.head());
  await nva.http.put('/v1/nves/nve3/tenant-systems/ts1').send({ tenantId: 'red', vmId: 'vm-1', mac: '02:00:00:00:00:01' }).expect(200);
  file = join(folder, 'log.avro');
  expect((await ask('export', file)).code).toBe(0);
}, 300_000);
afterAll(async () => {
  await nva.stop();
  rmSync(folder, { recursive: true });
});

async function ask(...args: readonly string[]): Promise<Ran> {
  const { code, io } = await runHere(args, { env: { NVACTL_SERVER: nva.url } });
  return { code, out: io.out(), err: io.err() };
}
const rest = async (path: string, accept: string): Promise<string> => (await fetch(nva.url + path, { headers: { accept } })).text();
const rowsOf = (csv: string): readonly string[] => csv.split('\r\n').slice(0, -1);

describe('-o csv and -o ndjson', () => {
  it.each([
    [['get', 'vns'], '/v1/vns'],
    [['get', 'nves'], '/v1/nves'],
    [['get', 'ts', '--nve', 'nve2'], '/v1/nves/nve2/tenant-systems'],
    [['get', 'members', '--vn', '1'], '/v1/vns/1/members'],
    [['get', 'mappings', '--vn', '1'], '/v1/vns/1/mappings'],
    [['get', 'mappings', '--vn', '1', '--at', 'then'], '/v1/vns/1/mappings?at=then'],
    [['get', 'mappings', '--vn', '1', '--conflicted'], '/v1/vns/1/mappings?conflicted=true'],
    [['get', 'table', '--nve', 'nve1', '--at', 'then'], '/v1/nves/nve1/table?at=then'],
    [['diff', '--vn', '1', '--from', '4'], '/v1/diff?vnid=1&from=4'],
    [['timeline', '--vn', '1'], '/v1/timeline?vnid=1'],
  ])('are what the NVA itself answers (X10): %j', async (args, path) => {
    const [given, url] = [args.map((arg) => (arg === 'then' ? then : arg)), path.replace('then', then)];
    expect((await ask(...given, '-o', 'csv')).out).toBe(await rest(url, 'text/csv'));
    expect((await ask(...given, '-o', 'ndjson')).out).toBe(await rest(url, 'application/x-ndjson'));
  });

  it.each([
    [['get', 'vn', '1'], /^vnid,name,.*\r\n1,VN1,/],
    [['get', 'events', '--limit', '1'], /^position,recordedAt,type,.*\r\n\d+,.*,TenantSystemMoved,ts-ts1,/],
    [['get', 'oracles'], /^group,oracleId,urls,.*\r\nall,/],
    [['explain', '1', '10.0.0.1'], /^position,.*,contributed\r\n1,.*,VN\r\n/],
    [['reachability', 'ts1', 'ts2'], /^vnid,began\.position,.*\r\n1,\d+,/],
    [['what-if', '--nve-fails', 'nve1'], /^feed,key,before,after,step\r\nvn\/1,member\/nve1,"\{.*\}",1\r\n/],
    [['watch', 'vn', '9', '--once'], /^feed,change,key,position,eventType,value\r\nvn\/9,present,context,3,/],
    [['top', '--once'], /^ready,head,.*,unprovenNves\r\ntrue,\d+,/],
    [['context', 'list'], /^name,current,server,token\r\n$/],
    [['apply', '--dry-run', '-f', 'manifest'], /^action,object,what,.*\r\ncreate,vn\/7,/],
    [
      ['replay', 'file', '--show', '--to', '2'],
      /^position,recordedAt,actor,type,stream,changes\r\n1,.*,VnCreated,vn-1,set:vn\/1\/context\r\n2,/,
    ],
    [['replay', 'file', '--to', '2'], /^position,ending,events,vns,tenantSystems\r\n2,position,2,2,0\r\n/],
    [['replay', '--verify'], /^vnid,position,by,digest,expected\r\n$/],
  ])('are given for every table: %j', async (args, csv) => {
    const manifest = join(folder, 'manifest.yaml');
    writeFileSync(manifest, 'vns: [{ vnid: 7, tenantId: red, name: web, service: l3, encapsulation: vxlan }]\n');
    const given = args.map((arg) => (arg === 'manifest' ? manifest : arg === 'file' ? file : arg));
    expect((await ask(...given, '-o', 'csv')).out).toMatch(csv);
    const { out } = await ask(...given, '-o', 'ndjson');
    for (const line of out.split('\n').slice(0, -1)) expect(JSON.parse(line)).toEqual(expect.any(Object));
    expect(out === '' || out.endsWith('\n')).toBe(true);
  });

  it.each([[['describe', 'vn', '1']], [['detach', 'ts1']], [['export', 'never.avro']]])(
    'CSV of what is no table is refused before anything is done: %j',
    async (args) => {
      const before = await nva.head();
      expect(await ask(...args, '-o', 'csv')).toMatchObject({ code: 2, err: expect.stringContaining('shows no table') });
      expect(await nva.head()).toBe(before);
    },
  );

  it('has so many items, and says that there are more', async () => {
    const { out, err } = await ask('get', 'mappings', '--vn', '1', '--limit', '1001', '-o', 'csv');
    expect([rowsOf(out).length, err]).toEqual([1_002, 'nvactl: there are more than 1001\n']);
    const last = await ask('get', 'mappings', '--vn', '1', '--limit', String(MANY), '-o', 'ndjson');
    expect([last.out.split('\n').length - 1, last.err]).toEqual([MANY, '']);
    const happened = await ask('timeline', '--vn', '1', '--limit', '2', '-o', 'csv');
    expect([rowsOf(happened.out).length, happened.err]).toEqual([3, expect.stringMatching(/there is more after position \d+\n/)]);
  });
});

describe('a table of the past from an export', () => {
  it.each([
    ['vn/1', '/v1/vns/1/mappings'],
    ['nve/nve1', '/v1/nves/nve1/table'],
  ])('is the one that the NVA answers with (X10): %s', async (name, path) => {
    const at = `${path}?at=${then}`;
    const replay = ['replay', file, '--to', then, '--table', name];
    const shown = await ask(...replay, '-o', 'csv');
    expect([shown.out, shown.err]).toEqual([await rest(at, 'text/csv'), expect.stringContaining(`up to position ${then}`)]);
    const out = join(folder, `${name.replace('/', '-')}.csv`);
    expect((await ask(...replay, '--out', out)).code).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(shown.out);
    const lines = join(folder, `${name.replace('/', '-')}.ndjson`);
    expect((await ask(...replay, '--out', lines)).code).toBe(0);
    expect(readFileSync(lines, 'utf8')).toBe(await rest(at, 'application/x-ndjson'));
    expect((await ask(...replay)).out).toMatch(/TENANT SYSTEM +ADDRESS/);
  });

  it('is none where there was no such VN or NVE, and no file then', async () => {
    for (const name of ['vn/77', 'nve/nobody']) {
      const out = join(folder, 'none.csv');
      expect(await ask('replay', file, '--table', name, '--out', out)).toMatchObject({ code: 4, err: expect.stringMatching(/77|nobody/) });
      expect(existsSync(out)).toBe(false);
    }
    expect(await ask('replay', file, '--table', 'vm1')).toMatchObject({ code: 2 });
    expect(await ask('replay', file, '--table', 'vn/0')).toMatchObject({ code: 2 });
    expect(await ask('replay', file, '--table', 'vn/1', '--verify')).toMatchObject({ code: 2 });
  });

  it('and a file of changes are made whole, or not at all', async () => {
    const cut = join(folder, 'cut.avro');
    writeFileSync(cut, readFileSync(file).subarray(0, -40));
    for (const more of [[], ['--table', 'vn/1']]) {
      const out = join(folder, 'never.ndjson');
      expect(await ask('replay', cut, ...more, '--out', out)).toMatchObject({ code: 1, err: expect.stringContaining('is not whole') });
    }
    const csv = join(folder, 'changes.csv');
    expect((await ask('replay', file, '--to', '4', '--out', csv)).code).toBe(0);
    expect(readFileSync(csv, 'utf8')).toMatch(/^position,type,feed,key,value\r\n1,VnCreated,vn\/1,context,"\{""vnid"":1,/);
    expect(readdirSync(folder).filter((name) => name.startsWith('never') || name.endsWith('.part'))).toEqual([]);
  });
});

describe('a table that is watched', () => {
  it('survives the NVA: it goes on, and says what it has missed', async () => {
    const io = fakeIo({ env: { NVACTL_SERVER: nva.url } });
    const running = run(['watch', 'vn', '9', '-o', 'ndjson'], io);
    await expect.poll(() => io.out()).toContain('"key":"context"');
    const terminal = fakeIo({ env: { NVACTL_SERVER: nva.url, TERM: 'xterm' }, tty: true, rows: 20 });
    const live = run(['watch', 'nve', 'nve2'], terminal);
    await expect.poll(() => terminal.out()).toContain('live');
    const top = fakeIo({ env: { NVACTL_SERVER: nva.url } });
    const looking = run(['top', '--interval', '1', '-o', 'ndjson'], top);
    await expect.poll(() => top.out()).toContain('"ready":true');
    await nva.restart();
    await expect
      .poll(() => io.err(), { timeout: 60_000 })
      .toMatch(/vn\/9: .*; trying again\n(?:.*\n)*nvactl: vn\/9 is live again after \d+ s; missed: nothing\n/);
    await expect.poll(() => terminal.out(), { timeout: 60_000 }).toContain('! vn/1 is live again');
    await nva.http
      .put('/v1/nves/nve2/tenant-systems/ts9000')
      .send(tsBody(1, { tenantId: 'blue', mac: '02:00:00:00:90:00', bindings: [{ vnid: 9, ip: '10.9.0.1' }] }))
      .expect(200);
    await expect.poll(() => io.out(), { timeout: 60_000 }).toContain('mapping/ts9000/10.9.0.1');
    // The VN that the NVE has just come into is followed too.
    await expect.poll(() => terminal.out(), { timeout: 60_000 }).toMatch(/vn\/9 +\d+ +member since/);
    for (const one of [io, terminal, top]) one.stop.abort();
    expect([await running, await live, await looking]).toEqual([130, 130, 130]);
    expect(terminal.out().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  }, 180_000);

  it('says what it has missed, where the table is another one', async () => {
    const record = (key: string, position: number): string =>
      `data: ${JSON.stringify({ key, value: { a: 1 }, position: String(position) })}\n\n`;
    const snapshot = (log: string, ...records: readonly string[]): string =>
      `event: hello\ndata: {"log":"${log}","mode":"snapshot"}\n\n${records.join('')}event: snapshot-complete\nid: ${log}/9\ndata: {}\n\n`;
    const answers = [
      snapshot('l', record('a', 1), record('b', 2)),
      snapshot('l', record('b', 5), record('c', 6)),
      snapshot('m', record('c', 1)),
    ];
    const server: Server = createServer((_request, response) => {
      const answer = answers.shift();
      response.writeHead(answer === undefined ? 404 : 200, {
        'content-type': answer === undefined ? 'application/json' : 'text/event-stream',
      });
      response.end(answer ?? '{"code":"vn-unknown","detail":"there is no VN 1"}');
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { code, io } = await runHere(['watch', 'vn', '1'], {
      env: { NVACTL_SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    });
    server.close();
    expect(code).toBe(4);
    expect(
      io
        .err()
        .split('\n')
        .filter((line) => line.includes('missed')),
    ).toEqual([
      expect.stringMatching(/^nvactl: vn\/1 is live again after \d+ s; missed: 1 added, 1 changed, 1 removed$/),
      expect.stringMatching(/^nvactl: vn\/1 of another log is live again after \d+ s; missed: 1 removed$/),
    ]);
    expect(io.out()).toMatch(/- +1 +a\n(?:.*\n)?~ +5 +b.*\n\+ +6 +c.*\n- +5 +b\n$/);
  });
});

describe('output that cannot be written', () => {
  it('is said, unless its reader has closed it', async () => {
    const { code, err } = await nvactl(['get', 'vns'], { env: { NVACTL_SERVER: nva.url }, stdout: '/dev/full' });
    expect([code, err]).toEqual([141, 'nvactl: the output cannot be written: ENOSPC: no space left on device, write\n']);
  });
});
