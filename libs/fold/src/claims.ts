import type { Fork } from './fork.ts';
import type { FoldedTs } from './model.ts';
import { KeptOrder } from './ordered.ts';

/** The slash that follows the id in the key of a mapping. */
const END_OF_ID = 0x2f;

/**
 * The claims of addresses of one kind in one VN, in the order in which they came (X2). The first living claim holds the address,
 * even while the holder's own entry is withheld because of another address; when it is released, the next claim holds it. Each
 * claim comes from one event, so the order of the list is the order of arrival, and no position needs to be kept. Nearly every
 * address has one claimant, which is stored without a list; only contested addresses cost a list.
 */
export class ClaimTable {
  readonly #claims: Map<string, FoldedTs | FoldedTs[]>;
  /** Addresses that have a list; null in the many tables without any. */
  #contested: Map<string, true> | null;
  /** Created when somebody first asks for it. */
  #order: KeptOrder<FoldedTs> | null = null;
  #count: number;

  constructor(claims: Map<string, FoldedTs | FoldedTs[]> = new Map(), contested: Map<string, true> | null = null, count = 0) {
    this.#claims = claims;
    this.#contested = contested;
    this.#count = count;
  }

  /** The same claims in a fork of the network. */
  fork(fork: Fork): ClaimTable {
    const claimants = fork.map(this.#claims, (present) =>
      Array.isArray(present) ? present.map(fork.tenantSystem) : fork.tenantSystem(present),
    );
    return new ClaimTable(claimants, this.#contested && fork.map(this.#contested, () => true), this.#count);
  }

  /** The number of claims of all addresses. In a table of MACs this is the number of tenant systems in the VN. */
  get count(): number {
    return this.#count;
  }

  /** The claimants, in the order of the keys of their mappings. Only for a table in which nobody claims two addresses. */
  get order(): KeptOrder<FoldedTs> {
    return (this.#order ??= new KeptOrder(this.#walk(), byMappingKey));
  }

  /** Distinct addresses claimed. */
  get size(): number {
    return this.#claims.size;
  }

  claim(address: string, ts: FoldedTs): void {
    this.#count++;
    this.#order?.add(ts);
    const present = this.#claims.get(address);
    if (present === undefined) this.#claims.set(address, ts);
    else if (Array.isArray(present)) present.push(ts);
    else {
      this.#claims.set(address, [present, ts]);
      (this.#contested ??= new Map<string, true>()).set(address, true);
    }
  }

  /** Adds a claim of an address that is known to have no other claim. */
  claimAlone(address: string, ts: FoldedTs): void {
    this.#count++;
    this.#order?.add(ts);
    this.#claims.set(address, ts);
  }

  /** Ends a claim. Returns the tenant system that now becomes the holder, if the holder changes. */
  release(address: string, ts: FoldedTs): FoldedTs | null {
    const present = this.#claims.get(address);
    if (present === ts) {
      this.#claims.delete(address);
      this.#ended(ts);
      return null;
    }
    if (!Array.isArray(present)) return null;
    const at = present.indexOf(ts);
    if (at === -1) return null;
    present.splice(at, 1);
    this.#ended(ts);
    if (present.length === 1) {
      this.#claims.set(address, present[0]!);
      this.#contested!.delete(address);
    }
    return at === 0 ? present[0]! : null;
  }

  /**
   * Gives the claim of one tenant system to another, at the earlier of their places in the order of claims, so nobody else
   * becomes the holder. Call `settle` for both afterwards.
   */
  pass(address: string, from: FoldedTs, to: FoldedTs): void {
    const present = this.claimants(address);
    const at = present.findIndex((ts) => ts === from || ts === to);
    const next = present.filter((ts) => ts !== from && ts !== to).toSpliced(at, 0, to);
    this.#count -= present.length - next.length;
    if (next.length > 1) this.#claims.set(address, next);
    else {
      this.#claims.set(address, to);
      this.#contested?.delete(address);
    }
  }

  /** To be called after claims were passed on; `claims` tells whether the tenant system still claims anything here. */
  settle(ts: FoldedTs, claims: boolean): void {
    if (claims) this.#order?.add(ts);
    else this.#order?.delete(ts);
  }

  holder(address: string): FoldedTs | undefined {
    const present = this.#claims.get(address);
    return Array.isArray(present) ? present[0] : present;
  }

  /** All claimants of the address, the holder first. */
  claimants(address: string): readonly FoldedTs[] {
    const present = this.#claims.get(address);
    if (present === undefined) return [];
    return Array.isArray(present) ? present : [present];
  }

  /**
   * The claimants address by address: one claimant, or all of them if there are several. Claims that are added or removed
   * meanwhile may or may not be included.
   */
  claimed(): IterableIterator<FoldedTs | readonly FoldedTs[]> {
    return this.#claims.values();
  }

  /** The tenant systems that claim an address whose holder is another one. */
  *withheld(): IterableIterator<FoldedTs> {
    for (const address of this.#contested?.keys() ?? []) yield* this.claimants(address).slice(1);
  }

  /** Every tenant system that claims anything, once per address. */
  *everyone(): IterableIterator<FoldedTs> {
    for (const present of this.#claims.values()) {
      if (Array.isArray(present)) yield* present;
      else yield present;
    }
  }

  /** Addresses with more than one claimant, by address, for a snapshot. */
  contested(): (readonly [address: string, tsIds: readonly string[]])[] {
    if (this.#contested === null) return [];
    return [...this.#contested.keys()].toSorted().map((address) => [address, this.claimants(address).map((ts) => ts.state.tsId)]);
  }

  #ended(ts: FoldedTs): void {
    this.#count--;
    this.#order?.delete(ts);
  }

  /** Can be iterated in steps while claims come and go. */
  *#walk(): IterableIterator<FoldedTs> {
    for (const present of this.#claims.values()) {
      if (Array.isArray(present)) yield* present.slice();
      else yield present;
    }
  }

  /** Puts the claimants of an address into the order of a snapshot. */
  reorder(address: string, tsIds: readonly string[]): void {
    const present = this.#claims.get(address);
    if (Array.isArray(present)) present.sort((a, b) => tsIds.indexOf(a.state.tsId) - tsIds.indexOf(b.state.tsId));
  }
}

/** The order of the keys of their mappings. The slash that follows the id sorts before every other character of an id except two. */
function byMappingKey({ state: a }: FoldedTs, { state: b }: FoldedTs): number {
  if (a.tsId === b.tsId) return 0;
  const before = a.tsId < b.tsId;
  const [first, second] = before ? [a.tsId, b.tsId] : [b.tsId, a.tsId];
  const begins = second.charCodeAt(first.length) < END_OF_ID && second.startsWith(first);
  return before === begins ? 1 : -1;
}
