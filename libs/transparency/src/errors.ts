import type { Position } from '@nva/ports';

/** Bytes or text that are not in the format that they should be in. Nothing was changed. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** A tree, an index or a proof is asked for that cannot be: beyond the tree, or backwards. */
export class OutOfTree extends RangeError {
  override readonly name = 'OutOfTree';
}

/** A proof does not prove what it is held against. */
export class ProofRefused extends Error {
  override readonly name = 'ProofRefused';
}

/** A key or a key file is not as it must be, or others may read it. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused';
}

/** No signature of a known key stands below the note, or one of a known key is wrong. */
export class SignatureRefused extends Error {
  override readonly name = 'SignatureRefused';
}

/** What is in the tree's folder is not what was written. It holds nothing that the log does not: it is built anew from the log. */
export class TreeDamaged extends Error {
  override readonly name = 'TreeDamaged';
  /** The leaf at which the damage was found; null where only the root or the right edge tells. */
  readonly index: number | null;

  constructor(message: string, index: number | null = null, options?: ErrorOptions) {
    super(message, options);
    this.index = index;
  }
}

/** What the tree is given does not continue what it has: another log, or this one changed. The tree was left as it is. */
export class TreeForked extends Error {
  override readonly name = 'TreeForked';
  /** The first leaf that differs; where only roots are compared, the number of leaves of the smaller tree. */
  readonly index: number;
  /** Position of the event at that leaf, where it is known. */
  readonly position: Position | null;

  constructor(message: string, index: number, position: Position | null = null) {
    super(message);
    this.index = index;
    this.position = position;
  }
}

/** A witness knows no key of the log. */
export class UnknownOrigin extends Error {
  override readonly name = 'UnknownOrigin';
}

/** A witness has cosigned another checkpoint last than the request goes on from. */
export class SizeConflict extends Error {
  override readonly name = 'SizeConflict';
  /** Leaves of the last one; 0 for none. */
  readonly size: number;

  constructor(size: number) {
    super(`the last checkpoint that was cosigned has ${size} leaves`);
    this.size = size;
  }
}
