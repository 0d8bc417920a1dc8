import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createRecordCodec } from '@nva/codec';
import type { FeedRecord } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { keyAndPosition, member, removal, vn } from '../../../test/contract/feed-records.ts';
import { encodeRecord } from '../src/record-format.ts';
import type { KafkaFeedWriter } from '../src/index.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';

let feed: KafkaFeedUnderTest;
let writer: KafkaFeedWriter;
let topic: string;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  writer = feed.writer();
  topic = `${feed.prefix}.vn.2`;
  await writer.open();
  await writer.ensure([vn(1), vn(2)]);
  await writer.publish([{ feed: vn(2), records: numbered('old', 5) }]);
});
afterEach(() => feed.dispose());

/** Longer than a topic is trusted to be the same while no fetch waits for it. */
const STANDING_STILL_MS = 150;

const numbered = (name: string, count: number): FeedRecord[] => Array.from({ length: count }, (_, i) => member(`${name}${i}`, i + 1));
const keys = (sink: CollectingSink): string[] => sink.records.map(keyAndPosition);

/** Puts another topic in the place of the topic and returns when it holds the records; this process stands still meanwhile. */
function swapStandingStill(records: readonly FeedRecord[]): void {
  const encoded = records.map((record) => {
    const { key, value, headers } = encodeRecord(record, createRecordCodec()).message;
    return { key, value: (value as Buffer).toString('base64'), headers };
  });
  const argument = JSON.stringify({ brokers: feed.brokers, topic, records: encoded });
  execFileSync(process.execPath, ['--conditions=source', join(import.meta.dirname, 'swapping-child.ts'), argument], { stdio: 'inherit' });
}

describe('a topic made anew that is already longer than where its reader stood', () => {
  it('is read from the start by whoever resumes with a cursor of the one before (X6)', async () => {
    const first = new CollectingSink();
    const subscription = feed.transport('n1').follow(vn(2), {}, first);
    await first.untilComplete();
    await subscription.close();
    const { cursor } = first.calls.at(-1) as { cursor: string };
    await writer.delete(vn(2));
    await writer.ensure([vn(2)]);
    await writer.publish([{ feed: vn(2), records: numbered('new', 20) }]);
    const late = new CollectingSink();
    feed.transport('n2').follow(vn(2), { resume: cursor }, late);
    await late.untilComplete();
    expect(late.calls[0]).toMatchObject({ call: 'restart', reason: expect.stringContaining('made anew') });
    expect(keys(late)).toEqual(numbered('new', 20).map(keyAndPosition));
  });

  it('is read from the start although no fetch met the change (X6)', async () => {
    const sink = new CollectingSink();
    feed.transport('n1').follow(vn(2), {}, sink);
    await sink.untilComplete();
    // Nothing is fetched while a record is being taken.
    const take = sink.record.bind(sink);
    sink.record = (record, cursor) => {
      if (record.key === 'member/signal') swapStandingStill(numbered('new', 20));
      take(record, cursor);
    };
    await writer.publish([{ feed: vn(2), records: [member('signal', 9)] }]);
    await sink.untilComplete(2);
    expect(sink.calls.filter(({ call }) => call === 'restart')[1]).toMatchObject({ reason: expect.stringContaining('made anew') });
    expect(keys(sink).slice(6)).toEqual(numbered('new', 20).map(keyAndPosition));
  });
});

describe('a topic that is the one it was', () => {
  it('is read on where its reader stood, by a cursor and after the reader stood still, without a gap or a repeat', async () => {
    const first = new CollectingSink();
    const subscription = feed.transport('n1').follow(vn(2), {}, first);
    await first.untilComplete();
    await subscription.close();
    const sink = new CollectingSink();
    const take = sink.record.bind(sink);
    sink.record = (record, cursor) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STANDING_STILL_MS);
      take(record, cursor);
    };
    feed.transport('n2').follow(vn(2), { resume: (first.calls.at(-1) as { cursor: string }).cursor }, sink);
    await sink.untilComplete();
    for (let position = 10; position < 20; position++) {
      await writer.publish([{ feed: vn(2), records: [member('a', position), removal('b', position)] }]);
      await sink.until(() => keys(sink).includes(`member/b@${position}`), `position ${position}`);
    }
    expect(keys(sink)).toEqual(Array.from({ length: 10 }, (_, i) => [`member/a@${i + 10}`, `member/b@${i + 10}`]).flat());
    expect(sink.story).toEqual(['complete', 'record']);
  });
});
