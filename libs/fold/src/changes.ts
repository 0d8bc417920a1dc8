import { rankInChange, type Mapping, type VnContext, type VnMember } from '@nva/codec';
import type { FeedName, Position } from '@nva/ports';

/** The content of a record, before the distributor adds where to find it. */
export type TableValue =
  | { readonly type: 'VnContext'; readonly data: VnContext }
  | { readonly type: 'VnMember'; readonly data: VnMember }
  | { readonly type: 'Mapping'; readonly data: Mapping }
  | { readonly type: 'Membership'; readonly data: { readonly vnid: number; readonly since: Position } };

/** The change of one key of one feed by an event. Its position is the event's. */
export interface RecordChange {
  readonly feed: FeedName;
  readonly key: string;
  /** null removes the key. */
  readonly value: TableValue | null;
  /** The key's position before; null if the key did not exist. */
  readonly previous: Position | null;
}

/** One key of one feed in its present state. */
export interface TableRecord {
  readonly key: string;
  readonly value: TableValue;
  readonly position: Position;
}

function phase(change: RecordChange): number {
  if (change.feed.kind === 'vn') return 1;
  return change.value ? 0 : 2;
}

const feedOrder = (feed: FeedName): string => (feed.kind === 'vn' ? String(feed.vnid).padStart(8, '0') : feed.nveId);
const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The order in which the changes of one event are published: new memberships, then each VN (removals of mappings, then of
 * members, then context, members, mappings), then ended memberships; by key within each. So an NVE learns of a VN before it
 * appears in that VN's table.
 */
export function inOrder(changes: RecordChange[]): readonly RecordChange[] {
  if (changes.length < 2) return changes;
  return changes.toSorted(
    (a, b) =>
      phase(a) - phase(b) ||
      compare(feedOrder(a.feed), feedOrder(b.feed)) ||
      rankInChange(a.key, a.value === null) - rankInChange(b.key, b.value === null) ||
      compare(a.key, b.key),
  );
}
