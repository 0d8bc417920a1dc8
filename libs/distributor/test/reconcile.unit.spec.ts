import { setImmediate as turn } from 'node:timers/promises';
import { command } from '@nva/domain/testing';
import { FeedDigests, feedsOf, Network, recordsOf } from '@nva/fold';
import { InProcessFeed } from '@nva/in-process-feed';
import { systemTimers, feedKey, type FeedBatch, type FeedName, type FeedRecord, type FeedWriter, type RecordedEvent } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { member } from '../../../test/contract/feed-records.ts';
import { play, racyLog } from '../../fold/test/races.ts';
import { Fillings } from '../src/filling.ts';
import { differencesOf, reconcile, type ReconcileOptions } from '../src/reconcile.ts';
import { feedValue, recordsOfChange } from '../src/records.ts';

const LOG = 'log';
/** Tenant systems of a VN that takes many steps. */
const COUNT = 4_000;
const attach = (n: number) =>
  command('attach', {
    tsId: `ts${n}`,
    tenantId: 'red',
    vmId: 'vm',
    nveId: 'nve1',
    mac: `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 0xff).toString(16).padStart(2, '0')}`,
    bindings: [{ bid: 1, vnid: 1, ip: `2001:db8::${(n + 1).toString(16)}` }],
  });

/** A fold, its feeds, and what stands between them. */
class Fixture {
  readonly network = new Network();
  readonly #digests = new FeedDigests();
  readonly writer = new InProcessFeed();
  readonly #fillings: Fillings;
  readonly options: ReconcileOptions;
  /** Keys because of which feeds were made anew. */
  readonly madeAnew: string[] = [];

  private constructor(stepRecords?: number) {
    this.#fillings = new Fillings(this.network, {
      log: () => LOG,
      writer: this.writer,
      owns: () => true,
      ...(stepRecords === undefined ? {} : { stepRecords }),
    });
    this.options = {
      timers: systemTimers,
      ownEnd: { of: () => Number.POSITIVE_INFINITY, lost: () => Promise.reject(new Error('nothing is lost')) },
      log: LOG,
      owns: () => true,
      adopts: () => false,
      within: () => Promise.resolve(),
      assertFrom: () => Promise.resolve(),
      madeAnew: (_feed, { key }) => this.madeAnew.push(key),
      batchRecords: 64,
      undecodable: () => undefined,
      isClosed: () => false,
      failed: () => undefined,
      published: () => this.network.position,
      changedAt: (feed) => this.#digests.current(feedKey(feed)).position,
      fill: (feed) => this.#fillings.begin(feed),
    };
  }

  static async open(stepRecords?: number): Promise<Fixture> {
    const fixture = new Fixture(stepRecords);
    await fixture.writer.open();
    return fixture;
  }

  /** Folds an event, and gives what is to be published of it. */
  fold(recorded: RecordedEvent): readonly FeedBatch[] {
    const changes = this.network.apply(recorded);
    this.#digests.apply(recorded.position, changes);
    this.#fillings.folded(recorded, changes);
    return recordsOfChange(recorded, changes, LOG, this.writer, () => true);
  }

  due(feed: FeedName): ReadonlyMap<string, unknown> {
    return new Map(
      [...recordsOf(this.network, feed)]
        .map(({ key, value, position }) => [key, { value: feedValue(value, this.writer), position }] as const)
        .toSorted(),
    );
  }

  /** As a consumer has it: of each key the record of the newest position. */
  async found(feed: FeedName): Promise<ReadonlyMap<string, unknown>> {
    const records = await Array.fromAsync(this.writer.read(feed));
    return new Map(
      records
        .filter(({ value }) => value !== null)
        .map(({ key, value, position }) => [key, { value, position }] as const)
        .toSorted(),
    );
  }
}

describe('feeds that are compared with the fold', () => {
  /** Feeds on which stands what was published before, and something that nobody knows any more. */
  const begun = async (before: readonly RecordedEvent[], lost: number): Promise<Fixture> => {
    const fixture = await Fixture.open(1);
    const published = before.flatMap((recorded) => fixture.fold(recorded));
    await fixture.writer.ensure([...feedsOf(fixture.network)]);
    for (const [n, batch] of published.entries())
      if (n % lost !== 0 && fixture.writer.has(batch.feed)) await fixture.writer.publish([batch]);
    for (const feed of feedsOf(fixture.network))
      if (feed.kind === 'vn') await fixture.writer.publish([{ feed, records: [member('stray', 1, { log: LOG })] }]);
    return fixture;
  };

  it('are equal to it as it stands when the comparison ends, whatever it folds in the middle (R46, X1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        racyLog(),
        fc.integer({ min: 4, max: 40 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(1, 2),
        async (history, before, lost, vnid) => {
          const fixture = await begun(history.slice(0, before), lost);
          const feed = { kind: 'vn', vnid } as const;
          let ended = false;
          const reconciling = reconcile(fixture.network, fixture.writer, { ...fixture.options, only: [feed] }).finally(
            () => (ended = true),
          );
          for (const recorded of history.slice(before)) {
            await turn();
            if (ended) break;
            fixture.fold(recorded);
          }
          await reconciling;
          if (fixture.network.vns.get(vnid)?.state.status !== 'purged') expect(await fixture.found(feed)).toEqual(fixture.due(feed));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are equal to it once what was folded meanwhile is published behind (R46, X1)', async () => {
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.integer({ min: 4, max: 40 }), fc.integer({ min: 1, max: 5 }), async (history, before, lost) => {
        const fixture = await begun(history.slice(0, before), lost);
        const queued: FeedBatch[] = [];
        let ended = false;
        const reconciling = reconcile(fixture.network, fixture.writer, fixture.options).finally(() => (ended = true));
        for (const recorded of history.slice(before)) {
          if (!ended) await turn();
          queued.push(...fixture.fold(recorded));
        }
        await reconciling;
        const consumers = new Map<string, Map<string, FeedRecord>>();
        const take = (feed: FeedName, record: FeedRecord): void => {
          const table = consumers.get(feedKey(feed)) ?? new Map<string, FeedRecord>();
          consumers.set(feedKey(feed), table);
          if ((table.get(record.key)?.position ?? -1) <= record.position) table.set(record.key, record);
        };
        for (const feed of await fixture.writer.list()) for await (const record of fixture.writer.read(feed)) take(feed, record);
        for (const { feed, records } of queued) for (const record of records) take(feed, record);
        for (const feed of feedsOf(fixture.network)) {
          const table = [...(consumers.get(feedKey(feed))?.values() ?? [])].filter(({ value }) => value !== null);
          expect(new Map(table.map(({ key, value, position }) => [key, { value, position }] as const).toSorted())).toEqual(
            fixture.due(feed),
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  describe('that hold a record too new for its key, which consumers do not forget', () => {
    const feed = { kind: 'vn', vnid: 1 } as const;
    const history = play(
      [
        command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }),
        command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 }),
        ...Array.from({ length: 4 }, (_, n) => attach(n)),
      ].map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })),
    );
    const spoilt = async (...positions: readonly number[]): Promise<Fixture> => {
      const fixture = await Fixture.open();
      const published = history.flatMap((recorded) => fixture.fold(recorded));
      await fixture.writer.ensure([...feedsOf(fixture.network)]);
      for (const batch of published) await fixture.writer.publish([batch]);
      for (const position of positions)
        await fixture.writer.publish([{ feed, records: [{ key: 'context', value: null, position, log: LOG, changeEnd: true }] }]);
      return fixture;
    };
    const positions = async (fixture: Fixture): Promise<number[]> =>
      (await Array.fromAsync(fixture.writer.read(feed)))
        .filter(({ key }) => key === 'context')
        .map((record) => (record as FeedRecord).position);

    it('are made anew (X1)', async () => {
      const fixture = await spoilt(5);
      await reconcile(fixture.network, fixture.writer, fixture.options);
      expect(fixture.madeAnew).toEqual(['context']);
      expect(await positions(fixture)).toEqual([1]);
      expect(await fixture.found(feed)).toEqual(fixture.due(feed));
    });

    it('are made anew although an older record was written over it: a topic has both until compaction (X1)', async () => {
      const fixture = await spoilt();
      const { writer } = fixture;
      const stale: FeedRecord = { key: 'context', value: null, position: 5, log: LOG, changeEnd: true };
      const calls: string[] = [];
      const topics = {
        list: () => writer.list(),
        ensure: (feeds: readonly FeedName[]) => writer.ensure(feeds),
        publish: (batches: readonly FeedBatch[]) => writer.publish(batches),
        delete: (deleted: FeedName) => (calls.push(feedKey(deleted)), writer.delete(deleted)),
        address: (of: FeedName) => writer.address(of),
        async *readAll(feeds: readonly FeedName[]) {
          if (feeds.some(({ kind }) => kind === 'vn')) yield { feed, record: stale };
          yield* writer.readAll(feeds);
        },
      } as unknown as FeedWriter;
      await reconcile(fixture.network, topics, fixture.options);
      expect([fixture.madeAnew, calls]).toEqual([['context'], ['vn/1']]);
      expect(await fixture.found(feed)).toEqual(fixture.due(feed));
    });

    it('are not touched if the log has another event at its position (X1)', async () => {
      const fixture = await spoilt(5);
      const assertFrom = ({ position }: FeedRecord): Promise<never> => Promise.reject(new Error(`not the event at ${position}`));
      await expect(reconcile(fixture.network, fixture.writer, { ...fixture.options, assertFrom })).rejects.toThrow('not the event at 5');
      expect(await positions(fixture)).toEqual([5]);
    });

    it('are repaired as others are while the fold has not come to that position', async () => {
      const fixture = await spoilt(history.at(-1)!.position + 1);
      await reconcile(fixture.network, fixture.writer, fixture.options);
      expect(fixture.madeAnew).toEqual([]);
      expect(await fixture.found(feed)).toEqual(fixture.due(feed));
    });
  });

  it('count what was wrong on them, and not what came about meanwhile', async () => {
    const feed = { kind: 'vn', vnid: 1 } as const;
    const history = play(
      [
        command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }),
        command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 }),
        ...Array.from({ length: 20 }, (_, n) => attach(n)),
        command('detach', { tsId: 'ts1', nveId: 'nve1' }),
      ].map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })),
    );
    const fixture = await Fixture.open(1);
    const published = history.slice(0, 12).flatMap((recorded) => fixture.fold(recorded));
    await fixture.writer.ensure([...feedsOf(fixture.network)]);
    for (const batch of published) await fixture.writer.publish([batch]);
    const meanwhile = async <T>(comparing: Promise<T>, folded: readonly RecordedEvent[]): Promise<T> => {
      for (const recorded of folded) {
        await turn();
        fixture.fold(recorded);
      }
      return comparing;
    };
    expect(await meanwhile(differencesOf(fixture.writer, feed, fixture.options), history.slice(12, 15))).toBe(0);
    // An attach and a detach come about; one record is not there that should have been.
    const [key, { position }] = [...fixture.due(feed)].find(([one]) => one.startsWith('mapping/ts5/')) as [string, FeedRecord];
    const removal: FeedRecord = { key, value: null, position, log: LOG, changeEnd: true };
    await fixture.writer.publish([{ feed, records: [removal] }]);
    await reconcile(fixture.network, fixture.writer, fixture.options);
    await fixture.writer.publish([{ feed, records: [removal] }]);
    const { wrong, published: repaired } = await meanwhile(
      reconcile(fixture.network, fixture.writer, { ...fixture.options, only: [feed] }),
      [history[15]!, history.at(-1)!],
    );
    expect([wrong, repaired]).toEqual([1, 3]);
  });

  it('end though the fold never rests', async () => {
    const fixture = await Fixture.open();
    const steps = [
      command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }),
      command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 }),
      ...Array.from({ length: 2_000 }, (_, n) => attach(n)),
    ];
    const history = play(steps.map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })));
    for (const recorded of history.slice(0, 1_000)) fixture.fold(recorded);
    let ended = false;
    const reconciling = reconcile(fixture.network, fixture.writer, fixture.options).finally(() => (ended = true));
    let rounds = 0;
    for (const recorded of history.slice(1_000)) {
      if (ended) break;
      fixture.fold(recorded);
      rounds++;
      await turn();
    }
    await reconciling;
    // About as many as the table has steps, and not as many as there are changes.
    expect(rounds).toBeLessThan(100);
  });

  it('leave the thread to others every few hundred records, read and compared', async () => {
    const fixture = await Fixture.open();
    const commands = [
      command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }),
      command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 }),
      ...Array.from({ length: COUNT }, (_, n) => attach(n)),
    ];
    for (const recorded of play(commands.map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })))) fixture.fold(recorded);
    const feed = { kind: 'vn', vnid: 1 } as const;
    let turns = 0;
    let counting = setImmediate(function count() {
      turns++;
      counting = setImmediate(count);
    });
    await reconcile(fixture.network, fixture.writer, fixture.options);
    expect(turns).toBeGreaterThan(COUNT / 500);
    turns = 0;
    expect(await differencesOf(fixture.writer, feed, fixture.options)).toBe(0);
    clearImmediate(counting);
    // Read in steps, then compared in steps.
    expect(turns).toBeGreaterThan((2 * COUNT) / 500);
  });
});
