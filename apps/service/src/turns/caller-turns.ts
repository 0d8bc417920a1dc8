import type { Clock } from '@nva/ports';
import { FairQueue } from './fair-queue.ts';
import { LineRate } from './rates.ts';

/** Commands that wait for their turn at most: lines of NDJSON, writes of REST and records of Kafka alike. */
export const COMMANDS_WAITING = { perCaller: 16_384, inAll: 65_536 } as const;
/** Reads that wait for their turn at most. A read is in the queue once, whatever it has still to do. */
export const READS_WAITING = { perCaller: 1_024, inAll: 16_384 } as const;
/** How long commands are decided, and reads answered, in one round of the event loop; each ends the piece that it has begun. */
export const COMMAND_SLICE_MS = 1;
export const READ_SLICE_MS = 1;

/**
 * Commands decided and not answered at most, where the log takes no time. What comes next waits for all of them, and more than keep
 * the log and this thread busy bring nothing: they wait for each other.
 */
const MIN_UNDER_WAY = 64;
/**
 * As many more for each millisecond that an append takes: half of what this thread can decide in that time. An append takes longer
 * the more are under way, so all of it would grow by itself.
 */
const MORE_PER_APPEND_MS = 16;
const MAX_UNDER_WAY = 1_024;
/** Single commands that may be under way besides. */
const MORE_SINGLES = 64;

/** The turns in which callers share this process's one thread. */
export class CallerTurns {
  readonly commands: FairQueue;
  readonly reads: FairQueue;
  readonly lineRate: LineRate;

  /** `appendMs`: how long an append takes of late. `linesPerS`: see LineRate. */
  constructor(clock: Clock, linesPerS: number, appendMs: () => number) {
    this.lineRate = new LineRate(linesPerS, clock);
    this.commands = new FairQueue({
      clock,
      bounds: COMMANDS_WAITING,
      sliceMs: COMMAND_SLICE_MS,
      window: () => Math.min(MAX_UNDER_WAY, MIN_UNDER_WAY + MORE_PER_APPEND_MS * appendMs()),
      forSingles: MORE_SINGLES,
    });
    this.reads = new FairQueue({ clock, bounds: READS_WAITING, sliceMs: READ_SLICE_MS });
  }
}
