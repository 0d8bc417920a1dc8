import { membershipKey, membershipVnid, type FeedValue } from '@nva/codec';
import type { Position } from '@nva/ports';
import type { MembershipChange } from './feed-change.ts';
import { belongsTo } from './feed-keys.ts';
import { FeedTable } from './feed-table.ts';

export interface MembershipTableOptions {
  /**
   * Whether the VN's own feed shows this NVE in the VN by a record after `position` of `log`: then a removal at that position
   * ended an earlier stay.
   */
  readonly isIn: (vnid: number, position: Position, log: string | null) => boolean;
  /** This membership is now in doubt. A table that does not forward yet may call it too. */
  readonly doubtful: (vnid: number) => void;
  /** A record has ended the doubt about this membership, whatever it says. */
  readonly certain: (vnid: number) => void;
}

/**
 * The VNs that an NVE is in and where to follow them, as the NVA says (X8): the table of the NVE's own feed.
 *
 * Only a record ends a membership, and only stays that began before the record: if the VN's own feed already has this NVE in the
 * VN again, the membership stays, in doubt until the record of the new stay comes. A membership that is merely absent from a feed
 * that was read anew also stays, in doubt until a record for it comes or its owner forgets it. The reason: several distributors
 * write parts of this feed, and no record can say that all of it is there. So a feed that was lost and is being filled looks like
 * one that ended memberships.
 */
export class MembershipTable extends FeedTable<MembershipChange> {
  readonly #doubtful = new Set<string>();
  readonly #options: MembershipTableOptions | null;

  constructor(options: MembershipTableOptions | null = null) {
    super();
    this.#options = options;
  }

  /** VNIDs of the memberships that are in doubt. */
  get doubtful(): readonly number[] {
    return [...this.#doubtful].map((key) => membershipVnid(key)!);
  }

  /** The membership has ended, although no record said so. */
  end(vnid: number): void {
    this.#doubtful.delete(membershipKey(vnid));
    this.forget(membershipKey(vnid));
  }

  override isWhole(): boolean {
    return true;
  }

  override replace(old: MembershipTable): void {
    super.replace(old);
    for (const key of this.keepAbsent(old)) this.#doubtful.add(key);
  }

  protected override accepts(key: string, value: FeedValue): boolean {
    return value.type === 'Membership' && belongsTo(key, value);
  }

  protected override stored(key: string): void {
    if (this.#doubtful.delete(key)) this.#options?.certain(membershipVnid(key)!);
  }

  protected override withstands(key: string, position: Position): boolean {
    return this.#options?.isIn(membershipVnid(key)!, position, this.log) ?? false;
  }

  protected override withstood(key: string): void {
    this.#doubtful.add(key);
    this.#options?.doubtful(membershipVnid(key)!);
  }
}
