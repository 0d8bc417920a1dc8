import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { tethered } from '@nva/processes';

const WRITER = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** The command that appends to a log until it is killed, or that many calls. */
export const writer = (directory: string, label: string, calls: number, callers: number, checkpointPages: number): string[] => [
  process.execPath,
  '--conditions=source',
  WRITER,
  directory,
  label,
  `${calls}`,
  `${callers}`,
  `${checkpointPages}`,
];

/** When a child is killed: so many milliseconds after it has opened its log, or when it has acknowledged so many calls. */
export type Life = { readonly openMs: number } | { readonly acknowledged: number };

/** Kills a child at the end of its life; returns what it said. */
export async function killedAfter([command, ...args]: string[], life: Life, outputFile: string): Promise<string> {
  const output = openSync(outputFile, 'w');
  const child = spawn(...tethered(command!, args), { stdio: ['ignore', output, 'inherit', 'ipc'] });
  closeSync(output);
  let acknowledged = 0;
  child.on('message', (message) => {
    if ('openMs' in life) {
      if (message === 'open') setTimeout(() => child.kill('SIGKILL'), life.openMs);
    } else if (message === 'acknowledged' && ++acknowledged === life.acknowledged) child.kill('SIGKILL');
  });
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>();
  child.on('exit', (_, signal) => resolve(signal));
  expect(await promise).toBe('SIGKILL');
  return readFileSync(outputFile, 'utf8');
}
