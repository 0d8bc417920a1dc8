import { linkSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FormerKey, KnownKeys } from './checkpoint.ts';
import { KeyRefused } from './errors.ts';
import { ED25519, generateSigner, parseSigner, parseVerifier, type Algorithm, type Signer, type Verifier } from './note.ts';
import { makeFolder, readIfThere, readPrivate, syncFolder, writeAtomically } from './private-file.ts';

/**
 * Keys in files. A key file has one line, the signer key in its text form, and only its owner may read it. The file of known keys is
 * public. It has a line for each key that signs or signed:
 *
 *     current <verifier key>
 *     former <verifier key> <size>      good for checkpoints of at most this size
 *
 * Empty lines, and lines that begin with #, say nothing.
 */
export const MAX_KEY_FILE_BYTES = 4_096;
export const MAX_KNOWN_KEYS_BYTES = 65_536;

/** The key that a rotation is about to put in place: see `rotateKey`. */
const next = (keyFile: string): string => `${keyFile}.next`;

/** Makes a key and its file. Throws KeyRefused where there is a file already: a key is never overwritten. */
export function generateKeyFile(path: string, name: string, algorithm: Algorithm = ED25519): Signer {
  const signer = generateSigner(name, algorithm);
  makeFolder(dirname(path));
  const unfinished = `${path}.new`;
  writeAtomically(unfinished, Buffer.from(`${signer.secret()}\n`), true);
  try {
    // A link, unlike a rename, does not replace what is there.
    linkSync(unfinished, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new KeyRefused(`${path} is there already; a key is not overwritten`, { cause: error });
  } finally {
    rmSync(unfinished);
  }
  syncFolder(dirname(path));
  return signer;
}

/** Throws KeyRefused where the file is not a key, is another user's, or others may use it. */
export function loadKeyFile(path: string): Signer {
  const text = readPrivate(path, MAX_KEY_FILE_BYTES, (why) => new KeyRefused(`the key file ${path} ${why}`));
  try {
    return parseSigner(text.replace(/\n$/, ''));
  } catch (error) {
    if (error instanceof KeyRefused) throw new KeyRefused(`the key file ${path} has no key: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Throws KeyRefused, which names the line. */
export function parseKnownKeys(text: string): KnownKeys {
  const current: Verifier[] = [];
  const former: FormerKey[] = [];
  if (Buffer.byteLength(text) > MAX_KNOWN_KEYS_BYTES) throw new KeyRefused(`known keys are ${MAX_KNOWN_KEYS_BYTES} bytes at most`);
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [word, key = '', size = '', ...more] = line.split(' ');
    try {
      const verifier = parseVerifier(key);
      if (word === 'current' && size === '') current.push(verifier);
      else if (word === 'former' && more.length === 0) former.push({ verifier, untilSize: sizeOf(size) });
      else throw new KeyRefused('a line is «current <key>» or «former <key> <size>»');
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
      throw new KeyRefused(`known keys, line ${i + 1}: ${error.message}`, { cause: error });
    }
  }
  const all = [...current, ...former.map(({ verifier }) => verifier)].map(String);
  const twice = all.find((key, i) => all.indexOf(key) !== i);
  if (twice !== undefined) throw new KeyRefused(`known keys: ${twice} is there twice`);
  return { current, former };
}

function sizeOf(text: string): number {
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new KeyRefused(`the size ${JSON.stringify(text)} is not a whole number below 2^53`);
  return size;
}

export function formatKnownKeys({ current, former }: KnownKeys): string {
  const lines = [...current.map((key) => `current ${key}`), ...former.map(({ verifier, untilSize }) => `former ${verifier} ${untilSize}`)];
  return lines.map((line) => `${line}\n`).join('');
}

/** No keys where there is no file. */
export const loadKnownKeys = (path: string): KnownKeys => parseKnownKeys(readIfThere(path)?.toString('utf8') ?? '');

export function saveKnownKeys(path: string, keys: KnownKeys): void {
  const text = formatKnownKeys(keys);
  parseKnownKeys(text);
  makeFolder(dirname(path));
  writeAtomically(path, Buffer.from(text), true);
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * Replaces the key of a log whose last signed checkpoint has `size` leaves. The former key stays good up to there, so old proofs stay
 * good; whoever steals it later can sign nothing that goes further.
 *
 * The order of the steps is: the new key into a file of its own, the known keys, the new key in place of the former. A rotation that
 * was ended between two of them is finished by the next call, which then does not rotate again.
 */
export function rotateKey(keyFile: string, knownKeysFile: string, size: number): Signer {
  if (!Number.isSafeInteger(size) || size < 0) throw new KeyRefused(`the size ${size} is not a whole number from 0 on`);
  const signer = loadKeyFile(keyFile);
  const { name } = signer;
  const replacement = isThere(next(keyFile)) ? loadKeyFile(next(keyFile)) : generateKeyFile(next(keyFile), name, signer.verifier.algorithm);
  const known = loadKnownKeys(knownKeysFile);
  if (!known.current.some((key) => String(key) === String(replacement.verifier))) {
    const current = known.current.filter((key) => String(key) !== String(signer.verifier));
    saveKnownKeys(knownKeysFile, {
      current: [...current, replacement.verifier],
      former: [...known.former, { verifier: signer.verifier, untilSize: size }],
    });
  }
  renameSync(next(keyFile), keyFile);
  syncFolder(dirname(keyFile));
  return replacement;
}
