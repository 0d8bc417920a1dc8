import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { keepFolderPrivate, keepPrivate, NotPrivate, OF_THE_VOLUME } from '@nva/event-log';
import type { Logger } from '@nva/ports';
import { ConfigError } from '../config/config.ts';
import { LOSS_FILE, UNFINISHED_LOSS_FILE } from './loss-file.ts';

const PRIVATE_FOLDER = 0o700;
/** Entries of DATA_DIR that the NVA makes. The log protects its own folder when it is opened. */
const OURS = new Set(['log', 'snapshots', 'history', LOSS_FILE, UNFINISHED_LOSS_FILE]);
const OTHERS_WRITE = 0o022;
/** In a folder with this bit (such as `/tmp`), nobody can remove or rename files of another user. */
const STICKY = 0o1000;
const ROOT = 0;

/**
 * Makes DATA_DIR if there is none, and keeps other users of the machine out of it. A folder that holds only entries of the NVA is
 * made private to its owner. A folder that holds other things is left as it is, but other users must not be able to replace the
 * folder of the log. Throws ConfigError.
 */
export function prepareDataDirectory(path: string, logger: Logger): void {
  try {
    mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });
    if (isOursAlone(path)) keepPrivate(path, logger);
    else assertNotReplaceable(path);
    const snapshots = join(path, 'snapshots');
    if (existsSync(snapshots)) keepFolderPrivate(snapshots, logger);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if (cause instanceof NotPrivate)
      throw new ConfigError(`DATA_DIR: expected files and folders of this process's user: ${cause.message}`, { cause });
    throw new ConfigError(`DATA_DIR: expected a directory that can be written, or made, at ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The owner is checked first: in a folder of another user, even the names may be unreadable. */
const isOursAlone = (path: string): boolean => isOwn(path) && readdirSync(path).every((name) => OURS.has(name) || OF_THE_VOLUME.has(name));

const isOwn = (path: string): boolean => !process.geteuid || statSync(path).uid === process.geteuid();

function assertNotReplaceable(path: string): void {
  const { mode, uid } = statSync(path);
  const sticky = (mode & STICKY) !== 0;
  if (sticky || !process.geteuid) return;
  const owner = isOwn(path) || uid === ROOT;
  if (owner && (mode & OTHERS_WRITE) === 0) return;
  throw new ConfigError(
    `DATA_DIR: expected a folder that only this process's user may write to: others may in ${path} (${owner ? `mode 0${(mode & 0o777).toString(8)}` : `it belongs to user ${uid}`}). Name a folder in it (${join(path, 'nva')}), which is made, or take their right away (chmod go-w)`,
  );
}
