import { execFileSync } from 'node:child_process';

/** util-linux has the option from 2.33 on. On other systems a process survives when its parent is killed outright. */
const CAN_TETHER = process.platform === 'linux' && says('setpriv', '--help').includes('--pdeathsig');

/**
 * The command line for a process that is killed when the process that starts it has ended, however that ended (prctl
 * PR_SET_PDEATHSIG). The process keeps its id, so a signal to that id reaches the process itself. Only to be used from the main
 * thread: the kill comes when the starting thread ends.
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
