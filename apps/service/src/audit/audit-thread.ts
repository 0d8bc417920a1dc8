import { Worker } from 'node:worker_threads';
import type { StreamHead } from '@nva/event-log';
import { Refusal } from '@nva/identifiers';
import type { Clock, Logger, Position } from '@nva/ports';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Audit, Question } from './audit.ts';
import type { AnyAnswer, AnyQuestion, AuditThreadData, FromAudit, Outcome, ToAudit } from './messages.ts';

/** The thread starts this long after the process, so that it is not in the way of a start, or with the first question. */
const START_AFTER_MS = 1_000;
/** A thread that failed is started again after this time. */
const RESTART_MS = 30_000;
/** The thread is told at most this often how far the process has folded. */
const TELL_EVERY_MS = 20;
/** A thread that does not end in this time after it was told to is ended: what its history lacks then is made again. */
const STOP_LIMIT_MS = 8_000;

/**
 * Memory for what a fold makes and drops at once, in MB, in three parts. With the usual 48 the thread copies much of it that is not
 * needed any more: it then takes a fifth more processor time to fold and to keep the history.
 */
const YOUNG_MB = 192;

export interface AuditThreadOptions {
  readonly data: Omit<AuditThreadData, 'head'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The last event of a stream of the embedded log. */
  readonly headOf: (stream: string) => Promise<StreamHead | null>;
}

interface Asked {
  readonly resolve: (answer: AnyAnswer) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * The audit in a thread of its own. If the thread ends by itself, for want of memory for one, the process goes on without answers
 * about the past, and starts it again after a while.
 */
export class AuditThread implements Audit {
  readonly #options: AuditThreadOptions;
  readonly #asked = new Map<number, Asked>();
  #worker: Worker | null = null;
  #callOffStart: () => void;
  #ids = 0;
  #folded: Position;
  #told: Position = 0;
  #proofStatus: ProofStatus | null = null;
  #tells: (() => void) | null = null;
  #stopping = false;
  #stopped: (() => void) | null = null;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AuditThreadOptions, folded: Position) {
    this.#options = options;
    this.#folded = folded;
    this.#callOffStart = options.clock.after(START_AFTER_MS, () => this.#start(), { background: true });
  }

  ask(question: Question): Promise<string> {
    return this.#answered(question) as Promise<string>;
  }

  archive(question: ArchiveQuestion): Promise<ArchivePart> {
    return this.#answered(question) as Promise<ArchivePart>;
  }

  proof(question: ProofQuestion): Promise<ProofAnswer> {
    return this.#answered(question) as Promise<ProofAnswer>;
  }

  get proofStatus(): ProofStatus | null {
    return this.#proofStatus;
  }

  #answered(question: AnyQuestion): Promise<AnyAnswer> {
    const { clock } = this.#options;
    if (this.#stopping) return Promise.reject(new Refusal('overloaded', 'this process is stopping, and has not begun it'));
    if (!this.#worker && clock.monotonicMs() - this.#failedAtMs < RESTART_MS) return Promise.reject(gone());
    this.#start();
    return new Promise((resolve, reject) => {
      const id = ++this.#ids;
      this.#asked.set(id, { resolve, reject });
      this.#post({ kind: 'ask', id, question });
    });
  }

  folded(position: Position): void {
    this.#folded = position;
    this.#tells ??= this.#options.clock.after(
      TELL_EVERY_MS,
      () => {
        this.#tells = null;
        this.#tell();
      },
      { background: true },
    );
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#callOffStart();
    this.#tells?.();
    if (!this.#worker) return;
    const worker = this.#worker;
    await new Promise<void>((resolve) => {
      const limit = this.#options.clock.after(STOP_LIMIT_MS, () => void worker.terminate());
      this.#stopped = () => (limit(), resolve());
      this.#post({ kind: 'stop' });
    });
    await worker.terminate();
    this.#refuseAll();
  }

  #start(): void {
    if (this.#worker || this.#stopping) return;
    this.#callOffStart();
    const isSource = import.meta.url.endsWith('.ts');
    const worker = new Worker(new URL(`./audit.worker${isSource ? '.ts' : '.js'}`, import.meta.url), {
      name: 'audit',
      workerData: { ...this.#options.data, head: this.#folded } satisfies AuditThreadData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      ...(isSource && { execArgv: ['--conditions=source'] }),
    });
    this.#worker = worker;
    this.#told = 0;
    worker.on('message', (message: FromAudit) => void this.#take(message));
    worker.on('error', (cause) => this.#options.logger.error('the audit thread has failed', { err: cause }));
    worker.on('exit', () => this.#ended());
    this.#tell();
  }

  #ended(): void {
    this.#worker = null;
    this.#stopped?.();
    this.#refuseAll();
    if (this.#stopping) return;
    const { clock, logger } = this.#options;
    this.#failedAtMs = clock.monotonicMs();
    logger.error('the audit thread has ended; until it is started again, there are no answers about the past', { afterMs: RESTART_MS });
    this.#callOffStart = clock.after(RESTART_MS, () => this.#start(), { background: true });
  }

  async #take(message: FromAudit): Promise<void> {
    switch (message.kind) {
      case 'answer': {
        const question = this.#asked.get(message.id);
        this.#asked.delete(message.id);
        if (question) settle(question, message.outcome);
        return;
      }
      case 'headOf': {
        const head = await this.#options.headOf(message.stream).catch(() => null);
        return this.#post({ kind: 'head', id: message.id, head });
      }
      case 'log':
        return this.#options.logger[message.level](message.message, message.fields);
      case 'proof':
        this.#proofStatus = message.status;
        return;
      case 'stopped':
        return this.#stopped?.();
    }
  }

  #tell(): void {
    if (!this.#worker || this.#told === this.#folded) return;
    this.#told = this.#folded;
    this.#post({ kind: 'folded', position: this.#folded });
  }

  #post(message: ToAudit): void {
    this.#worker?.postMessage(message);
  }

  #refuseAll(): void {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(gone());
  }
}

const gone = (): Refusal => new Refusal('behind', 'the audit thread of this process has ended, and is started again soon');

function settle({ resolve, reject }: Asked, outcome: Outcome): void {
  if ('ok' in outcome) resolve(outcome.ok);
  else if ('refused' in outcome) reject(new Refusal(outcome.refused.code, outcome.refused.message, outcome.refused.detail));
  else reject(outcome.failed instanceof Error ? outcome.failed : new Error(String(outcome.failed)));
}
