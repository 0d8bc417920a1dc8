import { readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Network } from '@nva/fold';
import type { RecordedEvent } from '@nva/ports';
import { SnapshotDirectory, SnapshotKeeper, type Restored } from '../src/index.ts';
import { Folded, LOG, NEVER, recordingLogger, someKeys, someLog, sorted, SteppingClock, temporary } from './support.ts';

const clock = new SteppingClock();
const events = someLog(4);
let at: Awaited<ReturnType<typeof temporary>>;
let logger: ReturnType<typeof recordingLogger>;
let directory: SnapshotDirectory;

beforeEach(async () => {
  at = await temporary();
  logger = recordingLogger();
  directory = new SnapshotDirectory({ path: join(at.path, 'snapshots'), clock, logger });
});
afterEach(() => at.remove());

const files = async (): Promise<string[]> => (await readdir(join(at.path, 'snapshots'))).toSorted();
const nameOf = (event: RecordedEvent): string => `${String(event.position).padStart(16, '0')}.snapshot`;
const snapshotAt = (count: number): Promise<unknown> => directory.write(new Folded(events.slice(0, count)).contents(someKeys), NEVER);
const restore = (refuse: (position: number) => string | null = () => null): Promise<Restored | null> =>
  new SnapshotDirectory({ path: join(at.path, 'snapshots'), clock, logger }).restore({ refuse: async ({ position }) => refuse(position) });
const damage = async (name: string): Promise<void> => {
  const path = join(at.path, 'snapshots', name);
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 4;
  await writeFile(path, bytes);
};

describe('the snapshots of a process', () => {
  it('are kept two at a time, and the newest is used', async () => {
    for (const count of [5, 10, 15, 20]) await snapshotAt(count);
    expect(await files()).toEqual([nameOf(events[14]!), nameOf(events[19]!)]);
    expect(sorted((await restore())!.network)).toEqual(sorted(new Folded(events.slice(0, 20)).network));
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'info',
      message: 'the fold goes on from a snapshot',
      fields: { position: String(events[19]!.position) },
    });
  });

  it('give way to the one before when the newest is damaged or refused, with a line that says why, and to none', async () => {
    for (const count of [15, 20]) await snapshotAt(count);
    await damage(nameOf(events[19]!));
    expect(sorted((await restore())!.network)).toEqual(sorted(new Folded(events.slice(0, 15)).network));
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'a snapshot cannot be used', fields: { why: 'it is damaged: a checksum is wrong' } },
      { level: 'info' },
    ]);
    logger.lines.length = 0;
    expect(await restore((position) => `position ${position} is not here`)).toBeNull();
    expect(logger.lines.map(({ fields }) => fields['why'])).toEqual(
      [events[19], events[14]].map((event) => `position ${event!.position} is not here`),
    );
  });

  it('are none where there is no directory, nothing in it, or only what a crash or somebody else left', async () => {
    expect(await restore()).toBeNull();
    await snapshotAt(5);
    await writeFile(join(at.path, 'snapshots', `${nameOf(events[9]!)}.unfinished`), 'half');
    await writeFile(join(at.path, 'snapshots', 'notes.txt'), 'not ours');
    expect((await restore())!.header.position).toBe(events[4]!.position);
    await snapshotAt(12);
    expect(await files()).toEqual([nameOf(events[4]!), nameOf(events[11]!), 'notes.txt']);
    expect(logger.lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('that are damaged, or of a past that the log no longer has, do not stay in the place of good ones', async () => {
    for (const count of [5, 10]) await snapshotAt(count);
    await damage(nameOf(events[9]!));
    const again = new SnapshotDirectory({ path: join(at.path, 'snapshots'), clock, logger });
    await again.restore({ refuse: async () => null });
    await writeFile(join(at.path, 'snapshots', '0000009999999999.snapshot'), 'of a log that was put back');
    await again.write(new Folded(events.slice(0, 15)).contents(), NEVER);
    expect(await files()).toEqual([nameOf(events[4]!), nameOf(events[14]!)]);
  });
});

describe('older snapshots', () => {
  const KEEPING = { olderBytes: 1_000_000 };
  const keeping = (): SnapshotDirectory => new SnapshotDirectory({ path: join(at.path, 'snapshots'), clock, logger, ...KEEPING });

  it('are kept at growing distances, and each is what a past position goes on from', async () => {
    const kept = keeping();
    for (let count = 1; count <= 20; count++) await kept.write(new Folded(events.slice(0, count)).contents(), NEVER);
    const left = await files();
    expect(left.length).toBeGreaterThan(4);
    expect(left.length).toBeLessThan(12);
    expect(left.slice(-2)).toEqual([nameOf(events[18]!), nameOf(events[19]!)]);
    for (const [i, event] of events.slice(0, 20).entries()) {
      const restored = await kept.restore({ refuse: async () => null }, event.position);
      const network = restored?.network ?? new Network();
      expect(network.position).toBeLessThanOrEqual(event.position);
      for (const next of events.slice(0, i + 1)) network.apply(next);
      expect(sorted(network)).toEqual(sorted(new Folded(events.slice(0, i + 1)).network));
    }
    expect(await kept.restore({ refuse: async () => null }, events[0]!.position - 1)).toBeNull();
  });

  it('that cannot be read at the moment are not removed as if they were bad', async () => {
    const kept = keeping();
    for (const count of [2, 4, 6]) await kept.write(new Folded(events.slice(0, count)).contents(), NEVER);
    const name = nameOf(events[3]!);
    const path = join(at.path, 'snapshots', name);
    await rename(path, `${path}.away`);
    await symlink(name, path);
    await kept.write(new Folded(events.slice(0, 7)).contents(), NEVER);
    expect(await files()).toContain(name);
  });

  it('of another log are removed with the next one', async () => {
    const kept = keeping();
    for (const count of [2, 4, 6]) await kept.write(new Folded(events.slice(0, count)).contents(), NEVER);
    const { header, ...rest } = new Folded(events.slice(0, 8)).contents();
    await kept.write({ header: { ...header, logId: '0196a7b0-0000-7000-8000-00000000beef' }, ...rest }, NEVER);
    expect(await files()).toEqual([nameOf(events[7]!)]);
  });
});

describe('the keeper of snapshots', () => {
  const keeperOf = (folded: Folded, everyEvents: number, ends = clock): SnapshotKeeper =>
    new SnapshotKeeper(
      { logId: LOG, network: folded.network, digests: folded.digests, keys: () => someKeys, checkpointAt: String },
      { directory, everyEvents, clock: ends, logger },
      null,
    );
  const fold = (keeper: SnapshotKeeper, folded: Folded, part: readonly RecordedEvent[]): void => {
    for (const event of part) {
      folded.fold(event);
      keeper.folded(event);
    }
  };
  const written = async (count: number): Promise<void> => {
    const deadline = performance.now() + 10_000;
    while (logger.lines.filter(({ message }) => message === 'a snapshot is written').length < count) {
      if (performance.now() > deadline) throw new Error(`${count} snapshots were not written: ${JSON.stringify(logger.lines)}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  it('takes one when enough was folded, once the process serves, and says what it took', async () => {
    const folded = new Folded([]);
    const keeper = keeperOf(folded, 10);
    fold(keeper, folded, events.slice(0, 12));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(logger.lines).toEqual([]);
    keeper.start();
    await written(1);
    expect(logger.lines[0]).toMatchObject({
      level: 'info',
      fields: {
        position: String(events[11]!.position),
        bytes: expect.any(Number),
        tenantSystems: folded.network.tenantSystems.size,
        longestPauseMs: expect.any(Number),
      },
    });
    fold(keeper, folded, events.slice(12, 21));
    fold(keeper, folded, events.slice(21, 23));
    await written(2);
    expect(await files()).toEqual([nameOf(events[11]!), nameOf(events[22]!)]);
    await keeper.stop();
    expect((await restore())!.keys).toMatchObject(someKeys);
  });

  it('takes one at a stop if a tenth of that was folded since, and not for less', async () => {
    const folded = new Folded([]);
    const keeper = keeperOf(folded, 100);
    keeper.start();
    fold(keeper, folded, events.slice(0, 9));
    await keeper.stop();
    expect(logger.lines).toEqual([]);
    const other = keeperOf(folded, 100);
    fold(other, folded, events.slice(9, 20));
    await other.stop();
    expect(await files()).toEqual([nameOf(events[19]!)]);
  });

  it('takes none of a network whose fold threw in the middle of an event', async () => {
    const folded = new Folded([]);
    const keeper = keeperOf(folded, 5);
    fold(keeper, folded, events.slice(0, 8));
    folded.fold(events[8]!);
    keeper.start();
    await keeper.stop();
    expect(logger.lines).toEqual([]);
    await expect(files()).rejects.toThrow('ENOENT');
  });

  it('logs a failure and goes on', async () => {
    await writeFile(join(at.path, 'snapshots'), 'a file where the directory should be');
    const folded = new Folded([]);
    const keeper = keeperOf(folded, 5);
    keeper.start();
    fold(keeper, folded, events.slice(0, 6));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await keeper.stop();
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'a snapshot was not written', fields: { position: String(events[5]!.position), events: 6 } },
    ]);
    expect(folded.network.watcher).toBeNull();
  });
});
