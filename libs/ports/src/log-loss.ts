import { LogRefused, type Position } from './event-store.ts';

/** A place in a log that somebody kept elsewhere. */
export interface LogMark {
  /** What holds it, for people: `the checkpoint of shard 3 on topic nvo3.distributor`. */
  readonly where: string;
  readonly position: Position;
  /** UUID of the event that stood there, where that was kept too. */
  readonly eventId?: string;
}

/** Marks of a log that the log itself does not bear out. */
export interface LogLoss {
  /** UUID of the log. */
  readonly log: string;
  /** Where it ends now. */
  readonly head: Position;
  /** At least one: each stands beyond the head, or names an event that is not the one at its position. */
  readonly marks: readonly LogMark[];
  /**
   * An event that was written where something is missing, before that was found: as long as it is in the log, the log is not whole,
   * however far it reaches.
   */
  readonly grown?: { readonly position: Position; readonly eventId: string };
}

/**
 * The log has lost its end: events that were in it, and that others have seen, are gone, as after a restore from a backup. Going on would
 * give their positions to other events, which whoever has seen the former ones would ignore (X1). Nothing was written.
 */
export class LogEndLost extends LogRefused {
  override readonly name = 'LogEndLost';
  readonly loss: LogLoss;

  constructor(loss: LogLoss) {
    super(describeLoss(loss));
    this.loss = loss;
  }
}

/** How far the log is known to have come. */
export const reached = ({ marks }: Pick<LogLoss, 'marks'>): Position => Math.max(0, ...marks.map(({ position }) => position));

const MAX_MARKS_TOLD = 5;

export function describeLoss(loss: LogLoss): string {
  const { log, head, marks } = loss;
  const furthest = reached(loss);
  const told = marks.slice(0, MAX_MARKS_TOLD).map(({ where, position }) => `${where} is at position ${position}`);
  const more = marks.length > told.length ? `, and ${marks.length - told.length} more` : '';
  const since = loss.grown ? '; it was written to since, from there on' : '';
  const missing =
    furthest > head
      ? `everything after position ${head}, up to ${furthest} at least, is missing`
      : 'the log has another event there: it was put back, and has grown since';
  return `log ${log} has lost its end: it ends at position ${head}, but ${told.join('; ')}${more}; ${missing}${since}`;
}
