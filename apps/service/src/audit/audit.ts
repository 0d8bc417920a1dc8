import type { At } from '@nva/audit';
import { readPosition } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { timeMs } from '../reads/audit-query.ts';
import type { Asked, QueryName } from '../reads/queries.ts';

/** A query about an instant in the past. */
export interface PastQuery {
  readonly name: QueryName;
  readonly asked: Asked;
  readonly at: At;
  /** How far this process has folded: the question is about nothing after that. */
  readonly head: Position;
}

/** Answers questions about the past. */
export interface Audit {
  /** Position up to which the history has the log, as far as it is known here. */
  readonly position: Position;
  /** The answer as JSON, with the instant that it is of as `at`. Rejects with a Refusal. */
  query(query: PastQuery): Promise<string>;
  /** This process has folded the log up to a position. */
  folded(position: Position): void;
  stop(): Promise<void>;
}

/** Reads an instant: a position in decimal, or a time as RFC 3339 has it. Throws Refusal. */
export function readAt(received: unknown, field = 'at'): At {
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is given once`, { field, received });
  return /^\d*$/.test(received) ? { position: readPosition(received, field) } : { timeMs: timeMs(received, field)! };
}

/** The instant that an answer is of, as JSON. */
export const instantBody = ({ position, recordedAt }: { readonly position: Position; readonly recordedAt: number }): object => ({
  position: String(position),
  recordedAt: new Date(recordedAt).toISOString(),
});
