import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { WhatIf } from '../src/commands/what-if.ts';
import { runHere } from './cli.ts';

const ANSWER: WhatIf = {
  at: { position: '41', recordedAt: '2026-01-02T03:04:05.000Z' },
  steps: [
    {
      step: 1,
      command: 'attach',
      status: 200,
      recorded: true,
      effective: false,
      conflicts: [],
      memberships: [100],
      events: [{ type: 'TenantSystemAttached', stream: 'ts-vm9' }],
    },
    {
      step: 2,
      command: 'detach',
      status: 409,
      recorded: false,
      events: [],
      code: 'ts-not-at-nve',
      detail: 'it has \u001b[31mmoved',
    },
    {
      step: 3,
      scenario: 'nve-fails',
      status: 200,
      recorded: false,
      events: [],
      note: 'it was unreachable already',
    },
  ],
  feeds: [
    {
      feed: 'vn/100',
      told: true,
      added: 1,
      changed: 2,
      removed: 1,
      changes: [
        {
          key: 'mapping/vm1/192.0.2.1',
          before: { ip: '192.0.2.1', vlan: null, mac: '02:00:00:00:00:01', attachments: [{ nveId: 'nve-2', state: 'activated' }] },
          after: null,
          step: 3,
        },
        {
          key: 'member/nve-2',
          before: { addresses: ['198.51.100.2'], reachable: true },
          after: { addresses: ['198.51.100.2'], reachable: false },
          step: 3,
        },
      ],
    },
    { feed: 'vn/200', told: false, added: 0, changed: 0, removed: 0, changes: [] },
  ],
  nves: [{ nveId: 'nve-1', gained: 0, lost: 1, changed: 2, joined: [], left: [100, 200] }],
  reachability: { lost: 3, gained: 1, lostPairs: [{ vnid: 100, a: 'vm1', b: 'vm2' }], gainedPairs: [{ vnid: 200, a: 'vm3', b: 'vm4' }] },
  conflicts: { appeared: [{ tsId: 'vm9', vnid: 100, address: '192.0.2.1', heldBy: 'vm1' }], ended: [] },
  partial: ['pairs'],
  sentences: ['nve-2 would be gone.'],
};

let server: Server;
let url: string;
let folder: string;
const bodies: unknown[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.push([request.method, request.url, JSON.parse(body)]);
      response.setHeader('content-type', 'application/json').end(JSON.stringify(ANSWER));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = mkdtempSync(join(tmpdir(), 'nvactl-'));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  rmSync(folder, { recursive: true });
});

const whatIf = (...args: readonly string[]) => runHere(['what-if', '--server', url, ...args]);

describe('what-if', () => {
  it('sends the steps of files first, then those of options, in their order', async () => {
    const attach = { command: 'attach', nveId: 'nve-1', tsId: 'vm9' };
    writeFileSync(join(folder, 'a.yaml'), 'steps:\n  - {command: attach, nveId: nve-1, tsId: vm9}\n');
    writeFileSync(join(folder, 'b.ndjson'), `${JSON.stringify(attach)}\n{"scenario":"vn-deleted","vnid":7}\n`);
    const { code } = await whatIf(
      '-f',
      join(folder, 'a.yaml'),
      '-f',
      join(folder, 'b.ndjson'),
      '--site-fails',
      'site-1',
      '--nve-fails',
      'nve-2',
      '--vn-deleted',
      '100',
      '--distributor-stops',
      '0-31',
      '--at',
      '12',
    );
    expect(code).toBe(0);
    expect(bodies.pop()).toEqual([
      'POST',
      '/v1/what-if',
      {
        at: '12',
        steps: [
          attach,
          attach,
          { scenario: 'vn-deleted', vnid: 7 },
          { scenario: 'site-fails', siteId: 'site-1' },
          { scenario: 'nve-fails', nveId: 'nve-2' },
          { scenario: 'vn-deleted', vnid: 100 },
          { scenario: 'distributor-stops', shards: '0-31' },
        ],
      },
    ]);
  });

  it('reads steps from standard input', async () => {
    const { code } = await runHere(['what-if', '--server', url, '-f', '-'], { input: '- {scenario: nve-fails, nveId: nve-2}\n' });
    expect(code).toBe(0);
    expect(bodies.pop()).toEqual(['POST', '/v1/what-if', { steps: [{ scenario: 'nve-fails', nveId: 'nve-2' }] }]);
  });

  it('shows what would come of it', async () => {
    const text = (await whatIf('--nve-fails', 'nve-2')).io.out();
    for (const pattern of [
      /^If this were done at position 41 \(2026-01-02T03:04:05\.000Z\):\nnve-2 would be gone\.\n/,
      /1 +attach +not effective +TenantSystemAttached ts-vm9/,
      /2 +detach +refused \(409\) +- +ts-not-at-nve: it has \\x1b\[31mmoved/,
      /3 +nve-fails +changes nothing +- +it was unreachable already/,
      /vn\/100 +yes +1 +2 +1\n/,
      /vn\/200 +no +0 +0 +0\n/,
      /- +vn\/100 +mapping\/vm1\/192\.0\.2\.1 +192\.0\.2\.1 02:00:00:00:00:01 at nve-2 +- +3/,
      /~ +vn\/100 +member\/nve-2 +198\.51\.100\.2 reachable +198\.51\.100\.2 unreachable +3/,
      /nve-1 +0 +1 +2 +- +100,200/,
      /Pairs that could no longer reach each other: 3\n +VNID +A +B\n- +100 +vm1 +vm2\nand 2 more\n/,
      /Pairs that could reach each other then: 1\n/,
      /Conflicts that would appear: 1\n.*\n- +vm9 +100 +192\.0\.2\.1 +vm1\n/,
      /Not all is told, for these bounds were met: pairs\n$/,
    ])
      expect(text).toMatch(pattern);
    expect(text).not.toContain('would end');
    expect(text).not.toContain('\u001b');
  });

  it('prints the answer as data too', async () => {
    expect(JSON.parse((await whatIf('--nve-fails', 'nve-2', '-o', 'json')).io.out())).toEqual(ANSWER);
    expect(parse((await whatIf('--nve-fails', 'nve-2', '-o', 'yaml')).io.out())).toEqual(ANSWER);
    expect((await whatIf('--nve-fails', 'nve-2', '-o', 'name')).io.out()).toBe('vn/100\nvn/200\n');
  });

  it('needs steps, and asks nothing without them', async () => {
    const asked = bodies.length;
    expect((await whatIf()).code).toBe(2);
    expect((await whatIf('--vn-deleted', 'web')).code).toBe(2);
    writeFileSync(join(folder, 'c.yaml'), 'web\n');
    expect((await whatIf('-f', join(folder, 'c.yaml'))).code).toBe(2);
    expect(bodies.length).toBe(asked);
  });
});
