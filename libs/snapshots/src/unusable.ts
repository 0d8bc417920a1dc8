/** A file from which nothing may be restored; the message says why. */
export class SnapshotUnusable extends Error {
  override readonly name = 'SnapshotUnusable';
}
