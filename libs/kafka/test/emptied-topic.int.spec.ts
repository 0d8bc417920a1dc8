import type { FeedFailure, FeedsFailed } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { member, vn } from '../../../test/contract/feed-records.ts';
import { EmptiableBroker } from '../../../test/kafka/emptied.ts';
import type { KafkaFeedWriter } from '../src/index.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';

/** The broker starts twice in a test, each time in ten seconds or more on a busy machine. */
const LIMIT_MS = 240_000;
/** More than the writer has written. */
const OTHERS = 20;

let broker: EmptiableBroker;
let feed: KafkaFeedUnderTest;
let writer: KafkaFeedWriter;
beforeEach(async () => {
  broker = await EmptiableBroker.make();
  feed = new KafkaFeedUnderTest(broker.brokers);
  writer = feed.writer();
  await writer.open();
  await writer.ensure([vn(1), vn(2)]);
  for (const of of [vn(1), vn(2)]) await writer.publish([{ feed: of, records: [1, 2, 3].map((position) => member('a', position)) }]);
}, LIMIT_MS);
afterEach(async () => {
  await feed.dispose();
  await broker.dispose();
}, LIMIT_MS);

const topicOf = (vnid: number): string => `${feed.prefix}.vn.${vnid}`;
const lostOf = (failures: readonly FeedFailure[]): unknown[] => failures.map(({ feed: of, trouble }) => [of, trouble]);
const publishing = (...vnids: number[]): Promise<unknown> =>
  writer
    .publish(vnids.map((vnid) => ({ feed: vn(vnid), records: [member('b', 9)] })))
    .then(() => null)
    .catch((cause: unknown) => cause);

/** The topic is empty, under its id; then it is longer than it ever was. */
async function emptiedAndWrittenTo(): Promise<void> {
  await broker.loseRecords([topicOf(1)]);
  await broker.start();
  await feed.send(
    topicOf(1),
    Array.from({ length: OTHERS }, (_, n) => ({ key: `x${n}`, value: null })),
  );
}

describe('a topic that was emptied under its id, and is longer again than it was', () => {
  it(
    'is found at the next look by its first record (X6)',
    async () => {
      expect(await writer.look()).toEqual([]);
      await publishing(1, 2);
      expect(await writer.look()).toEqual([]);
      await emptiedAndWrittenTo();
      expect(lostOf(await writer.look())).toEqual([[vn(1), 'lost']]);
    },
    LIMIT_MS,
  );

  it(
    'is found before it is written to, if an attempt to write to it had failed, whether or not its first record was known (X6)',
    async () => {
      for (const looked of [true, false]) {
        if (looked) expect(await writer.look()).toEqual([]);
        await broker.stop();
        expect(String(await publishing(1))).toContain('FeedUnavailable');
        await emptiedAndWrittenTo();
        // The offset of a record there would show nothing.
        const failed = (await publishing(1)) as FeedsFailed;
        expect(lostOf(failed.failures)).toEqual([[vn(1), 'lost']]);
        expect((await feed.raw(topicOf(1))).map(({ key }) => key!.toString())).not.toContain('member/b');
        const { fresh } = await writer.ensure([vn(1)]);
        expect(fresh).toEqual([vn(1)]);
        expect(await publishing(1)).toBeNull();
      }
    },
    LIMIT_MS,
  );
});
