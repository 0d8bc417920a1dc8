import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '@nva/processes';
import { EmptiableBroker } from '../../../test/kafka/emptied.ts';
import { KafkaFeedUnderTest } from '../../kafka/test/kafka-feed.ts';
import { attach, detach, nve, vn } from '../../registrar/test/harness.ts';
import { LOWER, Sharing, UPPER, type Running } from './sharing.ts';

/**
 * A broker starts three times in a test, each time in ten seconds or more; what is waited for are states, and this is only where
 * waiting ends.
 */
const LIMIT_MS = 240_000;
const LOOK_EVERY_MS = 500;
const VNIDS = [1, 2, 40, 65];
const NVES = ['nve1', 'nve2'];

let broker: EmptiableBroker;
let sharing: Sharing;
beforeEach(async () => {
  broker = await EmptiableBroker.make();
  sharing = await Sharing.make({}, new KafkaFeedUnderTest(broker.brokers));
}, LIMIT_MS);
afterEach(async () => {
  await sharing.dispose();
  await broker.dispose();
}, LIMIT_MS);

const settled = async (...all: Running[]): Promise<void> => {
  const { position } = await sharing.store.head();
  for (const { distributor, failures } of all) {
    await until(
      'the feeds are whole, and all is published',
      () => {
        if (failures.length > 0) throw failures[0];
        if (!distributor.feedsWhole || distributor.aside.size > 0)
          return `${distributor.aside.size} feeds are aside: ${JSON.stringify(distributor.aside.list()[0])}`;
        return distributor.publishedPosition >= position ? null : `at ${distributor.publishedPosition} of ${position}`;
      },
      LIMIT_MS,
    );
  }
  await sharing.expectTopicsEqualFold();
};

/** What a distributor says of itself when it finds that feeds were lost. */
const watch = (running: Running): { readonly whole: boolean; readonly published: number }[] => {
  const seen: { readonly whole: boolean; readonly published: number }[] = [];
  const { aside } = running.distributor;
  const put = aside.put.bind(aside);
  aside.put = (failures) => {
    put(failures);
    if (failures.length > 0) seen.push({ whole: running.distributor.feedsWhole, published: running.distributor.publishedPosition });
  };
  return seen;
};

describe('a broker that comes back with empty disks', () => {
  it(
    'has everything made anew, whole, without a restart, though nothing is to be published: until then the distributor is not ready, and claims nothing that is lost (X6)',
    async () => {
      const running = await sharing.start(undefined, { lookEveryMs: LOOK_EVERY_MS });
      await sharing.submit(
        ...VNIDS.map((vnid) => vn(vnid)),
        ...NVES.map((nveId) => nve(nveId)),
        attach('t1', 'nve1', 1),
        attach('t2', 'nve2', 2),
      );
      await settled(running);
      const seen = watch(running);
      await broker.lose();
      await broker.start();
      await until('it is found', () => (seen.length > 0 ? null : 'not yet'), LIMIT_MS);
      expect(seen[0]!.whole).toBe(false);
      expect(seen.at(-1)!.published).toBe(sharing.registrar.replica.network.vns.get(1)!.contextPosition - 1);
      await settled(running);
      await sharing.submit(attach('t3', 'nve1', 3), detach('t2', 'nve2'));
      await settled(running);
      // A start finds who wrote them, and nothing to put right.
      await sharing.stop(running);
      const again = await sharing.start();
      expect(again.distributor.counters.recordsPublished).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'but the topics that it had, by their ids: what was on them is missed without any change, and made anew whole (X6)',
    async () => {
      const running = await sharing.start(undefined, { lookEveryMs: LOOK_EVERY_MS });
      await sharing.submit(
        ...VNIDS.map((vnid) => vn(vnid)),
        ...NVES.map((nveId) => nve(nveId)),
        attach('t1', 'nve1', 1),
        attach('t2', 'nve2', 2),
      );
      await settled(running);
      const seen = watch(running);
      await broker.loseRecords();
      await broker.start();
      await until('it is found', () => (seen.length > 0 ? null : 'not yet'), LIMIT_MS);
      expect(seen[0]!.whole).toBe(false);
      await settled(running);
      await sharing.submit(attach('t3', 'nve1', 3), detach('t2', 'nve2'));
      await settled(running);
      expect(running.failures).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'while changes come, is filled by each distributor with what is its own, and with what came meanwhile',
    async () => {
      const both = [
        await sharing.start(LOWER, { lookEveryMs: LOOK_EVERY_MS, clientId: 'lower' }),
        await sharing.start(UPPER, { lookEveryMs: LOOK_EVERY_MS, clientId: 'upper' }),
      ];
      const everywhere = (n: number): object => ({ bindings: VNIDS.map((vnid, i) => ({ bid: i + 1, vnid, ip: `192.0.2.${n}` })) });
      await sharing.submit(...VNIDS.map((vnid) => vn(vnid)), ...NVES.map((nveId) => nve(nveId)), attach('t1', 'nve1', 1, everywhere(1)));
      await settled(...both);
      await broker.lose();
      await sharing.submit(attach('t2', 'nve2', 2, everywhere(2)));
      await broker.start();
      for (let n = 3; n < 9; n++) await sharing.submit(attach(`t${n}`, NVES[n % 2]!, n, everywhere(n)));
      await settled(...both);
      expect(both.flatMap(({ failures }) => failures)).toEqual([]);
    },
    LIMIT_MS,
  );
});
