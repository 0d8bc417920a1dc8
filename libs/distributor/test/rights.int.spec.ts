import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import {
  feedKey,
  FeedRefused,
  FeedUnavailable,
  silentLogger,
  type FeedAccess,
  type Ensured,
  type FeedBatch,
  type FeedName,
  type FeedRight,
  type ListedRight,
} from '@nva/ports';
import { until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  attach,
  detach,
  ManualClock,
  nve,
  openLog,
  startNode,
  vn,
  type LogFixture,
  type Node,
} from '../../registrar/test/harness.ts';
import { Distributor, PURGE_AFTER_MS } from '../src/index.ts';
import { without } from '../src/guarded-writer.ts';

const GRACE_MS = 60_000;
const name = ({ nveId, feed }: FeedRight): string => `${nveId} ${feedKey(feed)}`;

/** Rights that are kept here, and can fail. */
class RecordingAccess implements FeedAccess {
  readonly rights = new Map<string, ListedRight>();
  /** Everything that was asked and told, in order; shared with the feed. */
  readonly story: string[];
  failing: Error | null = null;
  /** Refused one by one, as a broker does: what else is in the call is granted. */
  readonly refused = new Set<string>();
  whileRevoking: () => Promise<void> = () => Promise.resolve();

  constructor(story: string[]) {
    this.story = story;
  }

  async list(): Promise<readonly ListedRight[]> {
    if (this.failing) throw this.failing;
    return [...this.rights.values()];
  }

  async grant(rights: readonly FeedRight[]): Promise<void> {
    if (this.failing) throw this.failing;
    for (const right of rights) {
      if (this.refused.has(name(right))) continue;
      this.rights.set(name(right), { ...right, whole: true });
      this.story.push(`grant ${name(right)}`);
    }
    if (rights.some((right) => this.refused.has(name(right)))) throw new FeedRefused('no such principal');
  }

  async revoke(rights: readonly FeedRight[]): Promise<void> {
    await this.whileRevoking();
    if (this.failing) throw this.failing;
    for (const right of rights) {
      this.rights.delete(name(right));
      this.story.push(`revoke ${name(right)}`);
    }
  }

  async close(): Promise<void> {}
}

class TellingFeed extends InProcessFeed {
  readonly story: string[];
  beforeEnsuring: () => Promise<void> = () => Promise.resolve();

  constructor(topics: Topics, story: string[]) {
    super('nvo3', topics);
    this.story = story;
  }

  override async ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    await this.beforeEnsuring();
    return super.ensure(feeds);
  }

  override async publish(batches: readonly FeedBatch[]): Promise<void> {
    for (const { feed, records } of batches)
      for (const { key, value } of records) this.story.push(`${value ? 'tell' : 'remove'} ${feedKey(feed)} ${key}`);
    await super.publish(batches);
  }
}

const attachIn3 = (tsId: string, nveId: string, n: number): Command =>
  attach(tsId, nveId, n, { bindings: [{ vnid: 3, ip: `192.0.2.${n}` }] });

let story: string[];
let clock: ManualClock;
let log: LogFixture;
let node: Node;
let topics: Topics;
let access: RecordingAccess;
let distributor: Distributor;
let feed: TellingFeed;
let following: Set<string>;
const failures: unknown[] = [];

async function start(heartbeats = true): Promise<void> {
  node = await startNode(log.store, clock);
  const stillFollows = async (nveId: string, vnid: number): Promise<boolean> => following.has(`${nveId} ${vnid}`);
  feed = new TellingFeed(topics, story);
  distributor = new Distributor(feed, node.replica, log.store, silentLogger, {
    adopt: false,
    purge: { afterMs: PURGE_AFTER_MS, clock },
    access: { access, clock, graceMs: GRACE_MS, ...(heartbeats && { stillFollows }) },
  });
  await distributor.start((cause) => failures.push(cause));
}

async function restart(heartbeats = true): Promise<void> {
  await distributor.stop();
  await node.stop();
  await start(heartbeats);
}

async function submit(...commands: Parameters<Node['submit']>): Promise<void> {
  for (const outcome of await node.submit(...commands)) answer(outcome);
  await settled();
}

const settled = (): Promise<void> =>
  until('all is published', () =>
    distributor.queuedRecords === 0 && distributor.publishedPosition === node.replica.network.position
      ? null
      : `${distributor.queuedRecords} records wait`,
  );

async function after(ms: number): Promise<void> {
  clock.advance(ms);
  await distributor.tendRights();
}

const granted = (): string[] => [...access.rights.keys()].toSorted();

beforeEach(async () => {
  story = [];
  following = new Set();
  failures.length = 0;
  clock = new ManualClock();
  log = await openLog(clock);
  topics = new Topics();
  access = new RecordingAccess(story);
  await start();
  await submit(vn(1), vn(3), nve('a'), nve('b'));
});

afterEach(async () => {
  await distributor.stop();
  await node.stop();
  await log.dispose();
  expect(failures).toEqual([]);
});

describe('a right to read', () => {
  it('to its own feed is given to an NVE when it connects', () => {
    expect(granted()).toEqual(['a nve/a', 'b nve/b']);
  });

  it('to a VN is given before the NVE is told of it, and before it appears in it (X8)', async () => {
    await submit(attach('t1', 'a', 1));
    expect(story.slice(-4)).toEqual(['grant a vn/1', 'tell nve/a vn/1', 'tell vn/1 member/a', 'tell vn/1 mapping/t1/192.0.2.1']);
  });

  it('follows a tenant system that moves: the new NVE at once, the former one after the grace time', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(attach('t1', 'b', 1));
    await after(0);
    expect(granted()).toEqual(['a nve/a', 'a vn/1', 'b nve/b', 'b vn/1']);
    await after(GRACE_MS - 1);
    expect(granted()).toContain('a vn/1');
    await after(1);
    expect(granted()).toEqual(['a nve/a', 'b nve/b', 'b vn/1']);
  });

  it('is kept while heartbeats still name the VN, ten grace times at most', async () => {
    await submit(attach('t1', 'a', 1));
    following.add('a 1');
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS);
    await after(8 * GRACE_MS);
    expect(granted()).toContain('a vn/1');
    await after(GRACE_MS);
    expect(granted()).not.toContain('a vn/1');
  });

  it('goes with the first heartbeat after the grace time that no longer names the VN', async () => {
    await submit(attach('t1', 'a', 1));
    following.add('a 1');
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS);
    following.clear();
    await after(1);
    expect(granted()).not.toContain('a vn/1');
  });

  it('goes after the grace time alone where no heartbeats are heard', async () => {
    await restart(false);
    await submit(attach('t1', 'a', 1));
    following.add('a 1');
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS);
    expect(granted()).not.toContain('a vn/1');
  });

  it('stays when the NVE has joined again meanwhile, and its next grace time is a whole one', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS - 1);
    await submit(attach('t1', 'a', 1));
    await after(2 * GRACE_MS);
    expect(granted()).toContain('a vn/1');
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS - 1);
    expect(granted()).toContain('a vn/1');
    expect(story.filter((line) => line === 'revoke a vn/1')).toEqual([]);
  });

  it('is there when the NVE joins again in the very moment in which it is revoked', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await after(0);
    access.whileRevoking = async () => {
      access.whileRevoking = () => Promise.resolve();
      for (const outcome of await node.submit(attach('t1', 'a', 1))) answer(outcome);
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await after(GRACE_MS);
    await settled();
    expect(story.filter((line) => line.endsWith('vn/1') && line.includes('a'))).toEqual([
      'grant a vn/1',
      'tell nve/a vn/1',
      'remove nve/a vn/1',
      'revoke a vn/1',
      'grant a vn/1',
      'tell nve/a vn/1',
    ]);
    expect(granted()).toContain('a vn/1');
  });

  it('of an NVE that is forgotten goes, and so do those to a VN that is deleted', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'), command('disconnectNve', { nveId: 'a', forget: true }), command('deleteVn', { vnid: 1 }));
    await after(0);
    await after(GRACE_MS);
    expect(granted()).toEqual(['b nve/b']);
  });
});

describe('a VN long gone', () => {
  it('leaves no right behind when its VNID is another tenant’s to take', async () => {
    await submit(attach('t1', 'a', 1));
    following.add('a 1');
    await submit(detach('t1', 'a'), command('deleteVn', { vnid: 1 }));
    clock.advance(PURGE_AFTER_MS);
    distributor.purge();
    await until('it is purged', () => (node.replica.network.vns.get(1)?.state.status === 'purged' ? null : 'not yet'));
    expect(granted()).toEqual(['a nve/a', 'b nve/b']);
  });
});

describe('rights that cannot be granted', () => {
  it('leave their VN untold, and no other: it is told when they are there (X6, X8)', async () => {
    access.refused.add('a vn/1');
    await submit(attach('t1', 'a', 1), attachIn3('t3', 'b', 3));
    expect(story.filter((line) => line.includes('a') && line.endsWith('vn/1'))).toEqual([]);
    expect(story.filter((line) => line.includes('member/a'))).toEqual([]);
    await after(1_000);
    await until('the other VN is told', () => (story.includes('tell vn/3 member/b') ? null : story.join('\n')));
    await submit(attachIn3('t4', 'b', 4));
    expect(story).toContain('tell vn/3 mapping/t4/192.0.2.4');
    expect(story.filter((line) => line === 'tell nve/a vn/1')).toEqual([]);
    access.refused.clear();
    await after(2_000);
    await until('the VN is told', () =>
      story.includes('tell nve/a vn/1') && story.includes('tell vn/1 mapping/t1/192.0.2.1') ? null : story.join('\n'),
    );
    expect(story.indexOf('grant a vn/1')).toBeLessThan(story.indexOf('tell nve/a vn/1'));
    expect(distributor.rights!.withheld.size).toBe(0);
  });

  it('leave their VN untold until what was left out is told first: nothing that is under way when they are there comes before it', async () => {
    access.refused.add('a vn/1');
    await submit(attach('t1', 'a', 1));
    expect([...distributor.rights!.withheld]).toEqual([1]);
    story.length = 0;
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    feed.beforeEnsuring = () => (reach(), gate);
    for (const outcome of await node.submit(attach('t2', 'b', 2))) answer(outcome);
    await reached;
    access.refused.clear();
    await after(1_000);
    open();
    await settled();
    await until('the VN is told', () => (story.some((line) => line.startsWith('tell vn/1 mapping/t2')) ? null : 'not yet'));
    expect(story.filter((line) => line.startsWith('tell vn/1 mapping')).map((line) => line.split('/')[2])).toEqual(['t1', 't2']);
  });

  it('keep no other right from being revoked', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await after(0);
    access.refused.add('b vn/3');
    await submit(attachIn3('t3', 'b', 3));
    await after(GRACE_MS);
    expect(granted()).toEqual(['a nve/a', 'b nve/b']);
    expect([...distributor.rights!.withheld]).toEqual([3]);
  });

  it('do not stop what is told of VNs that need none, while brokers do not answer', async () => {
    await submit(attach('t1', 'a', 1));
    access.failing = new FeedUnavailable('away');
    await submit(attach('t2', 'b', 2), attachIn3('t3', 'a', 3));
    await after(1_000);
    expect(story.filter((line) => line.includes('nve/b vn/1') || line.includes('member/b'))).toEqual([]);
    access.failing = null;
    await after(2_000);
    await until('both are told', () =>
      ['tell nve/b vn/1', 'tell vn/1 member/b', 'tell nve/a vn/3', 'tell vn/3 member/a'].every((line) => story.includes(line))
        ? null
        : story.join('\n'),
    );
  });

  it('refuse the start if none can be: brokers without an authoriser', async () => {
    await distributor.stop();
    await node.stop();
    access.failing = new FeedRefused('Security features are disabled');
    await expect(start()).rejects.toThrow('Security features are disabled');
    access.failing = null;
    await start();
  });
});

describe('rights that cannot be revoked', () => {
  it('are tried again at growing intervals, counted, and hold no grant back', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await after(0);
    expect(distributor.rights!.waiting).toBe(1);
    let tries = 0;
    access.whileRevoking = () => {
      tries++;
      return Promise.reject(new FeedUnavailable('the controller is away'));
    };
    await after(GRACE_MS);
    expect([tries, distributor.rights!.counters.failures]).toEqual([1, 1]);
    for (let i = 0; i < 60; i++) await after(1_000);
    // After 1, 3, 7, 15, 31 and 47 s.
    expect([tries, distributor.rights!.counters.failures]).toEqual([7, 7]);
    expect(granted()).toContain('a vn/1');
    expect(distributor.rights!.waiting).toBe(1);

    await submit(attachIn3('t3', 'b', 3));
    expect(story).toContain('tell nve/b vn/3');

    access.whileRevoking = () => Promise.resolve();
    await after(16_000);
    expect(granted()).toEqual(['a nve/a', 'b nve/b', 'b vn/3']);
    expect(distributor.rights!.waiting).toBe(0);
    expect(distributor.rights!.counters).toMatchObject({ granted: 4, revoked: 1, failures: 7 });
  });
});

describe('the grace time', () => {
  it('begins anew with the process: a restart in the middle neither shortens it nor keeps the right for ever', async () => {
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await after(0);
    await after(GRACE_MS / 2);
    await restart();
    await after(0);
    await after(GRACE_MS - 1);
    expect(granted()).toContain('a vn/1');
    await after(1);
    expect(granted()).not.toContain('a vn/1');
  });
});

describe('rights at a start', () => {
  it('that lack are granted before anything is told, and those that are too much go after the grace time only', async () => {
    await submit(attach('t1', 'a', 1));
    await distributor.stop();
    await node.stop();
    access.rights.delete('a vn/1');
    access.rights.set('b nve/a', { nveId: 'b', feed: { kind: 'nve', nveId: 'a' }, whole: true });
    access.rights.set('gone vn/3', { nveId: 'gone', feed: { kind: 'vn', vnid: 3 }, whole: false });
    story.length = 0;
    await start();
    expect(story).toEqual(['grant a vn/1']);
    await after(0);
    await after(GRACE_MS - 1);
    expect(granted()).toEqual(['a nve/a', 'a vn/1', 'b nve/a', 'b nve/b', 'gone vn/3']);
    await after(1);
    expect(granted()).toEqual(['a nve/a', 'a vn/1', 'b nve/b']);
  });

  it('and later, that were taken away by hand or in part, are restored within a minute', async () => {
    await submit(attach('t1', 'a', 1));
    access.rights.delete('a vn/1');
    access.rights.set('b nve/b', { nveId: 'b', feed: { kind: 'nve', nveId: 'b' }, whole: false });
    await after(60_000);
    expect(granted()).toContain('a vn/1');
    expect(access.rights.get('b nve/b')).toMatchObject({ whole: true });
  });
});

describe('a batch without some VNs', () => {
  const record = (key: string, position: number, changeEnd: boolean): FeedBatch['records'][number] => ({
    key,
    value: null,
    position,
    log: 'l',
    changeEnd,
  });

  it('still ends its changes', () => {
    const batch: FeedBatch = {
      feed: { kind: 'nve', nveId: 'a' },
      records: [
        record('vn/1', 5, false),
        record('vn/2', 5, true),
        record('vn/2', 6, true),
        record('vn/2', 7, false),
        record('vn/1', 7, true),
      ],
    };
    expect(without(batch, new Set([2])).records).toEqual([record('vn/1', 5, true), record('vn/1', 7, true)]);
    expect(without({ feed: { kind: 'vn', vnid: 2 }, records: batch.records }, new Set([2])).records).toEqual([]);
  });
});
