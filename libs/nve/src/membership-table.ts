import type { FeedValue } from '@nva/codec';
import type { MembershipChange } from './feed-change.ts';
import { belongsTo } from './feed-keys.ts';
import { FeedTable } from './feed-table.ts';

/** Which VNs an NVE is in and where to follow them, as the NVA tells it (X8): the table of the NVE's own feed. */
export class MembershipTable extends FeedTable<MembershipChange> {
  protected override accepts(key: string, value: FeedValue): boolean {
    return value.type === 'Membership' && belongsTo(key, value);
  }

  protected override stored(): void {}
}
