import type { CommandMessage } from '@nva/codec';
import type { Outcome } from '@nva/registrar';
import { answerStatus } from '../commands/command-answers.ts';
import type { Swept } from '../commands/lines.ts';
import { problemOf } from '../refusals/problem.ts';

interface Ids {
  readonly correlationId: string;
  readonly idempotencyKey: string;
}

/** An outcome in the form of the NVE's topic: the same fields as the answer to a line of NDJSON. */
export function outcomeMessage({ correlationId, idempotencyKey }: Ids, outcome: Outcome | Swept): CommandMessage {
  const none = {
    position: null,
    revision: null,
    effective: null,
    conflicts: [],
    memberships: [],
    code: null,
    detail: null,
    field: null,
    received: null,
    row: null,
    expected: null,
    actual: null,
    done: null,
    remaining: null,
  };
  if ('swept' in outcome) {
    const { done, remaining } = outcome.swept;
    return { type: 'CommandOutcome', data: { ...none, idempotencyKey, correlationId, status: 200, done, remaining } };
  }
  if ('answer' in outcome) {
    const { position, revision, effective, conflicts, memberships } = outcome.answer;
    const named = conflicts.map(({ vnid, address, heldBy = null }) => ({ vnid, address, heldBy }));
    return {
      type: 'CommandOutcome',
      data: {
        ...none,
        idempotencyKey,
        correlationId,
        status: answerStatus(outcome.answer),
        position,
        revision,
        effective,
        conflicts: named,
        memberships,
      },
    };
  }
  const { status, code, detail, field = null, received, row = null, expected, actual } = problemOf(outcome.refusal);
  return {
    type: 'CommandOutcome',
    data: {
      ...none,
      idempotencyKey,
      correlationId,
      status,
      code,
      detail,
      field,
      row,
      received: json(received),
      expected: json(expected),
      actual: json(actual),
    },
  };
}

const json = (value: unknown): string | null => JSON.stringify(value) ?? null;
