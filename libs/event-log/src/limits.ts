/** Events per frame: one row of the file. Also the most that one append may hold, so an append is never cut in two. */
export const FRAME_EVENTS = 256;

/** Bytes of names and bodies that a frame takes before the next append opens another one; a larger append gets a frame of its size. */
export const FRAME_BYTES = 64 * 1024;

/** Bytes of one encoded append. Bounds the largest row and what a crash test or a reader must hold at once. */
export const MAX_APPEND_BYTES = 16 * 1024 * 1024;

/** UTF-8 bytes of a stream's name; its length is one byte in a frame. */
export const MAX_STREAM_NAME_BYTES = 255;

/** Transactions handed to the writer and not yet answered: one that it writes, one that it finds waiting. */
export const MAX_GROUPS_IN_FLIGHT = 2;

/** What an operator or a test may set; all have defaults. */
export interface EventLogLimits {
  /** Events accepted and not yet durable. Callers beyond it wait. One call may overshoot it by its own size. */
  readonly queuedEvents: number;
  /** The same bound in bytes. */
  readonly queuedBytes: number;
  /** Bytes per transaction, at least one frame: what a caller waits for beyond its own bytes. */
  readonly groupBytes: number;
  /** Pages of 8 KiB in the WAL after which a commit copies them into the file. */
  readonly checkpointPages: number;
  /** How long another process on this machine may keep the file locked, as for a checkpoint by hand, before that ends the store. */
  readonly busyLimitMs: number;
  /** How often it is looked whether the files are still in their place, beside after every transaction. */
  readonly lookIntervalMs: number;
  /** Bytes that the reader sends in one message, at least one frame. */
  readonly readChunkBytes: number;
  /** Events per batch of readAll and subscribe. */
  readonly batchEvents: number;
  /** Committed events that wait for one slow subscriber before it is sent back to reading the file. */
  readonly liveQueueEvents: number;
}

export const DEFAULT_LIMITS: EventLogLimits = {
  queuedEvents: 65_536,
  queuedBytes: 32 * 1024 * 1024,
  groupBytes: 512 * 1024,
  checkpointPages: 2_048,
  busyLimitMs: 10_000,
  lookIntervalMs: 1_000,
  readChunkBytes: 1024 * 1024,
  batchEvents: 1_024,
  liveQueueEvents: 16_384,
};
