import type { Write } from './append-queue.ts';
import type { Outcome, Request } from './registrar.ts';

/** What is decided, and on its way into the log. */
export interface Decided {
  readonly request: Request;
  readonly stream: string;
  /** Decisions made on it before this one. */
  readonly decisions: number;
  /** Of a passing, whose first event is in the taker's stream: what counts. */
  readonly second?: WrittenEvent;
}

export interface WrittenEvent extends Write {
  readonly eventId: string;
}

export interface Written extends Decided, WrittenEvent {
  readonly second?: WrittenEvent;
  readonly settle: (outcome: Outcome) => void;
}

export const eventsOf = (written: Written): readonly WrittenEvent[] => (written.second ? [written, written.second] : [written]);
