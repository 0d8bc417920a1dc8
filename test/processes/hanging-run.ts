import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { it } from 'vitest';
// By its path, as in test/kafka/broker.ts.
import { tethered } from '../../libs/processes/src/tethered.ts';

/**
 * Not a spec of the suite: killed-run.e2e.spec.ts runs it, and kills the run. Tells its worker's process id, and that of a process
 * it starts.
 */
it('hangs', { timeout: 60_000 }, async () => {
  const child = spawn(...tethered(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']), { stdio: 'ignore' });
  appendFileSync(process.env['HANGING_RUN_PIDS']!, `worker ${process.pid}\nchild ${child.pid}\n`);
  await new Promise(() => undefined);
});
