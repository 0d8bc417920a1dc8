import type { Clock } from '@nva/ports';
import { FairQueue } from './fair-queue.ts';
import { LineRate } from './rates.ts';

/** Maximum number of commands that wait for their turn: lines of NDJSON, writes of REST and records of Kafka together. */
export const COMMANDS_WAITING = { perCaller: 16_384, inAll: 65_536 } as const;
/** Maximum number of reads that wait for their turn. A read is in the queue once, however much of it remains. */
export const READS_WAITING = { perCaller: 1_024, inAll: 16_384 } as const;
/** How long commands are decided, and reads answered, in one round of the event loop; a piece that has begun is finished. */
export const COMMAND_SLICE_MS = 1;
export const READ_SLICE_MS = 1;

/**
 * Maximum number of commands that are decided and not answered, if the log takes no time. The next command waits for all of them.
 * More commands than keep the log and this thread busy bring no gain, because they wait for each other.
 */
const MIN_UNDER_WAY = 64;
/**
 * Additional commands for each millisecond that an append takes: half of what this thread can decide in that time. An append
 * takes longer the more commands are under way, so with the full number the bound would keep growing.
 */
const MORE_PER_APPEND_MS = 16;
const MAX_UNDER_WAY = 1_024;
/** Additional single commands that may be under way. */
const MORE_SINGLES = 64;

/** The turns in which callers share this process's one thread. */
export class CallerTurns {
  readonly commands: FairQueue;
  readonly reads: FairQueue;
  readonly lineRate: LineRate;

  /** `appendMs`: how long appends take at present. `linesPerS`: see LineRate. */
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
