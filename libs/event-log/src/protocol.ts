/** Messages between the store and its two worker threads. Each request gets exactly one reply, in the order of the requests. */

export type Bytes = Uint8Array<ArrayBuffer>;

export interface SchemaRow {
  readonly fingerprint: string;
  readonly schema: string;
}

export interface OpenWriter {
  readonly kind: 'open';
  readonly path: string;
  readonly markerPath: string;
  readonly checkpointPages: number;
  readonly busyLimitMs: number;
  /** The log was made before there were markers, and now has one. */
  readonly raiseFormat: boolean;
}

export type WriterRequest =
  | OpenWriter
  /** One transaction. After a failed one, the writer refuses all further ones. */
  | { readonly kind: 'commit'; readonly frames: readonly Bytes[]; readonly schemas: readonly SchemaRow[] }
  /** Fails if the files are no longer in their place; every commit then fails too. */
  | { readonly kind: 'look' }
  | { readonly kind: 'close' };

export interface OpenReader {
  readonly kind: 'open';
  readonly uri: string;
  /** One read transaction covers all requests until `close`. */
  readonly snapshot: boolean;
  readonly busyLimitMs: number;
}

export type ReaderRequest =
  | OpenReader
  | { readonly kind: 'header' }
  /** Whole frames from the one that holds the first event after `after`, to the last one that begins at or before `upTo`. */
  | { readonly kind: 'chunk'; readonly after: number; readonly upTo: number; readonly maxBytes: number }
  /** Whole frames, newest first, from the one that holds the event before `before`. */
  | { readonly kind: 'chunkBack'; readonly before: number; readonly maxBytes: number }
  /**
   * Reads the stream backwards from its event at `head`. The reply has the positions of its revisions from `from` to `to`, both
   * included, oldest first, and the first of these events.
   */
  | { readonly kind: 'stream'; readonly head: number; readonly from: number; readonly to: number; readonly maxBytes: number }
  /** Events by position, as many as `maxBytes` allows, at least one. */
  | { readonly kind: 'events'; readonly positions: Float64Array<ArrayBuffer>; readonly maxBytes: number }
  | { readonly kind: 'close' };

/** What the file says about itself, as text. */
export interface LogHeader {
  readonly meta: Readonly<Record<string, string>>;
  readonly schemas: readonly SchemaRow[];
}

export interface Chunk {
  /** Checked frames, one after the other; empty if there are none. */
  readonly frames: Bytes;
  /** Position of the last event in them; when read backwards, of the first event of the oldest frame. */
  readonly last: number;
  /** True if nothing follows. */
  readonly end: boolean;
}

/** Rows and entries as in a frame, without a header; their positions are separate. */
export interface Gathered {
  readonly bytes: Bytes;
  readonly count: number;
}

export interface StreamStart extends Gathered {
  readonly positions: Float64Array<ArrayBuffer>;
}

export interface ReaderReplies {
  readonly open: undefined;
  readonly header: LogHeader;
  readonly chunk: Chunk;
  readonly chunkBack: Chunk;
  readonly stream: StreamStart;
  readonly events: Gathered;
  readonly close: undefined;
}

export type Reply = { readonly ok: unknown } | { readonly failed: Failure };

export interface Failure {
  readonly message: string;
  /** SQLite's extended result code, if SQLite failed. */
  readonly sqliteCode: number | undefined;
}

export function failureOf(error: unknown): Failure {
  const { message, errcode } = error as { message?: string; errcode?: number };
  return { message: message ?? String(error), sqliteCode: errcode };
}
