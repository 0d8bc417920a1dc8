import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, NodeProcess, until } from '@nva/processes';

const MAIN = join(import.meta.dirname, '../../apps/nva/dist/main.js');

export interface NvaProcessOptions {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Files that it may have open. */
  readonly openFiles?: number;
}

/** The built NVA, as `npm start` runs it, on a free port. */
export class NvaProcess {
  readonly url: string;
  readonly #process: NodeProcess;

  private constructor(port: number, { brokers, prefix, dataDir, env = {}, openFiles }: NvaProcessOptions) {
    this.url = `http://127.0.0.1:${port}`;
    this.#process = new NodeProcess({
      name: 'NVA',
      args: [MAIN],
      env: {
        HOST: '127.0.0.1',
        PORT: String(port),
        DATA_DIR: dataDir,
        KAFKA_BROKERS: brokers.join(','),
        FEED_PREFIX: prefix,
        FEED_ADOPT: 'false',
        TOKENS_FILE: '',
        ...env,
      },
      ...(openFiles !== undefined && { openFiles }),
    });
  }

  static async start(options: NvaProcessOptions): Promise<NvaProcess> {
    if (!existsSync(MAIN)) throw new Error(`There is no ${MAIN}: run «npm run build» first`);
    return new NvaProcess(await freePort(), options);
  }

  /** Resolves when it says so itself: its feeds are equal to its fold. */
  async ready(): Promise<void> {
    await until(
      'the NVA is ready',
      async () => {
        if (!this.running) throw new Error(`The NVA has ended:\n${this.output}`);
        const answer = await fetch(`${this.url}/readyz`).catch(() => null);
        await answer?.body?.cancel();
        return answer?.ok ? null : `${answer?.status ?? 'no answer'}: ${this.output.slice(-500)}`;
      },
      30_000,
    );
  }

  /** Sends commands and returns the statuses of those that were answered, in order; fewer if it is killed meanwhile. */
  async commands(lines: readonly object[]): Promise<number[]> {
    let text = '';
    try {
      const answer = await fetch(`${this.url}/v1/commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      });
      const decoder = new TextDecoder();
      for await (const chunk of answer.body!) text += decoder.decode(chunk, { stream: true });
    } catch {
      // Killed: what came before counts.
    }
    // Behind the last line end there is half an answer, or nothing.
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { status: number }).status);
  }

  async get<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.url}${path}`);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Whether it lives. */
  get running(): boolean {
    return this.#process.running;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /** The end of what it has said. */
  get output(): string {
    return this.#process.output;
  }

  /** Its status, or the signal that ended it. */
  async exited(): Promise<number | NodeJS.Signals> {
    const { code, signal } = await this.#process.exited;
    return (code ?? signal)!;
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }
}
