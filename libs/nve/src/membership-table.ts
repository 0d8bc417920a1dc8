import { membershipKey, membershipVnid, type FeedValue } from '@nva/codec';
import type { MembershipChange } from './feed-change.ts';
import { belongsTo } from './feed-keys.ts';
import { FeedTable } from './feed-table.ts';

/**
 * Which VNs an NVE is in and where to follow them, as the NVA tells it (X8): the table of the NVE's own feed.
 *
 * Only a record ends a membership. One that is merely absent from a feed that was read anew stays, and is in doubt until a record for it comes or
 * its owner forgets it: several distributors write parts of this feed, which has no record that could say that all of it is there, so a feed
 * that was lost and is being filled cannot be told from one that says less.
 */
export class MembershipTable extends FeedTable<MembershipChange> {
  readonly #doubtful = new Set<string>();
  readonly #certain: (vnid: number) => void;

  /** `certain` is told of a VN when a record has ended the doubt about it, whatever that says. */
  constructor(certain: (vnid: number) => void = () => undefined) {
    super();
    this.#certain = certain;
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
    if (this.#doubtful.delete(key)) this.#certain(membershipVnid(key)!);
  }
}
