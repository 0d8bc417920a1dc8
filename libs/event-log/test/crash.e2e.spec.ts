import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NO_STREAM } from '@nva/ports';
import { expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { Seeded } from '../src/testing/index.ts';
import { acknowledgedIn, expectKept } from './acknowledgements.ts';
import type { Acknowledged } from './crash-writer.ts';
import { CrashedDisk, layOut, type DiskState } from './crashed-disk.ts';
import { killedAfter, writer } from './killed-writer.ts';
import { makeFormat1, openStore, TemporaryDirectory } from './support.ts';
import { recordWrites, type Operation } from './write-recording.ts';

const KILLS = 27;
/** Milliseconds of writing before a child is killed, at most. */
const MAX_LIFE_MS = 60;
const SEED = 20_261_123;

it(`loses nothing acknowledged and leaves no half append in ${KILLS} kills while writing`, { timeout: 300_000 }, async () => {
  using directory = new TemporaryDirectory();
  const log = join(directory.path, 'log');
  const random = new Seeded(SEED);
  const acknowledged: Acknowledged[] = [];
  for (let round = 0; round < KILLS; round++) {
    // A small WAL, so that kills fall into checkpoints too.
    const output = await killedAfter(
      writer(log, `round-${round}`, 1_000_000, 8, 64),
      { openMs: random.below(MAX_LIFE_MS) },
      join(directory.path, 'output'),
    );
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

it(
  'opens with everything acknowledged from every prefix of its writes that keeps what was synced, its marker among them',
  { timeout: 300_000 },
  async () => {
    using directory = new TemporaryDirectory();
    const recorded = join(directory.path, 'recorded');
    mkdirSync(recorded);
    const operations = recordWrites(writer(recorded, 'r', 4, 2, 6), recorded, join(directory.path, 'trace'));
    expect(operations.filter(({ kind }) => kind === 'sync').length).toBeGreaterThan(10);
    expect(operations.filter((operation) => operation.kind === 'write' && operation.file === 'log.end').length).toBeGreaterThan(3);
    expect(await expectAllOpen(directory.path, operations, new CrashedDisk(), [])).toHaveLength(4 * 2 * 2);
  },
);

it(
  'opens with everything acknowledged from every prefix of the writes that give an older log its marker',
  { timeout: 300_000 },
  async () => {
    using directory = new TemporaryDirectory();
    const recorded = join(directory.path, 'recorded');
    mkdirSync(recorded);
    const said = recordWrites(writer(recorded, 'older', 2, 1, 6), recorded, join(directory.path, 'trace')).map((operation) =>
      operation.kind === 'said' ? operation.text : '',
    );
    const before = acknowledgedIn(said.join(''));
    makeFormat1(recorded);
    const disk = new CrashedDisk(new Map(readdirSync(recorded).map((name) => [name, readFileSync(join(recorded, name))])));
    const operations = recordWrites(writer(recorded, 'r', 1, 1, 6), recorded, join(directory.path, 'trace'));
    expect(await expectAllOpen(directory.path, operations, disk, before)).toHaveLength(before.length + 2);
  },
);

/** Plays operations on a disk, and opens what is left of it after each. Returns what had been acknowledged in the end. */
async function expectAllOpen(
  directory: string,
  operations: readonly Operation[],
  disk: CrashedDisk,
  before: readonly Acknowledged[],
): Promise<Acknowledged[]> {
  const random = new Seeded(SEED);
  const acknowledged: Acknowledged[] = [...before];
  // A state that several prefixes leave is opened once, with all that had been acknowledged by the last of them.
  const states = new Map<string, { state: DiskState; acknowledged: Acknowledged[]; when: string }>();
  for (const [index, operation] of operations.entries()) {
    disk.apply(operation);
    if (operation.kind === 'said') acknowledged.push(...acknowledgedIn(operation.text));
    // What is said is no change of the disk, but what is there must hold it.
    for (const state of disk.states(random))
      states.set(state.digest, {
        state,
        acknowledged: [...acknowledged],
        when: `after operation ${index} (${operation.kind}), ${state.name}`,
      });
  }
  expect(states.size).toBeGreaterThan(10);

  const left = [...states.values()];
  await Promise.all(
    [0, 1].map(async (lane) => {
      for (let next = left.pop(); next; next = left.pop()) {
        const copy = join(directory, `lane-${lane}`);
        layOut(next.state, copy);
        const { when } = next;
        const store = await openStore(copy).catch((error: Error) => expect.fail(`${when}: ${error.message}`));
        await expectKept(store, next.acknowledged, next.when);
        expect(await store.append([fresh('after', NO_STREAM, 2)]), next.when).toMatchObject([{ outcome: 'appended' }]);
        await store.close();
        rmSync(copy, { recursive: true });
      }
    }),
  );
  return acknowledged;
}
