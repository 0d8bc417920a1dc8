import { NodeProcess } from '@nva/processes';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_LIMIT_MS = 25_000;
const END_NOTICE_MS = 500;

export interface ChildOptions {
  /** The name of the process in errors. */
  readonly name: string;
  /** A script for Node, and its arguments. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Another Node process, used by this one. `stop` ends it; if this process exits before, the child gets a signal to end and is not
 * killed, so that it ends its own children too. If this process is killed, the child ends as well.
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

  /** The latest output of the child, from both streams. */
  get output(): string {
    return this.#process.output;
  }

  get running(): boolean {
    return this.#process.running;
  }

  /** Throws if the child has ended although it was not stopped. */
  assertRunning(): void {
    if (!this.running && !this.#stopping) throw new Error(`The ${this.#name} has ended by itself. Its last words:\n${this.output}`);
  }

  /** The same for a caller whose connection to the child has just broken: the caller notices that before the end of the child. */
  async assertStillRunning(): Promise<void> {
    await Promise.race([this.#process.exited, sleep(END_NOTICE_MS, undefined, { ref: false })]);
    this.assertRunning();
  }

  /** Sends SIGTERM, and SIGKILL if the child does not end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#process.stop(STOP_LIMIT_MS);
    process.off('exit', this.#end);
  }
}
