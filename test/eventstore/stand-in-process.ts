import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tethered } from '@nva/processes';

const START = join(import.meta.dirname, 'start.ts');

/** The stand-in as a process of its own, which can be killed. */
export class StandInProcess {
  readonly port: number;
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#process = child;
    this.url = url;
    this.port = Number(new URL(url.replace('esdb:', 'http:')).port);
  }

  /** Resolves when it is ready. With port 0 it takes a free one. */
  static async start(directory: string, port = 0): Promise<StandInProcess> {
    const child = spawn(...tethered(process.execPath, ['--conditions=source', START, '--port', String(port), '--data', directory]), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout! })) {
      const url = /EVENTSTORE_URL=(\S+)/.exec(line)?.[1];
      if (url !== undefined) return new StandInProcess(child, url);
    }
    throw new Error('the stand-in ended before it was ready');
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill(signal);
    await ended;
  }
}
