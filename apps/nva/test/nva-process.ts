import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NodeProcess, type Exit } from '@nva/processes';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** A start, or an end, that takes longer is a failure. */
const WITHIN_MS = 240_000;

type Environment = Readonly<Record<string, string>>;

/** The built server as a process of its own, as `npm start` runs it. */
export class NvaProcess {
  /** Lines of standard output, parsed. */
  readonly lines: Readonly<Record<string, unknown>>[] = [];
  readonly exited: Promise<Exit>;
  readonly #process: NodeProcess;
  readonly #url: Promise<string>;

  /** `args` as behind `npm start --`. */
  constructor(env: Environment, args: readonly string[] = []) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run «npm run build» first`);
    this.#process = new NodeProcess({ name: 'server', args: [MAIN, ...args], env });
    this.#process.onEntry((entry) => this.lines.push(entry));
    this.exited = this.#process.exited;
    this.#url = this.#process.url();
    this.#url.catch(() => undefined);
  }

  /** Where it listens; rejects if it ends before it does. */
  url(): Promise<string> {
    return bounded(this.#url, 'the start');
  }

  /** What it said on standard error. */
  get errors(): string {
    return this.#process.errors;
  }

  /** Ends it, by SIGTERM unless told otherwise. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#process.signal(signal);
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
