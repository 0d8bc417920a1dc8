import { Refusal } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Asker } from './asker.ts';
import type { Audit, Question } from './audit.ts';

/** Questions that may be under way: of one caller, and of all. A question may have to fold a part of the log. */
export const QUESTIONS_UNDER_WAY = { perCaller: 32, inAll: 512 } as const;

/** An audit that no caller can take for itself: it refuses more questions than it can answer in a bearable time. */
export class BoundedAudit implements Audit {
  readonly #audit: Audit;
  readonly #byCaller = new Map<string, number>();
  #inAll = 0;

  constructor(audit: Audit) {
    this.#audit = audit;
  }

  ask(question: Question, asker: Asker): Promise<string> {
    return this.#within(asker.caller, () => this.#audit.ask(question, asker));
  }

  archive(question: ArchiveQuestion, caller: string): Promise<ArchivePart> {
    return this.#within(caller, () => this.#audit.archive(question, caller));
  }

  proof(question: ProofQuestion, caller: string): Promise<ProofAnswer> {
    return this.#within(caller, () => this.#audit.proof(question, caller));
  }

  get proofStatus(): ProofStatus | null {
    return this.#audit.proofStatus;
  }

  async #within<T>(caller: string, ask: () => Promise<T>): Promise<T> {
    const ofCaller = this.#byCaller.get(caller) ?? 0;
    if (ofCaller >= QUESTIONS_UNDER_WAY.perCaller || this.#inAll >= QUESTIONS_UNDER_WAY.inAll)
      throw new Refusal('too-many-waiting', 'too many questions about the past are under way; ask again when one is answered');
    this.#byCaller.set(caller, ofCaller + 1);
    this.#inAll++;
    try {
      return await ask();
    } finally {
      this.#inAll--;
      const left = this.#byCaller.get(caller)! - 1;
      if (left === 0) this.#byCaller.delete(caller);
      else this.#byCaller.set(caller, left);
    }
  }

  folded(position: Position): void {
    this.#audit.folded(position);
  }

  stop(): Promise<void> {
    return this.#audit.stop();
  }
}
