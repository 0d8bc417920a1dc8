import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { systemClock } from '@nva/ports';
import { tethered } from './tethered.ts';

/** The end of what a process has written is kept, in characters, for errors. */
const MAX_OUTPUT_CHARS = 8_000;
/** A process that SIGTERM has not ended by then, in milliseconds, is killed. */
const STOP_LIMIT_MS = 60_000;

export interface NodeProcessOptions {
  /** What errors call it. */
  readonly name: string;
  /** Flags of Node, a script, and the arguments of the script. */
  readonly args: readonly string[];
  /** Beside the variables of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Everything that it writes is appended there. */
  readonly logFile?: string;
  /** Files that it may have open; as many as this process by default. */
  readonly openFiles?: number;
}

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Another process of Node, which ends with this one however this one ends (`tethered`). A loader or a test runner that this process was
 * started with is not passed on to it.
 */
export class NodeProcess {
  /** Resolves when it has ended and all that it wrote is read; never rejects. */
  readonly exited: Promise<Exit>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  #output = '';
  #errors = '';

  constructor({ name, args, env, logFile, openFiles }: NodeProcessOptions) {
    this.#name = name;
    const command = [process.execPath, ...args];
    const bounded = openFiles === undefined ? command : ['sh', '-c', `ulimit -n ${openFiles} && exec "$0" "$@"`, ...command];
    this.#child = spawn(...tethered(bounded[0]!, bounded.slice(1)), {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = logFile === undefined ? null : createWriteStream(logFile, { flags: 'a' });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      if (log) stream.pipe(log, { end: false });
      stream.setEncoding('utf8').on('data', (text: string) => (this.#output = (this.#output + text).slice(-MAX_OUTPUT_CHARS)));
    }
    this.#child.stderr!.on('data', (text: string) => (this.#errors = (this.#errors + text).slice(-MAX_OUTPUT_CHARS)));
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        log?.end();
        resolve({ code, signal });
      });
      this.#child.once('error', (error) => {
        this.#output += String(error);
        resolve({ code: null, signal: null });
      });
    });
  }

  /** Undefined if it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** The last that it wrote, to either stream. */
  get output(): string {
    return this.#output;
  }

  /** The last that it wrote to standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Calls with every line of standard output, from now on, that is a JSON object, as the services write them. */
  onEntry(listener: (entry: Readonly<Record<string, unknown>>) => void): void {
    this.#lines.on('line', (line) => {
      const entry = entryIn(line);
      if (entry) listener(entry);
    });
  }

  /** Where it listens, by its own words (`url`). Rejects, with the last that it wrote, if it ends before it says so. */
  url(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.onEntry(({ url }) => typeof url === 'string' && resolve(url));
      void this.exited.then((exit) => reject(new Error(`${this.#name} ended with ${endOf(exit)}; was it built?\n${this.#output}`)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, also where it is stopped; SIGKILL after `limitMs`. */
  async stop(limitMs = STOP_LIMIT_MS): Promise<Exit> {
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    const cancel = systemClock.after(limitMs, () => this.signal('SIGKILL'));
    const exit = await this.exited;
    cancel();
    return exit;
  }

  kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }
}

/** null for a line that is no JSON object: a process that is killed may have written half of one. */
function entryIn(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}

export const endOf = ({ code, signal }: Exit): string => String(code ?? signal);
