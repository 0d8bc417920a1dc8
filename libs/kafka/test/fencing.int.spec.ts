import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { FeedFenced, FeedsFailed } from '@nva/ports';
import { tethered } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOG, member, membership, nve, vn } from '../../../test/contract/feed-records.ts';
import { EAGER_COMPACTION, KafkaFeedUnderTest } from './kafka-feed.ts';

const KEYS = 20;
/** Of shards 1 and 2, which is all that the writers own that supersede each other. */
const VNIDS = [1, 2, 65];
const OWNED = [1, 2];
const OTHERS = Array.from({ length: 64 }, (_, shard) => shard).filter((shard) => !OWNED.includes(shard));
const FILLERS = new Set(['member/filler', 'vn/129']);
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
    child = spawn(
      ...tethered(process.execPath, ['--conditions=source', script, feed.brokers.join(','), feed.prefix, VNIDS.join(','), String(KEYS)]),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
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
  const positionsOf = async (topic: string): Promise<Map<string, number[]>> => {
    const result = new Map<string, number[]>();
    for (const { key, headers } of await feed.raw(topic)) {
      const name = key!.toString();
      result.set(name, [...(result.get(name) ?? []), Number(headers!['position'])]);
    }
    return result;
  };

  it.each([0, 3, 7, 13])(
    'stopped in the middle of a send (%i ms later), taken over in its shards, continued: every key’s last value is the newer one, compaction included',
    async (moreMs) => {
      const bystander = feed.writer({ topicConfig: EAGER_COMPACTION, owned: OTHERS });
      await bystander.open();
      await bystander.ensure([...[...VNIDS, 3].map(vn), nve('n1')]);
      let told = 0;
      const goOn = (): Promise<void> =>
        bystander.publish([
          { feed: vn(3), records: [member('n1', ++told)] },
          { feed: nve('n1'), records: [membership(3, told)] },
        ]);
      startChild();
      await said('position');
      await sleep(moreMs);
      child!.kill('SIGSTOP');
      await goOn();

      const successor = feed.writer({ topicConfig: EAGER_COMPACTION, owned: OWNED, clientId: 'successor' });
      await successor.open();
      const newer = VNIDS.map((vnid) => ({
        feed: vn(vnid),
        records: Array.from({ length: KEYS }, (_, key) => member(`n${key}`, NEWER + key)),
      }));
      await successor.publish([...newer, { feed: nve('n1'), records: VNIDS.map((vnid) => membership(vnid, NEWER + vnid)) }]);
      await goOn();
      child!.kill('SIGCONT');
      expect(await said('ended')).toMatch(/^ended FeedFenced: Shard [12] of the feeds was taken over by successor on /);
      await goOn();

      // VN 129 is of shard 1.
      const filler = [
        ...VNIDS.map((vnid) => ({ feed: vn(vnid), records: [member('filler', NEWER * 2)] })),
        { feed: nve('n1'), records: [membership(129, NEWER * 2)] },
      ];
      const due = new Map(
        VNIDS.map((vnid) => [
          `${feed.prefix}.vn.${vnid}`,
          Array.from({ length: KEYS }, (_, key): [string, number] => [`member/n${key}`, NEWER + key]),
        ]),
      );
      due.set(`${feed.prefix}.nve.n1`, [...VNIDS.map((vnid): [string, number] => [`vn/${vnid}`, NEWER + vnid]), ['vn/3', told]]);
      for (const [topic, keys] of due) {
        await feed.compacted(
          topic,
          () => successor.publish(filler),
          (left) => left.filter(({ key }) => !FILLERS.has(key!.toString())).length === keys.length,
        );
        const left = await positionsOf(topic);
        for (const [key, position] of keys) expect(left.get(key), `${topic}, key ${key}`).toEqual([position]);
      }
      expect(told).toBe(3);
    },
  );

  it('in one of its shards goes on in the others, and says which it has lost and to whom', async () => {
    const first = feed.writer({ owned: [1, 2, 3] });
    await first.open();
    await first.ensure([...VNIDS, 3].map(vn));
    const second = feed.writer({ owned: [2], clientId: 'second' });
    await second.open();
    const both = [
      { feed: vn(1), records: [member('a', 1)] },
      { feed: vn(2), records: [member('a', 1)] },
    ];
    await expect(first.publish(both)).rejects.toThrow(
      /^Shard 2 of the feeds was taken over by second on \S+, process \d+ \([0-9a-f-]{36}\), at 20/,
    );
    await first.publish([
      { feed: vn(1), records: [member('a', 2)] },
      { feed: vn(3), records: [member('a', 2)] },
    ]);
    await second.publish([{ feed: vn(2), records: [member('a', 2)] }]);
    expect([await positionsOf(`${feed.prefix}.vn.1`), await positionsOf(`${feed.prefix}.vn.2`)]).toEqual([
      new Map([['member/a', [1, 2]]]),
      new Map([['member/a', [2]]]),
    ]);
    await expect(
      second.publish([
        { feed: vn(2), records: [member('a', 3)] },
        { feed: vn(3), records: [member('a', 3)] },
      ]),
    ).rejects.toThrow('vn/3 is of shard 3; this writer owns 2');
    await expect(second.delete(vn(1))).rejects.toThrow('vn/1 is of shard 1; this writer owns 2');
  });

  it('cannot set back the checkpoint of a shard that it has lost; the oldest of the owned ones counts', async () => {
    const at = (position: number, log = LOG) => ({ log, position, checkpoint: String(position) });
    const first = feed.writer({ owned: [1, 2] });
    await first.open();
    expect(await first.loadCheckpoint()).toBeNull();
    await first.saveCheckpoint(at(5));
    const second = feed.writer({ owned: [2, 3] });
    await second.open();
    expect(await second.loadCheckpoint()).toBeNull();
    await second.saveCheckpoint(at(9));
    await expect(first.saveCheckpoint(at(7))).rejects.toThrow(FeedFenced);
    expect(await second.loadCheckpoint()).toEqual(at(9));
    // Of shard 1, which it still owns, it was saved.
    expect(await feed.writer({ owned: [1, 2] }).loadCheckpoint()).toEqual(at(7));
    await second.saveCheckpoint(at(3, 'another'));
    expect(await feed.writer({ owned: [1, 2] }).loadCheckpoint()).toBeNull();
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
    await expect(first.publish([{ feed: vn(129), records: [member('a', 1)] }])).rejects.toThrow(FeedsFailed);
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
