import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { systemClock } from '@nva/ports';
import type { ExitCode } from '../src/exit-codes.ts';
import type { Io, Sink } from '../src/io.ts';
import { run } from '../src/run.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');
const WITHIN_MS = 120_000;

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The real command line, as a child process that has nothing of this one's environment. */
export class Cli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  out = '';
  err = '';

  constructor(
    args: readonly string[],
    // `stdout`: a file for the output.
    {
      env = {},
      input,
      stdout,
    }: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly stdout?: string } = {},
  ) {
    const output = stdout === undefined ? null : openSync(stdout, 'w');
    this.child = spawn(process.execPath, ['--conditions=source', MAIN, ...args], {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
      stdio: ['pipe', output ?? 'pipe', 'pipe'],
    });
    if (output !== null) closeSync(output);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.err += text));
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code) => resolve({ code, out: this.out, err: this.err }));
    });
    this.child.stdin!.on('error', () => undefined);
    if (input !== undefined) this.child.stdin!.end(input);
  }

  /** Waits until it has printed the text. */
  async prints(text: string): Promise<void> {
    const limit = AbortSignal.timeout(WITHIN_MS);
    while (!this.out.includes(text) && !this.err.includes(text)) {
      if (limit.aborted || this.child.exitCode !== null) throw new Error(`it has not printed «${text}»: ${this.out}${this.err}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

export const nvactl = (args: readonly string[], options?: ConstructorParameters<typeof Cli>[1]): Promise<Ran> =>
  new Cli(args, { input: '', ...options }).ended;

export interface FakeIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  readonly stop: AbortController;
}

export interface FakeOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
  readonly input?: string;
  readonly tty?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** A world outside that is looked at afterwards; `tty` makes a terminal of it. */
export function fakeIo({ env = {}, home = '/nonexistent', input = '', tty = false, columns = 100, rows = 30 }: FakeOptions = {}): FakeIo {
  let [out, err] = ['', ''];
  const stop = new AbortController();
  const sink = (add: (text: string) => void): Sink => ({
    isTTY: tty,
    columns,
    rows,
    write: (text) => (add(text), true),
    once: () => undefined,
    off: () => undefined,
  });
  let ids = 0;
  return {
    stdout: sink((text) => (out += text)),
    stderr: sink((text) => (err += text)),
    stdin: Object.assign(Readable.from([input]), { isTTY: tty }),
    env,
    home,
    clock: systemClock,
    signal: stop.signal,
    atExit: new Set(),
    randomId: () => String(++ids),
    out: () => out,
    err: () => err,
    stop,
  };
}

/** A run in this process. */
export async function runHere(args: readonly string[], options?: FakeOptions): Promise<{ readonly code: ExitCode; readonly io: FakeIo }> {
  const io = fakeIo(options);
  return { code: await run(args, io), io };
}
