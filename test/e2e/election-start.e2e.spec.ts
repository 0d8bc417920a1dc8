import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '@nva/processes';
import { Trio } from '../eventstore/trio.ts';
import { NvaProcess } from './nva-process.ts';

let directory: string;
let trio: Trio;
let nva: NvaProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-election-start-'));
  trio = await Trio.start();
  trio.elect(null);
  nva = await NvaProcess.start({
    brokers: [],
    prefix: 'nvo3',
    dataDir: join(directory, 'data'),
    env: { EVENTSTORE_URL: trio.url, ADVERTISED_URL: 'http://127.0.0.1:1' },
  });
});

afterEach(async () => {
  await nva.kill();
  await trio.stop();
  await rm(directory, { recursive: true });
});

const waits = (): Promise<void> =>
  until('it says that it waits', () =>
    nva.output.includes('the event store has no leader that answers: waiting for one') ? null : nva.output,
  );

it('a start during an election waits for its end, and does its work then (X6)', async () => {
  await waits();
  // Longer than the client would have looked.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(nva.running).toBe(true);
  expect(nva.output.match(/waiting for one/g)).toHaveLength(1);
  trio.elect(0);
  await nva.ready();
  // And what comes after the log is opened: a leader that is lost there is waited for as well.
  trio.elect(null);
  await until('it is not ready without a leader', async () => ((await fetch(`${nva.url}/readyz`)).status === 503 ? null : nva.output));
  trio.elect(1);
  await nva.ready();
}, 300_000);

it('SIGTERM ends a start that waits for the event store, cleanly', async () => {
  await waits();
  nva.signal('SIGTERM');
  expect(await nva.exited()).toBe(0);
  expect(nva.output).toMatch(/stopped before the start was done/);
}, 300_000);
