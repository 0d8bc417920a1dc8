import type { ParsedCommand } from '@nva/commands';
import type { Answer, Caller, Request } from '@nva/registrar';

/** An answer in the form of the contract: positions are decimal strings. */
export interface AnswerBody {
  readonly position: string;
  readonly revision: number;
  readonly effective: boolean;
  readonly conflicts: Answer['conflicts'];
  readonly memberships: readonly number[];
}

export const answerBody = ({ position, revision, effective, conflicts, memberships }: Answer): AnswerBody => ({
  position: String(position),
  revision,
  effective,
  conflicts,
  memberships,
});

/** 202 means: recorded, but not effective. */
export const answerStatus = (answer: Answer): 200 | 202 => (answer.effective ? 200 : 202);

/** The registrar's request for a parsed command. */
export function requestOf(parsed: ParsedCommand, caller: Caller, correlationId: string, idempotency: Request['idempotency']): Request {
  const { command, ifRevision } = parsed;
  return {
    command,
    caller,
    correlationId: parsed.correlationId ?? correlationId,
    ...(ifRevision === undefined ? {} : { ifRevision }),
    ...(idempotency === undefined ? {} : { idempotency }),
  };
}
