import { CommanderError } from 'commander';
import { EXIT, Failure, type ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { Paint } from './output/paint.ts';
import { visible } from './output/visible.ts';
import { createProgram } from './program.ts';

/** Runs one command line, and gives the code to exit with. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await createProgram(io).parseAsync(argv, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    // commander has said what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return failed(error, io);
  }
}

function failed(error: unknown, io: Io): ExitCode {
  const bad = new Paint(io.stderr, io.env).bad;
  if (!(error instanceof Failure)) {
    io.stderr.write(`${bad('nvactl: this is a defect of nvactl')}\n${error instanceof Error ? error.stack : String(error)}\n`);
    return EXIT.fault;
  }
  // The differences are the output.
  if (error.exitCode !== EXIT.different) io.stderr.write(`${bad(`nvactl: ${visible(error.message)}`)}\n`);
  return error.exitCode;
}
