import { randomUUID } from 'node:crypto';
import { auditAt, command } from '@nva/domain/testing';
import { systemClock, type Clock, systemTimers } from '@nva/ports';
import { until as untilWithin } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attach, detach, nve, vn } from '../../registrar/test/harness.ts';
import { LOWER, Sharing, UPPER, type Running } from './sharing.ts';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

/** What is waited for are states of a broker that other work may slow; this is only where waiting ends. */
const LIMIT_MS = 120_000;
vi.setConfig({ testTimeout: 2 * LIMIT_MS, hookTimeout: 2 * LIMIT_MS });
const until: typeof untilWithin = (what, lacking) => untilWithin(what, lacking, LIMIT_MS);
/** So that nothing is found by looking, in tests of what a publish finds. */
const NEVER_MS = 3_600_000;

let sharing: Sharing;
beforeEach(async () => {
  sharing = await Sharing.make();
});
afterEach(() => sharing.dispose());

const topic = (name: string): string => `${sharing.feed.prefix}.${name}`;
const whole = async (...all: Running[]): Promise<void> => {
  for (const running of all) {
    await sharing.published(running);
    await until('the feeds are whole', () =>
      running.distributor.aside.size === 0 ? null : JSON.stringify(running.distributor.aside.list()),
    );
  }
  await sharing.expectTopicsEqualFold();
};
/** Keys as they stand on a topic, in order, removals marked. */
const keysOn = async (name: string): Promise<string[]> =>
  (await sharing.feed.raw(topic(name))).map(({ key, value }) => `${key!.toString()}${value === null ? ' removed' : ''}`);

describe('a topic that is deleted while the distributor runs', () => {
  it.each([
    ['looking', 200],
    ['the next publish', NEVER_MS],
  ])(
    'of a VN is found by %s and whole again without a restart, the context last, whether anything is attached or not (X6)',
    async (by, lookEveryMs) => {
      const running = await sharing.start(undefined, { lookEveryMs });
      await sharing.submit(
        vn(1),
        vn(65),
        nve('nve1'),
        nve('nve2'),
        attach('t1', 'nve1', 1),
        attach('t2', 'nve2', 2),
        attach('t3', 'nve2', 3),
        detach('t3', 'nve2'),
      );
      await whole(running);
      await sharing.feed.deleted(topic('vn.1'));
      if (by === 'looking') await until('it is found', () => (running.distributor.aside.counters.restored === 1 ? null : 'not yet'));
      // VN 65 is of the same shard, and in the same transaction.
      else
        await sharing.submit(
          attach('t4', 'nve1', 4, {
            bindings: [
              { bid: 1, vnid: 1, ip: '192.0.2.4' },
              { bid: 2, vnid: 65, ip: '192.0.2.4' },
            ],
          }),
        );
      await whole(running);
      const keys = await keysOn('vn.1');
      const members = [
        'member/nve1',
        'member/nve2',
        'mapping/t1/192.0.2.1',
        'mapping/t2/192.0.2.2',
        ...(by === 'looking' ? [] : ['mapping/t4/192.0.2.4']),
      ];
      expect(keys.indexOf('context')).toBe(members.length);
      expect(keys.slice(0, members.length).toSorted()).toEqual(members.toSorted());
      expect(running.distributor.aside.counters).toEqual({ lost: 1, restored: 1 });
      expect(running.failures).toEqual([]);
    },
  );

  it('is not ready, and claims to have published only what is there, until it is whole', async () => {
    const running = await sharing.start(undefined, { lookEveryMs: 200 });
    await sharing.submit(vn(1), nve('nve1'), attach('t1', 'nve1', 1));
    await whole(running);
    const created = sharing.registrar.replica.network.vns.get(1)!.contextPosition;
    const seen: { readonly whole: boolean; readonly published: number }[] = [];
    const { aside } = running.distributor;
    const put = aside.put.bind(aside);
    aside.put = (failures) => {
      put(failures);
      if (failures.length > 0) seen.push({ whole: running.distributor.feedsWhole, published: running.distributor.publishedPosition });
    };
    await sharing.feed.deleted(topic('vn.1'));
    await until('it is found', () => (seen.length > 0 ? null : 'not yet'));
    expect(seen[0]).toEqual({ whole: false, published: created - 1 });
    await whole(running);
    expect(running.distributor.feedsWhole).toBe(true);
  });

  it('of an NVE is whole again: each distributor that shares it writes what is its own', async () => {
    const [lower, upper] = [await sharing.start(LOWER, { lookEveryMs: 200 }), await sharing.start(UPPER, { lookEveryMs: 200 })];
    const vnids = [1, 2, 40, 41];
    await sharing.submit(
      ...vnids.map((vnid) => vn(vnid)),
      nve('nve1'),
      attach('t1', 'nve1', 1, { bindings: vnids.map((vnid, i) => ({ bid: i + 1, vnid, ip: '192.0.2.1' })) }),
    );
    await whole(lower, upper);
    await sharing.feed.deleted(topic('nve.nve1'));
    await until('both have found it', () =>
      lower.distributor.aside.counters.restored + upper.distributor.aside.counters.restored >= 2 ? null : 'not yet',
    );
    await whole(lower, upper);
    expect((await keysOn('nve.nve1')).toSorted()).toEqual(expect.arrayContaining(vnids.map((vnid) => `vn/${vnid}`).toSorted()));
  });

  it('and made again by an operator’s hand is found by the next publish, and nothing but what is due is on it', async () => {
    const running = await sharing.start(undefined, { lookEveryMs: NEVER_MS });
    await sharing.submit(vn(1), nve('nve1'), attach('t1', 'nve1', 1));
    await whole(running);
    await sharing.feed.madeAnew(topic('vn.1'));
    await sharing.submit(attach('t2', 'nve1', 2));
    await whole(running);
    expect(running.distributor.aside.counters.lost).toBe(1);
  });

  it('takes no queued removal with it: what is queued behind is published after it is whole', async () => {
    const running = await sharing.start(undefined, { lookEveryMs: NEVER_MS });
    await sharing.submit(vn(1), nve('nve1'), ...Array.from({ length: 20 }, (_, i) => attach(`t${i}`, 'nve1', i + 1)));
    await whole(running);
    await sharing.feed.deleted(topic('vn.1'));
    for (let i = 0; i < 20; i++)
      await sharing.submit(
        ...(i % 2
          ? [detach(`t${i}`, 'nve1')]
          : [command('changeMac', { tsId: `t${i}`, mac: `02:00:00:00:01:${i.toString(16).padStart(2, '0')}` })]),
      );
    await whole(running);
  });
});

describe('a feed that is refused', () => {
  it('keeps no other from being published, is retried by itself, and is whole when it is taken again', async () => {
    await sharing.feed.admin((admin) => makeTopics(admin, [{ topic: topic('vn.1'), numPartitions: 2 }]));
    const running = await sharing.start();
    await sharing.submit(
      vn(1),
      vn(65),
      nve('nve1'),
      attach('t1', 'nve1', 1, {
        bindings: [
          { bid: 1, vnid: 1, ip: '192.0.2.1' },
          { bid: 2, vnid: 65, ip: '192.0.2.1' },
        ],
      }),
    );
    await sharing.published(running);
    expect(running.distributor.aside.list()).toMatchObject([
      { feed: { kind: 'vn', vnid: 1 }, trouble: 'refused', reason: expect.stringContaining('has 2 partitions') },
    ]);
    expect(running.distributor.feedsWhole).toBe(true);
    // No NVE is told of a VN whose feed is not there (X8).
    expect(await keysOn('nve.nve1')).toEqual(['vn/65']);
    expect(await keysOn('vn.65')).toEqual(['context', 'member/nve1', 'mapping/t1/192.0.2.1']);
    await sharing.feed.deleted(topic('vn.1'));
    await whole(running);
    expect(running.failures).toEqual([]);
  });

  it('because an older log has NVEs that differ in . and _ only is the later one’s: it is named with its topic and why, and everything else goes on', async () => {
    await sharing.submit(vn(1), nve('leaf.1'), nve('nve1'));
    // As registrars wrote it that did not refuse it.
    const event = {
      type: 'NveConnected' as const,
      data: {
        audit: auditAt(0),
        nveId: 'leaf_1',
        siteId: 's',
        mac: '02:00:00:00:0a:02',
        addresses: ['198.51.100.2'],
        incarnation: 1,
        leaseS: null,
      },
    };
    await sharing.store.append([{ stream: 'nve-leaf_1', expectedRevision: -1, events: [{ id: randomUUID(), event }] }]);
    await sharing.registrar.replica.passed((await sharing.store.head()).position);
    await sharing.submit(attach('t1', 'leaf.1', 1), attach('t2', 'leaf_1', 2), attach('t3', 'nve1', 3));
    const running = await sharing.start();
    await sharing.submit(attach('t4', 'nve1', 4));
    await sharing.published(running);
    expect(running.distributor.aside.list()).toEqual([
      {
        feed: { kind: 'nve', nveId: 'leaf_1' },
        topic: topic('nve.leaf_1'),
        trouble: 'refused',
        reason: expect.stringMatching(/collides|invalid topic/i),
      },
    ]);
    expect(running.distributor.feedsWhole).toBe(true);
    for (const nveId of ['leaf.1', 'nve1']) expect(await keysOn(`nve.${nveId}`)).toEqual(['vn/1']);
    expect((await keysOn('vn.1')).filter((key) => key.startsWith('mapping/')).toSorted()).toEqual(
      [1, 2, 3, 4].map((n) => `mapping/t${n}/192.0.2.${n}`),
    );
    expect(running.failures).toEqual([]);
  });

  it('because of a record that brokers find too large leaves the others of its transaction in order', async () => {
    const running = await sharing.start();
    await sharing.submit(vn(1), vn(65), nve('nve1'));
    await whole(running);
    await sharing.feed.configured(topic('vn.1'), 'max.message.bytes', '100');
    await sharing.submit(
      attach('t1', 'nve1', 1, {
        bindings: [
          { bid: 1, vnid: 1, ip: '192.0.2.1' },
          { bid: 2, vnid: 65, ip: '192.0.2.1' },
        ],
      }),
    );
    await sharing.published(running);
    expect(running.distributor.aside.list()).toMatchObject([{ feed: { kind: 'vn', vnid: 1 }, trouble: 'refused' }]);
    expect(await keysOn('vn.65')).toEqual(['context', 'member/nve1', 'mapping/t1/192.0.2.1']);
    await sharing.feed.configured(topic('vn.1'), 'max.message.bytes', '1000000');
    await whole(running);
  });
});

describe('a VN of which an NVE holds another table', () => {
  it('is compared with the fold, and what is wrong on its feed is put right: once for many doubts', async () => {
    const running = await sharing.start();
    await sharing.submit(vn(1), nve('nve1'), attach('t1', 'nve1', 1));
    await whole(running);
    // An intruder, whom nothing keeps out but the brokers' rules.
    await sharing.feed.send(topic('vn.1'), [
      {
        key: 'member/nve1',
        value: null,
        headers: { 'position': String((await sharing.store.head()).position), 'log': sharing.store.logId, 'change-end': '1' },
      },
    ]);
    for (let many = 0; many < 5; many++) running.distributor.doubt(1);
    await until('it is compared', () => (running.distributor.doubts.counters.comparisons === 1 ? null : 'not yet'));
    await whole(running);
    expect(running.distributor.doubts.counters).toEqual({ doubts: 5, comparisons: 1, repaired: 1, repairedRecords: 1 });
  });

  it('is found without any report where each VN’s feed is compared in turn, and put right; those that are right are left alone', async () => {
    // An hour is 3.6 s: a round begins so often.
    const clock: Clock = { ...systemTimers, wallMs: () => systemClock.wallMs(), monotonicMs: () => 1_000 * systemClock.monotonicMs() };
    const running = await sharing.start(undefined, { lookEveryMs: 200, verify: true, clock });
    await sharing.submit(...[1, 2, 3].map((vnid) => vn(vnid)), nve('nve1'), attach('t1', 'nve1', 1));
    await whole(running);
    await sharing.feed.send(topic('vn.1'), [
      {
        key: 'member/nve1',
        value: null,
        headers: { 'position': String((await sharing.store.head()).position), 'log': sharing.store.logId, 'change-end': '1' },
      },
    ]);
    await until('it is put right', () =>
      running.distributor.doubts.counters.repaired > 0 ? null : JSON.stringify(running.distributor.doubts.counters),
    );
    await whole(running);
    expect(running.distributor.doubts.counters).toMatchObject({ repaired: 1, repairedRecords: 1 });
  });

  it('has a key removed that is no text as the bytes that it is', async () => {
    const running = await sharing.start();
    await sharing.submit(vn(1), nve('nve1'), attach('t1', 'nve1', 1));
    await whole(running);
    const key = Buffer.from([0x6d, 0xff, 0xfe, 0x2f]);
    await sharing.feed.send(topic('vn.1'), [{ key, value: Buffer.from('x'), headers: { position: '1', log: sharing.store.logId } }]);
    running.distributor.doubt(1);
    const left = async (): Promise<(Buffer | null)[]> =>
      (await sharing.feed.raw(topic('vn.1'))).filter((record) => record.key!.equals(key)).map(({ value }) => value);
    await until('it is removed', async () => ((await left()).at(-1) === null ? null : `${(await left()).length} records`));
    expect((await left()).length).toBe(2);
    await sharing.stop(running);
    // And no start removes it again.
    const again = await sharing.start();
    await sharing.published(again);
    expect((await left()).length).toBe(2);
  });
});
