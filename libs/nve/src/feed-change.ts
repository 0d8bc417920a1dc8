import { rankInChange, RANKS_IN_CHANGE, type FeedValue, type Mapping, type Membership, type VnContext, type VnMember } from '@nva/codec';
import type { Position } from '@nva/ports';

interface Change<K extends string, V> {
  readonly kind: K;
  readonly key: string;
  /** null: the key was gained. */
  readonly before: V | null;
  /** null: the key was lost. */
  readonly after: V | null;
  /** Position of the record that made the difference. */
  readonly position: Position;
}

/** One key of a VN's table whose value has changed. A repeat of the same value is no change. */
export type TableChange = Change<'context', VnContext> | Change<'member', VnMember> | Change<'mapping', Mapping>;

/** One VN that this NVE was told to follow, or to follow no longer. */
export type MembershipChange = Change<'membership', Membership>;

export type FeedChange = TableChange | MembershipChange;

/** The differences that one whole change of the feed made in the table. Never empty. */
export interface AppliedChange<C extends FeedChange> {
  readonly position: Position;
  readonly changes: readonly C[];
}

const KIND = { VnContext: 'context', VnMember: 'member', Mapping: 'mapping', Membership: 'membership' } as const;

/** The change from one value of a key to another; null if both are equal. */
export function changeOf(key: string, before: FeedValue | null, after: FeedValue | null, position: Position): FeedChange | null {
  const type = (after ?? before)?.type;
  if (type === undefined || sameValue(before?.data, after?.data)) return null;
  return { kind: KIND[type], key, before: before?.data ?? null, after: after?.data ?? null, position } as FeedChange;
}

/** Equality of the content of records, whatever made the objects: decoded objects have another prototype than parsed JSON. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (Array.isArray(a) !== Array.isArray(b) || keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}

/** Several changes of one feed as one, in contract order: for each key, the value before the first and after the last. */
export function asOne<C extends FeedChange>(changes: readonly C[]): readonly C[] {
  const byKey = new Map<string, C>();
  for (const change of changes) byKey.set(change.key, { ...change, before: (byKey.get(change.key) ?? change).before });
  return inContractOrder([...byKey.values()].filter(({ before, after }) => !sameValue(before, after)));
}

/**
 * The order of the contract within one change: lost mappings, lost members, then context, members, mappings; equal ranks keep the
 * given order.
 */
export function inContractOrder<C extends FeedChange>(changes: readonly C[]): readonly C[] {
  const ranks: C[][] = Array.from({ length: RANKS_IN_CHANGE }, () => []);
  for (const change of changes) ranks[rankInChange(change.key, change.after === null)]!.push(change);
  return ranks.flat();
}
