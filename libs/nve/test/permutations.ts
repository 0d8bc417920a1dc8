import type { FeedRecord } from '@nva/ports';

export type Permutation = readonly [name: string, permute: (records: readonly FeedRecord[]) => FeedRecord[]];

/** What may happen to the records of a feed on their way; order is free, since every key carries its own positions (X1). */
export const permutations: readonly Permutation[] = [
  ['as written', (records) => [...records]],
  ['reversed', (records) => records.toReversed()],
  ['split: no change has its end', (records) => records.map((record) => ({ ...record, changeEnd: false }))],
  ['split: every record ends a change', (records) => records.map((record) => ({ ...record, changeEnd: true }))],
  ['squashed: the last record of each key', squash],
  [
    'squashed by half: the first half compacted',
    (records) => [...squash(records.slice(0, records.length / 2)), ...records.slice(records.length / 2)],
  ],
  ['every record twice', (records) => records.flatMap((record) => [record, record])],
  ['all of it twice', (records) => [...records, ...records]],
  ['all of it, then the first half again', (records) => [...records, ...records.slice(0, records.length / 2)]],
  ['cut by a crash and published again', (records) => [...records.slice(0, -1), ...records.slice(-4)]],
];

function squash(records: readonly FeedRecord[]): FeedRecord[] {
  return records.filter(({ key }, i) => !records.slice(i + 1).some((later) => later.key === key));
}
