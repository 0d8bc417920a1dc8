/** Appends sent and not yet answered, on one multiplexed call; and their bytes, beyond which one alone may go. */
export const MAX_APPENDS_IN_FLIGHT = 256;
export const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/** Bytes of one append as the server counts them: EventStoreDB's own default (`MaxAppendSize`). KurrentDB takes more by default, and a log must be able to move. */
export const MAX_APPEND_BYTES = 1024 * 1024;

/** UTF-8 bytes of a stream's name without the prefix; the same as the embedded log's, so that a log can move either way. */
export const MAX_STREAM_NAME_BYTES = 255;

/** Attempts of one append when the connection breaks under it, the first included. */
export const MAX_APPEND_ATTEMPTS = 3;

/** Rounds of «read the log's own stream, add what is missing» when other processes open the same new log. */
export const MAX_OPEN_ATTEMPTS = 10;

/** What the server searches of `$all` between two checkpoints of a filtered subscription, in events. */
export const SEARCH_WINDOW_EVENTS = 1_000;

/** How long `close` waits for the client to end its calls. */
export const CLOSE_DEADLINE_MS = 2_000;

/** Attempts of one read when the connection breaks under it, counted anew with every event that it gives. */
export const MAX_READ_ATTEMPTS = 3;

/** What an operator or a test may set; all have defaults. */
export interface EventStoreDbLimits {
  /** Events accepted and not yet answered. Callers beyond it wait. One call may overshoot it by its own size. */
  readonly queuedEvents: number;
  /** Events per batch of readAll and subscribe. */
  readonly batchEvents: number;
  /** Events that a read or a subscription takes from the network before its reader asks for them. */
  readonly readAheadEvents: number;
  /** How long an append waits for its answer. The server has a write timeout of its own. */
  readonly appendDeadlineMs: number;
  /** How long `open` waits for the first answers. */
  readonly openDeadlineMs: number;
  /** First wait before a broken subscription or append goes on; doubled up to the largest. */
  readonly firstDelayMs: number;
  readonly largestDelayMs: number;
}

export const DEFAULT_LIMITS: EventStoreDbLimits = {
  queuedEvents: 16_384,
  batchEvents: 1_024,
  readAheadEvents: 512,
  appendDeadlineMs: 10_000,
  openDeadlineMs: 15_000,
  firstDelayMs: 50,
  largestDelayMs: 5_000,
};
