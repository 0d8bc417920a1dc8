import type { Answer } from './answer.ts';
import type { Write } from './append-queue.ts';
import type { Outcome, Request } from './request.ts';

/** To be decided again. */
export interface Undecided {
  readonly request: Request;
  /** Decisions made on it before this one. */
  readonly decisions: number;
  readonly settle: (outcome: Outcome) => void;
}

/** What is decided, and on its way into the log. */
export interface Decided extends Omit<Undecided, 'settle'> {
  readonly stream: string;
  /** Of a passing, whose first event is in the taker's stream: what counts. */
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
