import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isObject } from '@nva/commands';
import { ED25519, KeyRefused, parseVerifier, type Verifier } from '@nva/transparency';
import { ConfigError } from './environment.ts';

export const MAX_WITNESSES = 16;
const FIELDS = new Set(['name', 'url', 'key', 'tokenFile']);

/** Somebody who cosigns this process's checkpoints, or whose checkpoints it cosigns. */
export interface WitnessConfig {
  /** For metrics and log lines. */
  readonly name: string;
  /** What comes before `/add-checkpoint`; null: it is not asked. */
  readonly url: string | null;
  /** Of an admin: the key with which it signs, and cosigns as well. Of another witness: the key with which it cosigns. */
  readonly key: string;
  readonly tokenFile: string | null;
}

/** The verifier of a witness's cosignatures. */
export const cosignerOf = ({ key }: WitnessConfig): Verifier => parseVerifier(key).asCosigner();

/** The keys of other admins: their checkpoints are cosigned. */
export const logKeysOf = (witnesses: readonly WitnessConfig[]): readonly Verifier[] =>
  witnesses.map(({ key }) => parseVerifier(key)).filter(({ algorithm }) => algorithm === ED25519);

/**
 * The witnesses, from a file:
 *
 *     { "witnesses": [ { "name": "admin-2", "url": "http://admin-2:3000/v1/tlog", "key": "…+…+…", "tokenFile": "admin-2.token" } ] }
 *
 * A `tokenFile` with a relative path is beside the file. Throws ConfigError.
 */
export function readWitnesses(file: string): readonly WitnessConfig[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`PROOF_WITNESSES_FILE: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  const list = isObject(content) ? content['witnesses'] : undefined;
  if (!isObject(content) || Object.keys(content).length !== 1 || !Array.isArray(list) || list.length > MAX_WITNESSES)
    throw new ConfigError(`PROOF_WITNESSES_FILE: expected an object with witnesses, a list of ${MAX_WITNESSES} at most`);
  const witnesses = list.map((one: unknown, i) => witness(one, `witnesses[${i}]`, dirname(file)));
  for (const field of ['name', 'key'] as const) {
    const twice = witnesses.find((one, i) => witnesses.findIndex((other) => other[field] === one[field]) !== i);
    if (twice) throw new ConfigError(`PROOF_WITNESSES_FILE: the ${field} ${twice[field]} is there twice`);
  }
  return witnesses;
}

function witness(value: unknown, where: string, folder: string): WitnessConfig {
  const wrong = (why: string, cause?: unknown): ConfigError => new ConfigError(`PROOF_WITNESSES_FILE: ${where}${why}`, { cause });
  if (!isObject(value)) throw wrong(' is an object with name, url, key and tokenFile');
  for (const field in value) if (!FIELDS.has(field)) throw wrong(` has name, url, key and tokenFile, got «${field}»`);
  const { name, url = null, key, tokenFile = null } = value;
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name)) throw wrong('.name is 1 to 64 letters, digits, dots and hyphens');
  if (url !== null && !isPrefix(url)) throw wrong('.url is http://host:port/path, without a slash at its end');
  if (tokenFile !== null && (typeof tokenFile !== 'string' || tokenFile === '')) throw wrong('.tokenFile is a path');
  if (typeof key !== 'string') throw wrong('.key is a verifier key, name+id+base64');
  try {
    parseVerifier(key);
  } catch (cause) {
    if (cause instanceof KeyRefused) throw wrong(`.key: ${cause.message}`, cause);
    throw cause;
  }
  return { name, url, key, tokenFile: tokenFile === null ? null : resolve(folder, tokenFile) };
}

function isPrefix(value: unknown): value is string {
  if (typeof value !== 'string' || !URL.canParse(value) || value.endsWith('/')) return false;
  const { protocol, search, hash, username } = new URL(value);
  return /^https?:$/.test(protocol) && search === '' && hash === '' && username === '';
}
