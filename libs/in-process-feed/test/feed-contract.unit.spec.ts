import type { FeedFilling, FeedRecord } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { feedContract } from '../../../test/contract/feed-contract.ts';
import { member, removal, vn } from '../../../test/contract/feed-records.ts';
import { InProcessFeed, InProcessTransport, Topics } from '../src/index.ts';

feedContract('in process', async () => {
  const topics = new Topics();
  const feed = new InProcessFeed('nvo3', topics);
  const transports: InProcessTransport[] = [];
  return {
    writer: () => new InProcessFeed('nvo3', topics),
    transport: () => {
      const transport = new InProcessTransport(feed);
      transports.push(transport);
      return transport;
    },
    dispose: async () => {
      for (const transport of transports) await transport.close();
    },
  };
});

/** Contents that are there at once. */
function whole(records: readonly FeedRecord[], position: number): FeedFilling {
  const left = [records];
  return {
    walking: false,
    next: () => left.pop() ?? null,
    position,
    close() {},
  };
}

describe('resuming in process', () => {
  const silent = { records() {}, ended() {} };

  it('sends what came after, removals included, in order of position', async () => {
    const feed = new InProcessFeed();
    await feed.open();
    await feed.ensure([vn(1)]);
    await feed.publish([{ feed: vn(1), records: [member('a', 1), member('b', 2), member('c', 3)] }]);
    await feed.publish([{ feed: vn(1), records: [removal('a', 4), member('b', 5)] }]);
    const followed = feed.follow(vn(1), 2, silent)!;
    expect(followed.start).toBe('resume');
    expect(followed.records).toEqual([member('c', 3), removal('a', 4), member('b', 5)]);
  });

  it('starts over in a feed that was deleted and made anew: what the first one held is in neither', async () => {
    const feed = new InProcessFeed();
    await feed.open();
    await feed.ensure([vn(1)]);
    await feed.publish([{ feed: vn(1), records: [member('a', 1), member('b', 7)] }]);
    await feed.delete(vn(1));
    await feed.ensure([vn(1)]);
    await feed.publish([{ feed: vn(1), records: [member('c', 9)] }]);
    expect(feed.follow(vn(1), 1, silent)!).toMatchObject({ start: 'snapshot', records: [member('c', 9)] });
  });

  it('starts over once removals since then are forgotten, and memory stays bounded', async () => {
    const feed = new InProcessFeed();
    await feed.open();
    await feed.ensure([vn(1)]);
    for (let i = 1; i <= 20_000; i++)
      await feed.publish([{ feed: vn(1), records: [i % 2 ? member(`n${i}`, i) : removal(`n${i - 1}`, i)] }]);
    expect((await Array.fromAsync(feed.read(vn(1)))).length).toBeLessThanOrEqual(4_097);
    expect(feed.follow(vn(1), 10, silent)!.start).toBe('snapshot');
    expect(feed.follow(vn(1), 19_990, silent)!.records).toHaveLength(5);
  });
});

describe('a place that a feed has not come to', () => {
  const silent = { records() {}, ended() {} };

  it('is never resumed after, with or without records, before and after it was filled', async () => {
    const feed = new InProcessFeed('nvo3', new Topics(4), { lazy: true });
    await feed.open();
    await feed.ensure([vn(1), vn(2)]);
    feed.fillWhenRead!(vn(1), () => whole([member('a', 3)], 5));
    expect(feed.follow(vn(1), 6, silent)!).toMatchObject({ start: 'snapshot', position: 5 });
    expect(feed.follow(vn(1), 5, silent)!).toMatchObject({ start: 'resume', records: [] });
    expect(feed.follow(vn(2), 5, silent)!).toMatchObject({ start: 'snapshot', records: [] });
    expect(feed.follow(vn(2), 4, silent)!).toMatchObject({ start: 'resume' });
    await feed.publish([{ feed: vn(1), records: [member('b', 6)] }]);
    expect(feed.follow(vn(1), 6, silent)!).toMatchObject({ start: 'resume', records: [] });
  });

  it('is not to be filled when it is read while somebody reads it already: they are told of what is published', async () => {
    const feed = new InProcessFeed('nvo3', new Topics(4), { lazy: true });
    await feed.open();
    await feed.ensure([vn(1), vn(2)]);
    const told: string[] = [];
    feed.follow(vn(1), null, { records: (records) => told.push(...records.map(({ key }) => key)), ended() {} });
    const reader = feed.reader(vn(2), null, { wake: () => told.push('woken'), ended() {} })!;
    expect([1, 2].map((vnid) => feed.fillWhenRead!(vn(vnid), () => whole([], 5)))).toEqual([false, false]);
    await feed.publish([1, 2].map((vnid) => ({ feed: vn(vnid), records: [member('a', 6)] })));
    expect(told).toEqual(['member/a', 'woken']);
    reader.close();
    expect(feed.fillWhenRead!(vn(2), () => whole([], 5))).toBe(true);
  });

  it.each([
    ['of another log', 'another/1'],
    ['that is none', 'yesterday'],
  ])('%s is not resumed after by the transport either', async (_, resume) => {
    const feed = new InProcessFeed();
    await feed.open();
    await feed.ensure([vn(1)]);
    await feed.publish([{ feed: vn(1), records: [member('a', 1), member('b', 2)] }]);
    const sink = new CollectingSink();
    const transport = new InProcessTransport(feed);
    transport.follow(vn(1), { resume }, sink);
    await sink.untilComplete();
    expect(sink.story).toEqual(['restart', 'record', 'complete']);
    expect(sink.records).toHaveLength(2);
    await transport.close();
  });
});

describe('a feed that is filled when it is read', () => {
  const silent = { records() {}, ended() {} };
  const START = 10;

  /** A feed over a table that goes on before what it publishes: `table` is what the fold has, `at` where it stands. */
  async function lazy() {
    const feed = new InProcessFeed('nvo3', new Topics(START), { lazy: true });
    await feed.open();
    await feed.ensure([vn(1)]);
    const fold = { table: [member('a', 1), member('b', 2)], at: START, asked: 0 };
    feed.fillWhenRead!(vn(1), () => {
      fold.asked++;
      return whole(fold.table, fold.at);
    });
    return { feed, fold };
  }

  it('asks for its contents once, with what was published until then in them', async () => {
    const { feed, fold } = await lazy();
    fold.table = [member('a', 1), member('c', 12)];
    fold.at = 13;
    await feed.publish([
      { feed: vn(1), records: [removal('b', 11)] },
      { feed: vn(1), records: [member('c', 12)] },
    ]);
    expect(fold.asked).toBe(0);
    expect(feed.follow(vn(1), null, silent)).toMatchObject({ start: 'snapshot', records: [member('a', 1), member('c', 12)], position: 13 });
    feed.follow(vn(1), null, silent);
    await feed.publish([{ feed: vn(1), records: [member('d', 14)] }]);
    expect(feed.follow(vn(1), 13, silent)!.records).toEqual([member('d', 14)]);
    expect(fold.asked).toBe(1);
  });

  it('lets followers resume that were there before the process, unless more was removed since then than is kept', async () => {
    const { feed, fold } = await lazy();
    fold.table.push(member('c', 12));
    fold.at = 12;
    await feed.publish([{ feed: vn(1), records: [member('c', 12)] }]);
    expect(feed.follow(vn(1), START, silent)).toMatchObject({ start: 'resume', records: [member('c', 12)], position: 12 });
    expect(feed.follow(vn(1), START - 1, silent)!.start).toBe('snapshot');
    const other = await lazy();
    await other.feed.publish([{ feed: vn(1), records: [removal('b', 11)] }]);
    other.fold.table = [member('a', 1)];
    other.fold.at = 11;
    expect(other.feed.follow(vn(1), START, silent)).toMatchObject({ start: 'resume', records: [removal('b', 11)] });
    const third = await lazy();
    for (let i = 1; i <= 5_000; i++) await third.feed.publish([{ feed: vn(1), records: [removal('b', START + i)] }]);
    third.fold.table = [member('a', 1)];
    third.fold.at = START + 5_000;
    expect(third.feed.follow(vn(1), START, silent)!.start).toBe('snapshot');
    expect(third.feed.follow(vn(1), START + 4_000, silent)!.start).toBe('resume');
  });

  it('tells followers nothing older than what they were given, but removals, each change with its end', async () => {
    const { feed, fold } = await lazy();
    // The fold is at 13: a was set at 11 and removed at 12, b removed at 11 and set again at 13. None of it is published yet.
    fold.table = [member('b', 13)];
    fold.at = 13;
    const told: unknown[] = [];
    expect(feed.follow(vn(1), START, { records: (records) => void told.push(...records), ended() {} })).toMatchObject({
      start: 'resume',
      records: [member('b', 13)],
    });
    await feed.publish([{ feed: vn(1), records: [{ ...removal('b', 11), changeEnd: false }, member('a', 11)] }]);
    await feed.publish([
      { feed: vn(1), records: [removal('a', 12)] },
      { feed: vn(1), records: [member('b', 13)] },
      { feed: vn(1), records: [member('c', 14)] },
    ]);
    expect(told).toEqual([{ ...removal('b', 11), changeEnd: true }, removal('a', 12), member('c', 14)]);
    expect(feed.follow(vn(1), null, silent)!.records).toEqual([member('b', 13), member('c', 14)]);
  });
});

describe('a feed filled when it is read, whenever that is', () => {
  const START = 10;
  const KEYS = ['a', 'b', 'c'];

  /** A follower's table, by the rule of every consumer: per key, nothing older than what is there. */
  class Follower {
    readonly table: Map<string, FeedRecord>;

    constructor(table: Iterable<FeedRecord>) {
      this.table = new Map([...table].map((record) => [record.key, record]));
    }

    records(records: readonly FeedRecord[]): void {
      for (const record of records) if (record.position >= (this.table.get(record.key)?.position ?? 0)) this.table.set(record.key, record);
    }

    ended(): void {}

    get live(): FeedRecord[] {
      return [...this.table.values()].filter(({ value }) => value !== null).toSorted((one, other) => one.key.localeCompare(other.key));
    }
  }

  it('gives each of its followers the fold’s table in the end, from the start or resumed (X1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('set', 'remove', 'publish', 'follow', 'resume'), fc.constantFrom(...KEYS)), { maxLength: 40 }),
        async (steps) => {
          const fold = new Map(KEYS.slice(0, 2).map((key, i) => [key, member(key, i + 1)]));
          const before = [...fold.values()];
          const feed = new InProcessFeed('nvo3', new Topics(START), { lazy: true });
          await feed.open();
          await feed.ensure([vn(1)]);
          let position = START;
          feed.fillWhenRead!(vn(1), () =>
            whole(
              [...fold.values()].toSorted((one, other) => one.position - other.position),
              position,
            ),
          );
          const unpublished: FeedRecord[] = [];
          const followers: Follower[] = [];
          const publish = async (): Promise<void> => {
            const record = unpublished.shift();
            if (record) await feed.publish([{ feed: vn(1), records: [record] }]);
          };
          for (const [step, key] of steps) {
            if (step === 'set' || (step === 'remove' && fold.has(key))) {
              const record = step === 'set' ? member(key, ++position) : removal(key, ++position);
              if (step === 'set') fold.set(key, record);
              else fold.delete(key);
              unpublished.push(record);
            } else if (step === 'publish') await publish();
            else if (step === 'follow' || step === 'resume') {
              // Whoever resumes has what there was when the process began.
              const follower = new Follower(step === 'resume' ? before : []);
              const followed = feed.follow(vn(1), step === 'resume' ? START : null, follower)!;
              expect(followed.start).toBe(step === 'resume' ? 'resume' : 'snapshot');
              follower.records(followed.records);
              followers.push(follower);
            }
          }
          while (unpublished.length > 0) await publish();
          const table = [...fold.values()].toSorted((one, other) => one.key.localeCompare(other.key));
          for (const follower of followers) expect(follower.live).toEqual(table);
          const last = new Follower([]);
          last.records(feed.follow(vn(1), null, last)!.records);
          expect(last.live).toEqual(table);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
