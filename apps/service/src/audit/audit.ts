import type { At } from '@nva/audit';
import type { Position } from '@nva/ports';
import type { Asked, QueryName } from '../reads/queries.ts';
import type { DiffQuestion, ExplainQuestion, ReachabilityQuestion, TimelineQuestion, TraceQuestion } from './questions.ts';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Asker } from './asker.ts';
import type { WhatIfQuestion } from './what-if-question.ts';

/** A query about an instant in the past. */
export interface PastQuery {
  readonly kind: 'query';
  readonly name: QueryName;
  readonly asked: Asked;
  readonly at: At;
  /** How far this process has folded: the question is about nothing after that. */
  readonly head: Position;
}

export type Question =
  | PastQuery
  | DiffQuestion
  | TimelineQuestion
  | ExplainQuestion
  | TraceQuestion
  | ReachabilityQuestion
  | WhatIfQuestion;

/** Answers questions about the past. */
export interface Audit {
  /** The answer as JSON, with the instants that it is of. Rejects with a Refusal. */
  ask(question: Question, asker: Asker): Promise<string>;
  /** A part of the log's archive. Rejects with a Refusal. */
  archive(question: ArchiveQuestion, caller: string): Promise<ArchivePart>;
  /** What the log's tree proves, and cosignatures. Rejects with a Refusal. */
  proof(question: ProofQuestion, caller: string): Promise<ProofAnswer>;
  /** Null while there is no proof. */
  readonly proofStatus: ProofStatus | null;
  /** This process has folded the log up to a position. */
  folded(position: Position): void;
  stop(): Promise<void>;
}

/** The instant that an answer is of, as JSON. */
export const instantBody = ({ position, recordedAt }: { readonly position: Position; readonly recordedAt: number }): object => ({
  position: String(position),
  recordedAt: new Date(recordedAt).toISOString(),
});
