import { command } from '@nva/domain/testing';
import { Network } from '@nva/fold';
import { feedKey, silentLogger, type FeedName, type FeedTrouble } from '@nva/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { play } from '../../fold/test/races.ts';
import { ManualClock } from '../../registrar/test/harness.ts';
import { Aside } from '../src/aside.ts';

const VN: FeedName = { kind: 'vn', vnid: 7 };
const NVE: FeedName = { kind: 'nve', nveId: 'nve1' };
/** Longer than any wait before a feed is tried again. */
const LATER_MS = 120_000;
const PUBLISHED = 900;

let network: Network;
let clock: ManualClock;
let aside: Aside;
beforeEach(() => {
  network = new Network();
  const steps = [
    command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 }),
    command('putVn', { vnid: 7, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }),
    command('putVn', { vnid: 8, tenantId: 'red', name: 'b', service: 'l3', encapsulation: 'vxlan' }),
  ];
  for (const recorded of play(steps.map((one) => ({ command: one, lag: 0, blind: false, gap: 10 })))) network.apply(recorded);
  clock = new ManualClock();
  aside = new Aside(network, clock, silentLogger, () => PUBLISHED, feedKey);
});

const fails = (trouble: FeedTrouble, feed: FeedName = VN): void => aside.put([{ feed, trouble, cause: new Error(`it is ${trouble}`) }]);
/** It is tried again when its time has come, and that fails so. */
const triedAndFails = (trouble: FeedTrouble, feed: FeedName = VN): void => {
  clock.advance(LATER_MS);
  expect(aside.take()).toContainEqual(feed);
  fails(trouble, feed);
};
const createdAt = (): number => network.vns.get(7)!.incarnation;

describe('a feed that was lost', () => {
  it.each(['refused', 'unavailable'] as const)(
    'stays lost, and holds back what is claimed, while filling it is %s; once it is filled it counts as restored',
    (trouble) => {
      fails('lost');
      expect([aside.lost, aside.holdsAt]).toEqual([1, createdAt() - 1]);
      for (let n = 0; n < 3; n++) {
        triedAndFails(trouble);
        expect([aside.lost, aside.holdsAt]).toEqual([1, createdAt() - 1]);
        expect(aside.list()).toEqual([{ feed: VN, topic: 'vn/7', trouble, reason: `it is ${trouble}` }]);
      }
      clock.advance(LATER_MS);
      aside.take();
      aside.tried();
      expect([aside.size, aside.lost, aside.holdsAt]).toEqual([0, 0, null]);
      expect(aside.counters).toEqual({ lost: 1, restored: 1 });
    },
  );

  it('is one loss, however often it is found while it is filled', () => {
    fails('lost');
    triedAndFails('lost');
    triedAndFails('unavailable');
    triedAndFails('lost');
    expect([aside.lost, aside.counters.lost]).toEqual([1, 1]);
  });

  it('of an NVE that is in no VN holds back nothing: there was nothing on it', () => {
    fails('lost', NVE);
    expect([aside.lost, aside.holdsAt]).toEqual([1, null]);
  });
});

describe('a feed that was not lost', () => {
  it('is passed over while it is refused, and held at what was published while it does not answer', () => {
    fails('refused');
    expect([aside.lost, aside.holdsAt]).toEqual([0, null]);
    fails('unavailable', NVE);
    expect([aside.lost, aside.holdsAt]).toEqual([0, PUBLISHED]);
    triedAndFails('refused', NVE);
    expect([aside.lost, aside.holdsAt, aside.counters.lost]).toEqual([0, null, 0]);
  });

  it('and is found lost while it is tried again holds back what it has lost', () => {
    fails('unavailable');
    expect(aside.holdsAt).toBe(PUBLISHED);
    triedAndFails('lost');
    expect([aside.lost, aside.holdsAt]).toEqual([1, createdAt() - 1]);
  });

  it('and is found lost later is filled at once', () => {
    fails('unavailable');
    expect(aside.isDue).toBe(false);
    fails('lost');
    expect([aside.isDue, aside.lost, aside.holdsAt]).toEqual([true, 1, createdAt() - 1]);
  });
});
