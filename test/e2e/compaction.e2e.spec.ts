import { command } from '@nva/domain/testing';
import { until } from '@nva/processes';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { EAGER_COMPACTION } from '../../libs/kafka/test/kafka-feed.ts';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { RepeatingWriter } from './odd-writers.ts';
import { World } from './world.ts';

/** `segment.ms` of the topics, with a margin: the next record begins another segment. */
const SEGMENT_ROLLS_MS = 250;

let world: World;
afterEach(() => world.dispose());

describe('a distributor that repeats, and a compaction that came half way', () => {
  it('leave records out of order by position, and every NVE, late joiner included, with the right table (X1, R46)', async () => {
    world = await World.make({ topicConfig: EAGER_COMPACTION });
    let writer!: RepeatingWriter;
    await world.start({ writer: (options) => (writer = new RepeatingWriter(options)) });
    await world.submit(vn(1), nve('nve1'), nve('nve2'), nve('nve3'));
    world.nve('nve1');
    await world.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2), attach('t4', 'nve2', 4));
    await world.expectConverged();
    const firstHalf = writer.calls;
    await world.submit(
      attach('t2', 'nve1', 2),
      detach('t4', 'nve2'),
      attach('t3', 'nve3', 3),
      command('changeMac', { tsId: 't3', mac: '02:00:00:00:00:33' }),
    );
    await world.expectConverged();
    await writer.repeat(0, firstHalf);
    await sleep(SEGMENT_ROLLS_MS);
    // This closes the segments before, which are compacted; what it writes stands in the active one, which is not.
    await writer.repeat(firstHalf);
    await until('a key is met first behind a newer record of another key', async () => {
      const first = new Map<string, number>();
      for (const { key, headers } of await world.feed.raw(world.topic(1)))
        if (!first.has(key!.toString())) first.set(key!.toString(), Number(headers!['position']));
      const positions = [...first.values()];
      return positions.some((position, i) => position < (positions[i - 1] ?? 0)) ? null : String(positions);
    });
    world.nve('nve2');
    world.nve('nve3');
    await world.expectConverged();
    await world.submit(attach('t4', 'nve3', 4), detach('t2', 'nve1'));
    await world.expectConverged();
  });
});

describe('removals that expired while an NVE was away', () => {
  it('are found by reading from the start: the entries go, and so do the VNs that it was taken out of (X1, R46)', async () => {
    world = await World.make({ topicConfig: EAGER_COMPACTION });
    await world.start();
    await world.submit(vn(1), vn(3), vn(4), nve('nve1'), nve('nve2'), nve('nve3'));
    const elsewhere = { bindings: [{ vnid: 3, ip: '192.0.2.8' }] };
    await world.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2), attach('t3', 'nve3', 3), attach('t8', 'nve2', 8, elsewhere));
    // Its transport is told what the topics have: half a second later, removals may be gone.
    const sleeper = world.childNve('nve2', { deleteRetentionMs: 1_000 });
    world.nve('nve1');
    await world.expectConverged();

    sleeper.away();
    await world.submit(detach('t3', 'nve3'), detach('t1', 'nve1'), detach('t8', 'nve2'));
    await world.compacted(1, (left) => !left.some(({ key }) => key.includes('/t1/') || key.includes('/t3/') || key === 'member/nve3'));
    // The same on the topic of the NVE's memberships.
    const memberships = `${world.feed.prefix}.nve.nve2`;
    await world.feed.compacted(
      memberships,
      async () => {
        await world.submit(attach('u', 'nve2', 7, { bindings: [{ vnid: 4, ip: '192.0.2.7' }] }));
        await world.submit(detach('u', 'nve2'));
      },
      (left) => !left.some(({ key }) => key!.toString() === 'vn/3'),
    );
    sleeper.back();
    await world.expectConverged();
    expect((await sleeper.state()).map(({ vnid }) => vnid)).toEqual([1]);
  });
});
