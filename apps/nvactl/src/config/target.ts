import { readFileSync, statSync } from 'node:fs';
import { wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { visible } from '../output/visible.ts';
import { OTHERS, readContexts, serverUrl, type Context } from './contexts.ts';

export const DEFAULT_SERVER = 'http://127.0.0.1:3000';

/** What the command line says about whom to speak to. */
export interface TargetOptions {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly context?: string;
}

export interface Target {
  readonly server: string;
  readonly token: string | null;
}

/**
 * The server and the token of this run. An option is stronger than the environment, and the environment than the context that is
 * in use; a context that is named with --context is an option. The token of a context goes to the server of that context only,
 * unless both --context and --server say otherwise: an address from elsewhere gets no token that was not meant for it.
 */
export function targetOf(options: TargetOptions, io: Io): Target {
  const { env } = io;
  const named = options.context !== undefined;
  const stored = named || !(options.server ?? env['NVACTL_SERVER']) ? storedContext(options.context, io) : null;
  const given = options.server ?? (named ? undefined : env['NVACTL_SERVER'] || undefined);
  const server = serverUrl(given ?? stored?.server ?? DEFAULT_SERVER);
  const token = tokenOf(options, stored, named, io);
  return { server, token: token === null ? null : tokenText(token) };
}

function tokenOf(options: TargetOptions, stored: Context | null, named: boolean, io: Io): string | null {
  const { env } = io;
  if (options.tokenFile !== undefined) return tokenIn(options.tokenFile, io);
  if (!named && env['NVACTL_TOKEN']) return env['NVACTL_TOKEN'];
  if (stored?.token !== undefined) return stored.token;
  if (stored?.tokenFile !== undefined) return tokenIn(stored.tokenFile, io);
  return null;
}

function storedContext(name: string | undefined, io: Io): Context | null {
  const { current, contexts } = readContexts(io);
  const wanted = name ?? current;
  if (wanted === null) return null;
  const context = Object.hasOwn(contexts, wanted) ? contexts[wanted] : undefined;
  if (!context) throw wrongUsage(`there is no context ${JSON.stringify(wanted)}; «nvactl context list» shows those there are`);
  return context;
}

/** The file is somebody's: its modes are said, and not changed. */
function tokenIn(file: string, { stderr }: Pick<Io, 'stderr'>): string {
  try {
    const text = readFileSync(file, 'utf8');
    const stat = statSync(file);
    if (process.platform !== 'win32' && stat.isFile() && (stat.mode & OTHERS) !== 0)
      stderr.write(`nvactl: other users can read the token in ${visible(file)}: its mode should be 0600\n`);
    return text;
  } catch (cause) {
    throw wrongUsage(`cannot read the token in ${file}: ${(cause as Error).message}`, cause);
  }
}

/** Visible ASCII, as a header has it. */
export function tokenText(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) throw wrongUsage('a token is one word of visible ASCII characters');
  return token;
}
