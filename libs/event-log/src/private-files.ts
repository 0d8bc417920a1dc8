import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@nva/ports';
import { PRIVATE_FILE, PRIVATE_FOLDER } from './file-format.ts';

const OTHERS = 0o077;
const MODE_BITS = 0o7777;
/** What a fresh volume contains besides our files. */
export const OF_THE_VOLUME: ReadonlySet<string> = new Set(['lost+found']);

/** A file or folder that others may use, and that this process must not correct. */
export class NotPrivate extends Error {
  override readonly name = 'NotPrivate';
}

const octal = (mode: number): string => `0${(mode & MODE_BITS).toString(8)}`;

/**
 * Makes a file or folder private to its owner, and logs a line if it was not. Returns whether it was not private. Throws
 * NotPrivate if it belongs to another user, who could open it again at any time.
 */
export function keepPrivate(path: string, logger: Logger): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  // On a system without user ids (Windows) a mode has no meaning.
  if (!stat || !process.geteuid) return false;
  const uid = process.geteuid();
  if (stat.uid !== uid)
    throw new NotPrivate(
      `${path} belongs to user ${stat.uid}, and this process is user ${uid}: whoever owns it may change it. Run as its owner, or give it to this one (chown -R ${uid})`,
    );
  if ((stat.mode & OTHERS) === 0) return false;
  const mode = stat.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE;
  chmodSync(path, mode);
  logger.warn('others could open a file or folder of this process; that is corrected', {
    path,
    mode: octal(stat.mode),
    correctedTo: octal(mode),
  });
  return true;
}

/** The same for a folder and everything below it. Returns the paths that others could open. */
export function keepFolderPrivate(folder: string, logger: Logger, corrected = new Set<string>()): ReadonlySet<string> {
  if (keepPrivate(folder, logger)) corrected.add(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (OF_THE_VOLUME.has(entry.name)) continue;
    if (entry.isDirectory()) keepFolderPrivate(path, logger, corrected);
    else if (keepPrivate(path, logger)) corrected.add(path);
  }
  return corrected;
}
