import { CONTEXT_KEY, memberKey, type FeedValue, type Mapping, type VnContext, type VnMember } from '@nva/codec';
import type { FeedRecord, Position } from '@nva/ports';
import { AddressIndex } from './address-index.ts';
import type { TableChange } from './feed-change.ts';
import { belongsTo } from './feed-keys.ts';
import { FeedTable } from './feed-table.ts';
import { resolveMapping, type Resolution, type VnView } from './resolution.ts';

/** An address of a tenant system, in the canonical spelling of `parseMac` and `parseIp`. In an L2 VN `vlan` narrows it down. */
export type Address = { readonly mac: string; readonly vlan?: number } | { readonly ip: string };

/** An NVE's stay in a VN: the position at which it began, and the log of this position (null: not known). */
export interface Stay {
  readonly since: Position;
  readonly log: string | null;
}

/**
 * One VN as an NVE sees it: context, members and mappings (R7, R37). It answers the questions of a data plane: who has this
 * address, and where do broadcast, unknown unicast and multicast frames go. FeedTable makes the table from records.
 *
 * It holds only what the NVA distributes, not what the NVE itself knows (X7: that is LocalAttachments).
 */
export class VnTable extends FeedTable<TableChange> implements VnView {
  readonly vnid: number;
  readonly nveId: string;
  readonly #ownKey: string;
  readonly #stay: Stay | null;
  readonly #members = new Map<string, VnMember>();
  readonly #addresses = new AddressIndex();
  /** Keys of the mappings with an attachment at this NVE. */
  readonly #here = new Set<string>();

  /**
   * `stay`: the stay that the table must have reached to be whole (`isWhole`), and that it must not outlast; null if no stay is
   * known.
   */
  constructor(vnid: number, nveId: string, stay: Stay | null = null) {
    super();
    this.vnid = vnid;
    this.nveId = nveId;
    this.#ownKey = memberKey(nveId);
    this.#stay = stay;
  }

  /** null until the context record has arrived. */
  get context(): VnContext | null {
    const context = this.value(CONTEXT_KEY);
    return context?.type === 'VnContext' ? context.data : null;
  }

  /** Whether the last record about the context says that the VN was deleted. */
  get isDeleted(): boolean {
    return this.removedAt(CONTEXT_KEY) !== null;
  }

  /** Position of the record by which this NVE is in the VN; null if it is not in the VN, or the VN does not exist. */
  get ownPosition(): Position | null {
    return this.context === null ? null : this.positionOf(this.#ownKey);
  }

  /** The VN exists, the table has reached this NVE's stay, and this NVE is not in it. */
  get leavesOut(): boolean {
    return this.context !== null && !this.#mayNameUs && this.#hasReachedStay;
  }

  /**
   * Every existing VN has a context, and a feed that is filled anew gets the context last (contract, «What a consumer does»). So
   * a table without a context is of a feed that was lost, unless a record says that the VN was deleted, and that record is no
   * older than the known context. A table with a context counts in two cases: it is of the VN that is shown already; or it has
   * reached this NVE's stay and is of a VN that this NVE is or was in. Otherwise the feed may lag behind the NVE's own feed, or
   * be ahead of it and already be of another VN.
   */
  override isWhole(before: VnTable | null): boolean {
    if (this.context !== null) return this.#isAsBefore(before) || (this.#hasReachedStay && (this.#mayNameUs || this.#isOfStay));
    if (this.isDegraded(CONTEXT_KEY)) return true;
    const deletedAt = this.removedAt(CONTEXT_KEY);
    if (deletedAt === null || !this.#hasReachedStay) return false;
    return before === null || before.log !== this.log || deletedAt >= (before.positionOf(CONTEXT_KEY) ?? 0);
  }

  /**
   * A newer context may be of another VN with the same VNID. While this NVE is not in that VN, nothing of it is shown: otherwise
   * its entries would be withdrawn with the stay that has ended, and shown again with the next one.
   */
  protected override continuesWith(pending: readonly FeedRecord[]): boolean {
    if (this.#stay === null) return true;
    let context = { value: this.value(CONTEXT_KEY), position: this.positionOf(CONTEXT_KEY) ?? this.removedAt(CONTEXT_KEY) ?? 0 };
    const known = context.position;
    let own = { isIn: this.#mayNameUs, position: this.positionOf(this.#ownKey) ?? this.removedAt(this.#ownKey) ?? 0 };
    for (const { key, value, position } of pending) {
      if (key === CONTEXT_KEY && position >= context.position) context = { value, position };
      else if (key === this.#ownKey && position >= own.position) own = { isIn: value !== null, position };
    }
    return own.isIn || context.value === null || context.position === known;
  }

  get #mayNameUs(): boolean {
    return this.#members.has(this.nveId) || this.isDegraded(this.#ownKey);
  }

  /** A feed that is read where it lags behind may still be from before the stay, and of another VN. */
  get #hasReachedStay(): boolean {
    if (this.#stay === null || this.#stay.log !== this.log || this.isDegraded(this.#ownKey)) return true;
    return Math.max(this.position ?? 0, this.ownPosition ?? 0) >= this.#stay.since;
  }

  /** The VN is the one that this NVE's stay began in. */
  get #isOfStay(): boolean {
    return this.#stay === null || this.#stay.log !== this.log || this.positionOf(CONTEXT_KEY)! <= this.#stay.since;
  }

  /** The VN is the one that is shown already. */
  #isAsBefore(before: VnTable | null): boolean {
    return before?.log === this.log && before.positionOf(CONTEXT_KEY) === this.positionOf(CONTEXT_KEY);
  }

  /** The VN's NVEs, this one among them, by id (R38). */
  get members(): ReadonlyMap<string, VnMember> {
    return this.#members;
  }

  mapping(key: string): Mapping | null {
    const value = this.value(key);
    return value?.type === 'Mapping' ? value.data : null;
  }

  *mappings(): IterableIterator<[key: string, mapping: Mapping]> {
    for (const [key, value] of this.entries()) if (value.type === 'Mapping') yield [key, value.data];
  }

  /** Mappings that name this NVE, in either phase. */
  *mappingsHere(): IterableIterator<[key: string, mapping: Mapping]> {
    for (const key of this.#here) yield [key, this.mapping(key)!];
  }

  /**
   * The resolution of an address; null if the VN does not know it. If several mappings have it, which is normal for a MAC, the
   * one with the newest position is used: all mappings of one tenant system have its attachments.
   */
  resolve(address: Address): Resolution | null {
    let best: [key: string, mapping: Mapping] | null = null;
    for (const [key, mapping] of this.#bearing(address)) if (best === null || this.#isBefore(key, best[0])) best = [key, mapping];
    return best && resolveMapping(best[0], best[1], this);
  }

  /** The resolutions of all mappings with the address, the newest position first. */
  resolveAll(address: Address): Resolution[] {
    const bearing = [...this.#bearing(address)].sort(([a], [b]) => (this.#isBefore(a, b) ? -1 : 1));
    return bearing.map(([key, mapping]) => resolveMapping(key, mapping, this));
  }

  /**
   * The list for ingress replication: the NVEs that get a copy of each broadcast, unknown unicast or multicast frame (X3, RFC
   * 8014 section 4.3), by id. These are the VN's other NVEs that have an address and are reachable. Unreachable ones are left
   * out, as EVPN leaves out an NVE whose routes are withdrawn: each would cost a copy of every such frame, usually for nobody.
   * Unicast still tries an unreachable NVE if it is the only one. Here little is lost if an NVE is cut off from the NVA only:
   * addresses resolve from the table, not by flooding (R41, X4).
   *
   * No address is listed twice, and none of this NVE's own is listed, although a race or an operator may have given one address
   * to two NVEs: the NVE that really has it would get each frame twice. Such an address counts for the first NVE, by id; an NVE
   * that has no other address is left out.
   */
  replicationList(): VnMember[] {
    const taken = new Set(this.#members.get(this.nveId)?.addresses);
    const others = [...this.#members.values()]
      .filter(({ nveId, reachable }) => nveId !== this.nveId && reachable)
      .sort((a, b) => (a.nveId < b.nveId ? -1 : 1));
    return others.flatMap((member) => {
      const addresses = [...new Set(member.addresses)].filter((address) => !taken.has(address));
      for (const address of addresses) taken.add(address);
      if (addresses.length === 0) return [];
      return addresses.length === member.addresses.length ? [member] : [{ ...member, addresses }];
    });
  }

  /** The address indexes in canonical order; `AddressIndex.of(table.mappings())` must give the same. */
  dumpIndexes(): ReturnType<AddressIndex['dump']> {
    return this.#addresses.dump();
  }

  protected override accepts(key: string, value: FeedValue): boolean {
    if (value.type === 'Membership' || !belongsTo(key, value)) return false;
    return value.type !== 'VnContext' || value.data.vnid === this.vnid;
  }

  protected override stored(key: string, before: FeedValue | null, after: FeedValue | null): void {
    if (before?.type === 'VnMember' && after === null) this.#members.delete(before.data.nveId);
    if (after?.type === 'VnMember') this.#members.set(after.data.nveId, after.data);
    if (before?.type === 'Mapping' || after?.type === 'Mapping') this.#storedMapping(key, mappingIn(before), mappingIn(after));
  }

  #storedMapping(key: string, before: Mapping | null, after: Mapping | null): void {
    this.#addresses.change(key, before, after);
    if (after?.attachments.some(({ nveId }) => nveId === this.nveId)) this.#here.add(key);
    else if (before !== null) this.#here.delete(key);
  }

  *#bearing(address: Address): IterableIterator<[key: string, mapping: Mapping]> {
    const vlan = 'mac' in address ? address.vlan : undefined;
    for (const key of 'mac' in address ? this.#addresses.withMac(address.mac) : this.#addresses.withIp(address.ip)) {
      const mapping = this.mapping(key)!;
      if (vlan === undefined || mapping.vlan === vlan) yield [key, mapping];
    }
  }

  /** Newest position first; keys decide between equal positions, so that the answer does not depend on the order of arrival. */
  #isBefore(a: string, b: string): boolean {
    const difference = this.positionOf(b)! - this.positionOf(a)!;
    return difference === 0 ? a < b : difference < 0;
  }
}

const mappingIn = (value: FeedValue | null): Mapping | null => (value?.type === 'Mapping' ? value.data : null);
