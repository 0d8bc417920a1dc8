import type { Answer } from './answer.ts';
import type { Write } from './append-queue.ts';
import type { Outcome, Request } from './request.ts';

/** A request that has to be decided again. */
export interface Undecided {
  readonly request: Request;
  /** How many decisions were made on it before. */
  readonly decisions: number;
  readonly settle: (outcome: Outcome) => void;
}

/** A decided request whose event is on its way into the log. */
export interface Decided extends Omit<Undecided, 'settle'> {
  readonly stream: string;
  /** For a passing, whose first event is in the taker's stream: the second event, which counts. */
  readonly second?: WrittenEvent;
}

export interface WrittenEvent extends Write {
  readonly eventId: string;
}

export interface Written extends Decided, Undecided, WrittenEvent {
  readonly second?: WrittenEvent;
}

export const eventsOf = (written: Written): readonly WrittenEvent[] => (written.second ? [written, written.second] : [written]);

export function answerOrThrow(outcome: Outcome): Answer {
  if ('refusal' in outcome) throw outcome.refusal;
  return outcome.answer;
}
