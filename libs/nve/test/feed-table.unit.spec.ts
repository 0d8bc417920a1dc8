import type { FeedValue } from '@nva/codec';
import type { FeedRecord } from '@nva/ports';
import { LazyDigest, MAX_NAMELESS_FAILURES, VnTable, type AppliedChange, type TableChange } from '@nva/nve';
import { changeRecords, contextEntry, mappingEntry, memberEntry, membershipEntry, removed, type Entry } from '@nva/nve/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contents, expected, recomputedIndexes } from './reference.ts';

const LOG_A = 'aaaaaaaa-0000-4000-8000-000000000000';
const LOG_B = 'bbbbbbbb-0000-4000-8000-000000000000';

function tableOf(records: readonly FeedRecord[] = []): { table: VnTable; applied: AppliedChange<TableChange>[]; degraded: string[][] } {
  const table = new VnTable(100, 'nve2');
  const applied: AppliedChange<TableChange>[] = [];
  const degraded: string[][] = [];
  table.observe({
    applied: (change) => applied.push(change),
    outgrown: () => expect.fail('no stay is known'),
    degraded: () => degraded.push([...table.degraded]),
  });
  for (const record of records) table.add(record);
  return { table, applied, degraded };
}

const vm = (n: number, nveId = 'nve1', fields: object = {}): Entry =>
  mappingEntry(`vm${n}`, nveId, { mac: `02:00:00:00:00:0${n}`, ip: `10.0.0.${n}`, ...fields });
const keys = (change: AppliedChange<TableChange>): string[] => change.changes.map(({ key }) => key);

describe('order is per key (X1)', () => {
  it('keeps a key whose only record left stands behind a newer record of another key', () => {
    // K2@12 was written at offsets 32 and 52, K9@20 at 40 and 60. Once compaction has passed 55, K2@12 is left at 52 only, behind
    // K9@20 at 40; what of K9 is left depends on how far the cleaner got. Every outcome must leave both.
    const k2 = changeRecords(12, [vm(2)]);
    const k9 = changeRecords(20, [vm(9)]);
    for (const records of [
      [...k9, ...k2],
      [...k9, ...k2, ...k9],
      [...k2, ...k9, ...k2, ...k9],
    ]) {
      const { table } = tableOf(records);
      expect(contents(table)).toEqual(expected([...k2, ...k9]));
      expect(table.resolve({ ip: '10.0.0.2' })?.key).toBe('mapping/vm2/10.0.0.2');
      expect(table.resolve({ ip: '10.0.0.9' })?.key).toBe('mapping/vm9/10.0.0.9');
      expect(table.position).toBe(20);
    }
  });

  it('does not bring back what was removed, when an older record comes late', () => {
    const { table, applied } = tableOf([
      ...changeRecords(10, [vm(1)]),
      ...changeRecords(30, [removed(vm(1))]),
      ...changeRecords(20, [vm(1)]),
    ]);
    expect(table.size).toBe(0);
    expect(table.removals).toBe(1);
    expect(applied).toHaveLength(2);
  });

  it('remembers a removal of a key that it never had', () => {
    const { table, applied } = tableOf([...changeRecords(30, [removed(vm(1))]), ...changeRecords(20, [vm(1)])]);
    expect(table.size).toBe(0);
    expect(applied).toEqual([]);
  });

  it('takes a corrected value under the same position', () => {
    const { table, applied } = tableOf([...changeRecords(10, [vm(1)]), ...changeRecords(10, [vm(1, 'nve3')])]);
    expect(table.mapping('mapping/vm1/10.0.0.1')?.attachments[0]?.nveId).toBe('nve3');
    expect(applied.map(keys)).toEqual([['mapping/vm1/10.0.0.1'], ['mapping/vm1/10.0.0.1']]);
  });

  it('reports nothing for a repeat that says the same', () => {
    const { applied } = tableOf([...changeRecords(10, [vm(1)]), ...changeRecords(10, [vm(1)])]);
    expect(applied).toHaveLength(1);
  });

  it('ends in the newest record of each key, however repeats and older records are woven in', () => {
    const history = fc.array(fc.record({ n: fc.integer({ min: 1, max: 4 }), nve: fc.integer({ min: 1, max: 3 }), gone: fc.boolean() }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(history, fc.array(fc.nat(), { maxLength: 60 }), fc.boolean(), (steps, picks, endsShown) => {
        const records = steps.flatMap(({ n, nve, gone }, i) => changeRecords((i + 1) * 10, [gone ? removed(vm(n)) : vm(n, `nve${nve}`)]));
        const woven = records.length === 0 ? [] : picks.map((pick) => records[pick % records.length]!);
        const order = [...woven.slice(0, 30), ...records, ...woven.slice(30)].map((record) => ({
          ...record,
          changeEnd: record.changeEnd && endsShown,
        }));
        const { table } = tableOf(order);
        table.flush();
        expect(contents(table)).toEqual(expected(records));
        expect(table.dumpIndexes()).toEqual(recomputedIndexes(table));
      }),
    );
  });
});

describe('whole changes', () => {
  const change = changeRecords(20, [memberEntry('nve1'), vm(1), vm(2)]);

  it('are applied and reported at their end, not before', () => {
    const { table, applied } = tableOf(change.slice(0, 2));
    expect(table.size).toBe(0);
    expect(table.position).toBeNull();
    table.add(change[2]!);
    expect(applied.map(keys)).toEqual([['member/nve1', 'mapping/vm1/10.0.0.1', 'mapping/vm2/10.0.0.2']]);
    expect(table.position).toBe(20);
  });

  it('end with the next one that ends, if their end was compacted away: both are one', () => {
    const { table, applied } = tableOf([...change.slice(0, 2), ...changeRecords(25, [vm(4), vm(3)]).slice(0, 1)]);
    expect([table.size, applied]).toEqual([0, []]);
    for (const record of changeRecords(30, [vm(3)])) table.add(record);
    expect(applied.map(({ position }) => position)).toEqual([30]);
    expect(applied.map(keys)).toEqual([['member/nve1', 'mapping/vm1/10.0.0.1', 'mapping/vm4/10.0.0.4', 'mapping/vm3/10.0.0.3']]);
  });

  it('that are applied as one tell each key once, by what it said before and says after', () => {
    const { table, applied } = tableOf(changeRecords(10, [memberEntry('nve1'), vm(1), vm(2)]));
    // vm1 passed its address on to vm3 at 20, which moved at 30; vm2 left at 20 and was back at 30.
    const cut = changeRecords(20, [removed(vm(1)), removed(vm(2)), vm(3)]).slice(0, 2);
    for (const record of [...cut, ...changeRecords(30, [vm(2), vm(3, 'nve3')])]) table.add(record);
    expect(applied.slice(1).map(({ changes }) => changes.map(({ key, before, after }) => [key, before !== null, after !== null]))).toEqual([
      [
        ['mapping/vm1/10.0.0.1', true, false],
        ['mapping/vm3/10.0.0.3', false, true],
      ],
    ]);
  });

  it('cut by a crash are completed when they are published again', () => {
    const { table, applied } = tableOf([...change.slice(0, 2), ...change]);
    expect(applied.map(keys)).toEqual([['member/nve1', 'mapping/vm1/10.0.0.1', 'mapping/vm2/10.0.0.2']]);
    expect(contents(table)).toEqual(expected(change));
  });

  it('show the table as it is after the whole change to whoever is told', () => {
    const table = new VnTable(100, 'nve2');
    const seen: unknown[] = [];
    table.observe({
      applied: () => seen.push(table.resolve({ ip: '10.0.0.1' })?.outcome, table.position),
      outgrown: () => {},
      degraded: () => {},
    });
    for (const record of [...changeRecords(5, [contextEntry(100)]), ...change]) table.add(record);
    expect(seen).toEqual([undefined, 5, 'remote', 20]);
  });
});

describe('what cannot be understood', () => {
  it('degrades its key, which keeps what it held, until a record for it is applied', () => {
    const { table, degraded } = tableOf(changeRecords(10, [vm(1)]));
    table.degrade('mapping/vm1/10.0.0.1', '7');
    expect(table.mapping('mapping/vm1/10.0.0.1')).not.toBeNull();
    for (const record of changeRecords(9, [vm(1)])) table.add(record);
    expect(table.degraded).toEqual(['mapping/vm1/10.0.0.1']);
    for (const record of changeRecords(20, [vm(1)])) table.add(record);
    expect(degraded).toEqual([['mapping/vm1/10.0.0.1'], []]);
  });

  it('does not hold back the change whose end it may have been', () => {
    const { table } = tableOf(changeRecords(10, [vm(1), vm(2)]).slice(0, 1));
    table.degrade('mapping/vm2/10.0.0.2', '8');
    expect(table.size).toBe(1);
  });

  it.each<[string, Entry]>([
    ['a value under a key of another kind', ['member/nve1', vm(1)[1]]],
    ['a member under the name of another', ['member/nve1', memberEntry('nve9')[1]]],
    ['the context of another VN', contextEntry(101)],
    ['a membership', membershipEntry(100, 5)],
    ['a kind of key that is not known', ['gateway/gw1', vm(1)[1] as FeedValue]],
  ])('is also %s', (_, entry) => {
    const { table } = tableOf(changeRecords(10, [entry]));
    expect(table.size).toBe(0);
    expect(table.degraded).toEqual([entry[0]]);
  });

  it('without a readable key is named by its place, the first ones one by one', () => {
    const { table } = tableOf();
    for (let i = 0; i < MAX_NAMELESS_FAILURES + 3; i++) table.degrade(null, String(i));
    expect(table.degraded).toHaveLength(MAX_NAMELESS_FAILURES + 1);
    expect(table.degraded[0]).toBe('?@0');
    expect(table.degraded.at(-1)).toBe('?@3 more');
  });

  it('does not take away what the table before held, when the feed is read anew', () => {
    const { table: old } = tableOf([...changeRecords(10, [vm(1)]), ...changeRecords(11, [vm(2)])]);
    const { table: fresh } = tableOf(changeRecords(12, [removed(vm(2))]));
    fresh.degrade(vm(1)[0], '3');
    fresh.degrade(vm(2)[0], '4');
    fresh.keepUndecodable(old);
    expect(fresh.resolve({ ip: '10.0.0.1' })).not.toBeNull();
    expect(fresh.resolve({ ip: '10.0.0.2' })).toBeNull();
    expect(fresh.dumpIndexes()).toEqual(recomputedIndexes(fresh));
    for (const record of changeRecords(5, [vm(1, 'nve3')])) fresh.add(record);
    expect(fresh.mapping(vm(1)[0])?.attachments[0]?.nveId).toBe('nve3');
  });
});

describe('another log', () => {
  it('makes positions void and keeps values until it says otherwise', () => {
    const { table } = tableOf([
      ...changeRecords(1000, [vm(1), vm(2)], LOG_A),
      ...changeRecords(1001, [removed(vm(3))], LOG_A),
      ...changeRecords(5, [vm(1, 'nve3'), vm(3)], LOG_B),
    ]);
    expect(table.log).toBe(LOG_B);
    expect(table.position).toBe(5);
    expect(table.mapping(vm(1)[0])?.attachments[0]?.nveId).toBe('nve3');
    expect(table.mapping(vm(2)[0])).not.toBeNull();
    expect(table.mapping(vm(3)[0])).not.toBeNull();
    for (const record of changeRecords(4, [vm(1)], LOG_B)) table.add(record);
    expect(table.mapping(vm(1)[0])?.attachments[0]?.nveId).toBe('nve3');
  });
});

describe('completeAt', () => {
  it('moves the position on where the last change left no record to show it', () => {
    const { table } = tableOf(changeRecords(10, [vm(1)]));
    table.completeAt(table.log!, 40);
    table.completeAt(table.log!, 30);
    expect(table.position).toBe(40);
  });
});

describe('the digest', () => {
  it('is the same whether it was read often, seldom or once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.integer({ min: 1, max: 5 }), gone: fc.boolean(), read: fc.boolean() }), { maxLength: 40 }),
        (steps) => {
          const { table } = tableOf();
          for (const [i, { n, gone, read }] of steps.entries()) {
            for (const record of changeRecords(i + 1, [gone ? removed(vm(n)) : vm(n)])) table.add(record);
            if (read) table.digest();
          }
          expect(table.digest()).toBe(contents(table).digest);
          const { table: once } = tableOf(steps.flatMap(({ n, gone }, i) => changeRecords(i + 1, [gone ? removed(vm(n)) : vm(n)])));
          expect(table.digest()).toBe(once.digest());
        },
      ),
    );
  });

  it('forgets what it counted rather than remember more keys than the table has', () => {
    const digest = new LazyDigest();
    const live = new Map([['a', { position: 1 }]]);
    const before = digest.read(live);
    for (let i = 0; i < 5000; i++) digest.touch(`gone-${i}`, null, live.size);
    expect(digest.read(live)).toBe(before);
  });
});
