import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { tethered } from '@nva/processes';

const STOP_TIMEOUT_MS = 25_000;
const END_NOTICE_MS = 500;
/** The end of what a child has said is kept, for the case that it ends too early. */
const MAX_OUTPUT_CHARS = 8_000;

export interface ChildOptions {
  /** What to call it in errors. */
  readonly name: string;
  /** A script for Node, and its arguments. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Another Node process, for as long as this one needs it. It is ended by `stop`, and told to end if this process exits before that:
 * told and not killed, so that it takes its own children along. Where this process is killed, it goes with it.
 */
export class Child {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #end: () => void;
  #output = '';
  #stopping = false;

  constructor({ name, args, env }: ChildOptions) {
    this.#name = name;
    // A loader or test runner that this process was started with is not the child's.
    this.#process = spawn(...tethered(process.execPath, args), {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#output = (this.#output + text).slice(-MAX_OUTPUT_CHARS)));
    }
    this.#exited = new Promise((resolve) => void this.#process.once('close', () => resolve()).once('error', () => resolve()));
    this.#end = () => void this.#process.kill('SIGTERM');
    process.once('exit', this.#end);
  }

  /** What it has written lately, to either stream. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined;
  }

  /** Throws if it has ended although nobody asked it to. */
  assertRunning(): void {
    if (!this.running && !this.#stopping) throw new Error(`The ${this.#name} has ended by itself. Its last words:\n${this.#output}`);
  }

  /** The same for somebody whose connection to it has just broken: that is noticed before the end itself. */
  async assertStillRunning(): Promise<void> {
    await Promise.race([this.#exited, sleep(END_NOTICE_MS, undefined, { ref: false })]);
    this.assertRunning();
  }

  /** SIGTERM, and SIGKILL if that is not heeded. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
    process.off('exit', this.#end);
  }
}
