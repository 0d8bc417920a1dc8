/** One record of the stand-in's transaction log, as it goes over the wire. */
export interface Stored {
  /** Commit and prepare position both: an event that was not written in an explicit transaction commits itself. */
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Buffer;
  readonly metadata: Buffer;
  readonly createdMs: number;
}

export type Proposed = Pick<Stored, 'id' | 'type' | 'isJson' | 'data' | 'metadata'>;

export type Expected = number | 'any' | 'stream-exists';
export const NO_STREAM = -1;

export type Outcome =
  | { readonly kind: 'written' | 'idempotent'; readonly revision: number; readonly position: number }
  | { readonly kind: 'wrong-version'; readonly expected: Expected; readonly actual: number }
  | { readonly kind: 'deleted' };

/** Type of the record that a tombstone leaves in its stream, and the revision that it has there (server: EventNumber.DeletedStream). */
export const TOMBSTONE_TYPE = '$streamDeleted';
export const TOMBSTONE_REVISION = Number.MAX_SAFE_INTEGER;
