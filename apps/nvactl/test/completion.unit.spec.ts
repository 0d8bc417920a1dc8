import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASH_SCRIPT } from '../src/completion/bash.ts';
import { runHere } from './cli.ts';

let server: Server;
let url: string;
let home: string;
const VNS = [
  { vnid: 100, name: 'web\u001b[2J', tenantId: 'red' },
  { vnid: 17, name: 'db', tenantId: '$(touch /tmp/owned)' },
];
const NVES = [
  { nveId: 'leaf-1', siteId: 'east' },
  { nveId: 'leaf-2', siteId: 'east' },
  { nveId: '`reboot`', siteId: 'a b' },
];
const SYSTEMS = [{ tsId: 'vm1', tenantId: 'red' }];

beforeAll(async () => {
  const lists: Readonly<Record<string, readonly object[]>> = { '/v1/vns': VNS, '/v1/nves': NVES, '/v1/tenant-systems': SYSTEMS };
  server = createServer((request, response) => {
    const allowed = request.headers.authorization === 'Bearer secret';
    const items = lists[request.url!.split('?')[0]!];
    response.statusCode = allowed ? 200 : 401;
    response.end(JSON.stringify(allowed ? { items } : { code: 'unauthenticated' }));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  home = mkdtempSync(join(tmpdir(), 'nvactl-'));
  await runHere(['context', 'add', 'lab', '--server', url, '--token-stdin'], { home, input: 'secret' });
  await runHere(['context', 'add', 'gone', '--server', 'http://127.0.0.1:1'], { home });
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  rmSync(home, { recursive: true });
});

/** What is suggested, and after the colon what else may stand there: 4 is nothing, 0 is files. */
async function suggested(...words: readonly string[]): Promise<readonly string[]> {
  const { code, io } = await runHere(['complete', '--', ...words], { home });
  expect(code).toBe(0);
  expect(io.out()).not.toMatch(/(?![\t\n])\p{Cc}/u);
  return io
    .out()
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0]!);
}

describe('completion', () => {
  it.each([
    [['de'], ['describe', 'detach', ':4']],
    [
      ['context', 'r'],
      ['remove', ':4'],
    ],
    [
      ['get', 'm'],
      ['mapping', 'mappings', 'member', 'members', ':4'],
    ],
    [
      ['describe', 'vn', ''],
      ['100', '17', ':4'],
    ],
    [['describe', 'vn', '1', ''], [':4']],
    [
      ['get', 'vns', '100', '1'],
      ['100', '17', ':4'],
    ],
    [
      ['describe', 'nve', 'leaf-'],
      ['leaf-1', 'leaf-2', ':4'],
    ],
    [
      ['move', ''],
      ['vm1', ':4'],
    ],
    [
      ['move', 'vm1', '--to', ''],
      ['leaf-1', 'leaf-2', ':4'],
    ],
    [
      ['move', 'vm1', '--to='],
      ['--to=leaf-1', '--to=leaf-2', ':4'],
    ],
    [
      ['move', '--to', 'leaf-1', 'v'],
      ['vm1', ':4'],
    ],
    [['diff', '--vn', '100', '--to', ''], [':4']],
    [
      ['explain', '1'],
      ['100', '17', ':4'],
    ],
    [
      ['what-if', '--site-fails', ''],
      ['east', ':4'],
    ],
    [
      ['attach', 'x', '--tenant', ''],
      ['red', ':4'],
    ],
    [
      ['attach', 'x', '--state', 'as'],
      ['associated', ':4'],
    ],
    [
      ['get', '-o', ''],
      ['csv', 'json', 'name', 'ndjson', 'wide', 'yaml', ':4'],
    ],
    [
      ['-o', 'yaml', 'tr'],
      ['trace', ':4'],
    ],
    [['apply', '-f', ''], [':0']],
    [
      ['apply', '--dr'],
      ['--dry-run', ':4'],
    ],
    [
      ['context', 'use', ''],
      ['gone', 'lab', ':4'],
    ],
    [
      ['--context', ''],
      ['gone', 'lab', ':4'],
    ],
    [['--context', 'gone', 'describe', 'vn', ''], [':4']],
    [['--server', 'nonsense', 'describe', 'vn', ''], [':4']],
    [['nonsense', ''], [':4']],
    [['replay', ''], [':0']],
    [['import', 'log.avro', '--data-dir', ''], [':0']],
    [['replay', '--out', ''], [':0']],
    [['replay', '--to', ''], [':4']],
    [
      ['get', 'ts', '--state', 'a'],
      ['activated', 'associated', ':4'],
    ],
  ])('of %j suggests %j', async (words, expected) => {
    expect(await suggested(...words)).toEqual(expected);
  });
});

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;
const shells = ['bash', ...['zsh', 'fish'].filter(has)];

describe('the script', () => {
  it.each(shells)('for %s is one that the shell reads', (shell) => {
    const main = join(import.meta.dirname, '../src/main.ts');
    const script = spawnSync(process.execPath, ['--conditions=source', main, 'completion', shell], { encoding: 'utf8' });
    expect([script.status, script.stderr]).toEqual([0, '']);
    expect(script.stdout).toContain('nvactl');
    const file = join(home, `nvactl.${shell}`);
    writeFileSync(file, script.stdout);
    const read = spawnSync(shell, [shell === 'fish' ? '--no-execute' : '-n', file], { encoding: 'utf8' });
    expect([read.status, read.stderr]).toEqual([0, '']);
  });

  it.each([
    ['nvactl move vm', ['vm1', 'vm:2']],
    ['nvactl move vm:', ['2']],
    ['nvactl get "$(touch OWNED)" vm', ['vm1', 'vm:2']],
    ['nvactl x --to=vm', ['vm1', 'vm:2']],
  ])('for bash completes «%s», and runs nothing that it reads', (line, expected) => {
    const stub = join(home, 'nvactl');
    const values = line.includes('--to=') ? ['--to=vm1', '--to=vm:2'] : ['vm1', 'vm:2'];
    writeFileSync(stub, `#!/bin/bash\nprintf '%s\\t$(touch OWNED)\\n' ${values.join(' ')}\necho ':4'\n`, { mode: 0o755 });
    // As bash itself parts the line: at ":" and "=" too.
    const words = line.match(/"[^"]*"|[:=]|[^\s:="]+/g)!;
    const script = `${BASH_SCRIPT}
COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_nvactl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const run = spawnSync('bash', ['-c', script, 'bash', line, ...words], {
      encoding: 'utf8',
      cwd: home,
      env: { PATH: `${home}:${process.env['PATH']}` },
    });
    expect(run.stdout.split('\n').slice(0, -1)).toEqual(expected);
    expect(spawnSync('ls', [home], { encoding: 'utf8' }).stdout).not.toContain('OWNED');
  });
});
