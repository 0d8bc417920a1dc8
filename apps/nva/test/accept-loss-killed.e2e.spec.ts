import { watch, type FSWatcher } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@nva/ports';
import { createService, readConfig, ROLES, type Service } from '@nva/service';
import supertest from 'supertest';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acceptLoss } from '../../service/src/log/accept-loss.ts';
import { attachLine, populate, postLines, temporaryDirectory } from '../../service/test/support.ts';
import { NvaProcess } from './nva-process.ts';

const TEST_TIMEOUT_MS = 600_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let service: Service | null;
beforeEach(async () => {
  directory = await temporaryDirectory();
  service = null;
});
afterEach(async () => {
  await service?.close();
  await directory.remove();
});

const config = () => readConfig({ PORT: '0', DATA_DIR: directory.path });

async function start(): Promise<Service> {
  return (service = await createService(config(), ROLES, {
    logger: silentLogger,
    failed: (cause) => {
      throw cause;
    },
  }));
}

async function stop(): Promise<void> {
  await service?.close();
  service = null;
}

/** Calls `act` at that many changes of files below a folder. */
function watchFor(path: string, changes: number, act: () => void): FSWatcher {
  let seen = 0;
  return watch(path, { recursive: true }, () => {
    if (++seen === changes) act();
  });
}

it(
  'the acceptance of a loss that is killed at any moment leaves a log that is refused or right, and the next run finishes it',
  async ({ annotate }) => {
    // A log whose database is older than what was acknowledged: every step of the command is needed.
    const backup = join(directory.path, '..', 'backup');
    const { core, url } = await start();
    const before = core.store.logId;
    await populate(supertest(url));
    await stop();
    await cp(directory.path, backup, { recursive: true });
    await postLines((await start()).url, Array.from({ length: 20 }, (_, n) => attachLine(n, 1)).join(''));
    await stop();
    const marker = await readFile(join(directory.path, 'log', 'log.end'));
    const left = new Set<string>();
    // At the first, second, fourth… thing that it does to a file, until it is done before that comes.
    for (let steps = 1, done = false; !done; steps *= 2) {
      await rm(directory.path, { recursive: true });
      await cp(backup, directory.path, { recursive: true });
      await writeFile(join(directory.path, 'log', 'log.end'), marker);
      const killed = new NvaProcess({ PORT: '0', DATA_DIR: directory.path }, ['accept-loss', '--reason', 'killed']);
      const touched = watchFor(directory.path, steps, () => void killed.end('SIGKILL'));
      done = (await killed.exited).code === 0;
      touched.close();
      const refused = await start().then(
        () => null,
        (error: Error) => error.message,
      );
      if (refused === null) expect(service!.core.store.logId).not.toBe(before);
      else expect(refused).toMatch(/those up to 26 were acknowledged|not finished: run it again/);
      left.add(refused === null ? 'right' : /not finished/.test(refused) ? 'half done' : 'untouched');
      await stop();
      if (refused !== null) await acceptLoss(config(), 'again', systemClock, silentLogger);
      const { core: again } = await start();
      expect(await Array.fromAsync(again.store.readStream('log'))).toMatchObject([
        { event: { data: { previousLog: before, log: again.store.logId, head: 6 } } },
      ]);
      expect(again.replica.network.tenantSystems.size).toBe(0);
      await stop();
    }
    await annotate([...left].join(', '));
    expect(left).toContain('right');
    expect(left.size).toBeGreaterThan(1);
  },
  TEST_TIMEOUT_MS,
);
