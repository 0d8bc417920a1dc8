import { FeedRefused, type FeedRecord } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { LOG, member, nve, vn } from '../../../test/contract/feed-records.ts';
import { KafkaFeedWriter } from '../src/index.ts';
import { byShard, checkedShards, formatShards, shardOf } from '../src/sharding.ts';

const told = (key: string, position: number, changeEnd = false): FeedRecord => ({ key, value: null, position, log: LOG, changeEnd });
const parts = (records: FeedRecord[]): [number, string[]][] =>
  [...byShard({ feed: nve('n1'), records }, 64)].map(([shard, part]) => [
    shard,
    part.map(({ key, position, changeEnd }) => `${key}@${position}${changeEnd ? ' end' : ''}`),
  ]);

describe('the shard of a record', () => {
  it('is the VNID modulo their number', () => {
    expect([1, 64, 65, 16_777_215].map((vnid) => shardOf(vnid, 64))).toEqual([1, 0, 1, 63]);
  });

  it('on a VN’s feed is the VN’s, whatever the key', () => {
    const records = [member('vn/3', 1), member('b', 1)];
    expect([...byShard({ feed: vn(65), records }, 64)]).toEqual([[1, records]]);
  });

  it('on an NVE’s feed is that of the VN in its key; a key without one is of shard 0', () => {
    expect(
      parts([told('vn/2', 5, true), told('vn/16777215', 6, true), told('odd', 7, true), told('vn/0', 8, true), told('vn/3x', 9, true)]),
    ).toEqual([
      [2, ['vn/2@5 end']],
      [63, ['vn/16777215@6 end']],
      [0, ['odd@7 end', 'vn/0@8 end', 'vn/3x@9 end']],
    ]);
  });

  it('ends the change where its shard has no more of it', () => {
    expect(
      parts([told('vn/1', 5), told('vn/2', 5), told('vn/65', 5), told('vn/3', 5, true), told('vn/2', 6), told('vn/1', 6, true)]),
    ).toEqual([
      [1, ['vn/1@5', 'vn/65@5 end', 'vn/1@6 end']],
      [2, ['vn/2@5 end', 'vn/2@6 end']],
      [3, ['vn/3@5 end']],
    ]);
  });
});

describe('the shards of a writer', () => {
  it('are all, or those it is given, each once', () => {
    expect(checkedShards(undefined, 4)).toEqual([0, 1, 2, 3]);
    expect(checkedShards([3, 1, 3], 4)).toEqual([1, 3]);
    const writer = new KafkaFeedWriter({ brokers: ['localhost:1'], owned: [1, 63] });
    expect([1, 2, 63, 64, 65, 127].map((vnid) => writer.owns(vnid))).toEqual([true, false, true, false, true, true]);
  });

  it.each([[[]], [[64]], [[-1]], [[0.5]], [[1, Number.NaN]]])('cannot be %j', (owned) => {
    expect(() => new KafkaFeedWriter({ brokers: ['localhost:1'], owned })).toThrow(FeedRefused);
    expect(() => new KafkaFeedWriter({ brokers: ['localhost:1'], owned })).toThrow(/at least one shard of 0 to 63, received/);
  });

  it('are told as ranges', () => {
    expect([[0], [0, 1, 2], [0, 5, 6, 63], []].map(formatShards)).toEqual(['0', '0-2', '0, 5-6, 63', '']);
  });
});
