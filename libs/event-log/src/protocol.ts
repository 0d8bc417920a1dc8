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
  /** The log was made before there were markers, and has been given one. */
  readonly raiseFormat: boolean;
}

export type WriterRequest =
  | OpenWriter
  /** One transaction. After one that failed the writer refuses all that follow. */
  | { readonly kind: 'commit'; readonly frames: readonly Bytes[]; readonly schemas: readonly SchemaRow[] }
  /** Fails if the files are not in their place any more; so does every commit. */
  | { readonly kind: 'look' }
  | { readonly kind: 'close' };

export interface OpenReader {
  readonly kind: 'open';
  readonly uri: string;
  /** One read transaction spans all that follows until `close`. */
  readonly snapshot: boolean;
  readonly busyLimitMs: number;
}

export type ReaderRequest =
  | OpenReader
  | { readonly kind: 'header' }
  /** Whole frames from the one that holds the event after `after`, to the last that begins at or before `upTo`. */
  | { readonly kind: 'chunk'; readonly after: number; readonly upTo: number; readonly maxBytes: number }
  /** Whole frames, newest first, from the one that holds the event before `before`. */
  | { readonly kind: 'chunkBack'; readonly before: number; readonly maxBytes: number }
  /**
   * The stream backwards from its event at `head`: the positions of its revisions from `from` to `to`, both included, oldest first,
   * and the first of their events.
   */
  | { readonly kind: 'stream'; readonly head: number; readonly from: number; readonly to: number; readonly maxBytes: number }
  /** Events by position, as many as `maxBytes` takes, at least one. */
  | { readonly kind: 'events'; readonly positions: Float64Array<ArrayBuffer>; readonly maxBytes: number }
  | { readonly kind: 'close' };

/** What the file says about itself, all text. */
export interface LogHeader {
  readonly meta: Readonly<Record<string, string>>;
  readonly schemas: readonly SchemaRow[];
}

export interface Chunk {
  /** Frames one behind the other, each checked; empty if there are none. */
  readonly frames: Bytes;
  /** Position of the last event in them; read backwards, of the first one of the oldest. */
  readonly last: number;
  /** True if nothing follows. */
  readonly end: boolean;
}

/** Rows and entries laid out as in a frame, without a header; their positions stand apart. */
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
  /** SQLite's extended result code, if it was SQLite that failed. */
  readonly sqliteCode: number | undefined;
}

export function failureOf(error: unknown): Failure {
  const { message, errcode } = error as { message?: string; errcode?: number };
  return { message: message ?? String(error), sqliteCode: errcode };
}
