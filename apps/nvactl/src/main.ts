import { systemClock } from '@nva/ports';
import { randomUUID } from 'node:crypto';
import { homedir } from 'node:os';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { run } from './run.ts';

const stop = new AbortController();
const atExit = new Set<() => void>();
let ended: ExitCode | null = null;

/** Ends the process at once; what was changed on the terminal is given back. */
function endNow(code: ExitCode): void {
  for (const restore of atExit) restore();
  process.exit(code);
}

/** The first signal lets the command come to a good end; the second does not wait for it. */
const onSignal = (code: ExitCode) => (): void => {
  if (ended !== null) endNow(code);
  ended = code;
  stop.abort();
};

process.on('SIGINT', onSignal(EXIT.interrupted));
process.on('SIGTERM', onSignal(EXIT.terminated));
process.stdout.on('error', () => endNow(EXIT.outputClosed));
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
