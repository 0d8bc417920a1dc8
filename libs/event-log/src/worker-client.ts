import { Worker } from 'node:worker_threads';
import type { Reply } from './protocol.ts';

/** A worker thread reported a failure, or has ended. */
export class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure';
  /** SQLite's extended result code, undefined if it was not SQLite that failed. */
  readonly sqliteCode: number | undefined;

  constructor(message: string, sqliteCode?: number) {
    super(message);
    this.sqliteCode = sqliteCode;
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(reason: WorkerFailure): void;
}

/**
 * Requests to one worker thread. They are answered in order, so each answer belongs to the oldest waiting request and no ids are
 * sent. The caller bounds how many wait. `Replies` gives the type of the reply to each kind of request.
 */
export class WorkerClient<Request extends { readonly kind: string }, Replies> {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  readonly #exited: Promise<void>;
  #gone: WorkerFailure | undefined;

  /** `name` is a file beside this one, without its extension: .ts when run from source, .js when built. */
  constructor(name: string) {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    this.#worker = new Worker(new URL(`./${name}${extension}`, import.meta.url), { name });
    this.#worker.on('message', (reply: Reply) => {
      const { resolve, reject } = this.#waiting.shift()!;
      if ('ok' in reply) resolve(reply.ok);
      else reject(new WorkerFailure(reply.failed.message, reply.failed.sqliteCode));
    });
    this.#worker.on('error', (error) => this.#end(new WorkerFailure(`${name} failed: ${(error as Error).message}`)));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#end(new WorkerFailure(`${name} has ended`));
        resolve();
      });
    });
  }

  async call<R extends Request>(
    request: R,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<R['kind'] extends keyof Replies ? Replies[R['kind']] : undefined> {
    if (this.#gone) throw this.#gone;
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#worker.postMessage(request, transfer);
    return (await answered) as never;
  }

  /** Ends the thread. Waiting requests are rejected; after an answered request to close, none is waiting. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }

  #end(reason: WorkerFailure): void {
    this.#gone ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone);
  }
}
