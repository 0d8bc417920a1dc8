import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';

/** A server, and how it is spoken to. The token stands here, or in a file of its own that is read each time. */
export interface Context {
  readonly server: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

export interface Contexts {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

const NONE: Contexts = { current: null, contexts: {} };
const OWNER_ONLY = 0o600;
/** What other users than the owner may do with a file. */
export const OTHERS = 0o077;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function configPath({ env, home }: Pick<Io, 'env' | 'home'>): string {
  const base = env['XDG_CONFIG_HOME'];
  // The specification says to ignore a relative one.
  return join(base?.startsWith('/') ? base : join(home, '.config'), 'nvactl', 'config.yaml');
}

/** The contexts of the user. A file that others may read holds tokens that others may have read: it is closed, and that is said. */
export function readContexts(io: Pick<Io, 'env' | 'home' | 'stderr'>): Contexts {
  const path = configPath(io);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if (process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0) {
      chmodSync(path, OWNER_ONLY);
      io.stderr.write(`nvactl: ${path} was open to other users; its mode is 0600 now\n`);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return NONE;
    throw new Failure(EXIT.usage, `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return checked(parsed(text, path), path);
}

/** Replaces the file as a whole, readable for its owner only from its first byte on. */
export function writeContexts(io: Pick<Io, 'env' | 'home' | 'randomId'>, contexts: Contexts): void {
  const path = configPath(io);
  const beside = `${path}.${io.randomId()}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      writeFileSync(beside, stringify({ current: contexts.current, contexts: contexts.contexts }), { mode: OWNER_ONLY, flag: 'wx' });
      renameSync(beside, path);
    } finally {
      rmSync(beside, { force: true });
    }
  } catch (cause) {
    throw new Failure(EXIT.usage, `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Throws a Failure for a name that is not plain. */
export function contextName(name: string): string {
  if (!NAME.test(name)) throw wrongUsage(`a context is named by up to 64 letters, digits, «.», «_» and «-», not ${JSON.stringify(name)}`);
  return name;
}

/** Throws a Failure for what is not the address of a server. */
export function serverUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw wrongUsage(`the server is a URL like http://127.0.0.1:3000, not ${JSON.stringify(text)}`, cause);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw wrongUsage(`the server is reached by http or https, not by ${url.protocol}`);
  if (url.username || url.password || url.search || url.hash) throw wrongUsage('the URL of the server has no user, query or fragment');
  return url.href.replace(/\/+$/, '');
}

function parsed(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new Failure(EXIT.usage, `${path} is not YAML: ${(cause as Error).message}`, { cause });
  }
}

function checked(value: unknown, path: string): Contexts {
  const wrong = (what: string): Failure => wrongUsage(`${path}: ${what}`);
  if (value === null || value === undefined) return NONE;
  if (!isRecord(value)) throw wrong('it is a map with «current» and «contexts»');
  const { current = null, contexts = {} } = value;
  if (current !== null && typeof current !== 'string') throw wrong('«current» is the name of a context');
  if (!isRecord(contexts)) throw wrong('«contexts» is a map');
  const read: Record<string, Context> = {};
  for (const [name, context] of Object.entries(contexts)) {
    if (!isRecord(context) || typeof context['server'] !== 'string') throw wrong(`context ${name} has no «server»`);
    for (const field of ['token', 'tokenFile'])
      if (context[field] !== undefined && typeof context[field] !== 'string') throw wrong(`«${field}» of context ${name} is text`);
    read[contextName(name)] = context as unknown as Context;
  }
  return { current, contexts: read };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
