import { LogRefused, type Position } from './event-store.ts';

/** A position in a log that is kept outside the log. */
export interface LogMark {
  /** For people, where the mark was found: `the checkpoint of shard 3 on topic nvo3.distributor`. */
  readonly where: string;
  readonly position: Position;
  /** UUID of the event at that position, if it was kept too. */
  readonly eventId?: string;
}

/** Marks of a log that the log itself contradicts. */
export interface LogLoss {
  /** UUID of the log. */
  readonly log: string;
  /** Position of its last event now. */
  readonly head: Position;
  /** At least one mark: each stands beyond the head, or names an event that is not the one at its position. */
  readonly marks: readonly LogMark[];
  /**
   * An event that was written where others are missing, before the loss was found. While this event is in the log, the log is not
   * whole, however far it reaches.
   */
  readonly grown?: { readonly position: Position; readonly eventId: string };
}

/**
 * The log has lost its end: events that were in it, and that others have seen, are gone, for example after a restore from a
 * backup. Going on would give their positions to other events, and whoever has seen the lost events would ignore the new ones
 * (X1). Nothing was written.
 */
export class LogEndLost extends LogRefused {
  override readonly name = 'LogEndLost';
  readonly loss: LogLoss;

  constructor(loss: LogLoss) {
    super(describeLoss(loss));
    this.loss = loss;
  }
}

/** How far the log is known to have reached. */
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
