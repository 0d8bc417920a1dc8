import type { Membership } from '@nva/codec';
import type { TableRecord } from '@nva/fold';
import type { History, TableDifference } from '@nva/history';
import type { Position } from '@nva/ports';

/** What became of an entry of a VN between two positions. */
export interface VnDifference extends TableDifference {
  readonly vnid: number;
}

/** The differences of a VN's table, in the order of its keys. */
export const differencesOfVn = (history: History, vnid: number, from: Position, to: Position): readonly VnDifference[] =>
  history
    .difference({ kind: 'vn', vnid }, from, to)
    .map((one) => ({ vnid, ...one }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));

/** A VN that an NVE was in at the earlier position, at the later one, or at both. */
export interface SharedVn {
  readonly vnid: number;
  readonly before: TableRecord | null;
  readonly after: TableRecord | null;
  /** Of the event by which the NVE came into the VN or left it last; 0 if it was in it all the time. */
  readonly position: Position;
}

/** The VNs of an NVE at two positions, ascending. */
export function vnsOfNve(history: History, nveId: string, from: Position, to: Position): readonly SharedVn[] {
  const feed = { kind: 'nve', nveId } as const;
  const changed = new Map(history.difference(feed, from, to).map((one) => [one.key, one]));
  const before = new Map(history.table(feed, from).map((record) => [record.key, record]));
  const vnidOf = (record: TableRecord): number => (record.value!.data as Membership).vnid;
  const vns: SharedVn[] = [...before].map(([key, record]) => {
    const change = changed.get(key);
    return { vnid: vnidOf(record), before: record, after: change ? change.after : record, position: change?.position ?? 0 };
  });
  for (const [key, { after, position }] of changed)
    if (!before.has(key) && after) vns.push({ vnid: vnidOf(after), before: null, after, position });
  return vns.toSorted((a, b) => a.vnid - b.vnid);
}

/**
 * The differences of what an NVE holds of one VN, in the order of the keys: of a VN that it came into, everything is added, and of one
 * that it left, everything is removed, by the event that did that unless the entry came later, or went earlier.
 */
export function differencesAtNve(
  history: History,
  { vnid, before, after, position }: SharedVn,
  from: Position,
  to: Position,
): readonly VnDifference[] {
  if (before && after) return differencesOfVn(history, vnid, from, to);
  const feed = { kind: 'vn', vnid } as const;
  return history
    .table(feed, before ? from : to)
    .map((record) => ({
      vnid,
      key: record.key,
      before: before ? record : null,
      after: before ? null : record,
      position: before ? position : Math.max(position, record.position),
    }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
