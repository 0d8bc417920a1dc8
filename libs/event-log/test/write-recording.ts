import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** What a process did to the files of one directory and said on its standard output, in order. */
export type Operation =
  | { readonly kind: 'create' | 'unlink' | 'sync'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly length: number }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  | { readonly kind: 'sync-directory' }
  | { readonly kind: 'said'; readonly text: string };

const CALLS = 'openat,pwrite64,write,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2';
const MAX_STRING_BYTES = 1_048_576;

/**
 * Runs a command under strace, which sees each system call of all its threads with its bytes. A write counts from the moment it
 * was begun, a sync from the moment it returned: nothing is taken for durable that might not have been.
 */
export function recordWrites(command: readonly string[], directory: string, traceFile: string): Operation[] {
  const strace = ['-f', '-y', '-xx', '-s', String(MAX_STRING_BYTES), '-e', `trace=${CALLS}`, '-o', traceFile];
  const run = spawnSync('strace', [...strace, ...command], { encoding: 'utf8', timeout: 300_000 });
  if (run.error) throw new Error(`this test needs strace, in Debian «apt-get install strace»: ${run.error.message}`);
  if (run.status !== 0)
    throw new Error(
      `the recorded process ended with ${run.status ?? run.signal}; if strace may not trace here, allow ptrace. ${run.stderr}`,
    );
  return parse(readFileSync(traceFile, 'latin1'), directory);
}

function parse(trace: string, directory: string): Operation[] {
  const operations: Operation[] = [];
  const begun = new Map<string, string>();
  for (const line of trace.split('\n')) {
    const [, thread, rest] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/s.exec(rest);
    const unfinished = rest.endsWith('<unfinished ...>');
    const call = resumed ? (begun.get(thread) ?? '') : rest;
    const isSync = /^fd?a?t?a?sync\(/.test(call);
    if (unfinished) begun.set(thread, rest);
    if (isSync ? unfinished : resumed !== null) continue;
    const failed = / = -1 /.test(resumed?.[2] ?? rest);
    const operation = failed ? undefined : operationOf(call, directory);
    if (operation) operations.push(operation);
  }
  return operations;
}

function operationOf(call: string, directory: string): Operation | undefined {
  const name = call.slice(0, call.indexOf('('));
  const strings = [...call.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex]) => Buffer.from(hex!.replaceAll('\\x', ''), 'hex'));
  const descriptor = /^\w+\((\d+)<((?:\\x[0-9a-f]{2}|[^>])*)>/.exec(call);
  const path = descriptor ? unescape(descriptor[2]!) : '';
  const numbers = [...call.replace(/".*"/s, '').matchAll(/, (\d+)/g)].map(([, digits]) => Number(digits));
  const inDirectory = (candidate: string): boolean => dirname(candidate) === directory;
  if (name === 'write' && descriptor?.[1] === '1') return { kind: 'said', text: strings[0]!.toString('utf8') };
  if (name === 'openat')
    return call.includes('O_CREAT') && inDirectory(strings[0]!.toString())
      ? { kind: 'create', file: basename(strings[0]!.toString()) }
      : undefined;
  if (name.startsWith('unlink'))
    return inDirectory(strings[0]!.toString()) ? { kind: 'unlink', file: basename(strings[0]!.toString()) } : undefined;
  if (name.startsWith('rename'))
    return inDirectory(strings[0]!.toString())
      ? { kind: 'rename', file: basename(strings[0]!.toString()), to: basename(strings[1]!.toString()) }
      : undefined;
  if (path === directory && name.endsWith('sync')) return { kind: 'sync-directory' };
  if (!inDirectory(path)) return undefined;
  const file = basename(path);
  if (name === 'pwrite64') return { kind: 'write', file, bytes: strings[0]!, offset: numbers[1]! };
  if (name === 'ftruncate') return { kind: 'truncate', file, length: numbers[0]! };
  if (name.endsWith('sync')) return { kind: 'sync', file };
  throw new Error(`this recording does not know what ${name} does to ${file}`);
}

const unescape = (text: string): string =>
  text.replace(/(?:\\x[0-9a-f]{2})+/g, (hex) => Buffer.from(hex.replaceAll('\\x', ''), 'hex').toString('utf8'));
