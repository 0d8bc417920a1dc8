import type { FeedRecord } from '@nva/ports';
import { VnTable, type TableChange } from '@nva/nve';
import { describe, expect, it } from 'vitest';
import { permutations } from './permutations.ts';
import { contents, expected, recomputedIndexes } from './reference.ts';
import { outcome, OWN_NVE, recordsOf, scenarios, VNID, type Scenario } from './scenarios.ts';

const flushings = ['flushed at the end', 'flushed after each record', 'digest read after each record'] as const;

function play(records: readonly FeedRecord[], flushing: (typeof flushings)[number]): { table: VnTable; changes: TableChange[] } {
  const table = new VnTable(VNID, OWN_NVE);
  const changes: TableChange[] = [];
  table.observe({
    applied: (applied) => changes.push(...applied.changes),
    outgrown: () => expect.fail('no stay is known'),
    degraded: () => expect.fail('nothing here is degraded'),
  });
  for (const record of records) {
    table.add(record);
    if (flushing !== 'flushed at the end') table.flush();
    if (flushing === 'digest read after each record') expect(table.digest()).toBe(contents(table).digest);
    expect(table.dumpIndexes()).toEqual(recomputedIndexes(table));
  }
  table.flush();
  return { table, changes };
}

function expectScenario(scenario: Scenario, records: readonly FeedRecord[], table: VnTable, changes: readonly TableChange[]): void {
  const whole = recordsOf(scenario);
  expect(contents(table)).toEqual(expected(whole));
  expect(table.dumpIndexes()).toEqual(recomputedIndexes(table));
  for (const [address, result] of Object.entries(scenario.resolves)) expect([address, outcome(table, address)]).toEqual([address, result]);
  expect(table.replicationList().map(({ nveId }) => nveId)).toEqual(scenario.replication);
  expect(table.position).toBe(records.length === 0 ? null : Math.max(...records.map(({ position }) => position)));
  expect(replayed(changes)).toEqual(new Map([...table.entries()].map(([key, value]) => [key, value.data])));
}

/** What someone knows who saw the reports only. */
function replayed(changes: readonly TableChange[]): Map<string, unknown> {
  const told = new Map<string, unknown>();
  for (const { key, before, after } of changes) {
    expect(told.get(key) ?? null).toEqual(before);
    if (after === null) told.delete(key);
    else told.set(key, after);
  }
  return told;
}

describe('a VN table ends the same whatever happens to its records on the way (X1)', () => {
  describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    describe.each(permutations)('%s', (__, permute) => {
      it.each(flushings)('%s', (flushing) => {
        const records = permute(recordsOf(scenario));
        const { table, changes } = play(records, flushing);
        expectScenario(scenario, records, table, changes);
      });
    });
  });

  it('one scenario after the other, each read into a fresh table, tells the differences right', () => {
    let old: VnTable | null = null;
    for (const scenario of [...scenarios, ...scenarios.toReversed()]) {
      const { table } = play(recordsOf(scenario), 'flushed at the end');
      const told = new Map([...(old?.entries() ?? [])].map(([key, value]) => [key, value.data] as [string, unknown]));
      for (const { key, before, after } of table.differenceFrom(old)) {
        expect(told.get(key) ?? null).toEqual(before);
        if (after === null) told.delete(key);
        else told.set(key, after);
      }
      expect(told).toEqual(new Map([...table.entries()].map(([key, value]) => [key, value.data])));
      old = table;
    }
  });
});
