import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LogRefused } from '@nva/ports';
import { expect, it } from 'vitest';
import { Seeded } from '../src/testing/index.ts';
import { acknowledgedIn, expectKept } from './acknowledgements.ts';
import type { Acknowledged } from './crash-writer.ts';
import { killedAfter, writer } from './killed-writer.ts';
import { openStore, TemporaryDirectory } from './support.ts';

const SEED = 20_261_126;
const ROUNDS = 8;
/** Calls acknowledged before a child is killed, at most. */
const MAX_ACKNOWLEDGED = 400;
/** Of the WAL: one that keeps all that a round writes, and one that is copied into the file again and again. */
const CHECKPOINT_PAGES = [2_048, 24];

const WAL = 'log.sqlite-wal';
const MARKER = 'log.end';
const MAIN = 'log.sqlite';

function flip(path: string, random: Seeded): string {
  const bytes = readFileSync(path);
  const at = random.below(bytes.length);
  const bit = random.below(8);
  bytes[at]! ^= 1 << bit;
  writeFileSync(path, bytes);
  return `bit ${bit} of byte ${at}`;
}

function cut(path: string, random: Seeded): string {
  const length = random.below(readFileSync(path).length);
  truncateSync(path, length);
  return `to ${length} bytes`;
}

type Damage = (log: string, random: Seeded) => string;

/**
 * What is done to the files of a killed process. `always` is refused each time; of the others a good part hits what nobody was told
 * of, or is survived.
 */
const DAMAGES: readonly (readonly [name: string, refused: 'always' | 'some' | 'never', Damage])[] = [
  ['nothing', 'never', () => ''],
  ['the index removed', 'never', (log) => (rmSync(join(log, `${MAIN}-shm`)), '')],
  ['a bit of the WAL flipped', 'some', (log, random) => flip(join(log, WAL), random)],
  ['the WAL cut', 'some', (log, random) => cut(join(log, WAL), random)],
  ['the WAL removed', 'some', (log) => (rmSync(join(log, WAL)), '')],
  ['the marker removed', 'always', (log) => (rmSync(join(log, MARKER)), '')],
  ['the marker cut', 'always', (log, random) => cut(join(log, MARKER), random)],
  ['a bit of the marker flipped', 'never', (log, random) => flip(join(log, MARKER), random)],
  [
    'a bit of the marker flipped and the WAL cut',
    'some',
    (log, random) => `${flip(join(log, MARKER), random)}, ${cut(join(log, WAL), random)}`,
  ],
  ['a bit of the main file flipped', 'some', (log, random) => flip(join(log, MAIN), random)],
  ['the main file cut', 'some', (log, random) => cut(join(log, MAIN), random)],
];

it(
  `never opens without an event that was acknowledged: ${ROUNDS} writers killed, their files damaged in ${DAMAGES.length} ways`,
  { timeout: 600_000 },
  async () => {
    using directory = new TemporaryDirectory();
    const random = new Seeded(SEED);
    const refused = new Map<string, number>(DAMAGES.map(([name]) => [name, 0]));
    let acknowledged: Acknowledged[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const log = join(directory.path, `log-${round >> 1}`);
      // Every other writer goes on with what the one before it left.
      if (round % 2 === 0) acknowledged = [];
      const output = await killedAfter(
        writer(log, `round-${round}`, 1_000_000, 8, CHECKPOINT_PAGES[round % CHECKPOINT_PAGES.length]!),
        { acknowledged: 1 + random.below(MAX_ACKNOWLEDGED) },
        join(directory.path, 'output'),
      );
      acknowledged.push(...acknowledgedIn(output));
      for (const [name, , damage] of DAMAGES) {
        const copy = join(directory.path, 'copy');
        mkdirSync(copy);
        cpSync(log, copy, { recursive: true });
        const what = `seed ${SEED}, round ${round}, ${name} ${damage(copy, random)}`;
        if (!(await opensWhole(copy, acknowledged, what))) refused.set(name, refused.get(name)! + 1);
        rmSync(copy, { recursive: true });
      }
    }
    for (const [name, expected] of DAMAGES) {
      const times = refused.get(name)!;
      if (expected === 'always') expect(times, name).toBe(ROUNDS);
      else if (expected === 'never') expect(times, name).toBe(0);
      else expect(times, name).toBeGreaterThan(0);
    }
  },
);

/** False if the start is refused; fails if it succeeds and something is missing. */
async function opensWhole(log: string, acknowledged: readonly Acknowledged[], what: string): Promise<boolean> {
  const store = await openStore(log).catch((error: unknown) => error);
  if (store instanceof Error) {
    expect(store, what).toBeInstanceOf(LogRefused);
    return false;
  }
  const opened = store as Awaited<ReturnType<typeof openStore>>;
  await expectKept(opened, acknowledged, what);
  await opened.close();
  return true;
}
