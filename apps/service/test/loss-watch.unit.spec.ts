import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, type EventStore } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../../../libs/registrar/test/harness.ts';
import { LossFile } from '../src/log/loss-file.ts';
import { LossWatch } from '../src/log/loss-watch.ts';

const LOG = '0b8e31c6-3c7c-4a0c-a8a1-3f2d3a6b5c1d';
const HOUR_MS = 3_600_000;

let directory: string;
let clock: ManualClock;
let failures: unknown[];
let watch: LossWatch;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-loss-watch-'));
  clock = new ManualClock();
  failures = [];
  // The head of a log and the NVEs that are known are all that it is asked for.
  const store = { logId: LOG, head: () => Promise.resolve({ position: 5 }) } as unknown as EventStore;
  const nves = new Map(['nve1', 'nve2', 'nve3'].map((nveId) => [nveId, { known: true }]));
  const replica = { network: { position: 5, nves } } as unknown as Replica;
  watch = new LossWatch({
    store,
    replica,
    file: new LossFile(directory),
    clock,
    logger: silentLogger,
    look: () => Promise.resolve(),
    failed: (cause) => failures.push(cause),
  });
});

afterEach(() => rm(directory, { recursive: true }));

const says = (nveId: string) =>
  watch.aheadIn({ kind: 'nve', nveId, tenants: null }, nveId, [{ vnid: 1, log: LOG, position: 4_000, digest: '0'.repeat(16) }]);

it('does not put together what two NVEs said more than an hour apart (X1)', async () => {
  await says('nve1');
  clock.advance(HOUR_MS);
  await says('nve2');
  expect(failures).toEqual([]);
  clock.advance(HOUR_MS - 1);
  await says('nve3');
  expect(String(failures[0])).toMatch(/nve:nve2\S* is at position 4000; .*nve:nve3/);
  expect(String(failures[0])).not.toContain('nve1');
});

it('counts an NVE that says it with every heartbeat for as long as it does (X1)', async () => {
  for (let beat = 0; beat < 4; beat++) {
    await says('nve1');
    clock.advance(HOUR_MS / 2);
  }
  expect(failures).toEqual([]);
  await says('nve2');
  expect(String(failures[0])).toMatch(/nve:nve1\S* is at position 4000; .*nve:nve2/);
});
