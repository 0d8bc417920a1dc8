import { Malformed } from './errors.ts';
import { Frontier, inclusionProof, leafHash, verifyInclusion } from './tree.ts';

/**
 * The digests of all VNs under one root, which a checkpoint names: the root of a Merkle tree (RFC 6962, as the log's) whose leaves are
 * lines without their newline, by VNID from the lowest on:
 *
 *     vn/<vnid in decimal> <digest, 16 hex digits in lower case>
 *
 * The digest is that of the VN's table (contract, «Digest of a VN»). Two networks with the same tables have the same root.
 */
export interface VnDigest {
  readonly vnid: number;
  readonly digest: string;
}

/** Proves that a VN's line is under the root. The size needs no trust: a proof for another size leads to another root. */
export interface TableProof extends VnDigest {
  readonly index: number;
  readonly size: number;
  readonly hashes: readonly Buffer[];
}

const MAX_VNID = 2 ** 24 - 1;

function line({ vnid, digest }: VnDigest): Buffer {
  if (!Number.isSafeInteger(vnid) || vnid < 0 || vnid > MAX_VNID) throw new Malformed(`the VNID ${vnid} is not from 0 to ${MAX_VNID}`);
  if (!/^[0-9a-f]{16}$/.test(digest)) throw new Malformed(`the digest ${JSON.stringify(digest)} of VN ${vnid} is not 16 hex digits`);
  return Buffer.from(`vn/${vnid} ${digest}`);
}

/** VNs in any order. Throws Malformed where one is there twice. */
function sorted(tables: readonly VnDigest[]): readonly VnDigest[] {
  const order = tables.toSorted((one, other) => one.vnid - other.vnid);
  const twice = order.find((table, i) => i > 0 && order[i - 1]!.vnid === table.vnid);
  if (twice) throw new Malformed(`VN ${twice.vnid} is there twice`);
  return order;
}

export function tablesRoot(tables: readonly VnDigest[]): Buffer {
  const tree = new TablesTree();
  for (const table of sorted(tables)) tree.append(table);
  return tree.root();
}

/** The same root, made step by step: VNs are given in the order of their VNIDs. */
export class TablesTree {
  readonly #tree = new Frontier();
  #vnid = -1;

  append(table: VnDigest): void {
    if (table.vnid <= this.#vnid) throw new Malformed(`VN ${table.vnid} comes after VN ${this.#vnid}`);
    this.#tree.append(leafHash(line(table)));
    this.#vnid = table.vnid;
  }

  root(): Buffer {
    return this.#tree.root();
  }
}

/** Null where there is no such VN. Whoever doubts that needs the whole list: its root is compared. */
export function proveTable(tables: readonly VnDigest[], vnid: number): TableProof | null {
  const order = sorted(tables);
  const index = order.findIndex((table) => table.vnid === vnid);
  if (index < 0) return null;
  const nodes = new Map<string, Buffer>();
  const tree = new Frontier();
  for (const table of order) tree.append(leafHash(line(table)), (level, i, node) => nodes.set(`${level}/${i}`, node));
  const hashes = inclusionProof({ at: (level, i) => nodes.get(`${level}/${i}`)! }, index, order.length);
  return { ...order[index]!, index, size: order.length, hashes };
}

/** Throws ProofRefused unless the root has this VN with this digest. */
export function verifyTable(root: Uint8Array, { vnid, digest, index, size, hashes }: TableProof): void {
  verifyInclusion(root, size, index, leafHash(line({ vnid, digest })), hashes);
}
