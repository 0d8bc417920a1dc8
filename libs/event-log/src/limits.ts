/**
 * Maximum number of events per frame, which is one row of the file. An append may not hold more events than this, so it is never
 * cut in two.
 */
export const FRAME_EVENTS = 256;

/**
 * Bytes of names and bodies that a frame takes before the next append opens another one; a larger append gets a frame of its own
 * size.
 */
export const FRAME_BYTES = 64 * 1024;

/** Maximum number of bytes of one encoded append. Bounds the largest row, and what a crash test or a reader must hold at once. */
export const MAX_APPEND_BYTES = 16 * 1024 * 1024;

/** Maximum length of a stream's name in UTF-8 bytes; a frame stores this length in one byte. */
export const MAX_STREAM_NAME_BYTES = 255;

/** Transactions handed to the writer and not answered yet: one that it writes, and one that waits. */
export const MAX_GROUPS_IN_FLIGHT = 2;

/** What an operator or a test may set; all have defaults. */
export interface EventLogLimits {
  /** Events that are accepted and not yet durable. Further callers wait. One call may exceed the bound by its own size. */
  readonly queuedEvents: number;
  /** The same bound in bytes. */
  readonly queuedBytes: number;
  /** Bytes per transaction, at least one frame. This bounds what a caller waits for beyond its own bytes. */
  readonly groupBytes: number;
  /** Number of 8 KiB pages in the WAL at which a commit copies them into the file. */
  readonly checkpointPages: number;
  /**
   * How long another process on this machine may keep the file locked (for a checkpoint by hand, for example) before the store
   * ends.
   */
  readonly busyLimitMs: number;
  /** How often the writer checks that the files are still in their place, in addition to the check after every transaction. */
  readonly lookIntervalMs: number;
  /** Bytes of one message from the reader, at least one frame. */
  readonly readChunkBytes: number;
  /** Events per batch of readAll and subscribe. */
  readonly batchEvents: number;
  /** Committed events that may wait for one slow subscriber; beyond this it goes back to reading the file. */
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
