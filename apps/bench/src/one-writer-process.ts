import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Calls, WriterKind } from './one-writer-records.ts';

const ANSWER_LIMIT_MS = 60_000;

/** A writer in a separate process that handles one call after the other. */
export class WriterProcess {
  readonly #kind: WriterKind;
  readonly #child: ChildProcess;

  private constructor(kind: WriterKind, child: ChildProcess) {
    this.#kind = kind;
    this.#child = child;
  }

  static async start(kind: WriterKind, brokers: readonly string[], prefix: string, firstPosition: number): Promise<WriterProcess> {
    const script = join(import.meta.dirname, 'one-writer-child.ts');
    const child = fork(script, [kind, brokers.join(','), prefix, String(firstPosition)], {
      execArgv: ['--disable-warning=TimeoutNegativeWarning', '--conditions=source'],
    });
    const writer = new WriterProcess(kind, child);
    try {
      await writer.#answer('open');
    } catch (failure) {
      child.kill('SIGKILL');
      throw failure;
    }
    return writer;
  }

  async call<K extends keyof Calls>(call: K, told: Calls[K]['told']): Promise<Calls[K]['answer']> {
    const answer = this.#answer(call);
    this.#child.send({ call, told });
    return (await answer) as Calls[K]['answer'];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    await this.call('close', {}).catch(() => this.#child.kill('SIGKILL'));
    await exited;
  }

  #answer(call: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        clearTimeout(limit);
        this.#child.off('message', message).off('exit', exit);
        settled();
      };
      const message = ({ answer, failure }: { readonly answer?: unknown; readonly failure?: string }): void =>
        settle(() => (failure === undefined ? resolve(answer) : reject(new Error(failure))));
      const exit = (code: number | null): void =>
        settle(() => reject(new Error(`the writer (${this.#kind}) ended with ${code} at «${call}»`)));
      const limit = setTimeout(
        () => settle(() => reject(new Error(`the writer (${this.#kind}) did not answer «${call}» in time`))),
        ANSWER_LIMIT_MS,
      );
      this.#child.on('message', message).on('exit', exit);
    });
  }
}
