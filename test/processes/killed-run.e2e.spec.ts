import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { tethered } from '@nva/processes';

const VITEST = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
const LIMIT_MS = 240_000;

let directory = '';

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Gone, or dead and not yet waited for. */
async function alive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat !== null && !/^\d+ \(.*\) [ZX] /.test(stat);
}

it('a test run that is killed leaves no broker, no worker and no process of a spec behind', { timeout: 2 * LIMIT_MS }, async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-killed-run-'));
  const told = join(directory, 'pids');
  const run = spawn(...tethered(process.execPath, [VITEST, 'run', '--config', 'test/processes/hanging.config.ts']), {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, HANGING_RUN_PIDS: told },
    stdio: 'ignore',
  });
  const pids = async (): Promise<Map<string, number>> =>
    new Map(
      (await readFile(told, 'utf8').catch(() => ''))
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
    );
  await expect.poll(async () => [...(await pids()).keys()].toSorted(), { timeout: LIMIT_MS }).toEqual(['broker', 'child', 'worker']);
  const started = [...(await pids()).values()];
  for (const pid of started) expect(await alive(pid)).toBe(true);
  run.kill('SIGKILL');
  await expect.poll(async () => (await Promise.all(started.map(alive))).filter(Boolean).length, { timeout: LIMIT_MS }).toBe(0);
});
