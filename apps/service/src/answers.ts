import type { ParsedCommand } from '@nva/commands';
import type { Answer, Caller, Outcome, Registrar, Request } from '@nva/registrar';
import type { AppliedReports } from './applied-reports.ts';

/** An answer as the contract has it: positions are decimal strings. */
export interface AnswerBody {
  readonly position: string;
  readonly revision: number;
  readonly effective: boolean;
  readonly conflicts: Answer['conflicts'];
  readonly memberships: readonly number[];
}

export const answerBody = ({ position, revision, effective, conflicts, memberships }: Answer): AnswerBody => ({ position: String(position), revision, effective, conflicts, memberships });

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

/** Submits commands, and keeps what accepted heartbeats report. */
export async function submit(registrar: Registrar, applied: AppliedReports, requests: readonly Request[], parsed: readonly ParsedCommand[]): Promise<Outcome[]> {
  const outcomes = await registrar.submit(requests);
  outcomes.forEach((outcome, i) => {
    const { command, applied: reports } = parsed[i]!;
    if (reports && command.type === 'heartbeat' && 'answer' in outcome) applied.take(command.nveId, reports);
  });
  return outcomes;
}
