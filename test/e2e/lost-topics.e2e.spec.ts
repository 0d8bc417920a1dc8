import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '@nva/processes';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import type { LocalNve } from './nves.ts';
import { World } from './world.ts';

const GONE_POLL_MS = 10;

let world: World;
beforeEach(async () => {
  world = await World.make();
  await world.start();
  await world.submit(vn(1), vn(3), vn(4), nve('nve1'), nve('nve2'), nve('nve3'));
  await world.submit(
    attach('t1', 'nve1', 1),
    attach('t2', 'nve2', 2),
    attach('t3', 'nve3', 3),
    attach('t4', 'nve2', 4, { bindings: [{ vnid: 3, ip: '192.0.2.4' }] }),
  );
});
afterEach(() => world.dispose());

const ownTopic = (nveId: string): string => `${world.feed.prefix}.nve.${nveId}`;
const lose = (...topics: string[]): Promise<void> =>
  world.feed.admin(async (admin) => {
    await admin.deleteTopics({ topics });
    while ((await admin.listTopics()).some((topic) => topics.includes(topic))) await sleep(GONE_POLL_MS);
  });
const restart = async (): Promise<void> => {
  await world.stop();
  await world.start();
};
const verdicts = ({ client }: LocalNve): string[] =>
  client
    .applied()
    .map(({ vnid, position, digest }) => `VN ${vnid} ${world.nva.node.replica.digests.judge(`vn/${vnid}`, Number(position), digest)}`);

describe('a topic that is deleted under a running NVA', () => {
  it('of a VN, and is made again with one change in it, withdraws nothing from anybody (X6)', async () => {
    const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
    await world.expectConverged();
    const losses = nves.map(({ client }) => {
      let lost = false;
      client.on('interrupted', ({ feed }) => (lost ||= feed.kind === 'vn' && feed.vnid === 1));
      client.on('incomplete', ({ feed }) => (lost ||= feed.kind === 'vn' && feed.vnid === 1));
      return () => lost;
    });
    await lose(world.topic(1));
    await world.submit(attach('t5', 'nve1', 5));
    await until('every NVE has noticed', () => (losses.every((noticed) => noticed()) ? null : 'not all have'));
    await until('the topic is there again', async () =>
      (await world.feed.admin((admin) => admin.listTopics())).includes(world.topic(1)) ? null : 'it is not',
    );
    await restart();
    await world.expectConverged();
    expect(nves.map(({ withdrawn, left }) => [withdrawn, left])).toEqual([
      [[], []],
      [[], []],
      [[], []],
    ]);
    expect(nves[2]!.client.resolve(1, { ip: '192.0.2.5' })).toMatchObject({ outcome: 'remote', via: { nveId: 'nve1' } });
  });

  it('of an NVE, and is made again with one VN on it, ends no membership: they are doubtful until the rest is there (X6, X8)', async () => {
    const own = world.nve('nve2');
    const doubts: string[] = [];
    own.client.on('doubtful', ({ vnid, reason }) => doubts.push(`${vnid} ${reason ?? 'over'}`));
    await world.expectConverged();
    await lose(ownTopic('nve2'));
    await world.submit(attach('t6', 'nve2', 6, { bindings: [{ vnid: 4, ip: '192.0.2.6' }] }));
    await until('the topic was read again', () =>
      own.client.membershipStatus().state === 'live' && (doubts.length > 0 || own.joined.includes(4))
        ? null
        : own.client.membershipStatus().state,
    );
    expect(own.left).toEqual([]);
    await restart();
    await world.expectConverged();
    await until('nothing is in doubt', () => (own.client.doubts().length === 0 ? null : JSON.stringify(own.client.doubts())));
    expect([own.left, own.withdrawn]).toEqual([[], []]);
    expect(own.joined.toSorted()).toEqual([1, 3, 4]);
  });

  it('both of them, while the NVE was taken out of one VN, leaves it in the others only', async () => {
    const own = world.nve('nve2');
    await world.expectConverged();
    await world.stop();
    await lose(ownTopic('nve2'), world.topic(1), world.topic(3));
    await until('the NVE has noticed', () =>
      own.client.status().every(({ state }) => state === 'interrupted') ? null : JSON.stringify(own.client.status()),
    );
    await world.start();
    await world.submit(detach('t4', 'nve2'));
    await world.expectConverged();
    expect(own.left).toEqual([3]);
    expect(own.withdrawn.filter((key) => key.startsWith('1 '))).toEqual([]);
  });

  it('while an NVE is asleep, and is longer than where that stood when it wakes, is read from the start (X1, X6)', async () => {
    const sleeper = world.childNve('nve2');
    await world.expectConverged();
    sleeper.away();
    await world.submit(detach('t3', 'nve3'));
    await world.stop();
    await lose(world.topic(1), ownTopic('nve2'));
    await world.start();
    for (let n = 10; n < 40; n++) await world.submit(attach(`t${n}`, 'nve1', n));
    await world.expectTopicsEqualFold();
    sleeper.back();
    await world.expectConverged();
    expect((await sleeper.state()).map(({ vnid }) => vnid)).toEqual([1, 3]);
  });
});

describe('a VN whose newest event is a removal', () => {
  it('and whose topic is lost is not called different: a table read from the start is judged by all digests since', async () => {
    const own = world.nve('nve1');
    await world.expectConverged();
    await world.submit(attach('t5', 'nve2', 5));
    // Older than what was added last, so that no live key has a position of it or after.
    await world.submit(detach('t3', 'nve3'));
    await world.expectConverged();
    const { position } = world.nva.node.replica.digests.current('vn/1');
    await world.stop();
    await lose(world.topic(1));
    await until('the NVE has noticed', () => (own.client.status()[0]!.state === 'interrupted' ? null : own.client.status()[0]!.state));
    await world.start();
    // Until it has read the topic anew, what it holds is as right as that.
    await until('the NVE follows it again', () => (own.client.status()[0]!.state === 'live' ? null : own.client.status()[0]!.state));
    await world.expectConverged();
    const [applied] = own.client.applied();
    // It cannot know of the removal; by the digest at that position it would differ.
    expect(Number(applied!.position)).toBeLessThan(position);
    expect(world.nva.node.replica.digests.at('vn/1', Number(applied!.position))).not.toBe(applied!.digest);
    expect(verdicts(own)).toEqual(['VN 1 same']);
    expect(own.withdrawn).toEqual(['1 mapping/t3/192.0.2.3', '1 member/nve3']);
  });
});
