import { closeSync, fchmodSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Files and folders that only their owner can use, and files that are there whole or not at all. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;
const OTHERS = 0o077;

export const makeFolder = (path: string): void => void mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });

/** Makes what was renamed or made in a folder survive a loss of power. */
export function syncFolder(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function syncFile(path: string): void {
  syncFolder(path);
}

/** Writes a file under another name and renames it, so that whoever looks sees the former or the new one, whole. */
export function writeAtomically(path: string, bytes: Uint8Array, isSynced: boolean): void {
  const unfinished = `${path}.new`;
  const file = openSync(unfinished, 'w', PRIVATE_FILE);
  try {
    // A file that a crash left keeps the mode that it had.
    fchmodSync(file, PRIVATE_FILE);
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    if (isSynced) fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
  if (isSynced) syncFolder(dirname(path));
}

/** Null where there is no such file. */
export function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Reads a file that must be this user's alone; `refuse` makes the error of why it is not. It is asked of the file that is then read. */
export function readPrivate(path: string, maxBytes: number, refuse: (why: string) => Error): string {
  const file = openSync(path, 'r');
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw refuse('is not a file');
    const uid = process.geteuid?.();
    // On a system without user ids (Windows) a mode has no meaning.
    if (uid !== undefined && stat.uid !== uid) throw refuse(`belongs to user ${stat.uid}, and this process is user ${uid}`);
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    if (uid !== undefined && (stat.mode & OTHERS) !== 0)
      throw refuse(`can be used by others (mode ${mode}); only its owner may (chmod 600)`);
    if (stat.size > maxBytes) throw refuse(`has ${stat.size} bytes; ${maxBytes} are the most`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** As `syncFile` and `syncFolder`, without making the thread wait for the disk. */
export async function syncSoon(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** As `writeAtomically`, synced, without making the thread wait for the disk. */
export async function writeAtomicallySoon(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.new`;
  const file = await open(unfinished, 'w', PRIVATE_FILE);
  try {
    await file.chmod(PRIVATE_FILE);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncSoon(dirname(path));
}
