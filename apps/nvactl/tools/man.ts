/** Writes man/nvactl.1 from the commands. `npm run docs` writes; a test compares. */
import { systemClock } from '@nva/ports';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Io } from '../src/io.ts';
import { manPage } from '../src/man-page.ts';
import { createProgram } from '../src/program.ts';

export const manPath = join(import.meta.dirname, '../man/nvactl.1');

const sink = { write: () => true, once: () => undefined, off: () => undefined };
/** Nothing is run, so nothing of it is used. */
const io: Io = {
  stdout: sink,
  stderr: sink,
  stdin: (async function* () {})(),
  env: {},
  home: '/nowhere',
  clock: systemClock,
  signal: new AbortController().signal,
  atExit: new Set(),
  randomId: () => '',
};

export const page = (): string => manPage(createProgram(io));

if (process.argv[1] === import.meta.filename) writeFileSync(manPath, page());
