import type { Mapping, VnContext, VnMember } from '@nva/codec';
import { CONTEXT_KEY } from '@nva/codec';
import type { FeedName, Position } from '@nva/ports';

/** What a record says, before the distributor adds where to find it. */
export type TableValue =
  | { readonly type: 'VnContext'; readonly data: VnContext }
  | { readonly type: 'VnMember'; readonly data: VnMember }
  | { readonly type: 'Mapping'; readonly data: Mapping }
  | { readonly type: 'Membership'; readonly data: { readonly vnid: number; readonly since: Position } };

/** One key of one feed that an event changed. Its position is the event's. */
export interface RecordChange {
  readonly feed: FeedName;
  readonly key: string;
  /** null removes the key. */
  readonly value: TableValue | null;
  /** The position that the key had before; null if it was not there. */
  readonly previous: Position | null;
}

/** One key of one feed as it now is. */
export interface TableRecord {
  readonly key: string;
  readonly value: TableValue;
  readonly position: Position;
}

const RANK = { VnContext: 3, VnMember: 4, Mapping: 5, Membership: 0 } as const;
const RANK_REMOVED = { mapping: 0, member: 1, context: 2 } as const;

function phase(change: RecordChange): number {
  if (change.feed.kind === 'vn') return 1;
  return change.value ? 0 : 2;
}

function rank(change: RecordChange): number {
  if (change.value) return RANK[change.value.type];
  if (change.key.startsWith('mapping/')) return RANK_REMOVED.mapping;
  return change.key === CONTEXT_KEY ? RANK_REMOVED.context : RANK_REMOVED.member;
}

const feedOrder = (feed: FeedName): string => (feed.kind === 'vn' ? String(feed.vnid).padStart(8, '0') : feed.nveId);
const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The order in which the changes of one event are published: new memberships, then each VN (removals of mappings, then of members,
 * then context, members, mappings), then ended memberships; by key within each. So an NVE is told of a VN before it appears there.
 */
export function inOrder(changes: RecordChange[]): readonly RecordChange[] {
  if (changes.length < 2) return changes;
  return changes.toSorted(
    (a, b) => phase(a) - phase(b) || compare(feedOrder(a.feed), feedOrder(b.feed)) || rank(a) - rank(b) || compare(a.key, b.key),
  );
}
