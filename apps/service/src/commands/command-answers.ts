import type { ParsedCommand } from '@nva/commands';
import type { Answer, Caller, Request } from '@nva/registrar';

/** An answer as the contract has it: positions are decimal strings. */
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

/** 202: recorded, but it does not count. */
export const answerStatus = (answer: Answer): 200 | 202 => (answer.effective ? 200 : 202);

/** A parsed command as the registrar takes it. */
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
