import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tethered } from '@nva/processes';

const POLL_MS = 50;
const READY_LIMIT_MS = 240_000;
const STOP_LIMIT_MS = 60_000;
const TAIL_CHARS = 4_000;

export interface ProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Whether it does its work; never rejects. */
  readonly ready: () => Promise<boolean>;
}

/** A process of the cluster that is killed, stopped, continued and started again, always the same way. */
export class ManagedProcess {
  readonly name: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | null = null;
  #exited: Promise<unknown> = Promise.resolve();
  #tail = '';
  /** Ended by itself since it was started last. */
  #ended: string | null = null;
  readonly #endings: string[] = [];

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What it ended with, if nobody ended it. */
  get ended(): string | null {
    return this.#ended && `${this.name} ${this.#ended}:\n${this.#tail}`;
  }

  /** Every time that it has ended by itself, but for those that were waited for (`untilEnded`). */
  get endings(): readonly string[] {
    return this.#endings;
  }

  start(): void {
    if (this.#child) return;
    const { args, env, logFile } = this.#options;
    const child = spawn(...tethered(process.execPath, args), {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(logFile, { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) {
      stream.pipe(log, { end: false });
      stream.on('data', (data: Buffer) => (this.#tail = (this.#tail + data.toString()).slice(-TAIL_CHARS)));
    }
    this.#ended = null;
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code, signal]: unknown[]) => {
      log.end();
      if (this.#child === child) {
        this.#ended = `ended by itself with ${String(code ?? signal)}`;
        this.#endings.push(this.ended!);
      }
      this.#child = this.#child === child ? null : this.#child;
    });
  }

  /**
   * Runs it to its end with arguments of its own, while it does not run as a service. Rejects with the last of what it said if it
   * fails.
   */
  async once(args: readonly string[]): Promise<void> {
    if (this.#child) throw new Error(`${this.name} runs`);
    const { args: own, env } = this.#options;
    const child = spawn(...tethered(process.execPath, [...own, ...args]), {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-TAIL_CHARS)));
    const [code, signal] = (await once(child, 'close')) as unknown[];
    if (code !== 0) throw new Error(`${this.name} ${args.join(' ')} ended with ${String(code ?? signal)}:\n${said}`);
  }

  /** Resolves with the last of what it said when it ends by itself; rejects if it does not in time. */
  async untilEnded(limitMs = READY_LIMIT_MS): Promise<string> {
    for (const giveUpAt = performance.now() + limitMs; this.ended === null; await sleep(POLL_MS)) {
      if (performance.now() > giveUpAt) throw new Error(`${this.name} goes on after ${limitMs} ms`);
    }
    this.#endings.pop();
    return this.ended;
  }

  /** Rejects with the last of what it said if it ends by itself, or is not ready in time. */
  async ready(limitMs = READY_LIMIT_MS): Promise<void> {
    for (const giveUpAt = performance.now() + limitMs; ;) {
      if (await this.#options.ready()) return;
      if (!this.#child) throw new Error(this.ended ?? `${this.name} was not started`);
      if (performance.now() > giveUpAt) throw new Error(`${this.name} was not ready within ${limitMs} ms:\n${this.#tail}`);
      await sleep(POLL_MS);
    }
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGKILL');
    await this.#exited;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = null;
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#exited;
    clearTimeout(hard);
  }
}
