import { execFileSync } from 'node:child_process';

/** util-linux has it from 2.33 on; elsewhere a process whose parent is killed outright lives on. */
const CAN_TETHER = process.platform === 'linux' && says('setpriv', '--help').includes('--pdeathsig');

/**
 * The command line for a process that is killed when the one that starts it is gone, however that ended (prctl PR_SET_PDEATHSIG).
 * It keeps its process id: what is done to that is done to the process itself. From the main thread only: the signal comes when the
 * starting thread ends.
 */
export function tethered(command: string, args: readonly string[]): readonly [command: string, args: readonly string[]] {
  return CAN_TETHER ? ['setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]] : [command, args];
}

function says(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}
