import { describe, expect, it } from 'vitest';
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
    for (let i = 1; i <= 20_000; i++) await feed.publish([{ feed: vn(1), records: [i % 2 ? member(`n${i}`, i) : removal(`n${i - 1}`, i)] }]);
    expect((await Array.fromAsync(feed.read(vn(1)))).length).toBeLessThanOrEqual(4_097);
    expect(feed.follow(vn(1), 10, silent)!.start).toBe('snapshot');
    expect(feed.follow(vn(1), 19_990, silent)!.records).toHaveLength(5);
  });
});
