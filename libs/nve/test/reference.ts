import { digestTerm, type FeedValue } from '@nva/codec';
import { AddressIndex, type VnTable } from '@nva/nve';
import type { FeedRecord } from '@nva/ports';

/** The newest record of each key: what a table must hold, worked out without one. Of equal positions the later record. */
export function newest(records: readonly FeedRecord[]): Map<string, FeedRecord> {
  const byKey = new Map<string, FeedRecord>();
  for (const record of records) if (record.position >= (byKey.get(record.key)?.position ?? 0)) byKey.set(record.key, record);
  return byKey;
}

export interface Expected {
  readonly entries: readonly (readonly [key: string, value: FeedValue | null, position: number])[];
  readonly digest: string;
}

export function expected(records: readonly FeedRecord[]): Expected {
  const live = [...newest(records).values()].filter(({ value }) => value !== null);
  const sum = live.reduce((total, { key, position }) => total + digestTerm(key, position), 0n);
  const entries = live.map(({ key, value, position }) => [key, value, position] as const).sort(byKey);
  return { entries, digest: BigInt.asUintN(64, sum).toString(16).padStart(16, '0') };
}

export const contents = (table: VnTable): Expected => ({ entries: [...table.entries()].sort(byKey), digest: table.digest() });

/** The indexes, made anew from the table's mappings. */
export const recomputedIndexes = (table: VnTable): ReturnType<AddressIndex['dump']> => AddressIndex.of(table.mappings()).dump();

const byKey = (a: readonly [string, ...unknown[]], b: readonly [string, ...unknown[]]): number => (a[0] < b[0] ? -1 : 1);
