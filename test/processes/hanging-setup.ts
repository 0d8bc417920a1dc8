import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
// By its path, as in test/kafka/broker.ts.
import { tethered } from '../../libs/processes/src/tethered.ts';

/** As test/kafka/global-setup.ts has a broker: a process of the run itself. */
export default function setup(): void {
  const child = spawn(...tethered(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']), { stdio: 'ignore' });
  appendFileSync(process.env['HANGING_RUN_PIDS']!, `broker ${child.pid}\n`);
}
