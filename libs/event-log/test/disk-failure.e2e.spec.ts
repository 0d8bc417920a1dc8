import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NO_STREAM } from '@nva/ports';
import { expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { acknowledgedIn, expectKept } from './acknowledgements.ts';
import { openStore, TemporaryDirectory } from './support.ts';

const WRITER = fileURLToPath(new URL('./disk-full-writer.ts', import.meta.url));
const FILE_BYTES = 300_000;

it('refuses everything after a write that failed, and keeps all that it acknowledged', async () => {
  using directory = new TemporaryDirectory();
  const log = join(directory.path, 'log');
  const child = spawnSync('prlimit', [`--fsize=${FILE_BYTES}`, process.execPath, '--conditions=source', WRITER, log], { encoding: 'utf8' });
  if (child.error) throw new Error(`this test needs prlimit, in Debian «apt-get install util-linux»: ${child.error.message}`);
  expect(child.stderr).toBe('');
  const said = child.stdout.split('\n').filter((line) => !line.startsWith('ack '));
  expect(said.filter((line) => line.startsWith('failed')).length).toBeGreaterThan(0);
  for (const line of said.filter((text) => text.startsWith('failed')))
    expect(line).toMatch(/^failed \["StoreUnavailable","the log could not be written: /);
  expect(said.slice(-5)).toEqual([
    'later "StoreUnavailable"',
    'later "StoreUnavailable"',
    'subscription "StoreUnavailable"',
    'closed true',
    '',
  ]);

  const acknowledged = acknowledgedIn(child.stdout);
  expect(acknowledged.length).toBeGreaterThan(20);
  const store = await openStore(log);
  await expectKept(store, acknowledged, 'after the disk was full');
  expect(await store.append([fresh('after', NO_STREAM, 2)])).toMatchObject([{ outcome: 'appended' }]);
  await store.close();
});
