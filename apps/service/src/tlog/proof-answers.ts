import { Refusal } from '@nva/identifiers';
import { sleep, type Clock, type Position } from '@nva/ports';
import {
  decodeLeaf,
  KeyRefused,
  leafHash,
  Malformed,
  parseTilePath,
  ProofRefused,
  proveTable,
  sameHash,
  show,
  SignatureRefused,
  SizeConflict,
  TreeDamaged,
  UnknownOrigin,
  type Checkpoint,
  type TreeFile,
} from '@nva/transparency';
import { cosignerOf, type WitnessConfig } from '../config/witnesses-file.ts';
import type { ProofAnswer, ProofQuestion } from './questions.ts';
import type { Kept, TreeKeeper } from './tree-keeper.ts';

/** How long a checkpoint of another admin waits until this process has as many leaves; the other one waits longer. */
const WAIT_MS = 3_000;
const POLL_MS = 20;

/** Answers questions about the tree that a keeper keeps, and cosigns for others. */
export class ProofAnswers {
  readonly #keeper: TreeKeeper;
  readonly #clock: Clock;
  readonly #witnesses: readonly WitnessConfig[];

  constructor(keeper: TreeKeeper, witnesses: readonly WitnessConfig[], clock: Clock) {
    this.#keeper = keeper;
    this.#clock = clock;
    this.#witnesses = witnesses;
  }

  /** Rejects with a Refusal. */
  async answer(question: ProofQuestion): Promise<ProofAnswer> {
    const kept = this.#kept();
    try {
      if (question.ask === 'keys') return this.#keys(kept);
      if (question.ask === 'add-checkpoint') return await this.#addCheckpoint(kept, question.body);
      if (!kept.tree.checkpoint) throw new Refusal('behind', this.#keeper.trouble);
      return answered(kept, kept.tree.checkpoint, question);
    } catch (error) {
      if (!(error instanceof TreeDamaged)) throw error;
      this.#keeper.damaged(error);
      throw new Refusal('behind', 'the tree of the proof is damaged, and is built anew');
    }
  }

  #kept(): Kept {
    const { fork, kept, trouble } = this.#keeper;
    if (fork)
      throw new Refusal('log-forked', `the log does not continue what was signed of it, and nothing more is signed: ${fork.message}`, {
        actual: { leaf: fork.index, position: fork.position === null ? null : String(fork.position) },
      });
    if (!kept) throw new Refusal('behind', trouble);
    return kept;
  }

  #keys({ keys, tree }: Kept): ProofAnswer {
    const { current, former } = keys.known;
    return json({
      origin: keys.origin,
      log: tree.checkpoint?.logId ?? null,
      current: current.map(String),
      former: former.map(({ verifier, untilSize }) => ({ key: String(verifier), untilSize })),
      cosigner: String(keys.cosigner.verifier),
      witnesses: this.#witnesses.flatMap((one) => (one.url === null ? [] : [{ name: one.name, key: String(cosignerOf(one)) }])),
    });
  }

  async #addCheckpoint({ witness, tree, keys }: Kept, body: string): Promise<ProofAnswer> {
    try {
      const checkpoint = witness.checkpointIn(body);
      const isOwnLog = checkpoint.origin === keys.origin;
      if (isOwnLog) await this.#await(checkpoint.size);
      return { text: await witness.cosign(body, isOwnLog ? (one) => assertSame(tree, one) : undefined) };
    } catch (error) {
      if (error instanceof SizeConflict) return { conflict: error.size };
      if (error instanceof UnknownOrigin) throw new Refusal('not-found', error.message, { field: 'origin' });
      if (error instanceof SignatureRefused || error instanceof KeyRefused) throw new Refusal('forbidden', error.message);
      if (error instanceof Malformed) throw new Refusal('malformed-body', error.message);
      if (!(error instanceof ProofRefused)) throw error;
      this.#keeper.foundFork('a checkpoint of another admin is not of this log, and was not cosigned', { why: error.message });
      throw new Refusal('proof-refused', error.message);
    }
  }

  /** Waits until the tree has so many leaves. */
  async #await(size: number): Promise<void> {
    const endMs = this.#clock.monotonicMs() + WAIT_MS;
    for (;;) {
      const { tree } = this.#kept();
      if (tree.size >= size) return;
      if (this.#clock.monotonicMs() >= endMs)
        throw new Refusal('behind', `the checkpoint has ${size} leaves, and the tree of this process ${tree.size} until now`, {
          expected: String(size),
          actual: String(tree.size),
        });
      this.#keeper.nudge();
      await sleep(this.#clock, POLL_MS);
    }
  }
}

/** Throws ProofRefused unless the checkpoint is of this tree. */
function assertSame(tree: TreeFile, { size, root, logId }: Checkpoint): void {
  const own = tree.checkpoint?.logId;
  if (own !== undefined && own !== logId) throw new ProofRefused(`the checkpoint is of log ${logId}, and this one is ${own}`);
  if (!sameHash(tree.rootAt(size), root))
    throw new ProofRefused(`the first ${size} leaves of this log have the root ${show(tree.rootAt(size))}, and not ${show(root)}`);
}

function answered(kept: Kept, checkpoint: Checkpoint, question: ProofQuestion): ProofAnswer {
  const { tree } = kept;
  switch (question.ask) {
    case 'tile':
      return { bytes: tile(tree, question.path) };
    case 'tables':
      return tables(kept, question.vnid);
    case 'inclusion':
      return inclusion(tree, checkpoint, question.position, question.size);
    case 'consistency':
      return consistency(tree, checkpoint, question.from, question.to);
    default:
      return { text: tree.note! };
  }
}

function tile(tree: TreeFile, path: string): Uint8Array {
  const bytes = tree.read(path);
  if (bytes) return bytes;
  const { index, width, level } = parseTilePath(path)!;
  if (tree.has({ index, width, level })) throw new TreeDamaged(`${path} is missing`);
  throw new Refusal('not-found', `the tree of ${tree.checkpoint!.size} leaves has no ${path}`, { field: 'path', received: path });
}

function tables({ tables: kept }: Kept, vnid: number | null): ProofAnswer {
  if (!kept) throw new Refusal('behind', 'the tables of the last checkpoint are not known yet; those of the next one are');
  const { note, items } = kept;
  if (vnid === null) return json({ checkpoint: note, items });
  const proof = proveTable(items, vnid);
  if (!proof) throw new Refusal('vn-unknown', `the last checkpoint has no VN ${vnid}`, { field: 'vnid', received: vnid });
  const { index, size, hashes, ...table } = proof;
  return json({ checkpoint: note, items: [table], proof: { index, size, hashes: hashes.map(show) } });
}

/** A size of a tree that was signed. Throws Refusal. */
function signedSize(checkpoint: Checkpoint, size: number | null, field: string): number {
  if (size === null) return checkpoint.size;
  if (size > checkpoint.size)
    throw new Refusal('out-of-range', `the last checkpoint has ${checkpoint.size} leaves`, {
      field,
      received: size,
      expected: { most: checkpoint.size },
    });
  return size;
}

function inclusion(tree: TreeFile, checkpoint: Checkpoint, position: Position, asked: number | null): ProofAnswer {
  const size = signedSize(checkpoint, asked, 'size');
  const index = indexOf(tree, position, size);
  if (index === null)
    throw new Refusal('not-found', `no event among the first ${size} has position ${position}`, {
      field: 'position',
      received: String(position),
      actual: String(size === 0 ? 0 : positionAt(tree, size - 1)),
    });
  const entry = tree.entry(index);
  return json({
    size,
    root: show(tree.rootAt(size)),
    index,
    position: String(position),
    entry: entry.toString('base64'),
    leaf: show(leafHash(entry)),
    proof: tree.inclusionProof(index, size).map(show),
  });
}

const positionAt = (tree: TreeFile, index: number): Position => decodeLeaf(tree.entry(index)).position;

/** The leaf of an event; positions grow along the log. */
function indexOf(tree: TreeFile, position: Position, size: number): number | null {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = positionAt(tree, middle);
    if (found === position) return middle;
    if (found < position) low = middle + 1;
    else high = middle;
  }
  return null;
}

function consistency(tree: TreeFile, checkpoint: Checkpoint, from: number, asked: number | null): ProofAnswer {
  const to = signedSize(checkpoint, asked, 'to');
  if (from > to)
    throw new Refusal('out-of-range', `from is ${from}, and to is ${to}`, { field: 'from', received: from, expected: { most: to } });
  return json({
    from: { size: from, root: show(tree.rootAt(from)) },
    to: { size: to, root: show(tree.rootAt(to)) },
    proof: tree.consistencyProof(from, to).map(show),
  });
}

const json = (value: object): ProofAnswer => ({ text: JSON.stringify(value) });
