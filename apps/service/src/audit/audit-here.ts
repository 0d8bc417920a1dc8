import type { Auditor } from '@nva/audit';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Audit, Question } from './audit.ts';
import type { PastQueries } from './past-queries.ts';

/** The audit in the process's own thread, over a log that only this thread can read. */
export class AuditHere implements Audit {
  readonly #auditor: Auditor;
  readonly #queries: PastQueries;

  constructor(auditor: Auditor, queries: PastQueries) {
    this.#auditor = auditor;
    this.#queries = queries;
    auditor.start();
  }

  ask(question: Question): Promise<string> {
    return this.#queries.answer(question);
  }

  archive(question: ArchiveQuestion): Promise<ArchivePart> {
    return this.#queries.archive(question);
  }

  folded(): void {}

  async stop(): Promise<void> {
    this.#queries.close();
    await this.#auditor.stop();
  }
}
