import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditAt, command } from '@nva/domain/testing';
import { feedsOf, recordsOf } from '@nva/fold';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import {
  FeedRefused,
  FeedUnavailable,
  feedKey,
  LogEndLost,
  silentLogger,
  type EventStore,
  type FeedBatch,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type SubscriptionMessage,
} from '@nva/ports';
import { until } from '@nva/processes';
import {
  attach,
  code,
  detach,
  ManualClock,
  nve,
  openLog,
  startNode,
  vn,
  type LogFixture,
  type Node,
} from '../../registrar/test/harness.ts';
import { Distributor, feedValue, MAX_QUEUED_RECORDS, PURGE_AFTER_MS } from '../src/index.ts';

/** A queue of MAX_QUEUED_RECORDS takes a while to fill. */
const OVERFLOW_TIMEOUT_MS = 120_000;
const VN1: FeedName = { kind: 'vn', vnid: 1 };

/** Feeds that can fail, and that keep what was published, in order. */
class RecordingFeed extends InProcessFeed {
  readonly published: { feed: string; record: FeedRecord }[] = [];
  /** The feeds of each call of `publish`: within one, nothing says which of them is first. */
  readonly calls: FeedName[][] = [];
  failing = false;
  /** Lets this many records through, then fails: a crash in the middle. */
  cutAfter = Number.POSITIVE_INFINITY;

  beforeDelete: () => Promise<void> = () => Promise.resolve();
  beforeRead: () => Promise<void> = () => Promise.resolve();

  override async *readAll(feeds: readonly FeedName[]): AsyncGenerator<FeedItem> {
    await this.beforeRead();
    yield* super.readAll(feeds);
  }

  override async delete(name: FeedName): Promise<void> {
    await this.beforeDelete();
    await super.delete(name);
  }

  override async publish(batches: readonly FeedBatch[]): Promise<void> {
    if (this.failing) throw new FeedUnavailable('the broker is away');
    this.calls.push(batches.map(({ feed }) => feed));
    for (const { feed, records } of batches) {
      const through = records.slice(0, this.cutAfter);
      this.cutAfter -= through.length;
      await super.publish([{ feed, records: through }]);
      this.published.push(...through.map((record) => ({ feed: feedKey(feed), record })));
      if (through.length < records.length) throw new FeedUnavailable('cut');
    }
  }
}

let clock: ManualClock;
let log: LogFixture;
let node: Node;
let topics: Topics;
let feed: RecordingFeed;
let distributor: Distributor;

const fail = (cause: unknown): never => {
  throw cause;
};

async function start(adopt = false): Promise<void> {
  node = await startNode(log.store, clock);
  feed = new RecordingFeed('nvo3', topics);
  distributor = new Distributor(feed, node.replica, log.store, silentLogger, { adopt, purge: { afterMs: PURGE_AFTER_MS, clock } });
  await distributor.start(fail);
}

async function stop(): Promise<void> {
  await distributor.stop();
  await node.stop();
}

const settled = (): Promise<void> => {
  const { position } = node.replica.network;
  return until('all is published', () =>
    distributor.queuedRecords > 0 || distributor.publishedPosition < position
      ? `${distributor.queuedRecords} records, at ${distributor.publishedPosition} of ${position}`
      : null,
  );
};

/** Every feed, read from the start, is the fold's table, positions included. */
async function expectFeedsEqualFold(): Promise<void> {
  await settled();
  const { network } = node.replica;
  for (const name of feedsOf(network)) {
    const table = new Map<string, { value: unknown; position: number }>();
    for await (const { key, value, position } of feed.read(name)) {
      if (value) table.set(key, { value, position });
      else table.delete(key);
    }
    const expected = new Map(
      [...recordsOf(network, name)].map(({ key, value, position }) => [key, { value: feedValue(value, feed), position }]),
    );
    expect(table, feedKey(name)).toEqual(expected);
  }
}

beforeEach(async () => {
  clock = new ManualClock();
  log = await openLog(clock);
  topics = new Topics();
  await start();
  await node.submit(vn(1), vn(3), nve('nve1'), nve('nve2'));
});

afterEach(async () => {
  await stop();
  await log.dispose();
});

describe('the distributor', () => {
  it('publishes every change once, the last record of a change marked, with its audit headers (R36, R42)', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
    await expectFeedsEqualFold();
    const vn1 = feed.published.filter((p) => p.feed === 'vn/1').map((p) => p.record);
    expect(vn1.map(({ key, changeEnd }) => `${key} ${changeEnd ? 'end' : ''}`)).toEqual([
      'context end',
      'member/nve1 ',
      'mapping/t1/192.0.2.1 end',
      'member/nve2 ',
      'mapping/t2/192.0.2.2 end',
    ]);
    expect(vn1[1]).toMatchObject({
      eventType: 'TenantSystemAttached',
      correlationId: 'spec',
      recordedAt: clock.wall,
      log: log.store.logId,
    });
  });

  it('tells an NVE of a VN before the NVE appears in it, and where to listen (X8)', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await settled();
    const order = feed.published.map((p) => `${p.feed} ${p.record.key}`);
    expect(order.indexOf('nve/nve1 vn/1')).toBeLessThan(order.indexOf('vn/1 member/nve1'));
    expect(feed.published.find((p) => p.feed === 'nve/nve1')!.record.value).toMatchObject({
      type: 'Membership',
      data: { vnid: 1, topic: 'nvo3.vn.1', brokers: null },
    });
  });

  it('makes the feed of an NVE when it connects, before there is anything to tell on it (X8)', async () => {
    await settled();
    expect(feed.has({ kind: 'nve', nveId: 'nve1' })).toBe(true);
    expect(feed.published.filter((p) => p.feed === 'nve/nve1')).toEqual([]);
  });

  it('publishes nothing at a restart when nothing is missing', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t1', 'nve2', 1));
    await stop();
    await start();
    expect(feed.published).toEqual([]);
    await expectFeedsEqualFold();
  });

  it('puts right a feed that was deleted under its checkpoint', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await stop();
    topics.delete(VN1);
    await start();
    await expectFeedsEqualFold();
  });

  it('tells NVEs of their VNs before they appear in them when it fills feeds that were lost, in calls of their own (X8)', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
    await stop();
    for (const name of [VN1, { kind: 'nve', nveId: 'nve1' }, { kind: 'nve', nveId: 'nve2' }] as const) topics.delete(name);
    await start();
    const order = feed.published.map((p) => `${p.feed} ${p.record.key}`);
    expect(order.slice(0, 2).toSorted()).toEqual(['nve/nve1 vn/1', 'nve/nve2 vn/1']);
    expect(order).toContain('vn/1 member/nve1');
    expect(feed.calls.map((feeds) => new Set(feeds.map(({ kind }) => kind)).size)).toEqual([1, 1]);
    await expectFeedsEqualFold();
  });

  it('puts right what a crash cut in two, and a late write of an older value', async () => {
    await settled();
    feed.cutAfter = 2;
    await node.submit(attach('t1', 'nve1', 1), attach('t1', 'nve2', 1), attach('t1', 'nve1', 1));
    await stop().catch(() => {});
    const stale = { key: 'mapping/t1/192.0.2.1', value: null, position: 1, log: log.store.logId, changeEnd: true };
    const late = new InProcessFeed('nvo3', topics);
    await late.open();
    await late.ensure([VN1]);
    await late.publish([{ feed: VN1, records: [stale] }]);
    await start();
    await expectFeedsEqualFold();
  });

  it('publishes again what stands at another position, though its value is right: the digest names positions', async () => {
    await settled();
    const [context] = await Array.fromAsync(feed.read(VN1));
    await stop();
    const other = new InProcessFeed('nvo3', topics);
    await other.open();
    await other.publish([{ feed: VN1, records: [{ ...context!, position: context!.position + 1 }] }]);
    await start();
    expect(feed.published.map((p) => `${p.feed} ${p.record.key}@${p.record.position}`)).toEqual([`vn/1 context@${context!.position}`]);
    await expectFeedsEqualFold();
  });

  it('removes keys that should not be there', async () => {
    await stop();
    const other = new InProcessFeed('nvo3', topics);
    await other.open();
    const ghost: FeedRecord = {
      key: 'member/ghost',
      value: { type: 'VnMember', data: { nveId: 'ghost', mac: '02:00:00:00:00:09', addresses: [], reachable: true } },
      position: 1,
      log: log.store.logId,
      changeEnd: true,
    };
    await other.publish([{ feed: VN1, records: [ghost] }]);
    await start();
    await expectFeedsEqualFold();
  });

  it('goes on through an outage of the feeds, and withdraws nothing (X6)', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await settled();
    feed.failing = true;
    expect(distributor.oldestQueuedAt).toBeNull();
    const since = clock.wallMs();
    const outcomes = await node.submit(attach('t2', 'nve2', 2), detach('t2', 'nve2'), attach('t3', 'nve2', 3));
    expect(outcomes.every((outcome) => 'answer' in outcome)).toBe(true);
    clock.advance(60_000);
    await node.submit(attach('t4', 'nve2', 4));
    expect(distributor.oldestQueuedAt).toBe(since);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(distributor.counters.publishFailures).toBeGreaterThan(0);
    feed.failing = false;
    await expectFeedsEqualFold();
  });

  it('lets too long a queue go and reconciles instead: memory is bounded, tables are right', async () => {
    await settled();
    feed.failing = true;
    await node.submit(
      attach('t1', 'nve1', 1, { bindings: Array.from({ length: 200 }, (_, i) => ({ bid: i + 1, vnid: 1, ip: `10.0.0.${i}` })) }),
    );
    const needed = Math.ceil(MAX_QUEUED_RECORDS / 200) + 1;
    for (let done = 0; done < needed; done += 500) {
      await node.submit(
        ...Array.from({ length: Math.min(500, needed - done) }, (_, i) =>
          command('changeMac', { tsId: 't1', mac: `02:00:00:00:00:${((done + i) % 200).toString(16).padStart(2, '0')}` }),
        ),
      );
    }
    expect(distributor.queuedRecords).toBeLessThanOrEqual(MAX_QUEUED_RECORDS);
    const { reconciliations } = distributor.counters;
    feed.failing = false;
    await expectFeedsEqualFold();
    expect(distributor.counters.reconciliations).toBe(reconciliations + 1);
  });
});

describe('a distributor of some VNs', () => {
  const lower = (vnid: number): boolean => vnid < 3;
  const other = (owns?: (vnid: number) => boolean): Distributor =>
    new Distributor(feed, node.replica, log.store, silentLogger, { adopt: false, ...(owns && { owns }) });
  const both = {
    bindings: [
      { bid: 1, vnid: 1, ip: '192.0.2.1' },
      { bid: 2, vnid: 3, ip: '192.0.2.1' },
    ],
  };

  it('publishes what is about them only, on the feeds of NVEs too, each part of a change ended', async () => {
    await stop();
    node = await startNode(log.store, clock);
    feed = new RecordingFeed('nvo3', new Topics());
    distributor = other(lower);
    await distributor.start(fail);
    await node.submit(attach('t1', 'nve1', 1, both), attach('t2', 'nve2', 2, { bindings: [{ vnid: 3, ip: '192.0.2.2' }] }));
    await settled();
    expect(distributor.publishedPosition).toBe(node.replica.network.position);
    expect(feed.published.map((p) => `${p.feed} ${p.record.key}${p.record.changeEnd ? ' end' : ''}`)).toEqual([
      'vn/1 context end',
      'nve/nve1 vn/1 end',
      'vn/1 member/nve1',
      'vn/1 mapping/t1/192.0.2.1 end',
    ]);
    expect((await feed.list()).map(feedKey).toSorted()).toEqual(['nve/nve1', 'nve/nve2', 'vn/1']);
  });

  it('holds nothing of the others back while the feeds do not answer', async () => {
    await stop();
    node = await startNode(log.store, clock);
    feed = new RecordingFeed('nvo3', new Topics());
    distributor = other(lower);
    await distributor.start(fail);
    feed.failing = true;
    await node.submit(attach('t1', 'nve1', 1, both));
    const { queuedRecords } = distributor;
    for (let n = 0; n < 20; n++) await node.submit(attach('t2', `nve${1 + (n % 2)}`, 2, { bindings: [{ vnid: 3, ip: '192.0.2.2' }] }));
    expect([queuedRecords, distributor.queuedRecords]).toEqual([3, 3]);
    expect(distributor.publishedPosition).toBeLessThan(node.replica.network.position);
    feed.failing = false;
    await settled();
    expect(distributor.publishedPosition).toBe(node.replica.network.position);
  });
});

describe('a reconciliation under way', () => {
  it.each([
    ['nothing of ours', (vnid: number) => vnid !== 3],
    ['something of ours', () => true],
  ])('is not taken for done when an event comes that changes %s', async (_, owns) => {
    await stop();
    node = await startNode(log.store, clock);
    feed = new RecordingFeed('nvo3', topics);
    distributor = new Distributor(feed, node.replica, log.store, silentLogger, { adopt: false, owns });
    feed.beforeRead = async () => {
      feed.beforeRead = () => Promise.resolve();
      await node.submit(attach('t2', 'nve2', 2, { bindings: [{ vnid: 3, ip: '192.0.2.2' }] }));
      expect(distributor.publishedPosition).toBe(0);
    };
    await distributor.start(fail);
    await settled();
    expect(distributor.publishedPosition).toBe(node.replica.network.position);
  });
});

describe('a distributor whose fold is behind what its predecessor has published', () => {
  it('waits for it, and puts no older value over a newer one', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await settled();
    const behind = node.replica.network.position;
    await node.submit(attach('t1', 'nve2', 1), detach('t1', 'nve2'));
    await settled();
    await stop();
    let goOn: () => void = () => {};
    node = await startNode(laggingBehind(log.store, behind, new Promise((resolve) => (goOn = resolve))), clock);
    feed = new RecordingFeed('nvo3', topics);
    distributor = new Distributor(feed, node.replica, log.store, silentLogger, { adopt: false });
    const started = distributor.start(fail);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(node.replica.network.position).toBe(behind);
    goOn();
    await started;
    expect(feed.published).toEqual([]);
  });
});

/** A log whose reader is told that this is all up to a position, and of the rest only later. */
function laggingBehind(store: EventStore, position: number, later: Promise<void>): EventStore {
  async function* subscribe(options: { readonly signal: AbortSignal }): AsyncGenerator<SubscriptionMessage> {
    for await (const message of store.subscribe(options)) {
      if (message.kind === 'events') {
        yield { ...message, events: message.events.filter((event) => event.position <= position) };
        yield { kind: 'caught-up' };
        await later;
        yield { ...message, events: message.events.filter((event) => event.position > position) };
      } else yield message;
    }
  }
  return {
    logId: store.logId,
    keepsOrder: store.keepsOrder,
    append: (appends) => store.append(appends),
    readStream: (stream, options) => store.readStream(stream, options),
    readAll: (options) => store.readAll(options),
    readAllBackwards: (options) => store.readAllBackwards(options),
    readAt: (at) => store.readAt(at),
    subscribe,
    checkpointAt: (at) => store.checkpointAt(at),
    head: () => store.head(),
    close: () => store.close(),
  };
}

describe('the topic of a VN long gone', () => {
  const deleteVn = command('deleteVn', { vnid: 1 });
  const statusOf = (vnid: number): string | undefined => node.replica.network.vns.get(vnid)?.state.status;
  const purged = (): boolean => statusOf(1) === 'purged' && distributor.counters.vnsPurged === 1;
  /** Looks for such VNs, and gives what is due to follow the time that it takes; by default nothing is. */
  const purge = async (followed = (): boolean => true): Promise<void> => {
    distributor.purge();
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (let i = 0; !followed() && i < 1_000; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    await settled();
  };

  it('is deleted after its time and not before; then its VNID is free for any tenant', async () => {
    await node.submit(attach('t1', 'nve1', 1), detach('t1', 'nve1'), deleteVn);
    await settled();
    clock.advance(PURGE_AFTER_MS - 1);
    await purge();
    expect([feed.has(VN1), statusOf(1)]).toEqual([true, 'deleted']);
    expect(code((await node.submit(vn(1, 'blue')))[0])).toBe('vnid-reserved');
    clock.advance(1);
    await purge(purged);
    expect([feed.has(VN1), statusOf(1), distributor.counters.vnsPurged]).toEqual([false, 'purged', 1]);
    await node.submit(vn(1, 'blue'), attach('t5', 'nve1', 5, { tenantId: 'blue' }));
    await expectFeedsEqualFold();
    expect((await Array.fromAsync(feed.read(VN1))).map((record) => record.key)).toEqual(['context', 'member/nve1', 'mapping/t5/192.0.2.5']);
  });

  const YEARS_MS = 2 * 365 * 24 * 3_600_000;

  it('is not deleted early by a clock that jumps forward, here or where the log was written (X8)', async () => {
    await node.submit(deleteVn);
    clock.wall += YEARS_MS;
    await purge();
    await node.submit(vn(7), command('deleteVn', { vnid: 7 }));
    await purge();
    await stop();
    await start();
    await purge();
    expect([statusOf(1), statusOf(7), feed.has(VN1)]).toEqual(['deleted', 'deleted', true]);
  });

  it('is deleted in its time though its VN was deleted while the clock was years ahead (X8)', async () => {
    clock.wall += YEARS_MS;
    await node.submit(deleteVn);
    clock.wall -= YEARS_MS;
    clock.advance(PURGE_AFTER_MS);
    await purge(purged);
    expect([feed.has(VN1), statusOf(1)]).toEqual([false, 'purged']);
  });

  it('ages by the log over restarts, however often the process that would know ends', async () => {
    await node.submit(deleteVn);
    // An event an hour: as many hours as a VN stays deleted, and no process that saw it all.
    for (let hours = 0; hours < PURGE_AFTER_MS / 3_600_000; hours++) {
      clock.wall += 3_600_000;
      await node.submit(vn(8 + (hours % 2), 'red'), command('deleteVn', { vnid: 8 + (hours % 2) }));
    }
    await stop();
    await start();
    await purge(() => statusOf(1) === 'purged');
    expect([statusOf(1), statusOf(9)]).toEqual(['purged', 'deleted']);
  });

  it('is deleted at once when an operator releases its VNID, with the reason on record', async () => {
    await node.submit(deleteVn);
    const [released] = await node.submit(command('releaseVn', { vnid: 1, reason: 'the tenant has left' }));
    expect(code(released)).toBe('accepted');
    for (let i = 0; !purged() && i < 1_000; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([feed.has(VN1), statusOf(1)]).toEqual([false, 'purged']);
    expect((await node.submit(vn(1, 'blue'))).map(code)).toEqual(['accepted']);
    expect(
      (await Array.fromAsync(log.store.readStream('vn-1'))).map(({ event }) => [
        event.type,
        'reason' in event.data ? event.data.reason : null,
      ]),
    ).toEqual([
      ['VnCreated', null],
      ['VnDeleted', null],
      ['VnReleased', 'the tenant has left'],
      ['VnPurged', null],
      ['VnCreated', null],
    ]);
  });

  it('is there again, whole, when its VN is created while it goes', async () => {
    await node.submit(deleteVn);
    await settled();
    clock.advance(PURGE_AFTER_MS);
    feed.beforeDelete = async () => void (await node.submit(vn(1), attach('t1', 'nve1', 1)));
    await purge(() => statusOf(1) === 'alive');
    expect(statusOf(1)).toBe('alive');
    expect(distributor.counters.vnsPurged).toBe(0);
    await expectFeedsEqualFold();
  });

  it('leaves its VNID reserved as long as it cannot be deleted, and is tried again', async () => {
    await node.submit(deleteVn);
    await settled();
    clock.advance(PURGE_AFTER_MS);
    feed.beforeDelete = () => Promise.reject(new FeedUnavailable('the broker is away'));
    await purge();
    expect(statusOf(1)).toBe('deleted');
    await node.submit(attach('t3', 'nve2', 3, { bindings: [{ vnid: 3, ip: '192.0.2.3' }] }));
    await expectFeedsEqualFold();
    feed.beforeDelete = () => Promise.resolve();
    await purge(purged);
    expect(statusOf(1)).toBe('purged');
  });

  it('is deleted at the next start if it came back after the purge', async () => {
    await node.submit(deleteVn);
    await settled();
    clock.advance(PURGE_AFTER_MS);
    await purge(purged);
    topics.ensure(VN1);
    await stop();
    await start();
    expect(feed.has(VN1)).toBe(false);
  });
});

describe('feeds of another log', () => {
  it('are refused, or made equal when adopted', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
    await settled();
    await stop();
    await log.dispose();
    log = await openLog(clock);
    await expect(start()).rejects.toThrow(FeedRefused);
    await node.stop();
    await start(true);
    await node.submit(vn(1), nve('nve1'), attach('t1', 'nve1', 7));
    await expectFeedsEqualFold();
    const live = [];
    for await (const record of feed.read({ kind: 'nve', nveId: 'nve2' })) if (record.value) live.push(record);
    expect(live).toEqual([]);
  });
});

describe('a log that has lost its end', () => {
  const beyond = 900;

  /** What an earlier process left on the feeds. */
  async function left(what: (other: InProcessFeed, context: FeedRecord) => Promise<void>): Promise<void> {
    await settled();
    const [context] = await Array.fromAsync(feed.read(VN1));
    await stop();
    const other = new InProcessFeed('nvo3', topics);
    await other.open();
    await what(other, context!);
  }

  const standing = async (): Promise<FeedRecord[]> => Array.fromAsync(new InProcessFeed('nvo3', topics).read(VN1));
  const refusal = (): Promise<unknown> =>
    start().then(
      () => null,
      (cause: unknown) => cause,
    );

  it.each([
    [
      'a record on a topic',
      (other: InProcessFeed, context: FeedRecord) => other.publish([{ feed: VN1, records: [{ ...context, position: beyond }] }]),
      '«context» on topic nvo3.vn.1',
    ],
    [
      'a removal on a topic',
      (other: InProcessFeed, context: FeedRecord) =>
        other.publish([{ feed: VN1, records: [{ ...context, key: 'member/nve9', value: null, position: beyond }] }]),
      '«member/nve9» on topic nvo3.vn.1',
    ],
    [
      'the checkpoint',
      (other: InProcessFeed) => other.saveCheckpoint({ log: log.store.logId, position: beyond, checkpoint: '900' }),
      'the checkpoint of the feeds',
    ],
  ])('is found by %s beyond its head: nothing is published, and what is missing is said (X1)', async (_, what, where) => {
    await left(what);
    const before = await standing();
    const refused = await refusal();
    const { position: head } = await log.store.head();
    expect(refused).toBeInstanceOf(LogEndLost);
    expect((refused as LogEndLost).loss).toEqual({ log: log.store.logId, head, marks: [{ where, position: beyond }] });
    expect(String(refused)).toContain(
      `it ends at position ${head}, but ${where} is at position ${beyond}; everything after position ${head}, up to ${beyond} at least, is missing`,
    );
    expect(await standing()).toEqual(before);
  });

  it('is not taken for one by what another log published far beyond it', async () => {
    await left((other, context) => other.publish([{ feed: VN1, records: [{ ...context, log: 'another', position: beyond }] }]));
    expect(await refusal()).toBeInstanceOf(FeedRefused);
  });

  it(
    'is found by a reconciliation later on, which ends the distributor',
    async () => {
      await settled();
      await stop();
      node = await startNode(log.store, clock);
      feed = new RecordingFeed('nvo3', topics);
      distributor = new Distributor(feed, node.replica, log.store, silentLogger, { adopt: false });
      let ended: unknown = null;
      await distributor.start((cause) => (ended = cause));
      const [context] = await Array.fromAsync(feed.read(VN1));
      await feed.publish([{ feed: VN1, records: [{ ...context!, position: 1_000_000 }] }]);
      feed.failing = true;
      const bindings = Array.from({ length: 200 }, (_, i) => ({ bid: i + 1, vnid: 1, ip: `10.0.0.${i}` }));
      await node.submit(attach('t1', 'nve1', 1, { bindings }));
      const needed = Math.ceil(MAX_QUEUED_RECORDS / bindings.length) + 1;
      for (let done = 0; done < needed; done += 500) {
        await node.submit(
          ...Array.from({ length: 500 }, (_, i) =>
            command('changeMac', { tsId: 't1', mac: `02:00:00:00:00:${((done + i) % 200).toString(16).padStart(2, '0')}` }),
          ),
        );
      }
      feed.failing = false;
      await until('the distributor has ended', () => (ended ? null : 'not yet'));
      expect(ended).toBeInstanceOf(LogEndLost);
    },
    OVERFLOW_TIMEOUT_MS,
  );

  const OLD = '00000000-0000-4000-8000-00000000000a';
  const renewed = {
    type: 'LogRenewed',
    data: { audit: auditAt(0), log: 'b', previousLog: OLD, head: 4, lostTo: beyond, reason: 'spec' },
  } as const;

  it('and was renewed adopts the feeds of its former self without being told to, though their positions are greater (X1)', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await left(async (other, context) => {
      const ghost: FeedRecord = {
        key: 'member/ghost',
        value: { type: 'VnMember', data: { nveId: 'ghost', mac: '02:00:00:00:00:09', addresses: [], reachable: true } },
        position: beyond,
        log: OLD,
        changeEnd: true,
      };
      await other.publish([{ feed: VN1, records: [{ ...context, log: OLD, position: beyond }, ghost] }]);
      await other.saveCheckpoint({ log: OLD, position: beyond, checkpoint: '900' });
      await log.store.append([{ stream: 'log', expectedRevision: -1, events: [{ id: crypto.randomUUID(), event: renewed }] }]);
    });
    await start();
    expect(
      feed.published.map(({ record: { key, position, log: of, value } }) => [
        key,
        position < beyond,
        of === log.store.logId,
        value === null,
      ]),
    ).toEqual([
      ['context', true, true, false],
      ['member/ghost', true, true, true],
    ]);
    await expectFeedsEqualFold();
    await stop();
    await start();
    expect(feed.published).toEqual([]);
  });

  it('and was renewed still refuses the feeds of a stranger', async () => {
    await left(async (other, context) => {
      await other.publish([{ feed: VN1, records: [{ ...context, log: 'a stranger', position: 1 }] }]);
      await log.store.append([{ stream: 'log', expectedRevision: -1, events: [{ id: crypto.randomUUID(), event: renewed }] }]);
    });
    expect(await refusal()).toBeInstanceOf(FeedRefused);
  });
});
