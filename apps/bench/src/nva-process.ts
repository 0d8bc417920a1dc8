import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 20_000;

/** A real NVA in a process of its own, on a free port, with an empty log. */
export class NvaProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(
    parent: string,
    env: Readonly<Record<string, string>> = {},
    app: 'nva' | 'registrar' | 'distributor' = 'nva',
  ): Promise<NvaProcess> {
    const main = join(import.meta.dirname, `../../${app}/dist/main.js`);
    const dataDir = await mkdtemp(join(parent, 'nva-'));
    const child = spawn(process.execPath, ['--max-semi-space-size=32', '--heap-growing-percent=200', main], {
      env: { ...process.env, PORT: '0', DATA_DIR: dataDir, RATE_LIMIT_PER_S: '1000000', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const listening = new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const { url, level, msg } = JSON.parse(line) as { url?: string; level: string; msg: string };
        if (url) resolve(url);
        else if (level === 'error') process.stderr.write(`nva: ${msg}\n`);
      });
      child.once('exit', (code) => reject(new Error(`the NVA ended with ${code}; was it built?`)));
      setTimeout(() => reject(new Error('the NVA did not start in time')), START_LIMIT_MS).unref();
    });
    const server = new NvaProcess(await listening, child);
    await server.ready();
    return server;
  }

  /** Waits until its feeds are equal to its fold. */
  async ready(): Promise<void> {
    for (let waitedMs = 0; waitedMs < START_LIMIT_MS; waitedMs += 50) {
      if ((await fetch(`${this.url}/readyz`)).ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the NVA did not get ready in time');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const hard = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(hard);
  }
}
