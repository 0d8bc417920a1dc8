import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { NodeProcess } from '@nva/processes';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 20_000;

/** A real NVA in a separate process, on a free port, with an empty log. */
export class NvaProcess {
  readonly url: string;
  readonly #process: NodeProcess;

  private constructor(url: string, process: NodeProcess) {
    this.url = url;
    this.#process = process;
  }

  static async start(
    parent: string,
    env: Readonly<Record<string, string>> = {},
    app: 'nva' | 'registrar' | 'distributor' = 'nva',
  ): Promise<NvaProcess> {
    const main = join(import.meta.dirname, `../../${app}/dist/main.js`);
    const dataDir = await mkdtemp(join(parent, 'nva-'));
    const server = new NodeProcess({
      name: app,
      args: ['--max-semi-space-size=32', '--heap-growing-percent=200', main],
      env: { PORT: '0', DATA_DIR: dataDir, RATE_LIMIT_PER_S: '1000000', ...env },
    });
    server.onEntry(({ level, msg }) => level === 'error' && process.stderr.write(`${app}: ${String(msg)}\n`));
    const started = new NvaProcess(await server.url(), server);
    await started.ready();
    return started;
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
    this.#process.signal(signal);
  }

  async stop(): Promise<void> {
    await this.#process.stop(STOP_LIMIT_MS);
  }
}
