import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { startNva, type NvaFixture } from '../../service/test/support.ts';
import { run } from '../src/run.ts';
import { Cli, fakeIo, nvactl, runHere, type Ran } from './cli.ts';

const TOKEN = 'an-operators-token-for-this-test';
/** Figure 1 of the draft: three NVEs, two VNs, and their tenant systems. */
const FIGURE_1 = {
  vns: [
    { vnid: 100, tenantId: 'red', name: 'VN1', service: 'l3', encapsulation: 'vxlan' },
    { vnid: 200, tenantId: 'red', name: 'VN2', service: 'l2', encapsulation: 'nvgre' },
  ],
  nves: [1, 2, 3].map((n) => ({ nveId: `nve-${n}`, siteId: `site-${n}`, mac: `02:00:5E:00:00:0${n}`, addresses: [`198.51.100.${n}`] })),
  tenantSystems: [
    system(1, 'nve-1', [{ vnid: 100, ip: '192.0.2.1' }]),
    system(2, 'nve-2', [
      { vnid: 100, ip: '192.0.2.2', bid: 1 },
      { vnid: 200, vlan: 7, bid: 2 },
    ]),
    system(3, 'nve-3', [{ vnid: 200, vlan: 7 }]),
  ],
};

function system(n: number, nveId: string, bindings: readonly object[]): object {
  return { tsId: `vm${n}`, tenantId: 'red', vmId: `vm${n}`, mac: `02:00:00:00:00:0${n}`, nveId, bindings };
}

let nva: NvaFixture;
let folder: string;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvactl-'));
  nva = await startNva();
  env = { NVACTL_SERVER: nva.url };
});
afterAll(async () => {
  await nva.stop();
  rmSync(folder, { recursive: true });
});

/** In this process, which takes a hundredth of the time; `child` is the real thing. */
const ask = async (...args: readonly string[]): Promise<Ran> => {
  const { code, io } = await runHere(args, { env });
  return { code, out: io.out(), err: io.err() };
};
const child = (...args: readonly string[]): Promise<Ran> => nvactl(args, { env });
/** A run that must go well; its output. */
async function told(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await ask(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}
const asJson = async (...args: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await told(...args, '-o', 'json')) as Record<string, unknown>;

function manifest(value: object): string {
  const file = join(folder, 'manifest.yaml');
  writeFileSync(file, stringify(value));
  return file;
}

/** An address at which nobody listens any more. */
async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Hands every request on to the NVA; before the second one that has commands it calls `second`. */
async function between(second: () => void): Promise<{ readonly url: string; close(): Promise<void> }> {
  let requests = 0;
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    if (request.method === 'POST' && ++requests === 2) second();
    const answer = await fetch(nva.url + request.url!, {
      method: request.method!,
      headers: { 'content-type': request.headers['content-type'] ?? 'application/json' },
      ...(request.method === 'POST' && { body: Buffer.concat(body) }),
    });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! }).end(await answer.text());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** The cells of each line of a table, without its titles. */
const rows = (text: string): readonly (readonly string[])[] =>
  text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/ {2,}/));

describe('nvactl plays Figure 1 with a real NVA', () => {
  it('applies it: shows the plan, does it, and has nothing to do then', async () => {
    const file = manifest(FIGURE_1);
    const planned = await child('apply', '-f', file, '--dry-run');
    expect(planned).toMatchObject({ code: 5, err: '' });
    expect(
      planned.out
        .split('\n')
        .slice(0, 3)
        .map((line) => line.split(/ {2,}/).slice(0, 3)),
    ).toEqual([
      ['+', 'create', 'vn/100'],
      ['+', 'create', 'vn/200'],
      ['+', 'connect', 'nve/nve-1'],
    ]);
    expect(await nva.head()).toBe(0);
    expect(await child('apply', '-f', file)).toEqual({ code: 0, out: `${planned.out}8 of 8 done\n`, err: '' });
    expect(await told('apply', '-f', file)).toBe('nothing to do\n');
    expect(await told('apply', '-f', file, '--dry-run')).toBe('nothing to do\n');
    expect(await nva.head()).toBe(8);
  });

  it('lists what there is, in every form', async () => {
    expect(rows((await child('get', 'vns')).out)).toEqual([
      ['100', 'VN1', 'red', 'l3', 'vxlan', '2', '2'],
      ['200', 'VN2', 'red', 'l2', 'nvgre', '2', '2'],
    ]);
    expect(rows(await told('get', 'nves')).map(([id, , status]) => [id, status])).toEqual([1, 2, 3].map((n) => [`nve-${n}`, 'reachable']));
    expect(rows(await told('get', 'ts', '--vn', '200')).map((cells) => [cells[0], cells[3], cells[4]])).toEqual([
      ['vm2', 'nve-2', '100/192.0.2.2#1 200/vlan-7#2'],
      ['vm3', 'nve-3', '200/vlan-7'],
    ]);
    expect(rows(await told('get', 'mappings', '--vn', '100')).map(([id, address]) => [id, address])).toEqual([
      ['vm1', '192.0.2.1'],
      ['vm2', '192.0.2.2'],
    ]);
    expect(rows(await told('get', 'members', '--vn', '100')).map(([id]) => id)).toEqual(['nve-1', 'nve-2']);
    expect(rows(await told('get', 'table', '--nve', 'nve-2')).map(([vnid, id]) => `${vnid} ${id}`)).toEqual([
      '100 vm1',
      '100 vm2',
      '200 vm2',
      '200 vm3',
    ]);
    expect(rows(await told('get', 'events', '--limit', '2')).map(([position]) => position)).toEqual(['8', '7']);
    expect(rows(await told('get', 'events', '--entity', 'ts-vm1', '--entity', 'vn-100')).map(([position]) => position)).toEqual(['6', '1']);
    expect(rows(await told('get', 'oracles'))).toHaveLength(1);
    expect(await told('get', 'vns', '-o', 'name')).toBe('vn/100\nvn/200\n');
    expect((await told('get', 'vns', '-o', 'wide')).split('\n')[0]).toContain('DIGEST');
    expect(parse(await told('get', 'vn', '100', '-o', 'yaml'))).toEqual(await asJson('get', 'vn', '100'));
    expect(await asJson('get', 'vns', '100', '200')).toEqual(await asJson('get', 'vns'));
    expect(await told('get', 'vns', '--at', '1', '-o', 'name')).toBe('vn/100\n');
    expect(await asJson('get', 'mappings', '--vn', '100', '--conflicted')).toEqual({ items: [] });
  });

  it('describes a VN, an NVE and a tenant system', async () => {
    expect(await told('describe', 'vn', '100')).toMatch(/Name: +VN1\n[^]*\nNVEs\n[^]*nve-1[^]*\nMappings\n[^]*192\.0\.2\.2/);
    expect(await told('describe', 'nve', 'nve-2')).toMatch(
      /Site: +site-2\n[^]*\nVNs\n[^]*100 [^]*not reported\n[^]*\nTenant systems\n[^]*vm2/,
    );
    expect(await told('describe', 'ts', 'vm2')).toMatch(/At: +nve-2, activated\nBinding: +100\/192\.0\.2\.2#1\nBinding: +200\/vlan-7#2\n/);
  });

  it('attaches, moves and detaches, and says what came of it', async () => {
    const attach = ['attach', 'vm4', '--tenant', 'red', '--vm', 'vm4', '--mac', '02:00:00:00:00:04'];
    expect(await told(...attach, '--nve', 'nve-1', '--binding', 'vnid=100,ip=192.0.2.4')).toBe(
      'vm4 is attached to nve-1 (position 9, in VN 100)\n',
    );
    expect(await told('move', 'vm4', '--to', 'nve-3', '--add', '--state', 'associated')).toBe(
      'vm4 is at nve-3 too, besides nve-1 (position 10, in VN 100)\n',
    );
    expect(await ask('detach', 'vm4')).toMatchObject({ code: 2, err: expect.stringContaining('nve-1 and nve-3') });
    expect(await told('detach', 'vm4', '--nve', 'nve-3')).toContain('(position 11');
    expect(await child('move', 'vm4', '--to', 'nve-2')).toEqual({
      code: 0,
      out: 'vm4 moved from nve-1 to nve-2 (position 12, in VN 100)\n',
      err: '',
    });
    expect((await asJson('get', 'ts', 'vm4'))['attachments']).toMatchObject([{ nveId: 'nve-2', state: 'activated' }]);
    expect(await told('detach', 'vm4')).toBe('vm4 is detached from nve-2 (position 13)\n');
    expect(await ask('detach', 'vm4')).toMatchObject({ code: 4 });
    expect(await ask(...attach, '--nve', 'nve-1', '--binding', 'vnid=100,ip=192.0.2.1')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('409 duplicate-ip; field ip'),
    });
    expect(await ask(...attach, '--nve', 'nve-1', '--binding', 'vnid=100;ip=1')).toMatchObject({ code: 2 });
    expect(await ask('move', 'vm1', '--to', 'nve-3', '--if-revision', '7')).toMatchObject({ code: 1, err: expect.stringContaining('409') });
  });

  it('moves by an apply, and tells what was different, when and why', async () => {
    const [first, ...others] = FIGURE_1.tenantSystems;
    const file = manifest({ tenantSystems: [{ ...first, nveId: 'nve-3' }, ...others] });
    expect((await told('apply', '-f', file)).split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['~', 'move', 'ts/vm1', 'nve-1 → nve-3'],
      ['1 of 1 done'],
      [''],
    ]);
    const diff = await child('diff', '--vn', '100', '--from', '13', '--to', '14');
    expect(diff).toMatchObject({ code: 5, err: '' });
    expect(
      rows(diff.out)
        .map(([sign, , key]) => `${sign} ${key}`)
        .toSorted(),
    ).toEqual(['+ member/nve-3', '- member/nve-1', '~ mapping/vm1/192.0.2.1']);
    expect(await ask('diff', '--vn', '200', '--from', '13')).toMatchObject({ code: 0 });
    expect(rows(await told('timeline', '--ts', 'vm1')).map(([position]) => position)).toEqual(['6', '14']);
    expect(rows(await told('timeline', '--vn', '100', '--ip', '192.0.2.1')).map(([position]) => position)).toEqual(['6', '14']);
    expect(await told('explain', '100', '192.0.2.1')).toMatch(/^192\.0\.2\.1 in VN 100 is vm1 .* at nve-3/);
    expect(await told('explain', '100', '192.0.2.1', '-o', 'wide')).toMatch(/\nNVE +PROVEN +WHY\n/);
    expect(await told('explain', '100', '192.0.2.9', '-o', 'name')).toBe('never-registered\n');
    expect(await told('trace', 'vm1', '192.0.2.2')).toMatch(/^delivered at position 14\n[^]*nve-3 sends it to nve-2/);
    expect(await told('trace', 'vm1', '192.0.2.2', '--at', '8')).toMatch(/nve-1 sends it to nve-2/);
    expect(await told('reachability', 'vm1', 'vm2')).toContain('vm1 and vm2 could reach each other in VN 100 since');
    expect((await asJson('reachability', 'vm1', 'vm3'))['reachable']).toBe(false);
  });

  it('prunes what files do not name: asks for --yes where there is nobody to ask', async () => {
    const [, second, third] = FIGURE_1.tenantSystems;
    const file = manifest({ tenantSystems: [second, third] });
    const before = await nva.head();
    expect(await told('apply', '-f', file)).toBe('nothing to do\n');
    expect(await ask('apply', '-f', file, '--prune')).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(await nva.head()).toBe(before);
    for (const [answer, said] of [
      ['n\n', 'nothing was done'],
      ['', 'nothing was done'],
      ['maybe\n', 'nothing was done'],
    ] as const) {
      const asked = await runHere(['apply', '-f', file, '--prune'], { env, tty: true, input: answer });
      expect([asked.code, asked.io.err()]).toEqual([
        1,
        expect.stringMatching(new RegExp(`Remove 1 that the files do not name\\? \\[y/N\\] .*${said}`, 's')),
      ]);
    }
    expect(await nva.head()).toBe(before);
    expect((await runHere(['apply', '-f', manifest({ tenantSystems: [third] }), '--prune', '--dry-run'], { env, tty: true })).code).toBe(5);
    const yes = await runHere(['apply', '-f', manifest({ vns: FIGURE_1.vns, nves: FIGURE_1.nves.slice(0, 2) }), '--prune'], {
      env,
      tty: true,
      input: 'yes\n',
    });
    expect([yes.code, yes.io.out()]).toEqual([1, expect.stringContaining('nve-in-use')]);
    manifest({ tenantSystems: [second, third] });
    expect(await told('apply', '-f', file, '--prune', '--yes')).toMatch(/^- +remove +ts\/vm1 [^]*1 of 1 done\n$/);
    expect(await told('get', 'ts', '-o', 'name')).toBe('ts/vm2\nts/vm3\n');
  });

  it('says which steps of an apply were refused, and does the rest', async () => {
    const file = manifest({ tenantSystems: [system(5, 'nve-9', []), system(6, 'nve-1', [{ vnid: 100, ip: '192.0.2.6' }])] });
    const { code, out, err } = await ask('apply', '-f', file);
    expect(code).toBe(1);
    expect(out).toMatch(/✗ +attach +ts\/vm5 +refused +NVE nve-9 has not connected/);
    expect(err).toBe('nvactl: 1 of 2 done, 1 refused\n');
    expect(await told('get', 'ts', '--nve', 'nve-1', '-o', 'name')).toBe('ts/vm6\n');
    const again = await asJson('apply', '-f', manifest({ tenantSystems: [system(6, 'nve-2', [{ vnid: 100, ip: '192.0.2.6' }])] }));
    expect(again).toMatchObject({ plan: [{ action: 'move', object: 'ts/vm6', outcome: 'done', result: { status: 200 } }] });
    expect(await ask('apply', '-f', manifest({ vns: [{ ...FIGURE_1.vns[0], service: 'l2' }] }))).toMatchObject({
      code: 1,
      err: expect.stringContaining('never another'),
    });
  });

  it('watches a VN: its table, then each change, until Ctrl-C', async () => {
    const watch = new Cli(['watch', 'vn', '200'], { env });
    await watch.prints('mapping/vm3/vlan-7');
    await told('move', 'vm3', '--to', 'nve-1');
    await watch.prints('TenantSystemMoved');
    watch.child.kill('SIGINT');
    const { code, out, err } = await watch.ended;
    expect([code, err]).toEqual([130, 'nvactl: interrupted\n']);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(
      lines
        .filter(([sign]) => sign === '=')
        .map((cells) => cells[2])
        .toSorted(),
    ).toEqual(['context', 'mapping/vm2/vlan-7', 'mapping/vm3/vlan-7', 'member/nve-2', 'member/nve-3']);
    expect(lines.filter(([sign]) => sign !== '=').map((cells) => `${cells[0]} ${cells[2]}`)).toContain('~ mapping/vm3/vlan-7');
  });

  it('watches an NVE with the VNs that it is in, as lines of JSON, for so many changes', async () => {
    const watch = new Cli(['watch', 'nve', 'nve-2', '--count', '2', '-o', 'json'], { env });
    await watch.prints('mapping/vm3/vlan-7');
    await told('move', 'vm3', '--to', 'nve-3');
    const { code, out } = await watch.ended;
    expect(code).toBe(0);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly feed: string; readonly sign: string });
    expect(lines.filter(({ sign }) => sign !== '=')).toHaveLength(2);
    expect(await told('watch', 'nve', 'nve-3', '--once', '-o', 'name')).toContain('vn/200/mapping/vm3/vlan-7\n');
    expect(await ask('watch', 'vn', '999')).toMatchObject({ code: 4 });
  });

  it('watches on a terminal: a table that is drawn anew, and a terminal that is given back', async () => {
    const io = { env: { ...env, TERM: 'xterm' }, tty: true, columns: 60, rows: 12 };
    const terminal = fakeIo(io);
    const running = run(['watch', 'vn', '200'], terminal);
    await expect.poll(() => terminal.out()).toContain('mapping/vm3/vlan-7');
    await told('move', 'vm3', '--to', 'nve-1');
    await expect.poll(() => terminal.out()).toContain('TenantSystemMoved');
    terminal.stop.abort();
    expect(await running).toBe(130);
    expect(terminal.out().startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
    expect(terminal.out().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    expect(terminal.atExit.size).toBe(0);
  });

  it('shows lag, rates and what NVEs have not proven', async () => {
    const text = await told('top', '--once');
    expect(text).toMatch(/State: +ready\n/);
    expect(text).toMatch(/feeds +0 +0\.0\n/);
    expect(text).toMatch(/nve-2 +100 +reachable +not reported/);
    const looks = (await told('top', '--interval', '1', '--count', '2', '-o', 'json'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { rates: { requests: number | null } });
    expect(looks.map(({ rates }) => rates.requests !== null)).toEqual([false, true]);
    const top = new Cli(['top', '--interval', '3600'], { env });
    await top.prints('NVEs:');
    top.child.kill('SIGINT');
    expect((await top.ended).code).toBe(130);
  });

  it('ends with codes that tell a script what happened', async () => {
    expect(await child('get', 'vn', '999')).toMatchObject({ code: 4, out: '', err: expect.stringContaining('404 vn-unknown') });
    expect(await ask('get', 'vn', 'web')).toMatchObject({ code: 1, err: expect.stringContaining('400') });
    expect(await ask('get', 'vns', '--nve', 'nve-1')).toMatchObject({ code: 2 });
    expect(await ask('get', 'members')).toMatchObject({ code: 2, err: 'nvactl: --vn is missing\n' });
    expect(await ask('apply', '-f', join(folder, 'none.yaml'))).toMatchObject({ code: 2 });
    expect(await ask('apply', '-f', manifest({ vns: [{ vnid: 0 }] }))).toMatchObject({
      code: 2,
      err: expect.stringContaining('vns[0].vnid'),
    });
    expect(await nvactl(['get', 'vns', '--server', await nobody()])).toMatchObject({
      code: 3,
      err: expect.stringContaining('ECONNREFUSED'),
    });
    expect((await runHere(['get', 'vns', '--server', 'nonsense'])).code).toBe(2);
  });

  it('reads a manifest from standard input', async () => {
    const file = stringify({ vns: [{ vnid: 300, tenantId: 'blue', name: 'VN3', service: 'l3', encapsulation: 'vxlan' }] });
    expect(await nvactl(['apply', '-f', '-'], { env, input: file })).toMatchObject({ code: 0 });
    expect(await nvactl(['apply', '-f', '-', '-o', 'name', '--dry-run'], { env, input: file.replace('VN3', 'VN-3') })).toMatchObject({
      code: 5,
      out: 'vn/300\n',
    });
  });
});

describe('an apply of many', () => {
  const many = {
    tenantSystems: Array.from({ length: 3_000 }, (_, i) => ({ ...system(1, 'nve-1', []), tsId: `many-${i}`, vmId: `many-${i}` })),
  };

  it('that is interrupted says what was done, and the same command goes on with it', async () => {
    const file = manifest(many);
    let apply: Cli | undefined;
    const proxy = await between(() => apply!.child.kill('SIGINT'));
    apply = new Cli(['apply', '-f', file, '-o', 'json'], { env: { NVACTL_SERVER: proxy.url } });
    const { code, out, err } = await apply.ended;
    await proxy.close();
    const { plan } = JSON.parse(out) as { plan: readonly { outcome: string }[] };
    const done = plan.filter(({ outcome }) => outcome === 'done').length;
    // What was under way came to its end; the signal may have been heard only after that.
    expect(done % 64).toBe(0);
    expect(done).toBeGreaterThanOrEqual(128);
    expect([code, err]).toEqual([130, `nvactl: interrupted; ${done} of 3000 done, ${3_000 - done} not tried\n`]);
    const recorded = async (): Promise<number> => {
      const { io } = await runHere(['get', 'ts', '--nve', 'nve-1', '--tenant', 'red', '-o', 'name'], { env });
      return io.out().match(/^ts\/many-/gm)?.length ?? 0;
    };
    expect(await recorded()).toBe(done);
    const { code: again } = await ask('apply', '-f', file, '-o', 'json');
    expect(again).toBe(0);
    expect(await recorded()).toBe(3_000);
    expect(await told('apply', '-f', file)).toBe('nothing to do\n');
  });

  it('shows a bar on a terminal, on standard error only', async () => {
    const { io, code } = await runHere(
      ['apply', '-f', manifest({ vns: [], tenantSystems: many.tenantSystems.slice(0, 100).map((ts) => ({ ...ts, nveId: 'nve-2' })) })],
      { env, tty: true },
    );
    expect(code).toBe(0);
    expect(io.err()).toContain('] 100/100');
    expect(io.out()).not.toContain('] 100/100');
    expect(io.out()).toContain('100 of 100 done');
  });
});

describe('tokens', () => {
  const here = async (args: readonly string[], variables: Readonly<Record<string, string>>): Promise<Ran> => {
    const { code, io } = await runHere(args, { env: variables });
    return { code, out: io.out(), err: io.err() };
  };

  it('are sent; without one, and with a wrong one, the NVA refuses', async () => {
    const tokens = join(folder, 'tokens.json');
    writeFileSync(tokens, JSON.stringify({ operators: [{ name: 'alice', sha256: createHash('sha256').update(TOKEN).digest('hex') }] }));
    const guarded = await startNva({ env: { TOKENS_FILE: tokens } });
    try {
      const server = { NVACTL_SERVER: guarded.url };
      const file = join(folder, 'token');
      writeFileSync(file, `${TOKEN}\n`);
      expect(await here(['get', 'vns'], server)).toMatchObject({ code: 1, err: expect.stringContaining('401 unauthenticated') });
      expect(await here(['get', 'vns'], { ...server, NVACTL_TOKEN: 'wrong' })).toMatchObject({ code: 1 });
      expect(await here(['get', 'vns'], { ...server, NVACTL_TOKEN: TOKEN })).toMatchObject({ code: 0 });
      expect(await here(['get', 'vns', '--token-file', file], server)).toMatchObject({ code: 0 });
      const home = { HOME: folder };
      expect(await nvactl(['context', 'add', 'lab', '--server', guarded.url, '--token-file', file], { env: home })).toMatchObject({
        code: 0,
      });
      expect(await nvactl(['get', 'vns'], { env: home })).toMatchObject({ code: 0 });
      const refused = await here(['apply', '-f', manifest({ vns: FIGURE_1.vns })], server);
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('401') });
    } finally {
      await guarded.stop();
    }
  });
});

describe('a server that is no NVA, or a bad one', () => {
  let server: Server;
  let answer: (path: string) => { readonly status?: number; readonly type?: string; readonly body: string };
  let at: Readonly<Record<string, string>>;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const { status = 200, type = 'application/json', body } = answer(request.url!);
      response.writeHead(status, { 'content-type': type, ...(status === 302 && { location: 'http://127.0.0.1:1/' }) }).end(body);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    at = { NVACTL_SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, NVACTL_TOKEN: 'secret' };
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });
  const EVIL = '\u001b]0;owned\u0007\u009b2J\r\u202e\u2028';

  it.each([
    ['HTML', { type: 'text/html', body: '<html>' }],
    ['no list', { body: '{}' }],
    ['null', { body: 'null' }],
    ['items that are none', { body: '{"items":[null]}' }],
    ['a page that leads to itself', { body: '{"items":[],"next":"1"}' }],
    ['a redirection', { status: 302, body: '' }],
    ['502 from a proxy', { status: 502, body: 'bad gateway' }],
  ])('that answers %s is one that cannot be used', async (_, given) => {
    answer = () => given;
    const { code, io } = await runHere(['get', 'vns'], { env: at });
    expect([code, io.err()]).toEqual([3, expect.stringContaining('does not answer as an NVA')]);
  });

  it.each([[['get', 'events']], [['timeline', '--vn', '1']], [['diff', '--vn', '1', '--from', '1']], [['get', 'ts']]])(
    'is found out by every list that has pages: %j',
    async (args) => {
      for (const body of ['{}', '{"items":[null]}', '{"items":[],"next":"1"}', '{"items":[],"next":1}']) {
        answer = () => ({ body });
        const { code, io } = await runHere(args, { env: at });
        expect([code, io.err()]).toEqual([3, expect.stringContaining('does not answer as an NVA')]);
      }
    },
  );

  it('that does not answer a command is not waited for after a second Ctrl-C', async () => {
    let asked = false;
    const silent = createServer((request, response) => {
      asked = request.method === 'POST';
      if (!asked) response.end('{"code":"vn-unknown"}');
    });
    // What is named is not there: 404.
    silent.prependListener('request', (_, response) => (response.statusCode = 404));
    await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
    const apply = new Cli(['apply', '-f', manifest({ vns: FIGURE_1.vns })], {
      env: { NVACTL_SERVER: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` },
    });
    await expect.poll(() => asked, { interval: 10 }).toBe(true);
    const again = setInterval(() => apply.child.kill('SIGINT'), 20);
    const { code } = await apply.ended;
    clearInterval(again);
    silent.closeAllConnections();
    await new Promise((resolve) => void silent.close(resolve));
    expect(code).toBe(130);
  });

  it('puts no control character on the terminal, by whatever it answers', async () => {
    const vn = {
      vnid: 1,
      tenantId: EVIL,
      name: EVIL,
      service: EVIL,
      encapsulation: EVIL,
      members: 1,
      tenantSystems: 1,
      context: { access: { [EVIL]: EVIL }, tunnel: {} },
    };
    const bodies: Readonly<Record<string, object>> = {
      '/v1/vns': { items: [vn] },
      '/v1/vns/1': vn,
      '/v1/vns/1/members': { items: [{ nveId: EVIL, mac: EVIL, addresses: [EVIL], reachable: true }] },
      '/v1/vns/1/mappings': {
        items: [{ tsId: EVIL, ip: EVIL, mac: EVIL, vlan: null, bid: null, attachments: [{ nveId: EVIL, state: EVIL }] }],
      },
      '/v1/explain': { sentences: [EVIL], chain: [], there: false, reason: EVIL, partial: false },
      '/v1/trace': { outcome: EVIL, sentences: [EVIL], at: { position: EVIL } },
    };
    answer = (path) => {
      const body = bodies[path.split('?')[0]!];
      return body
        ? { body: JSON.stringify(body) }
        : { status: 409, body: JSON.stringify({ code: EVIL, detail: EVIL, field: EVIL, received: EVIL }) };
    };
    for (const args of [
      ['get', 'vns'],
      ['describe', 'vn', '1'],
      ['explain', '1', '::1'],
      ['trace', 'a', '::1'],
      ['get', 'nves'],
    ]) {
      for (const form of [[], ['-o', 'json'], ['-o', 'yaml'], ['-o', 'wide'], ['-o', 'name'], ['-o', 'csv'], ['-o', 'ndjson']]) {
        const { io } = await runHere([...args, ...form], { env: { ...at, NO_COLOR: '1' }, tty: true });
        expect(io.out() + io.err()).not.toBe('');
        // CSV ends its lines by two characters.
        expect(io.out().replaceAll('\r\n', '\n') + io.err()).not.toMatch(/(?![\t\n])[\p{Cc}\u2028\u202e]/u);
      }
    }
    answer = () => ({
      type: 'text/event-stream',
      body: `event: hello\ndata: {"mode":"snapshot"}\n\ndata: ${JSON.stringify({ key: EVIL, value: { a: EVIL }, position: '1', eventType: EVIL })}\n\nevent: snapshot-complete\nid: l/1\ndata: {}\n\n`,
    });
    const { io, code } = await runHere(['watch', 'vn', '1', '--once'], { env: at });
    expect(code).toBe(0);
    expect(io.out()).toContain('\\x1b]0;owned');
    expect(io.out()).not.toMatch(/(?![\t\n])\p{Cc}/u);
  });
});
