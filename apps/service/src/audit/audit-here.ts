import type { Auditor } from '@nva/audit';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import { noProof, type Proof } from '../tlog/proof.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Audit, Question } from './audit.ts';
import type { PastQueries } from './past-queries.ts';

/** The audit in the process's own thread, over a log that only this thread can read. */
export class AuditHere implements Audit {
  readonly #auditor: Auditor;
  readonly #queries: PastQueries;
  readonly #proof: Proof | null;

  constructor(auditor: Auditor, queries: PastQueries, proof: Proof | null) {
    this.#auditor = auditor;
    this.#queries = queries;
    this.#proof = proof;
    auditor.start();
    proof?.start();
  }

  ask(question: Question): Promise<string> {
    return this.#queries.answer(question);
  }

  archive(question: ArchiveQuestion): Promise<ArchivePart> {
    return this.#queries.archive(question);
  }

  proof(question: ProofQuestion): Promise<ProofAnswer> {
    return this.#proof?.answer(question) ?? noProof();
  }

  get proofStatus(): ProofStatus | null {
    return this.#proof?.status ?? null;
  }

  folded(): void {}

  async stop(): Promise<void> {
    this.#queries.close();
    await this.#proof?.stop();
    await this.#auditor.stop();
  }
}
