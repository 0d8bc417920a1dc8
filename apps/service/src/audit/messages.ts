import type { Quotas } from '@nva/domain';
import type { StreamHead } from '@nva/event-log';
import type { RefusalCode, RefusalDetail } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import type { IdentityRate } from '../config/alarms.ts';
import type { ProofSettings } from '../tlog/proof.ts';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Question } from './audit.ts';

/** What the audit thread is given when it starts. */
export interface AuditThreadData {
  readonly logId: string;
  /** The directory of the embedded log, or the log on an event store. */
  readonly log: { readonly directory: string } | { readonly url: string; readonly prefix: string };
  /** How far the process has folded the log. */
  readonly head: Position;
  readonly historyPath: string;
  readonly snapshotPath: string | null;
  readonly quotas: Quotas | null;
  readonly identityRate: IdentityRate;
  /** Of which the history is kept. */
  readonly shards: readonly number[];
  /** null: no proof is kept. */
  readonly proof: ProofSettings | null;
}

export type AnyQuestion = Question | ArchiveQuestion | ProofQuestion;
export type AnyAnswer = string | ArchivePart | ProofAnswer;

/** To the audit thread. */
export type ToAudit =
  | { readonly kind: 'ask'; readonly id: number; readonly question: AnyQuestion }
  /** The process has folded the log up to there. */
  | { readonly kind: 'folded'; readonly position: Position }
  | { readonly kind: 'head'; readonly id: number; readonly head: StreamHead | null }
  | { readonly kind: 'stop' };

/** What an action that may be refused came to, as it crosses between threads. */
export type Outcome =
  | { readonly ok: AnyAnswer }
  | { readonly refused: { readonly code: RefusalCode; readonly message: string; readonly detail: RefusalDetail } }
  | { readonly failed: unknown };

/** From the audit thread. */
export type FromAudit =
  | { readonly kind: 'answer'; readonly id: number; readonly outcome: Outcome }
  /** It asks for the last event of a stream. */
  | { readonly kind: 'headOf'; readonly id: number; readonly stream: string }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'proof'; readonly status: ProofStatus }
  | { readonly kind: 'stopped' };
