import { PURGE_AFTER_MS } from '@nva/distributor';
import { command } from '@nva/domain/testing';
import type { FeedName, FeedSink, FeedTransport } from '@nva/ports';
import { until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { World } from './world.ts';

/** Feeds of one kind that can be held back on their way from a real transport: what they tell comes later, all of it and in order. */
class LateFeed {
  readonly #kind: FeedName['kind'];
  #held: (() => void)[] | null = null;

  constructor(kind: FeedName['kind']) {
    this.#kind = kind;
  }

  of(transport: FeedTransport): FeedTransport {
    return {
      follow: (feed, options, sink) => transport.follow(feed, options, feed.kind === this.#kind ? this.#late(sink) : sink),
      close: () => transport.close(),
    };
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const tell of held) tell();
  }

  #late(sink: FeedSink): FeedSink {
    const late =
      <A extends unknown[]>(tell: (...args: A) => void) =>
      (...args: A): void =>
        this.#held ? void this.#held.push(() => tell(...args)) : tell(...args);
    return {
      restart: late((reason) => sink.restart(reason)),
      resuming: late(() => sink.resuming?.()),
      record: late((record, cursor) => sink.record(record, cursor)),
      complete: late((cursor, upTo) => sink.complete(cursor, upTo)),
      undecodable: late((failure, cursor) => sink.undecodable(failure, cursor)),
      interrupted: late((cause) => sink.interrupted(cause)),
      resumed: late(() => sink.resumed()),
    };
  }
}

let world: World;
beforeEach(async () => {
  world = await World.make();
  await world.start();
  await world.submit(vn(1), nve('nve1'), nve('nve2'), nve('nve3'));
  await world.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2), attach('t3', 'nve3', 3));
});
afterEach(() => world.dispose());

/** Everybody leaves, the VN goes, comes back under the same VNID, and others are in it: all of it in one go. */
const again = async (): Promise<void> => {
  const outcomes = await world.submit(
    detach('t1', 'nve1'),
    detach('t2', 'nve2'),
    detach('t3', 'nve3'),
    command('deleteVn', { vnid: 1 }),
    vn(1),
    attach('t1', 'nve2', 1),
    attach('t5', 'nve1', 5, { mac: '02:00:00:00:00:02' }),
  );
  expect(outcomes.every(({ effective }) => effective)).toBe(true);
};

describe('a VN deleted and created again under the same VNID within a second', () => {
  it('is another VN to those who followed the first one (X1, R46)', async () => {
    const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
    await world.expectConverged();
    const sinceBefore = nves[0]!.client.memberships.get(1)!.since;
    await again();
    await world.expectConverged();
    expect(nves[0]!.client.memberships.get(1)!.since).toBeGreaterThan(sinceBefore);
    // Which of its two feeds was ahead is not for the test to say.
    expect(nves.map(({ left, rejoined }) => [...left, ...rejoined])).toEqual([[1], [1], [1]]);
    expect(nves[2]!.left).toEqual([1]);
    expect(nves[0]!.client.resolve(1, { ip: '192.0.2.3' })).toBeNull();
    for (let time = 0; time < 5; time++) {
      await world.submit(
        detach('t1', 'nve2'),
        detach('t5', 'nve1'),
        command('deleteVn', { vnid: 1 }),
        vn(1),
        attach('t1', 'nve2', 1),
        attach('t5', 'nve1', 5),
      );
    }
    await world.expectConverged();
  });

  it('is shown once to an NVE whose own feed comes late, and stays as it is when that tells of the two stays (X1, R46)', async () => {
    const own = new LateFeed('nve');
    const leaf = world.nve('nve1', (transport) => own.of(transport));
    await world.expectConverged();
    const sinceBefore = leaf.client.memberships.get(1)!.since;
    own.hold();
    await again();
    await until('the new VN is shown', () =>
      leaf.client.resolve(1, { ip: '192.0.2.5' })?.outcome === 'local' ? null : String(leaf.withdrawn),
    );
    expect([leaf.client.memberships.get(1)!.since, leaf.left, leaf.rejoined]).toEqual([sinceBefore, [], []]);
    await world.expectTopicsEqualFold();
    const reports = leaf.changes.length;
    own.release();
    await world.expectConverged();
    expect([leaf.left, leaf.rejoined, leaf.changes.slice(reports)]).toEqual([[], [1], []]);
    expect(leaf.client.memberships.get(1)!.since).toBeGreaterThan(sinceBefore);
    // Of the first VN everything was withdrawn, and nothing of the second.
    expect(leaf.withdrawn.filter((entry) => entry.includes('mapping/t5'))).toEqual([]);
    expect(leaf.client.doubts()).toEqual([]);
  });

  it('is dropped, and shown when its feed comes to the new stay, to an NVE whose VN’s feed comes late: nothing of the first VN is shown to the second stay (X1, R46)', async () => {
    const late = new LateFeed('vn');
    const leaf = world.nve('nve1', (transport) => late.of(transport));
    await world.expectConverged();
    const sinceBefore = leaf.client.memberships.get(1)!.since;
    late.hold();
    await again();
    await until('the new stay is known', () =>
      (leaf.client.memberships.get(1)?.since ?? 0) > sinceBefore ? null : `left ${leaf.left}, in ${[...leaf.client.memberships.keys()]}`,
    );
    expect([leaf.left, leaf.client.table(1), leaf.client.applied()]).toEqual([[1], null, []]);
    late.release();
    await world.expectConverged();
    expect(
      leaf.changes.filter(({ changes }) => changes.some(({ key, after }) => key === 'mapping/t5/192.0.2.5' && after !== null)),
    ).toHaveLength(1);
  });

  it('and while an NVE was asleep, another one gone, and the NVA restarted meanwhile', async () => {
    const sleeper = world.childNve('nve1');
    const gone = world.nve('nve2');
    await world.expectConverged();
    sleeper.away();
    await world.gone(gone);
    await again();
    await world.expectTopicsEqualFold();
    await world.stop();
    await world.start();
    sleeper.back();
    world.nve('nve2');
    await world.expectConverged();
  });
});

describe('a VN deleted for long', () => {
  it('loses its topic, and its VNID goes to another tenant, whose NVEs see nothing of the first', async () => {
    const stays = world.nve('nve1');
    await world.expectConverged();
    await world.submit(detach('t1', 'nve1'), detach('t2', 'nve2'), detach('t3', 'nve3'), command('deleteVn', { vnid: 1 }));
    await world.expectConverged();
    world.clock.advance(PURGE_AFTER_MS);
    world.nva.distributor.purge();
    await until('the purge of VN 1', () =>
      world.nva.node.replica.network.vns.get(1)!.state.status === 'purged' ? null : 'it is only deleted',
    );
    expect(await world.feed.admin((admin) => admin.listTopics())).not.toContain(world.topic(1));

    await world.submit(vn(1, 'blue'), attach('t9', 'nve1', 9, { tenantId: 'blue' }), attach('t8', 'nve2', 8, { tenantId: 'blue' }));
    world.nve('nve2');
    await world.expectConverged();
    expect([...stays.client.memberships.keys()]).toEqual([1]);
    expect(stays.client.resolve(1, { ip: '192.0.2.1' })).toBeNull();
    expect((await world.feed.raw(world.topic(1))).map(({ key }) => String(key))).not.toContain('mapping/t1/192.0.2.1');
  });
});
