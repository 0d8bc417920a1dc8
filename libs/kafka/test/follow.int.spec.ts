import { setTimeout as sleep } from 'node:timers/promises';
import { createRecordCodec } from '@nva/codec';
import { FeedUnavailable } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collected } from '../../../test/contract/collected.ts';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { keyAndPosition, LOG, member, removal, vn } from '../../../test/contract/feed-records.ts';
import { encodeRecord } from '../src/record-format.ts';
import type { KafkaFeedTransport, KafkaFeedWriter } from '../src/index.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';

let feed: KafkaFeedUnderTest;
let writer: KafkaFeedWriter;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  writer = feed.writer();
  await writer.open();
});
afterEach(() => feed.dispose());

const topic = (vnid: number): string => `${feed.prefix}.vn.${vnid}`;
const follow = (transport: KafkaFeedTransport, vnid: number, resume?: string): CollectingSink => {
  const sink = new CollectingSink();
  transport.follow(vn(vnid), resume === undefined ? {} : { resume }, sink);
  return sink;
};

/** Publishes positions 1, 2, 3, … to a VN without a pause until told to stop, and says how many there were. */
function publishingTo(vnid: number): () => Promise<number> {
  const stop = new AbortController();
  const running = (async () => {
    let position = 0;
    while (!stop.signal.aborted) await writer.publish([{ feed: vn(vnid), records: [member('busy', ++position)] }]);
    return position;
  })();
  return () => {
    stop.abort();
    return running;
  };
}

function expectEveryPosition(sink: CollectingSink, last: number): void {
  expect(sink.records.map(({ position }) => position)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
}

describe('feeds that join and leave', () => {
  it('leave no gap and no repeat in a feed under constant publishing', async () => {
    const others = [2, 3, 4, 5, 6];
    await writer.ensure([vn(1), ...others.map(vn)]);
    const transport = feed.transport('n1');
    const busy = follow(transport, 1);
    await busy.untilComplete();
    const stop = publishingTo(1);
    for (const vnid of others) {
      const sink = new CollectingSink();
      const subscription = transport.follow(vn(vnid), {}, sink);
      await sink.untilComplete();
      if (vnid % 2 === 0) await subscription.close();
    }
    const last = await stop();
    await busy.until(() => busy.records.length >= last, 'everything published');
    expectEveryPosition(busy, last);
    expect(busy.story).toEqual(['restart', 'complete', 'record']);
  });

  it('joined within 50 ms, share one new group', async () => {
    await writer.ensure([1, 2, 3].map(vn));
    const transport = feed.transport('n1');
    const sinks = [1, 2, 3].map((vnid) => follow(transport, vnid));
    await Promise.all(sinks.map((sink) => sink.untilComplete()));
    const { groups } = await feed.admin((admin) => admin.listGroups());
    expect(groups.filter(({ groupId }) => groupId.startsWith(`${feed.prefix}-nve-n1:`)).length).toBe(1);
  });

  it('may be followed again from the start while others go on', async () => {
    await writer.ensure([vn(1), vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('a', 1)] }]);
    const transport = feed.transport('n1');
    const busy = follow(transport, 1);
    const first = new CollectingSink();
    const subscription = transport.follow(vn(2), {}, first);
    await first.untilComplete();
    const stop = publishingTo(1);
    expect(() => transport.follow(vn(2), {}, first)).toThrow('followed already');
    await subscription.close();
    const second = follow(transport, 2);
    await second.untilComplete();
    expect(second.records.map(keyAndPosition)).toEqual(['member/a@1']);
    const last = await stop();
    await busy.until(() => busy.records.length >= last, 'everything published');
    expectEveryPosition(busy, last);
  });
});

describe('a topic that is not there', () => {
  it('is told of, does not hurt the others, and is followed once it is made', async () => {
    await writer.ensure([vn(1)]);
    const transport = feed.transport('n1');
    const busy = follow(transport, 1);
    const missing = follow(transport, 2);
    await missing.until(() => missing.count('interrupted') === 1, 'interrupted');
    expect(missing.calls[0]).toMatchObject({ call: 'interrupted', cause: expect.any(FeedUnavailable) });
    await busy.untilComplete();
    const stop = publishingTo(1);
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('a', 1)] }]);
    // It may have been read while it was empty still.
    await missing.until(() => missing.records.length === 1 && missing.count('complete') === 1, 'what the topic holds');
    expect(missing.story.slice(0, 3)).toEqual(['interrupted', 'resumed', 'restart']);
    const last = await stop();
    await busy.until(() => busy.records.length >= last, 'everything published');
    expectEveryPosition(busy, last);
    expect(busy.count('interrupted')).toBe(0);
  });

  it('that was deleted and made anew is read from the start, the others without a gap', async () => {
    await writer.ensure([vn(1), vn(2)]);
    await writer.publish([{ feed: vn(2), records: Array.from({ length: 10 }, (_, i) => member(`old${i}`, i + 1)) }]);
    const transport = feed.transport('n1');
    const [busy, worn] = [follow(transport, 1), follow(transport, 2)];
    await worn.untilComplete();
    const stop = publishingTo(1);
    await writer.delete(vn(2));
    await worn.until(() => worn.count('interrupted') === 1, 'interrupted');
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('new', 20)] }]);
    // It may have been read while it was empty still.
    await worn.until(() => worn.records.at(-1)?.key === 'member/new' && worn.count('complete') >= 2, 'what the topic holds now');
    expect(worn.story.slice(worn.story.indexOf('interrupted')).slice(0, 3)).toEqual(['interrupted', 'resumed', 'restart']);
    expect(keyAndPosition(worn.records.at(-1)!)).toBe('member/new@20');
    const last = await stop();
    await busy.until(() => busy.records.length >= last, 'everything published');
    expectEveryPosition(busy, last);
  });

  it('that was made anew unnoticed is read from the start, since the cursor is behind its end', async () => {
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('a', 1)] }]);
    const sink = follow(feed.transport('n1'), 2, `5000@${Date.parse('2099-01-01')}@1790000000000-1`);
    await sink.untilComplete();
    expect(sink.story).toEqual(['restart', 'record', 'complete']);
    expect(sink.calls[0]).toMatchObject({ reason: expect.stringContaining('offset 5001 is not in topic') });
  });
});

describe('a cursor', () => {
  it('older than half of delete.retention.ms leads to a read from the start', async () => {
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('a', 1)] }]);
    const first = follow(feed.transport('n1'), 2);
    await first.untilComplete();
    const complete = first.calls.at(-1) as { cursor: string };
    await sleep(60);
    const late = new CollectingSink();
    feed.transport('n2', { deleteRetentionMs: 100 }).follow(vn(2), { resume: complete.cursor }, late);
    await late.untilComplete();
    expect(late.calls[0]).toMatchObject({ call: 'restart', reason: expect.stringContaining('removals are kept') });
    const soon = follow(feed.transport('n3'), 2, complete.cursor);
    await soon.untilComplete();
    expect(soon.story).toEqual(['complete']);
  });

  it('taken in the middle of a read from the start is not resumed from', async () => {
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: [member('a', 1)] }]);
    const first = follow(feed.transport('n1'), 2);
    await first.untilComplete();
    const again = follow(feed.transport('n2'), 2, first.lastCursor);
    await again.untilComplete();
    expect(again.calls[0]).toMatchObject({ call: 'restart', reason: expect.stringContaining('not finished') });
  });
});

describe('a record that cannot be decoded', () => {
  it('is told with topic, offset and key, stops nothing, and is read back so', async () => {
    await writer.ensure([vn(3)]);
    await writer.publish([{ feed: vn(3), records: [member('a', 1)] }]);
    const good = encodeRecord(member('b', 2), createRecordCodec()).message.value as Buffer;
    await feed.send(topic(3), [
      { key: 'member/torn', value: good.subarray(0, good.length - 2), headers: { position: '2', log: LOG } },
      { key: 'member/foreign', value: 'plain text', headers: { position: '3', log: LOG } },
      { key: 'member/bare', value: good },
    ]);
    await writer.publish([{ feed: vn(3), records: [removal('a', 5)] }]);
    const logged: string[] = [];
    const sink = new CollectingSink();
    feed.transport('n1', { log: (level, message) => level === 'error' && logged.push(message) }).follow(vn(3), {}, sink);
    await sink.untilComplete();
    expect(sink.records.map(keyAndPosition)).toEqual(['member/a@1', 'member/a@5']);
    const failures = sink.calls.flatMap((call) => (call.call === 'undecodable' ? [call.failure] : []));
    const standing = (await feed.raw(topic(3)))
      .filter(({ key }) => key!.toString() !== 'member/a')
      .map(({ key, offset }) => `${key!.toString()} at ${offset}`);
    expect(standing.map((where) => where.split(' ')[0])).toEqual(['member/torn', 'member/foreign', 'member/bare']);
    expect(failures.map(({ key, at }) => `${key} at ${at}`)).toEqual(standing);
    expect(logged.length).toBe(3);
    expect(logged[0]).toContain(`${topic(3)} offset ${failures[0]!.at}`);
    const read = await collected(writer.read(vn(3)));
    expect(read.filter((record) => 'undecodable' in record).map(({ key }) => key)).toEqual([
      'member/torn',
      'member/foreign',
      'member/bare',
    ]);
  });

  it('because its schema is newer, is decoded with the one on the schemas topic', async () => {
    await writer.ensure([vn(3)]);
    const current = createRecordCodec().schemas.find(({ schema }) => (schema as { name: string }).name === 'VnMember')!.schema as {
      fields: object[];
    };
    const schema = { ...current, fields: [...current.fields, { name: 'rack', type: 'string', default: '' }] };
    const fingerprint = createRecordCodec().learn(schema)!;
    const value = Buffer.concat([createRecordCodec().encode(member('a', 4).value!), Buffer.from('\u0004r1')]);
    value.writeBigUInt64LE(BigInt(`0x${fingerprint}`), 2);
    const newer = { key: 'member/a', value, headers: { position: '4', log: LOG } };
    const sink = follow(feed.transport('n1'), 3);
    await sink.untilComplete();
    await feed.send(`${feed.prefix}.schemas`, [{ key: fingerprint, value: JSON.stringify(schema) }]);
    await feed.send(topic(3), [newer]);
    await sink.until(() => sink.records.length === 1, 'the record');
    expect(sink.records[0]).toMatchObject({ key: 'member/a', value: { type: 'VnMember', data: { nveId: 'a', reachable: true } } });
    expect(sink.count('undecodable')).toBe(0);
    expect((await collected(writer.read(vn(3))))[0]).toMatchObject({ key: 'member/a', position: 4 });
  });
});
