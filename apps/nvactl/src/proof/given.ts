import {
  KeyRefused,
  Malformed,
  MAX_KNOWN_KEYS_BYTES,
  MAX_NOTE_BYTES,
  openCheckpoint,
  parseCheckpoint,
  parseKnownKeys,
  parseNote,
  SignatureRefused,
  type KnownKeys,
  type OpenedCheckpoint,
  type VnDigest,
} from '@nva/transparency';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';

/** What `proof get` saves in a folder, beside tiles. */
export const CHECKPOINT = 'checkpoint';
export const KEYS = 'keys';
export const TABLES = 'tables';
const MAX_TABLES_BYTES = 512 * 1024 * 1024;

export interface GivenOptions {
  readonly proof?: string;
  readonly checkpoint?: string;
  readonly keys?: string;
}

/** What a verification starts from: a checkpoint that somebody known has signed. */
export interface Given {
  readonly note: string;
  readonly checkpoint: OpenedCheckpoint;
  readonly keys: KnownKeys;
  /** The digests that were saved with the checkpoint; null where there are none. */
  readonly tables: readonly VnDigest[] | null;
}

/** Reads a small file that somebody else made. Throws a Failure. */
export function readGiven(path: string, most: number): string {
  try {
    const { size } = statSync(path);
    if (size > most) throw wrongUsage(`${path} has ${size} bytes; ${most} are the most`);
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw wrongUsage(`${path} cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** Throws a Failure where a file is missing or wrong, or where nobody known has signed the checkpoint. */
export function readProof({ proof, checkpoint, keys }: GivenOptions): Given {
  const [checkpointFile, keysFile] = [checkpoint ?? within(proof, CHECKPOINT), keys ?? within(proof, KEYS)];
  if (checkpointFile === null || keysFile === null)
    throw wrongUsage('say what was signed: --proof with a folder that «proof get» made, or --checkpoint and --keys');
  const known = keysIn(keysFile);
  const note = readGiven(checkpointFile, MAX_NOTE_BYTES);
  const opened = openedIn(note, checkpointFile, known);
  const tablesFile = within(proof, TABLES);
  const isThere = tablesFile !== null && statSync(tablesFile, { throwIfNoEntry: false }) !== undefined;
  return { note, checkpoint: opened, keys: known, tables: isThere ? tablesIn(tablesFile) : null };
}

const within = (folder: string | undefined, name: string): string | null => (folder === undefined ? null : join(folder, name));

function keysIn(file: string): KnownKeys {
  try {
    const keys = parseKnownKeys(readGiven(file, MAX_KNOWN_KEYS_BYTES));
    if (keys.current.length + keys.former.length === 0) throw wrongUsage(`${file} has no key`);
    return keys;
  } catch (cause) {
    if (cause instanceof KeyRefused) throw wrongUsage(`${file}: ${cause.message}`, cause);
    throw cause;
  }
}

/** A checkpoint of the log that it names itself: which log that is, is compared with the export. */
export function openedIn(note: string, file: string, keys: KnownKeys, origin?: string): OpenedCheckpoint {
  try {
    return openCheckpoint(note, origin ?? parseCheckpoint(parseNote(note).text).origin, keys);
  } catch (cause) {
    if (cause instanceof Malformed) throw new Failure(EXIT.refused, `${file} is no checkpoint: ${cause.message}`, { cause });
    if (cause instanceof SignatureRefused)
      throw new Failure(EXIT.refused, `${file} is not signed by a key that is known: ${cause.message}`, { cause });
    throw cause;
  }
}

/** The lines under a tables root, as they are hashed. */
export const tableLine = ({ vnid, digest }: VnDigest): string => `vn/${vnid} ${digest}`;

function tablesIn(file: string): readonly VnDigest[] {
  return readGiven(file, MAX_TABLES_BYTES)
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const [, vnid, digest] = /^vn\/(\d{1,8}) ([0-9a-f]{16})$/.exec(line) ?? [];
      if (vnid === undefined || digest === undefined) throw wrongUsage(`${file}, line ${i + 1}: a line is «vn/<vnid> <digest>»`);
      return { vnid: Number(vnid), digest };
    });
}
