/** Appends sent and not yet answered, on one multiplexed call; and their bytes, beyond which one alone may go. */
export const MAX_APPENDS_IN_FLIGHT = 256;
export const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/**
 * Bytes of one append as the server counts them: EventStoreDB's own default (`MaxAppendSize`). KurrentDB takes more by default, and
 * a log must be able to move.
 */
export const MAX_APPEND_BYTES = 1024 * 1024;

/** UTF-8 bytes of a stream's name without the prefix; the same as the embedded log's, so that a log can move either way. */
export const MAX_STREAM_NAME_BYTES = 255;

/**
 * Between two rounds of looking for the leader, doubled from the first to the largest. An election that is over is noticed this
 * much later.
 */
export const FIRST_SEARCH_DELAY_MS = 25;
export const LARGEST_SEARCH_DELAY_MS = 400;

/** How long a round waits for who is asked; an answer that takes longer counts in the next. */
export const SEARCH_ROUND_MS = 250;

/** How often the node is looked at that everything goes to. */
export const LOOK_EVERY_MS = 1_000;

/** How long a look may take. One that took longer by HELD_UP_MS was held up on this side, and says nothing of the node. */
export const LOOK_TIMEOUT_MS = 1_000;
export const HELD_UP_MS = 250;

/** Looks in a row that a node may leave unanswered. */
export const LOOKS_MISSED = 2;

/** While there is no leader the log says so this often. */
export const TELL_EVERY_MS = 10_000;

/** Rounds of «read the log's own stream, add what is missing» when other processes open the same new log. */
export const MAX_OPEN_ATTEMPTS = 10;

/** What the server searches of `$all` between two checkpoints of a filtered subscription, in events. */
export const SEARCH_WINDOW_EVENTS = 1_000;

/** How long `close` waits for the client to end its calls. */
export const CLOSE_DEADLINE_MS = 2_000;

/** What an operator or a test may set; all have defaults. */
export interface EventStoreDbLimits {
  /** Events accepted and not yet answered. Callers beyond it wait. One call may overshoot it by its own size. */
  readonly queuedEvents: number;
  /** Events per batch of readAll and subscribe. */
  readonly batchEvents: number;
  /** Events that a read or a subscription takes from the network before its reader asks for them. */
  readonly readAheadEvents: number;
  /** How long an append may take, attempts and waits for a leader included. The server has a write timeout of its own. */
  readonly appendDeadlineMs: number;
  /** How long a read goes on trying without being given anything, waits for a leader included. */
  readonly readDeadlineMs: number;
  /** How long `renew` may take, and one step of `open`, which goes on until it is told to end. */
  readonly openDeadlineMs: number;
  /** First wait before a broken call goes on; doubled up to the largest. */
  readonly firstDelayMs: number;
  readonly largestDelayMs: number;
}

export const DEFAULT_LIMITS: EventStoreDbLimits = {
  queuedEvents: 16_384,
  batchEvents: 1_024,
  readAheadEvents: 512,
  appendDeadlineMs: 10_000,
  readDeadlineMs: 10_000,
  openDeadlineMs: 15_000,
  firstDelayMs: 50,
  largestDelayMs: 500,
};
