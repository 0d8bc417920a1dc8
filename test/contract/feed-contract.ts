import { FeedFenced, type FeedRecord, type FeedTransport, type FeedWriter, type Undecodable } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collected } from './collected.ts';
import { CollectingSink } from './collecting-sink.ts';
import { keyAndPosition, LOG, member, nve, removal, vn } from './feed-records.ts';

/** One set of feeds, empty at first, that writers and transports of an adapter can be made for. */
export interface FeedUnderTest {
  /** A writer that was not opened yet; the second one stands for a distributor in another process. */
  writer(): FeedWriter;
  transport(nveId: string): FeedTransport;
  /** Closes what was made, and removes the feeds. */
  dispose(): Promise<void>;
}

/** What every adapter of the Feed port has to do, whatever carries it. */
export function feedContract(name: string, makeFeed: () => Promise<FeedUnderTest>): void {
  describe(`${name}: the Feed port`, () => {
    let feed: FeedUnderTest;
    let writer: FeedWriter;
    beforeEach(async () => {
      feed = await makeFeed();
      writer = feed.writer();
      await writer.open();
    });
    afterEach(() => feed.dispose());

    const follow = (transport: FeedTransport, vnid: number, resume?: string): CollectingSink => {
      const sink = new CollectingSink();
      transport.follow(vn(vnid), resume === undefined ? {} : { resume }, sink);
      return sink;
    };
    const readAll = async (vnid: number): Promise<(FeedRecord | Undecodable)[]> => collected(writer.read(vn(vnid)));

    it('tells a follower what was there, that this was all, and what comes', async () => {
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [member('a', 10), member('b', 12)] }]);
      const sink = follow(feed.transport('n1'), 7);
      await sink.untilComplete();
      expect(sink.story).toEqual(['restart', 'record', 'complete']);
      expect(sink.records.map(keyAndPosition)).toEqual(['member/a@10', 'member/b@12']);
      await writer.publish([{ feed: vn(7), records: [member('a', 15)] }]);
      await sink.until(() => sink.records.length === 3, 'the live record');
      expect(sink.records.at(-1)).toEqual(member('a', 15));
      expect(sink.count('complete')).toBe(1);
    });

    it('completes an empty feed', async () => {
      await writer.ensure([vn(7)]);
      const sink = follow(feed.transport('n1'), 7);
      await sink.untilComplete();
      expect(sink.calls.at(-1)).toEqual({ call: 'complete', cursor: null });
      await writer.publish([{ feed: vn(7), records: [member('a', 3)] }]);
      await sink.until(() => sink.records.length === 1, 'the first record');
    });

    it('carries every field of a record, and of a removal', async () => {
      const full = member('a', 4, { changeEnd: false, eventType: 'NveConnected', correlationId: 'c-9 ü', recordedAt: 1_790_000_000_123 });
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [full, removal('b', 4)] }]);
      const sink = follow(feed.transport('n1'), 7);
      await sink.until(() => sink.records.some(({ key }) => key === 'member/a'), 'the record');
      expect(sink.records.find(({ key }) => key === 'member/a')).toEqual(full);
      await writer.publish([{ feed: vn(7), records: [removal('a', 6)] }]);
      await sink.until(() => sink.records.some(({ position }) => position === 6), 'the removal');
      expect(sink.records.at(-1)).toEqual(removal('a', 6));
    });

    it('resumes after a cursor, without a restart', async () => {
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [member('a', 1)] }]);
      const first = follow(feed.transport('n1'), 7);
      await first.untilComplete();
      await writer.publish([{ feed: vn(7), records: [member('b', 2)] }]);
      await first.until(() => first.records.length === 2, 'the live record');
      await writer.publish([{ feed: vn(7), records: [member('c', 3)] }]);
      const second = follow(feed.transport('n2'), 7, first.lastCursor);
      if (first.records.length > 2) await second.untilComplete();
      await second.until(() => second.count('complete') === 1, 'complete');
      expect(second.count('restart')).toBe(0);
      expect(second.records.map(({ position }) => position).every((position) => position >= 3)).toBe(true);
    });

    it('starts over at a cursor it cannot use', async () => {
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [member('a', 1)] }]);
      const sink = follow(feed.transport('n1'), 7, 'not a cursor');
      await sink.untilComplete();
      expect(sink.story).toEqual(['restart', 'record', 'complete']);
    });

    it('lets feeds join and leave one transport', async () => {
      await writer.ensure([vn(1), vn(2)]);
      const transport = feed.transport('n1');
      const one = new CollectingSink();
      const subscription = transport.follow(vn(1), {}, one);
      await one.untilComplete();
      const two = follow(transport, 2);
      await two.untilComplete();
      await subscription.close();
      await writer.publish([
        { feed: vn(1), records: [member('a', 1)] },
        { feed: vn(2), records: [member('b', 1)] },
      ]);
      await two.until(() => two.records.length === 1, 'a record of the feed that stays');
      expect(one.records).toEqual([]);
    });

    it('makes feeds once, and lists them', async () => {
      await writer.ensure([vn(1), nve('leaf-1.a')]);
      await writer.ensure([vn(1), vn(2)]);
      const names = (await writer.list()).map((known) => JSON.stringify(known));
      expect(names.toSorted()).toEqual([vn(1), vn(2), nve('leaf-1.a')].map((known) => JSON.stringify(known)).toSorted());
    });

    it('reads back what was published, the last of every key at least, in order', async () => {
      await writer.ensure([vn(7)]);
      expect(await readAll(7)).toEqual([]);
      await writer.publish([{ feed: vn(7), records: [member('a', 1), member('b', 2)] }]);
      await writer.publish([{ feed: vn(7), records: [removal('a', 3), member('c', 4)] }]);
      const last = new Map((await readAll(7)).flatMap((record) => ('undecodable' in record ? [] : [[record.key, record]])));
      expect(last.get('member/b')).toEqual(member('b', 2));
      expect(last.get('member/c')).toEqual(member('c', 4));
      expect(last.get('member/a')?.value ?? null).toBeNull();
    });

    it('keeps a checkpoint', async () => {
      expect(await writer.loadCheckpoint()).toBeNull();
      await writer.saveCheckpoint({ log: LOG, position: 8, checkpoint: 'C:8/P:8' });
      await writer.saveCheckpoint({ log: LOG, position: 9, checkpoint: 'C:9/P:9' });
      expect(await writer.loadCheckpoint()).toEqual({ log: LOG, position: 9, checkpoint: 'C:9/P:9' });
    });

    it('refuses the first writer once a second has opened, checkpoint included', async () => {
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [member('a', 1)] }]);
      const second = feed.writer();
      await second.open();
      await second.publish([{ feed: vn(7), records: [member('a', 5)] }]);
      await expect(writer.publish([{ feed: vn(7), records: [member('a', 2)] }])).rejects.toThrow(FeedFenced);
      await expect(writer.saveCheckpoint({ log: LOG, position: 2, checkpoint: '2' })).rejects.toThrow(FeedFenced);
      const sink = follow(feed.transport('n1'), 7);
      await sink.untilComplete();
      expect(sink.records.at(-1)).toEqual(member('a', 5));
      await writer.open();
      await writer.publish([{ feed: vn(7), records: [member('a', 6)] }]);
      await expect(second.publish([{ feed: vn(7), records: [member('a', 7)] }])).rejects.toThrow(FeedFenced);
    });

    it('deletes a feed', async () => {
      await writer.ensure([vn(7), vn(8)]);
      await writer.delete(vn(7));
      expect(await writer.list()).toEqual([vn(8)]);
      await writer.ensure([vn(7)]);
      await writer.publish([{ feed: vn(7), records: [member('a', 1)] }]);
      expect((await readAll(7)).length).toBe(1);
    });
  });
}
