import { setTimeout as sleep } from 'node:timers/promises';
import { createRecordCodec } from '@nva/codec';
import type { FeedRecord } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collected } from '../../../test/contract/collected.ts';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { keyAndPosition, member, removal, vn } from '../../../test/contract/feed-records.ts';
import { encodeRecord } from '../src/record-format.ts';
import type { KafkaFeedWriter } from '../src/index.ts';
import { EAGER_COMPACTION, KafkaFeedUnderTest } from './kafka-feed.ts';

/**
 * The broker compacts in the background, a machine under load late; what is waited for is the state, and this is only where waiting
 * ends.
 */
vi.setConfig({ testTimeout: 300_000 });

let feed: KafkaFeedUnderTest;
let writer: KafkaFeedWriter;
let topic: string;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  writer = feed.writer({ topicConfig: EAGER_COMPACTION });
  await writer.open();
  await writer.ensure([vn(1)]);
  topic = `${feed.prefix}.vn.1`;
});
afterEach(() => feed.dispose());

const follow = (nveId: string): CollectingSink => {
  const sink = new CollectingSink();
  feed.transport(nveId).follow(vn(1), {}, sink);
  return sink;
};
/** One plain record batch, so that offsets are those of the list. */
const send = (records: readonly FeedRecord[]): Promise<void> =>
  feed.send(
    topic,
    records.map(
      (record) => encodeRecord(record, createRecordCodec()).message as { key: string; value: Buffer; headers: Record<string, string> },
    ),
  );
const publish = (...records: FeedRecord[]): Promise<void> => writer.publish([{ feed: vn(1), records }]);

describe('after compaction', () => {
  it('the history of the design: K2@12 at 32 and 52, K9@20 at 40 and 60, compaction past 55: K9@20 comes before K2@12', async () => {
    const others = (from: number, to: number): FeedRecord[] => Array.from({ length: to - from }, (_, i) => member(`other${from + i}`, 1));
    await send([
      ...others(0, 32),
      member('K2', 12),
      ...others(33, 40),
      member('K9', 20),
      ...others(41, 52),
      member('K2', 12),
      ...others(53, 56),
    ]);
    await sleep(250);
    // The segment up to 55 is closed by what comes after it, and compacted; the active one is not.
    await send([...others(56, 60), member('K9', 20)]);
    const offsets = async (): Promise<string[]> =>
      (await feed.raw(topic)).flatMap(({ key, offset }) => (/K[29]/.test(key!.toString()) ? [`${key!.toString()} at ${offset}`] : []));
    // As long as the test may take: how soon a broker compacts is its own affair.
    while ((await offsets()).length > 3) await sleep(50);
    expect(await offsets()).toEqual(['member/K9 at 40', 'member/K2 at 52', 'member/K9 at 60']);

    const sink = follow('late');
    await sink.untilComplete();
    expect(sink.records.map(keyAndPosition).filter((name) => name.includes('/K'))).toEqual([
      'member/K9@20',
      'member/K2@12',
      'member/K9@20',
    ]);
    expect(sink.calls.at(-1)).toMatchObject({ call: 'complete', cursor: expect.stringMatching(/^60@/) });
  });

  it('a late joiner gets the last of every key, and a complete table at once', async () => {
    for (let round = 1; round <= 5; round++) await publish(...Array.from({ length: 10 }, (_, key) => member(`n${key}`, 10 * round + key)));
    await feed.compacted(
      topic,
      () => publish(member('filler', 1)),
      (left) => left.filter(({ key }) => key!.toString() !== 'member/filler').length === 10,
    );
    const sink = follow('late');
    await sink.untilComplete();
    const table = new Map(sink.records.map((record) => [record.key, record.position]));
    for (let key = 0; key < 10; key++) expect(table.get(`member/n${key}`)).toBe(50 + key);
  });

  it('removals that have expired leave a topic that completes, whatever its offsets', async () => {
    for (let position = 1; position < 20; position++) await publish(member(`n${position % 3}`, position));
    await publish(...[0, 1, 2].map((key) => removal(`n${key}`, 30)));
    await feed.compacted(
      topic,
      () => publish(removal('filler', 1)),
      (left) => left.every(({ key }) => key!.toString() === 'member/filler'),
    );
    const sink = follow('late');
    await sink.untilComplete();
    expect(sink.records.filter(({ key }) => key !== 'member/filler')).toEqual([]);
    expect((await collected(writer.read(vn(1)))).every((record) => record.key === 'member/filler')).toBe(true);
  });
});

describe('a tail that carries nothing', () => {
  it('an aborted transaction: its followers complete, and a read of what is committed leaves it out', async () => {
    await publish(member('a', 1));
    const producer = feed.client.producer({ transactionalId: `${feed.prefix}-other`, maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [encodeRecord(member('a', 2), createRecordCodec()).message] });
    await transaction.abort();
    await producer.disconnect();
    const sink = follow('late');
    await sink.untilComplete();
    expect((await collected(writer.read(vn(1)))).map((record) => ('undecodable' in record ? '' : keyAndPosition(record)))).toEqual([
      'member/a@1',
    ]);
    await publish(member('a', 3));
    await sink.until(() => sink.records.at(-1)?.position === 3, 'what comes behind it');
  });
});
