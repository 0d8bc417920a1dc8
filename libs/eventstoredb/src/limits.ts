/** Appends sent and not answered yet, on one multiplexed call; and their bytes. A single larger append goes alone. */
export const MAX_APPENDS_IN_FLIGHT = 256;
export const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/**
 * Bytes of one append as the server counts them: EventStoreDB's own default (`MaxAppendSize`). KurrentDB accepts more by default,
 * but a log must be able to move between servers.
 */
export const MAX_APPEND_BYTES = 1024 * 1024;

/** UTF-8 bytes of a stream's name without the prefix. The same as in the embedded log, so that a log can move either way. */
export const MAX_STREAM_NAME_BYTES = 255;

/**
 * Wait between two rounds of looking for the leader, doubled from the first to the largest. The end of an election is noticed
 * this much later.
 */
export const FIRST_SEARCH_DELAY_MS = 25;
export const LARGEST_SEARCH_DELAY_MS = 400;

/** How long a round waits for the nodes that it asks; a later answer counts in the next round. */
export const SEARCH_ROUND_MS = 250;

/** How often the node is checked that all calls go to. */
export const LOOK_EVERY_MS = 1_000;

/** How long a check may take. A check that took longer by HELD_UP_MS was held up in this process, and says nothing about the node. */
export const LOOK_TIMEOUT_MS = 1_000;
export const HELD_UP_MS = 250;

/** Checks in a row that a node may leave unanswered. */
export const LOOKS_MISSED = 2;

/** How often the log reports that there is no leader. */
export const TELL_EVERY_MS = 10_000;

/** Rounds of «read the log's own stream, append what is missing», while other processes open the same new log. */
export const MAX_OPEN_ATTEMPTS = 10;

/** Events of `$all` that the server searches between two checkpoints of a filtered subscription. */
export const SEARCH_WINDOW_EVENTS = 1_000;

/** How long `close` waits for the client to end its calls. */
export const CLOSE_DEADLINE_MS = 2_000;

/** What an operator or a test may set; all have defaults. */
export interface EventStoreDbLimits {
  /** Events that are accepted and not answered yet. Further callers wait. One call may exceed the bound by its own size. */
  readonly queuedEvents: number;
  /** Events per batch of readAll and subscribe. */
  readonly batchEvents: number;
  /** Events that a read or a subscription takes from the network before its reader asks for them. */
  readonly readAheadEvents: number;
  /** How long an append may take, including attempts and waits for a leader. The server has its own write timeout. */
  readonly appendDeadlineMs: number;
  /** How long a read retries without receiving anything, including waits for a leader. */
  readonly readDeadlineMs: number;
  /** How long `renew` may take, and one step of `open`. `open` itself continues until it is told to end. */
  readonly openDeadlineMs: number;
  /** First wait before a broken call is retried; doubled up to the largest. */
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
