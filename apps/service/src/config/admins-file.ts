import { readFileSync } from 'node:fs';
import { isObject } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import { SHARDS } from '@nva/kafka';
import { ConfigError, parseUrl } from './environment.ts';
import { readShards } from './shards.ts';

export const MAX_ADMINS = 64;
const MAX_URLS = 8;
const FIELDS = new Set(['shards', 'urls']);

/** Admins that keep the history of some shards. */
export interface AdminShare {
  readonly shards: readonly number[];
  /** Each of them keeps all of these shards; they are tried one after the other. */
  readonly urls: readonly string[];
}

/**
 * Who keeps the history of which shards, from a file that all admins of a log may share:
 *
 *     { "admins": [ { "shards": "0-31", "urls": ["http://admin-1:3000"] }, { "shards": "32-63", "urls": ["http://admin-2:3000"] } ] }
 *
 * `own` are the shards of this process, which may be in the file, too. Throws ConfigError, also where a shard is nobody's.
 */
export function readAdmins(file: string, own: readonly number[]): readonly AdminShare[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`ADMINS_FILE: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  const list = isObject(content) ? content['admins'] : undefined;
  if (!isObject(content) || Object.keys(content).length !== 1 || !Array.isArray(list) || list.length > MAX_ADMINS)
    throw new ConfigError(`ADMINS_FILE: expected an object with admins, a list of ${MAX_ADMINS} at most`);
  const admins = list.map((one: unknown, i) => share(one, `admins[${i}]`));
  const named = admins.flatMap(({ shards }) => shards);
  const twice = named.find((shard, i) => named.indexOf(shard) !== i);
  if (twice !== undefined)
    throw new ConfigError(`ADMINS_FILE: shard ${twice} is there twice; admins that keep the same have one entry with the urls of all`);
  const known = new Set([...own, ...named]);
  const missing = Array.from({ length: SHARDS }, (_, shard) => shard).find((shard) => !known.has(shard));
  if (missing !== undefined) throw new ConfigError(`ADMINS_FILE: shard ${missing} is neither there nor of ADMIN_SHARDS`);
  return admins;
}

function share(value: unknown, where: string): AdminShare {
  const wrong = (why: string): ConfigError => new ConfigError(`ADMINS_FILE: ${where}${why}`);
  if (!isObject(value)) throw wrong(' is an object with shards and urls');
  for (const field in value) if (!FIELDS.has(field)) throw wrong(` has shards and urls, got «${field}»`);
  const { shards, urls } = value;
  const read = typeof shards === 'string' ? readShards(shards) : { wrong: 'form' };
  if (!('shards' in read)) throw wrong(`.shards are shards of 0 to ${SHARDS - 1}, each once, such as 0-31 or 0,5,32-63`);
  if (!Array.isArray(urls) || urls.length === 0 || urls.length > MAX_URLS) throw wrong(`.urls are 1 to ${MAX_URLS} of http://host[:port]`);
  try {
    return { shards: read.shards, urls: urls.map((url: unknown) => parseUrl(url, `${where}.urls`)) };
  } catch (error) {
    throw error instanceof Refusal ? new ConfigError(`ADMINS_FILE: ${error.message}`, { cause: error }) : error;
  }
}
