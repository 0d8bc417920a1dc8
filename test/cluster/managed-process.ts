import { setTimeout as sleep } from 'node:timers/promises';
import { endOf, NodeProcess } from '@nva/processes';

const POLL_MS = 50;
const READY_LIMIT_MS = 240_000;

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
  #child: NodeProcess | null = null;
  /** The last that it wrote before it ended by itself. */
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
    const child = new NodeProcess(this.#options);
    this.#ended = null;
    this.#child = child;
    void child.exited.then((exit) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#tail = child.output;
      this.#ended = `ended by itself with ${endOf(exit)}`;
      this.#endings.push(this.ended!);
    });
  }

  /**
   * Runs it to its end with arguments of its own, while it does not run as a service. Rejects with the last of what it said if it
   * fails.
   */
  async once(args: readonly string[]): Promise<void> {
    if (this.#child) throw new Error(`${this.name} runs`);
    const { name, args: own, env } = this.#options;
    const child = new NodeProcess({ name, args: [...own, ...args], env });
    const exit = await child.exited;
    if (exit.code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${endOf(exit)}:\n${child.output}`);
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
      if (performance.now() > giveUpAt) throw new Error(`${this.name} was not ready within ${limitMs} ms:\n${this.#child.output}`);
      await sleep(POLL_MS);
    }
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    await child?.kill();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    await child?.stop();
  }
}
