import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { tethered } from '../../../apps/demo/src/tethered.ts';

const WRITER = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** The command that appends to a log until it is killed, or that many calls. */
export const writer = (directory: string, label: string, calls: number, callers: number, checkpointPages: number): string[] => [process.execPath, '--conditions=source', WRITER, directory, label, `${calls}`, `${callers}`, `${checkpointPages}`];

/** Kills a child that long after it has opened its log, or has acknowledged something; returns what it said. */
export async function killedAfter([command, ...args]: string[], lifeMs: number, outputFile: string, moment: 'open' | 'acknowledged' = 'open'): Promise<string> {
  const output = openSync(outputFile, 'w');
  const child = spawn(...tethered(command!, args), { stdio: ['ignore', output, 'inherit', 'ipc'] });
  closeSync(output);
  child.on('message', (message) => {
    if (message === moment) setTimeout(() => child.kill('SIGKILL'), lifeMs);
  });
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>();
  child.on('exit', (_, signal) => resolve(signal));
  expect(await promise).toBe('SIGKILL');
  return readFileSync(outputFile, 'utf8');
}
