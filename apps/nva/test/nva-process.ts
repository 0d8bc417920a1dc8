import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { tethered } from '@nva/processes';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** A start, or an end, that takes longer is a failure. */
const WITHIN_MS = 240_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type Environment = Readonly<Record<string, string>>;

/** The built server as a process of its own, as `npm start` runs it. */
export class NvaProcess {
  /** Lines of standard output, parsed. */
  readonly lines: Readonly<Record<string, unknown>>[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #url: Promise<string>;
  #errors = '';

  /** `args` as behind `npm start --`. */
  constructor(env: Environment, args: readonly string[] = []) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run «npm run build» first`);
    const { NODE_OPTIONS: _, ...inherited } = process.env;
    this.#child = spawn(...tethered(process.execPath, [MAIN, ...args]), {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr!.on('data', (data: Buffer) => (this.#errors += data.toString()));
    this.exited = new Promise((resolve) => this.#child.on('close', (code, signal) => resolve({ code, signal })));
    this.#url = new Promise((resolve, reject) => {
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        const parsed = JSON.parse(line) as Record<string, unknown>;
        this.lines.push(parsed);
        if (typeof parsed['url'] === 'string') resolve(parsed['url']);
      });
      void this.exited.then(({ code }) => reject(new Error(`the server ended with ${code}: ${this.#errors}`)));
    });
    this.#url.catch(() => undefined);
  }

  /** Where it listens; rejects if it ends before it does. */
  url(): Promise<string> {
    return bounded(this.#url, 'the start');
  }

  /** What it said on standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Ends it, by SIGTERM unless told otherwise. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#child.kill(signal);
    return bounded(this.exited, 'the end');
  }
}

async function bounded<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${WITHIN_MS} ms`)), WITHIN_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
