import { systemClock } from '@nva/ports';
import { randomUUID } from 'node:crypto';
import { homedir } from 'node:os';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { run } from './run.ts';

const stop = new AbortController();
const atExit = new Set<() => void>();
let ended: ExitCode | null = null;

/** The first signal lets the command come to a good end; the second does not wait for it. */
const onSignal = (code: ExitCode) => (): void => {
  if (ended !== null) process.exit(code);
  ended = code;
  stop.abort();
};

// However it ends: what was changed on the terminal is given back.
process.on('exit', () => {
  for (const restore of atExit) restore();
});
process.on('SIGINT', onSignal(EXIT.interrupted));
process.on('SIGTERM', onSignal(EXIT.terminated));
process.stdout.on('error', ({ code: reason, message }: NodeJS.ErrnoException) => {
  // A reader that has enough is no trouble; a disk that is full is one.
  if (reason !== 'EPIPE') process.stderr.write(`nvactl: the output cannot be written: ${message}\n`);
  process.exit(EXIT.outputClosed);
});
process.stderr.on('error', () => undefined);

const code = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  home: homedir(),
  clock: systemClock,
  signal: stop.signal,
  atExit,
  randomId: randomUUID,
});
process.exitCode = code === EXIT.interrupted ? (ended ?? code) : code;
// Input that nobody reads to its end any more must not keep the process.
process.stdin.unref?.();
