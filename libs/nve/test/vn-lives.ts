import { changeRecords, contextEntry, mappingEntry, memberEntry, membershipEntry, removed, type Entry } from '@nva/nve/testing';
import type { FeedRecord } from '@nva/ports';
import { newest } from './reference.ts';

export const VNID = 100;
export const OWN = 'nve2';
/** The position at which the NVE is in the VN, and the others are: every history begins there. */
export const FIRST_SINCE = 5;

/** What may happen to one VN, where it may. */
type Deed = 'enter' | 'leave' | 'othersEnter' | 'othersLeave' | 'othersMove' | 'rename' | 'delete' | 'create';
const DEEDS: readonly Deed[] = ['leave', 'othersLeave', 'delete', 'create', 'enter', 'othersEnter', 'othersMove', 'rename'];

export interface History {
  /** Whole changes of the VN's feed and of the NVE's own, in order; the first is what all begins with. */
  readonly vn: readonly (readonly FeedRecord[])[];
  readonly own: readonly (readonly FeedRecord[])[];
  /** Positions at which a stay of the NVE ended. */
  readonly ends: readonly number[];
  /** Positions at which the VN was deleted. */
  readonly deletions: readonly number[];
}

const own = memberEntry(OWN);
const ownVm = mappingEntry('vm2', OWN, { mac: '02:00:00:00:00:02', ip: '10.0.0.2' });
const other = memberEntry('nve1');
const otherVm = (mobility: number): Entry => mappingEntry('vm1', 'nve1', { mac: '02:00:00:00:00:01', ip: '10.0.0.1', mobility });

/**
 * The VN's life as the NVA would tell it on both feeds. What a pick cannot be in the state at hand, it passes over for the next
 * that can.
 */
export function historyOf(picks: readonly number[]): History {
  let [exists, inIt, othersIn, mobility, position] = [true, true, true, 0, FIRST_SINCE];
  const vn: FeedRecord[][] = [
    [...changeRecords(3, [contextEntry(VNID)]), ...changeRecords(4, [other, otherVm(0)]), ...changeRecords(FIRST_SINCE, [own, ownVm])],
  ];
  const mine: FeedRecord[][] = [changeRecords(FIRST_SINCE, [membershipEntry(VNID, FIRST_SINCE)])];
  const [ends, deletions]: [number[], number[]] = [[], []];
  const may: Record<Deed, () => boolean> = {
    enter: () => exists && !inIt,
    leave: () => inIt,
    othersEnter: () => exists && !othersIn,
    othersLeave: () => othersIn,
    othersMove: () => othersIn,
    rename: () => exists,
    delete: () => exists && !inIt && !othersIn,
    create: () => !exists,
  };
  const does: Record<Deed, () => Entry[]> = {
    enter: () => ((inIt = true), mine.push(changeRecords(position, [membershipEntry(VNID, position)])), [own, ownVm]),
    leave: () => (
      (inIt = false),
      ends.push(position),
      mine.push(changeRecords(position, [removed(membershipEntry(VNID, 0))])),
      [removed(ownVm), removed(own)]
    ),
    othersEnter: () => ((othersIn = true), [other, otherVm((mobility = 0))]),
    othersLeave: () => ((othersIn = false), [removed(otherVm(0)), removed(other)]),
    othersMove: () => [otherVm(++mobility)],
    rename: () => [contextEntry(VNID, `named at ${position}`)],
    delete: () => ((exists = false), deletions.push(position), [removed(contextEntry(VNID))]),
    create: () => ((exists = true), [contextEntry(VNID, `made at ${position}`)]),
  };
  for (const pick of picks) {
    position += 10;
    const deed = DEEDS.map((_, i) => DEEDS[(pick + i) % DEEDS.length]!).find((each) => may[each]())!;
    vn.push(changeRecords(position, does[deed]()));
  }
  return { vn, own: mine, ends, deletions };
}

/** What a compacted feed tells of changes: of each key its newest record, each change ended only if its last record is left. */
export function compacted(changes: readonly (readonly FeedRecord[])[]): FeedRecord[] {
  const records = changes.flat();
  const last = newest(records);
  return records.filter((record) => last.get(record.key) === record);
}

export const lastPosition = (changes: readonly (readonly FeedRecord[])[]): number => changes.at(-1)!.at(-1)!.position;
