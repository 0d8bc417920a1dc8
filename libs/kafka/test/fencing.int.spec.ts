import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { FeedFenced, FeedUnavailable } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOG, member, vn } from '../../../test/contract/feed-records.ts';
import { EAGER_COMPACTION, KafkaFeedUnderTest } from './kafka-feed.ts';

const KEYS = 20;
const VNIDS = [1, 2, 65];
/** Above whatever the first writer may reach. */
const NEWER = 1_000_000_000;

describe('a superseded writer that wakes up late', () => {
  let feed: KafkaFeedUnderTest;
  let child: ChildProcess | undefined;
  let lines: string[];
  beforeEach(async () => {
    feed = await KafkaFeedUnderTest.make();
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    await feed.dispose();
  });

  const startChild = (): void => {
    const script = join(import.meta.dirname, 'publishing-child.ts');
    child = spawn(process.execPath, ['--conditions=source', script, feed.brokers.join(','), feed.prefix, VNIDS.join(','), String(KEYS)], { stdio: ['ignore', 'pipe', 'inherit'] });
    lines = [];
    createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  };
  const said = async (start: string): Promise<string> => {
    for (;;) {
      const line = lines.find((candidate) => candidate.startsWith(start));
      if (line) return line;
      await sleep(5);
    }
  };
  const positionsOf = async (vnid: number): Promise<Map<string, number[]>> => {
    const result = new Map<string, number[]>();
    for (const { key, headers } of await feed.raw(`${feed.prefix}.vn.${vnid}`)) {
      const name = key!.toString();
      result.set(name, [...(result.get(name) ?? []), Number(headers!['position'])]);
    }
    return result;
  };

  it.each([0, 3, 7, 13])('stopped in the middle of a send (%i ms later), taken over, continued: every key’s last value is the newer one, compaction included', async (moreMs) => {
    const setUp = feed.writer({ topicConfig: EAGER_COMPACTION });
    await setUp.open();
    await setUp.ensure(VNIDS.map(vn));
    await setUp.close();
    startChild();
    await said('position');
    await sleep(moreMs);
    child!.kill('SIGSTOP');

    const successor = feed.writer({ topicConfig: EAGER_COMPACTION, clientId: 'successor' });
    await successor.open();
    const newer = VNIDS.map((vnid) => ({ feed: vn(vnid), records: Array.from({ length: KEYS }, (_, key) => member(`n${key}`, NEWER + key)) }));
    await successor.publish(newer);
    child!.kill('SIGCONT');
    expect(await said('ended')).toBe('ended FeedFenced');

    const fill = (): Promise<void> => successor.publish(VNIDS.map((vnid) => ({ feed: vn(vnid), records: [member('filler', NEWER * 2)] })));
    for (const vnid of VNIDS) {
      await feed.compacted(`${feed.prefix}.vn.${vnid}`, fill, (left) => left.filter(({ key }) => key?.toString() !== 'member/filler').length === KEYS);
      const left = await positionsOf(vnid);
      for (let key = 0; key < KEYS; key++) expect(left.get(`member/n${key}`), `VN ${vnid}, key ${key}`).toEqual([NEWER + key]);
    }
  });

  it('is refused in a VN that its successor has not written to yet', async () => {
    const first = feed.writer();
    await first.open();
    await first.ensure(VNIDS.map(vn));
    const second = feed.writer();
    await second.open();
    for (const vnid of VNIDS) await expect(first.publish([{ feed: vn(vnid), records: [member('a', 1)] }])).rejects.toThrow(FeedFenced);
    for (const vnid of VNIDS) expect(await feed.raw(`${feed.prefix}.vn.${vnid}`)).toEqual([]);
  });

  it('does not fence its successor while it finds out', async () => {
    const first = feed.writer();
    await first.open();
    await first.ensure(VNIDS.map(vn));
    await first.publish([{ feed: vn(1), records: [member('a', 1)] }]);
    // A failure makes it take a new epoch at the next publish: the owner record stops it before it writes.
    await expect(first.publish([{ feed: vn(129), records: [member('a', 1)] }])).rejects.toThrow(FeedUnavailable);
    const second = feed.writer();
    await second.open();
    await second.publish([{ feed: vn(1), records: [member('a', 7)] }]);
    await expect(first.publish([{ feed: vn(1), records: [member('a', 2)] }])).rejects.toThrow('taken over by');
    await second.publish([{ feed: vn(1), records: [member('a', 8)] }]);
    await second.saveCheckpoint({ log: LOG, position: 8, checkpoint: '8' });
    expect((await feed.raw(`${feed.prefix}.vn.1`)).map(({ headers }) => Number(headers!['position']))).toEqual([1, 7, 8]);
  });

  it('leaves one writer of two that open at once', async () => {
    const writers = [feed.writer({ clientId: 'a' }), feed.writer({ clientId: 'b' })];
    const opened = await Promise.allSettled(writers.map((writer) => writer.open()));
    await feed.writer().ensure([vn(1)]);
    const published = await Promise.allSettled(writers.map((writer) => writer.publish([{ feed: vn(1), records: [member('a', 1)] }])));
    expect(opened.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(published.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  });
});
