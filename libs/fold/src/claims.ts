import type { FoldedTs } from './model.ts';
import { KeptOrder } from './ordered.ts';

/** What follows the id in the key of a mapping: a slash. */
const END_OF_ID = 0x2f;

/**
 * Who claims an address of one kind in one VN, and in which order the claims came (X2). The first of the living claims holds the
 * address, even while its own entry is withheld for another one; when it is released the next takes over. Since every claim is
 * made by one event, the order of arrival is the order of the list, and no position needs to be kept. Nearly every address has
 * one claimant, so that one is stored bare; only contested addresses cost a list.
 */
export class ClaimTable {
  readonly #claims = new Map<string, FoldedTs | FoldedTs[]>();
  /** Addresses with a list; null in the many tables without. */
  #contested: Set<string> | null = null;
  /** Once somebody has asked for it. */
  #order: KeptOrder<FoldedTs> | null = null;
  #count = 0;

  /** Claims, of all addresses: of MACs, the tenant systems of the VN. */
  get count(): number {
    return this.#count;
  }

  /** Who claims anything, in the order of the keys of their mappings. For a table in which nobody claims two addresses. */
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
      (this.#contested ??= new Set()).add(address);
    }
  }

  /** A claim of an address that is known to have no other. */
  claimAlone(address: string, ts: FoldedTs): void {
    this.#count++;
    this.#order?.add(ts);
    this.#claims.set(address, ts);
  }

  /** Ends a claim. Returns the tenant system that holds the address from now on, if that is a new one. */
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
   * Gives the claim of one to another, at the earlier of their places in the order of claims: nobody else comes to hold the address
   * by it. `settle` both when all is done.
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

  /** Whether it claims anything here still, after claims were passed on. */
  settle(ts: FoldedTs, claims: boolean): void {
    if (claims) this.#order?.add(ts);
    else this.#order?.delete(ts);
  }

  holder(address: string): FoldedTs | undefined {
    const present = this.#claims.get(address);
    return Array.isArray(present) ? present[0] : present;
  }

  /** Everyone who claims it, the holder first. */
  claimants(address: string): readonly FoldedTs[] {
    const present = this.#claims.get(address);
    if (present === undefined) return [];
    return Array.isArray(present) ? present : [present];
  }

  /**
   * Who claims what, address by address: the claimant, or all of them where there are several. Claims that come or go meanwhile are
   * met or not.
   */
  claimed(): IterableIterator<FoldedTs | readonly FoldedTs[]> {
    return this.#claims.values();
  }

  /** Those who claim an address that somebody else holds. */
  *withheld(): IterableIterator<FoldedTs> {
    for (const address of this.#contested ?? []) yield* this.claimants(address).slice(1);
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
    return [...this.#contested].toSorted().map((address) => [address, this.claimants(address).map((ts) => ts.state.tsId)]);
  }

  #ended(ts: FoldedTs): void {
    this.#count--;
    this.#order?.delete(ts);
  }

  /** May be walked in parts while claims come and go. */
  *#walk(): IterableIterator<FoldedTs> {
    for (const present of this.#claims.values()) {
      if (Array.isArray(present)) yield* present.slice();
      else yield present;
    }
  }

  /** Puts the claimants of an address into an order taken from a snapshot. */
  reorder(address: string, tsIds: readonly string[]): void {
    const present = this.#claims.get(address);
    if (Array.isArray(present)) present.sort((a, b) => tsIds.indexOf(a.state.tsId) - tsIds.indexOf(b.state.tsId));
  }
}

/** As the keys of their mappings stand, in which what follows the id comes before every other character but two that an id may hold. */
function byMappingKey({ state: a }: FoldedTs, { state: b }: FoldedTs): number {
  if (a.tsId === b.tsId) return 0;
  const before = a.tsId < b.tsId;
  const [first, second] = before ? [a.tsId, b.tsId] : [b.tsId, a.tsId];
  const begins = second.charCodeAt(first.length) < END_OF_ID && second.startsWith(first);
  return before === begins ? 1 : -1;
}
