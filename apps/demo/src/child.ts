import { NodeProcess } from '@nva/processes';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_LIMIT_MS = 25_000;
const END_NOTICE_MS = 500;

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
  readonly #process: NodeProcess;
  readonly #end: () => void;
  #stopping = false;

  constructor(options: ChildOptions) {
    this.#name = options.name;
    this.#process = new NodeProcess(options);
    this.#end = () => this.#process.signal('SIGTERM');
    process.once('exit', this.#end);
  }

  /** What it has written lately, to either stream. */
  get output(): string {
    return this.#process.output;
  }

  get running(): boolean {
    return this.#process.running;
  }

  /** Throws if it has ended although nobody asked it to. */
  assertRunning(): void {
    if (!this.running && !this.#stopping) throw new Error(`The ${this.#name} has ended by itself. Its last words:\n${this.output}`);
  }

  /** The same for somebody whose connection to it has just broken: that is noticed before the end itself. */
  async assertStillRunning(): Promise<void> {
    await Promise.race([this.#process.exited, sleep(END_NOTICE_MS, undefined, { ref: false })]);
    this.assertRunning();
  }

  /** SIGTERM, and SIGKILL if that is not heeded. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#process.stop(STOP_LIMIT_MS);
    process.off('exit', this.#end);
  }
}
