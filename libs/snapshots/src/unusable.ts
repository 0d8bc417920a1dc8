/** A file that nothing may be restored from; the message says why. */
export class SnapshotUnusable extends Error {
  override readonly name = 'SnapshotUnusable';
}
