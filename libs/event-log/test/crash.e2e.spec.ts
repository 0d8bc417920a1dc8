import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NO_STREAM } from '@nva/ports';
import { expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { Seeded } from '../src/testing/index.ts';
import { acknowledgedIn, expectKept } from './acknowledgements.ts';
import type { Acknowledged } from './crash-writer.ts';
import { CrashedDisk, layOut, type DiskState } from './crashed-disk.ts';
import { openStore, TemporaryDirectory } from './support.ts';
import { recordWrites } from './write-recording.ts';
import { tethered } from '../../../apps/demo/src/tethered.ts';

const WRITER = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
const writer = (directory: string, label: string, calls: number, callers: number, checkpointPages: number): string[] => [process.execPath, '--conditions=source', WRITER, directory, label, `${calls}`, `${callers}`, `${checkpointPages}`];

const KILLS = 27;
/** Milliseconds of writing before a child is killed, at most. */
const MAX_LIFE_MS = 60;
const SEED = 20_261_123;

/** Kills a child that long after it has opened its log; returns what it said. */
async function killedAfter([command, ...args]: string[], lifeMs: number, outputFile: string): Promise<string> {
  const output = openSync(outputFile, 'w');
  const child = spawn(...tethered(command!, args), { stdio: ['ignore', output, 'inherit', 'ipc'] });
  closeSync(output);
  child.once('message', () => setTimeout(() => child.kill('SIGKILL'), lifeMs));
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>();
  child.on('exit', (_, signal) => resolve(signal));
  expect(await promise).toBe('SIGKILL');
  return readFileSync(outputFile, 'utf8');
}

it(`loses nothing acknowledged and leaves no half append in ${KILLS} kills while writing`, { timeout: 120_000 }, async () => {
  using directory = new TemporaryDirectory();
  const log = join(directory.path, 'log');
  const random = new Seeded(SEED);
  const acknowledged: Acknowledged[] = [];
  for (let round = 0; round < KILLS; round++) {
    // A small WAL, so that kills fall into checkpoints too.
    const output = await killedAfter(writer(log, `round-${round}`, 1_000_000, 8, 64), random.below(MAX_LIFE_MS), join(directory.path, 'output'));
    expect(output).toMatch(/^open\n/);
    acknowledged.push(...acknowledgedIn(output));
    // In between, a child opens what the one before it left.
    if (round % 3 !== 2) continue;
    const store = await openStore(log);
    await expectKept(store, acknowledged, `seed ${SEED}, after kill ${round}`);
    await store.close();
  }
  expect(acknowledged.length).toBeGreaterThan(KILLS);
});

it('opens with everything acknowledged from every prefix of its writes that keeps what was synced', { timeout: 120_000 }, async () => {
  using directory = new TemporaryDirectory();
  const recorded = join(directory.path, 'recorded');
  mkdirSync(recorded);
  const operations = recordWrites(writer(recorded, 'r', 4, 2, 6), recorded, join(directory.path, 'trace'));
  expect(operations.filter(({ kind }) => kind === 'sync').length).toBeGreaterThan(10);

  const disk = new CrashedDisk();
  const random = new Seeded(SEED);
  const acknowledged: Acknowledged[] = [];
  // A state that several prefixes leave is opened once, with all that had been acknowledged by the last of them.
  const states = new Map<string, { state: DiskState; acknowledged: Acknowledged[]; when: string }>();
  for (const [index, operation] of operations.entries()) {
    disk.apply(operation);
    if (operation.kind === 'said') acknowledged.push(...acknowledgedIn(operation.text));
    // What is said is no change of the disk, but what is there must hold it.
    for (const state of disk.states(random)) states.set(state.digest, { state, acknowledged: [...acknowledged], when: `after operation ${index} (${operation.kind}), ${state.name}` });
  }
  expect(acknowledged).toHaveLength(4 * 2 * 2);
  expect(states.size).toBeGreaterThan(50);

  const left = [...states.values()];
  await Promise.all(
    [0, 1].map(async (lane) => {
      for (let next = left.pop(); next; next = left.pop()) {
        const copy = join(directory.path, `lane-${lane}`);
        layOut(next.state, copy);
        const store = await openStore(copy);
        await expectKept(store, next.acknowledged, next.when);
        expect(await store.append([fresh('after', NO_STREAM, 2)]), next.when).toMatchObject([{ outcome: 'appended' }]);
        await store.close();
        rmSync(copy, { recursive: true });
      }
    }),
  );
});
