import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@nva/processes';
import { startBroker, type RunningBroker } from './broker.ts';

/** A broker of a test's own whose disks can be lost: it comes back on the same port, as the same cluster, and knows nothing any more. */
export class EmptiableBroker {
  readonly #directory: string;
  readonly #port: number;
  #running: RunningBroker | null;

  private constructor(directory: string, port: number, running: RunningBroker) {
    [this.#directory, this.#port, this.#running] = [directory, port, running];
  }

  static async make(): Promise<EmptiableBroker> {
    const [directory, port] = [await mkdtemp(join(tmpdir(), 'nvo3-emptiable-')), await freePort()];
    return new EmptiableBroker(directory, port, await startBroker({ port, dataDir: join(directory, 'broker') }));
  }

  get brokers(): readonly string[] {
    return [`127.0.0.1:${this.#port}`];
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = null;
  }

  /** What was on its disks is gone; it does not run. */
  async lose(): Promise<void> {
    await this.stop();
    await rm(join(this.#directory, 'broker'), { recursive: true, force: true });
  }

  /**
   * What was on its topics, or on some of them, is gone, as with a disk that was replaced; the cluster still knows them, by the same
   * ids. It does not run.
   */
  async loseRecords(only?: readonly string[]): Promise<void> {
    await this.stop();
    for (const log of await this.#logs(only)) await rm(log, { recursive: true, force: true });
  }

  async start(): Promise<void> {
    this.#running = await startBroker({ port: this.#port, dataDir: join(this.#directory, 'broker') });
  }

  /** The folders of partitions, but for those of the cluster itself and of its offsets and transactions. */
  async #logs(only?: readonly string[]): Promise<readonly string[]> {
    const folders = await readdir(join(this.#directory, 'broker'), { recursive: true, withFileTypes: true });
    return folders
      .filter((one) => one.isDirectory() && /^(?!__).+-\d+$/.test(one.name))
      .filter((one) => only?.includes(one.name.replace(/-\d+$/, '')) ?? true)
      .map(({ parentPath, name }) => join(parentPath, name));
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
