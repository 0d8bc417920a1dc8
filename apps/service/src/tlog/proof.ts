import type { Auditor } from '@nva/audit';
import { Refusal } from '@nva/identifiers';
import type { Clock, Logger, ReadableLog } from '@nva/ports';
import type { WitnessConfig } from '../config/witnesses-file.ts';
import { ProofAnswers } from './proof-answers.ts';
import type { ProofAnswer, ProofQuestion } from './questions.ts';
import type { ProofStatus } from './status.ts';
import { TreeKeeper, type TreeKeeperOptions } from './tree-keeper.ts';

/** How the proof is kept, as the thread is given it that keeps it. */
export interface ProofSettings {
  readonly folder: string;
  readonly keyFile: string | null;
  readonly everyMs: number;
  readonly witnesses: readonly WitnessConfig[];
}

export interface ProofOptions extends Pick<TreeKeeperOptions, 'told' | 'limits'> {
  readonly settings: ProofSettings;
  readonly log: ReadableLog;
  readonly auditor: Pick<Auditor, 'reached'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The proof of a process: the tree of its log, and the answers from it. */
export class Proof {
  readonly #keeper: TreeKeeper;
  readonly #answers: ProofAnswers;

  constructor({ settings, auditor, ...rest }: ProofOptions) {
    this.#keeper = new TreeKeeper({ ...settings, ...rest, reached: () => auditor.reached() });
    this.#answers = new ProofAnswers(this.#keeper, settings.witnesses, rest.clock);
  }

  start(): void {
    this.#keeper.start();
  }

  /** Rejects with a Refusal. */
  answer(question: ProofQuestion): Promise<ProofAnswer> {
    return this.#answers.answer(question);
  }

  get status(): ProofStatus {
    return this.#keeper.status;
  }

  stop(): Promise<void> {
    return this.#keeper.stop();
  }
}

export const noProof = (): Promise<never> => Promise.reject(new Refusal('not-found', 'this process keeps no proof (PROOF)'));
