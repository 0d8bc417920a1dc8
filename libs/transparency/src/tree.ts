import { hash } from 'node:crypto';
import { OutOfTree, ProofRefused } from './errors.ts';

/**
 * The Merkle tree of RFC 6962, section 2.1:
 *
 *     MTH({})      = SHA-256()
 *     MTH({d})     = SHA-256(0x00 || d)
 *     MTH(D[0:n])  = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two below n
 *
 * A node of level l and index i is the root of the complete subtree over the 2^l leaves from i * 2^l on. Sizes are safe integers, so
 * they are halved by division: bit operations of JavaScript have 32 bits.
 */
export const HASH_BYTES = 32;
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer');
/** A tree of 2^53 - 1 leaves is no higher. */
export const MAX_PROOF_HASHES = 54;

const LEAF_PREFIX = Buffer.from([0]);
const NODE_PREFIX = 1;

export const leafHash = (entry: Uint8Array): Buffer => hash('sha256', Buffer.concat([LEAF_PREFIX, entry]), 'buffer');

const node = Buffer.alloc(1 + 2 * HASH_BYTES);
node[0] = NODE_PREFIX;

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hash('sha256', node, 'buffer');
}

export const sameHash = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** Hashes of complete subtrees, where they are kept. */
export interface Hashes {
  /** Throws what the keeper throws where it does not have the node. */
  at(level: number, index: number): Uint8Array;
}

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

/** The largest power of two below `count`, which is at least 2. */
function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

export function assertSize(size: number, what = 'size'): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new OutOfTree(`the ${what} ${size} is not a whole number from 0 to 2^53 - 1`);
}

/**
 * The right edge of a tree: the roots of its complete subtrees, one for each bit of its size. That is all that an append needs, so a
 * tree of a million leaves is built with twenty hashes in memory. Whoever keeps hashes is told of each node once, when it is complete.
 */
export class Frontier {
  /** By level; what stands at a level whose bit of the size is 0 is left over. */
  readonly #peaks: Buffer[];
  #size: number;

  constructor(size = 0, peaks: readonly Uint8Array[] = []) {
    assertSize(size);
    this.#size = size;
    this.#peaks = peaks.map((peak) => Buffer.from(peak));
  }

  /** The edge of a tree whose hashes are kept. */
  static of(hashes: Hashes, size: number): Frontier {
    assertSize(size);
    const peaks: Uint8Array[] = [];
    for (let [level, rest] = [0, size]; rest > 0; level++, rest = half(rest))
      peaks.push(isOdd(rest) ? hashes.at(level, rest - 1) : EMPTY_ROOT);
    return new Frontier(size, peaks);
  }

  get size(): number {
    return this.#size;
  }

  append(leaf: Buffer, completed?: (level: number, index: number, hash: Buffer) => void): void {
    if (this.#size === Number.MAX_SAFE_INTEGER) throw new OutOfTree('the tree is full');
    let [level, index, edge] = [0, this.#size, leaf];
    completed?.(0, index, edge);
    for (; isOdd(index); index = half(index)) {
      edge = nodeHash(this.#peaks[level]!, edge);
      level++;
      completed?.(level, half(index), edge);
    }
    this.#peaks[level] = edge;
    this.#size++;
  }

  root(): Buffer {
    let root: Buffer | null = null;
    for (let [level, rest] = [0, this.#size]; rest > 0; level++, rest = half(rest)) {
      if (isOdd(rest)) root = root === null ? this.#peaks[level]! : nodeHash(this.#peaks[level]!, root);
    }
    return root ?? EMPTY_ROOT;
  }
}

/** Root over the leaves from `from` to `to` (exclusive), which begin where a complete subtree of their size could. */
function rangeRoot(hashes: Hashes, from: number, to: number): Uint8Array {
  let [level, width] = [0, 1];
  for (; width < to - from; width *= 2) level++;
  if (width === to - from) return hashes.at(level, from / width);
  const middle = from + width / 2;
  return nodeHash(rangeRoot(hashes, from, middle), rangeRoot(hashes, middle, to));
}

/** Root of the tree over the first `size` leaves. */
export function rootAt(hashes: Hashes, size: number): Buffer {
  assertSize(size);
  return size === 0 ? EMPTY_ROOT : Buffer.from(rangeRoot(hashes, 0, size));
}

/** PATH(m, D[n]) of RFC 6962: proves that a leaf stands at `index` in the tree of `size` leaves. */
export function inclusionProof(hashes: Hashes, index: number, size: number): Buffer[] {
  assertSize(size);
  assertSize(index, 'index');
  if (index >= size) throw new OutOfTree(`leaf ${index} is not in a tree of ${size} leaves`);
  const proof: Buffer[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + split(to - from);
    const isLeft = index < middle;
    proof.push(Buffer.from(isLeft ? rangeRoot(hashes, middle, to) : rangeRoot(hashes, from, middle)));
    if (isLeft) to = middle;
    else from = middle;
  }
  return proof.toReversed();
}

/** PROOF(m, D[n]) of RFC 6962: proves that the tree of `newer` leaves begins with the tree of `older` leaves. */
export function consistencyProof(hashes: Hashes, older: number, newer: number): Buffer[] {
  assertSize(older, 'older size');
  assertSize(newer, 'newer size');
  if (older > newer) throw new OutOfTree(`a tree of ${newer} leaves does not continue one of ${older}`);
  if (older === 0 || older === newer) return [];
  const proof: Buffer[] = [];
  let [from, to] = [0, newer];
  while (to !== older) {
    const middle = from + split(to - from);
    const isLeft = older <= middle;
    proof.push(Buffer.from(isLeft ? rangeRoot(hashes, middle, to) : rangeRoot(hashes, from, middle)));
    if (isLeft) to = middle;
    else from = middle;
  }
  if (from > 0) proof.push(Buffer.from(rangeRoot(hashes, from, to)));
  return proof.toReversed();
}

function assertProof(proof: readonly Uint8Array[]): void {
  if (proof.length > MAX_PROOF_HASHES) throw new ProofRefused(`the proof has ${proof.length} hashes; ${MAX_PROOF_HASHES} are the most`);
  const wrong = proof.find((one) => one.length !== HASH_BYTES);
  if (wrong) throw new ProofRefused(`the proof has a hash of ${wrong.length} bytes`);
}

/** Throws ProofRefused unless the leaf stands at `index` in the tree of that size and root. */
export function verifyInclusion(root: Uint8Array, size: number, index: number, leaf: Uint8Array, proof: readonly Uint8Array[]): void {
  assertSize(size);
  assertSize(index, 'index');
  if (index >= size) throw new ProofRefused(`leaf ${index} is not in a tree of ${size} leaves`);
  assertProof(proof);
  const sides: boolean[] = [];
  for (let [from, to] = [0, size]; to - from > 1;) {
    const middle = from + split(to - from);
    sides.push(index < middle);
    if (index < middle) to = middle;
    else from = middle;
  }
  if (sides.length !== proof.length)
    throw new ProofRefused(`the proof of leaf ${index} in ${size} leaves has ${proof.length} hashes instead of ${sides.length}`);
  let edge: Buffer = Buffer.from(leaf);
  for (const other of proof) edge = sides.pop()! ? nodeHash(edge, other) : nodeHash(other, edge);
  if (!sameHash(edge, root)) throw new ProofRefused(`leaf ${index} is not in the tree of ${size} leaves with the root ${show(root)}`);
}

/** Throws ProofRefused unless the newer tree begins with the older one. */
export function verifyConsistency(
  older: { readonly size: number; readonly root: Uint8Array },
  newer: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): void {
  assertSize(older.size, 'older size');
  assertSize(newer.size, 'newer size');
  if (older.size > newer.size) throw new ProofRefused(`a tree of ${newer.size} leaves does not continue one of ${older.size}`);
  assertProof(proof);
  if (older.size === 0 && !sameHash(older.root, EMPTY_ROOT)) throw new ProofRefused('the root of the empty tree is another');
  if (older.size === 0 || older.size === newer.size) {
    if (proof.length > 0) throw new ProofRefused(`the proof has ${proof.length} hashes instead of none`);
    if (older.size === newer.size && !sameHash(older.root, newer.root))
      throw new ProofRefused(`two trees of ${older.size} leaves have different roots`);
    return;
  }
  const sides: boolean[] = [];
  let [from, to] = [0, newer.size];
  while (to !== older.size) {
    const middle = from + split(to - from);
    sides.push(older.size <= middle);
    if (older.size <= middle) to = middle;
    else from = middle;
  }
  const expected = sides.length + (from > 0 ? 1 : 0);
  if (proof.length !== expected)
    throw new ProofRefused(`the proof from ${older.size} to ${newer.size} leaves has ${proof.length} hashes instead of ${expected}`);
  const rest = [...proof];
  const start: Buffer = Buffer.from(from > 0 ? rest.shift()! : older.root);
  let was = start;
  let is = start;
  for (const other of rest) {
    if (sides.pop()!) is = nodeHash(is, other);
    else {
      was = nodeHash(other, was);
      is = nodeHash(other, is);
    }
  }
  if (!sameHash(was, older.root) || !sameHash(is, newer.root))
    throw new ProofRefused(`the tree of ${newer.size} leaves does not begin with that of ${older.size} leaves`);
}

export const show = (root: Uint8Array): string => Buffer.from(root).toString('base64');
