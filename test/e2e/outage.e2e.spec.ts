import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort, until } from '@nva/processes';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { startBroker, type RunningBroker } from '../kafka/broker.ts';
import { World } from './world.ts';

/** Longer than a publish takes when the broker answers; shorter than a request that waits for it. */
const FREEZE_MS = 1_500;
const ANSWERED_WITHIN_MS = 20_000;

/** How long a controller waits before it takes a killed broker for gone, and lets it come back. */
const OVERRIDES = { 'broker.session.timeout.ms': 2_000, 'broker.heartbeat.interval.ms': 300 };

let dataDir: string;
let port: number;
let broker: RunningBroker;
let world: World;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'nva-outage-'));
  port = await freePort();
  broker = await startBroker({ port, dataDir, overrides: OVERRIDES });
  world = await World.make({ brokers: [broker.brokers] });
});
afterEach(async () => {
  broker.kill('SIGCONT');
  try {
    await world.dispose();
  } finally {
    await broker.stop();
    await rm(dataDir, { recursive: true });
  }
});

/** Writes are answered as if nothing were. */
async function write(n: number): Promise<void> {
  const began = performance.now();
  const answers = await world.submit(
    attach(`t${n}`, 'nve2', n),
    attach('t1', n % 2 === 0 ? 'nve2' : 'nve1', 1),
    attach('passing', 'nve3', 8),
    detach('passing', 'nve3'),
  );
  expect(answers.every(({ effective }) => effective)).toBe(true);
  expect(performance.now() - began).toBeLessThan(ANSWERED_WITHIN_MS);
}

/** A signal is sent at once and heeded a little later. */
async function freeze(): Promise<void> {
  broker.kill('SIGSTOP');
  await until('every thread of the broker stands still', async () => {
    const tasks = await readdir(`/proc/${broker.pid}/task`);
    const states = await Promise.all(
      tasks.map(async (task) => /\) (\w)/.exec(await readFile(`/proc/${broker.pid}/task/${task}/stat`, 'utf8'))?.[1]),
    );
    return states.every((state) => state === 'T') ? null : states.join('');
  });
}

it('a broker that freezes, and one that is killed and started again: writes are answered, nothing is withdrawn, all converges after (X6)', async () => {
  await world.start();
  await world.submit(
    vn(1),
    nve('nve1'),
    nve('nve2'),
    nve('nve3'),
    attach('t1', 'nve1', 1),
    attach('t2', 'nve2', 2),
    attach('t3', 'nve3', 3),
    attach('t9', 'nve1', 9),
  );
  const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
  await world.expectConverged();
  const entries = nves.map(({ client }) => client.table(1)!.size);

  await freeze();
  const frozenAt = performance.now();
  await write(4);
  await until('the freeze has lasted', () => (performance.now() - frozenAt > FREEZE_MS ? null : 'it goes on'));
  expect(world.nva.distributor.queuedRecords).toBeGreaterThan(0);
  expect(nves.map(({ client }) => client.table(1)!.size)).toEqual(entries);
  broker.kill('SIGCONT');
  await world.expectConverged();

  broker.kill('SIGKILL');
  await broker.stop();
  await write(5);
  await until('the NVEs notice', () => {
    const states = nves.map(({ client }) => client.status()[0]!.state);
    return states.every((state) => state === 'interrupted') ? null : String(states);
  });
  await write(6);
  expect(nves.map(({ client }) => client.resolve(1, { ip: '192.0.2.2' }))).toEqual(
    nves.map(() => expect.objectContaining({ mapping: expect.objectContaining({ tsId: 't2' }) })),
  );
  broker = await startBroker({ port, dataDir, overrides: OVERRIDES });
  await world.expectConverged();
  // Nobody lost more than what came and went.
  expect(nves.flatMap(({ withdrawn }) => withdrawn).filter((entry) => !entry.includes('passing'))).toEqual([]);
}, 300_000);
