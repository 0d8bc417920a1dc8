import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLogger, systemClock } from '@nva/ports';
import { tethered } from '@nva/processes';
import { SnapshotDirectory } from '../src/index.ts';
import { Folded, NEVER, someLog, sorted, temporary } from './support.ts';

const KILLED_AT_BYTES = 1_000_000;

it('a process killed while it writes a snapshot leaves the one before, and the next one clears up', async () => {
  const at = await temporary();
  const events = someLog(4);
  const child = spawn(...tethered(process.execPath, ['--conditions=source', join(import.meta.dirname, 'crash-writer.ts'), at.path]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    const unfinished = async (): Promise<string | undefined> => (await readdir(at.path)).find((name) => name.endsWith('.unfinished'));
    for (;;) {
      const name = await unfinished();
      if (name && (await stat(join(at.path, name))).size > KILLED_AT_BYTES) break;
      if (child.exitCode !== null) throw new Error(`the writer ended with ${child.exitCode}`);
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await unfinished()).toBeDefined();
    const directory = new SnapshotDirectory({ path: at.path, clock: systemClock, logger: silentLogger });
    const restored = await directory.restore({ refuse: async () => null });
    expect(sorted(restored!.network)).toEqual(sorted(new Folded(events.slice(0, 10)).network));
    await directory.write(new Folded(events).contents(), NEVER);
    expect(await unfinished()).toBeUndefined();
    expect(await readdir(at.path)).toHaveLength(2);
  } finally {
    child.kill('SIGKILL');
    await at.remove();
  }
});
