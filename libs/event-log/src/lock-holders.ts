import { readFileSync, statSync } from 'node:fs';

/** One lock a line, as `1: POSIX  ADVISORY  READ  812 fe:00:131 1073741826 1073742335` (proc(5), /proc/locks). */
const LOCK = /^\d+: \w+ +\w+ +(READ|WRITE) +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /;

/**
 * The other processes that hold locks on a file, as text for a message: « (process 812, reading)». Empty if the system does not
 * tell.
 */
export function lockHolders(path: string): string {
  try {
    const { dev, ino } = statSync(path);
    const isOf = (major: string, minor: string, inode: string): boolean =>
      Number(inode) === ino &&
      Number.parseInt(major, 16) === ((dev >> 8) & 0xfff) &&
      Number.parseInt(minor, 16) === ((dev & 0xff) | ((dev >> 12) & 0xfff00));
    const holders = new Set<string>();
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, kind, pid, major, minor, inode] = LOCK.exec(line) ?? [];
      if (pid !== undefined && Number(pid) !== process.pid && isOf(major!, minor!, inode!))
        holders.add(`process ${pid}, ${kind === 'READ' ? 'reading' : 'writing'}`);
    }
    return holders.size > 0 ? ` (${[...holders].join('; ')})` : '';
  } catch {
    // This is only text for a message; systems other than Linux have no such list.
    return '';
  }
}
