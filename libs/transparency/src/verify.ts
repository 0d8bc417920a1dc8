import type { Position } from '@nva/ports';
import { openCheckpoint, type KnownKeys, type OpenedCheckpoint } from './checkpoint.ts';
import { Malformed } from './errors.ts';
import { decodeLeaf, type Leaf } from './leaf.ts';
import { Frontier, leafHash, sameHash } from './tree.ts';

/** How many leaves after a difference are compared, to tell what was done. */
const WINDOW = 1_024;
/** Streams whose revisions are counted; those beyond are not, and nothing but a name of the place is lost by that. */
const MAX_STREAMS = 1_000_000;
export const MAX_CHECKPOINTS = 1_024;

export interface LogToVerify {
  /** The leaf entries of the log, in its order, from the first on. */
  readonly entries: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Signed notes, in any order; at least one. */
  readonly checkpoints: readonly (Uint8Array | string)[];
  readonly origin: string;
  readonly keys: KnownKeys;
  /**
   * The hashes of the leaves as somebody else has them, from the first on: hashes of the tiles of level 0. They are believed in only as
   * far as a signed checkpoint bears them out. With them a difference is named to the leaf.
   */
  readonly leafHashes?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;
}

/** What was done at a place: `cut` is a log that ends too early, `unknown` what no evidence tells. */
export type Fault = 'changed' | 'removed' | 'inserted' | 'swapped' | 'cut' | 'unknown';

export interface LogFault {
  readonly fault: Fault;
  /** The first leaf that is not as it was signed; with `order` and `none`, the first of which that may be said. */
  readonly index: number;
  /** Position of the event that stands there now; where none does, of the last one before. */
  readonly position: Position;
  /** The checkpoint that does not hold, and the largest one that does: the fault is behind the latter's leaves. */
  readonly size: number;
  readonly provenSize: number;
  /**
   * How it is known. `signed`: the hashes of the leaves give the checkpoint's root, so the place is proven. `unsigned`: they do not, and
   * are compared all the same. `order`: the positions and revisions of the events tell. `none`: only that it is behind `provenSize`.
   */
  readonly evidence: 'signed' | 'unsigned' | 'order' | 'none';
  readonly message: string;
}

export type Verification =
  | {
      readonly holds: true;
      /** From the smallest on; two of one size have one root. */
      readonly checkpoints: readonly OpenedCheckpoint[];
      /** Leaves of the log, of which those after the last checkpoint are signed by nobody. */
      readonly size: number;
      readonly position: Position;
      readonly unsigned: number;
    }
  | ({ readonly holds: false; readonly checkpoints: readonly OpenedCheckpoint[] } & LogFault);

interface Found {
  readonly fault: Fault;
  readonly index: number;
  readonly position: Position;
}

/**
 * Proves that the log continues every checkpoint, from its entries and public keys alone. Throws Malformed and SignatureRefused where a
 * checkpoint is none or nobody known has signed it. Holds the right edge of two trees, a window of hashes, and revisions by stream.
 */
export async function verifyLog({ entries, checkpoints: notes, origin, keys, leafHashes }: LogToVerify): Promise<Verification> {
  if (notes.length === 0 || notes.length > MAX_CHECKPOINTS)
    throw new Malformed(`${notes.length} checkpoints: 1 to ${MAX_CHECKPOINTS} are verified`);
  const checkpoints = notes.map((note) => openCheckpoint(note, origin, keys)).toSorted((one, other) => one.size - other.size);
  const judge = new Judge(checkpoints);
  const theirs = leafHashes === undefined ? null : iteratorOf(leafHashes);
  for await (const entry of entries) {
    if (judge.isDecided) break;
    judge.take(entry, theirs === null ? null : ((await theirs.next()).value ?? null));
  }
  if (theirs !== null) await takeRest(judge, theirs);
  return judge.verdict();
}

/** What stands behind a cut is in the hashes of the others only. */
async function takeRest(judge: Judge, theirs: HashIterator): Promise<void> {
  while (judge.wantsMore) {
    const next = await theirs.next();
    if (next.done === true) break;
    judge.takeTheirs(next.value);
  }
  await theirs.return?.();
}

type HashIterator = AsyncIterator<Uint8Array> | Iterator<Uint8Array>;

function iteratorOf(hashes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): HashIterator {
  return Symbol.asyncIterator in hashes ? hashes[Symbol.asyncIterator]() : hashes[Symbol.iterator]();
}

class Judge {
  readonly #checkpoints: readonly OpenedCheckpoint[];
  readonly #last: OpenedCheckpoint;
  readonly #ours = new Frontier();
  readonly #theirs = new Frontier();
  readonly #revisions = new Map<string, number>();
  #position: Position = 0;
  #logPosition: Position = 0;
  #provenSize = 0;
  #failed: OpenedCheckpoint | null = null;
  #why = '';
  /** The first checkpoint not compared with the entries, and with the hashes of others. */
  #next = 0;
  #nextOfTheirs = 0;
  #theirsHold = true;
  /** The first thing that the events themselves tell. */
  #order: Found | null = null;
  /** From the first difference on: both sides, to tell what was done. */
  #from = -1;
  #differs: Position = 0;
  readonly #windowOfOurs: Buffer[] = [];
  readonly #windowOfTheirs: Uint8Array[] = [];

  constructor(checkpoints: readonly OpenedCheckpoint[]) {
    this.#checkpoints = checkpoints;
    this.#last = checkpoints.at(-1)!;
    this.#compare();
    this.#compareTheirs();
  }

  /** Whether the rest of the entries tells nothing more. */
  get isDecided(): boolean {
    return this.#failed !== null && this.#theirs.size >= this.#failed.size && (this.#from < 0 || this.#windowOfOurs.length >= WINDOW);
  }

  get wantsMore(): boolean {
    return this.#ours.size < this.#last.size
      ? this.#theirs.size < this.#last.size
      : this.#failed !== null && this.#theirs.size < this.#failed.size;
  }

  take(entry: Uint8Array, theirs: Uint8Array | null): void {
    const index = this.#ours.size;
    const leaf = leafHash(entry);
    this.#look(index, decoded(entry));
    this.#ours.append(leaf);
    if (theirs !== null) {
      if (this.#from < 0 && !sameHash(leaf, theirs)) {
        this.#from = index;
        this.#differs = this.#logPosition;
      }
      this.takeTheirs(theirs);
    }
    if (this.#from >= 0 && this.#windowOfOurs.length < WINDOW) this.#windowOfOurs.push(leaf);
    this.#compare();
  }

  takeTheirs(theirs: Uint8Array): void {
    if (this.#from < 0 && this.#theirs.size >= this.#ours.size) {
      this.#from = this.#ours.size;
      this.#differs = this.#logPosition;
    }
    if (this.#from >= 0 && this.#windowOfTheirs.length < WINDOW) this.#windowOfTheirs.push(theirs);
    this.#theirs.append(Buffer.from(theirs));
    this.#compareTheirs();
  }

  /** What the order of events tells: positions grow along the log, and revisions by one along each stream. */
  #look(index: number, leaf: Leaf | null): void {
    if (leaf === null) {
      this.#order ??= { fault: 'changed', index, position: this.#position };
      return;
    }
    const { position, stream, revision } = leaf;
    this.#logPosition = position;
    const expected = (this.#revisions.get(stream) ?? -1) + 1;
    const isCounted = this.#revisions.has(stream) || this.#revisions.size < MAX_STREAMS;
    if (position <= this.#position) this.#order ??= { fault: 'swapped', index, position };
    else if (isCounted && revision > expected) this.#order ??= { fault: 'removed', index, position };
    else if (isCounted && revision < expected) this.#order ??= { fault: 'inserted', index, position };
    if (isCounted) this.#revisions.set(stream, revision);
    this.#position = Math.max(position, this.#position);
  }

  #compare(): void {
    for (; this.#failed === null && this.#checkpoints[this.#next]?.size === this.#ours.size; this.#next++) {
      const checkpoint = this.#checkpoints[this.#next]!;
      const { size, root, position } = checkpoint;
      if (!sameHash(this.#ours.root(), root)) this.#fail(checkpoint, `the first ${size} events are not those of the checkpoint`);
      else if (position !== this.#logPosition)
        this.#fail(checkpoint, `event ${size} has position ${this.#logPosition}, and the checkpoint says ${position}`);
      else this.#provenSize = size;
    }
  }

  #compareTheirs(): void {
    for (; this.#checkpoints[this.#nextOfTheirs]?.size === this.#theirs.size; this.#nextOfTheirs++)
      this.#theirsHold &&= sameHash(this.#theirs.root(), this.#checkpoints[this.#nextOfTheirs]!.root);
  }

  #fail(checkpoint: OpenedCheckpoint, why: string): void {
    this.#failed = checkpoint;
    this.#why = why;
  }

  verdict(): Verification {
    const checkpoints = this.#checkpoints;
    const size = this.#ours.size;
    const short = checkpoints[this.#next];
    const isCut = this.#failed === null && short !== undefined;
    if (isCut) this.#fail(short, `the log ends after ${size} events, and the checkpoint has ${short.size}`);
    if (this.#failed === null) return { holds: true, checkpoints, size, position: this.#logPosition, unsigned: size - this.#last.size };
    const isSigned = this.#theirsHold && this.#theirs.size >= this.#failed.size;
    const byHashes = this.#from < 0 || this.#from >= this.#failed.size ? null : this.#named();
    const order = this.#order !== null && this.#order.index >= this.#provenSize ? this.#order : null;
    const cut: Found | null = isCut ? { fault: 'cut', index: size, position: this.#logPosition } : null;
    const found = byHashes ?? order ?? cut ?? { fault: 'unknown', index: this.#provenSize, position: this.#logPosition };
    const evidence = byHashes ? (isSigned ? 'signed' : 'unsigned') : order || cut ? 'order' : 'none';
    const place = evidence === 'none' ? `behind the first ${this.#provenSize} events` : `${found.fault} at event ${found.index}`;
    const message = `${this.#why}: ${place} (position ${found.position})`;
    return { holds: false, checkpoints, ...found, size: this.#failed.size, provenSize: this.#provenSize, evidence, message };
  }

  /** What the leaves from the first difference on tell. */
  #named(): Found {
    const [ours, theirs] = [this.#windowOfOurs, this.#windowOfTheirs];
    const at = { index: this.#from, position: this.#differs };
    const [mine, other] = [ours[0], theirs[0]];
    if (mine === undefined || other === undefined) return { fault: 'cut', ...at };
    const later = theirs.findIndex((one, i) => i > 0 && sameHash(one, mine));
    const earlier = ours.findIndex((one, i) => i > 0 && sameHash(one, other));
    if (later > 0 && later === earlier) return { fault: 'swapped', ...at };
    if (later > 0 && (earlier < 0 || later < earlier)) return { fault: 'removed', ...at };
    if (earlier > 0) return { fault: 'inserted', ...at };
    return { fault: 'changed', ...at };
  }
}

function decoded(entry: Uint8Array): Leaf | null {
  try {
    return decodeLeaf(entry);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
