import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '@nva/processes';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { EmptiableBroker } from '../kafka/emptied.ts';
import { World } from './world.ts';

/** A broker starts twice, in ten seconds or more; what is waited for are states, and this is only where waiting ends. */
const LIMIT_MS = 240_000;

let broker: EmptiableBroker;
let world: World;
beforeEach(async () => {
  broker = await EmptiableBroker.make();
  world = await World.make({ brokers: broker.brokers });
}, LIMIT_MS);
afterEach(async () => {
  await world.dispose();
  await broker.dispose();
}, LIMIT_MS);

it(
  'a broker that comes back with empty disks withdraws nothing from NVEs, and they end as the NVA says, without a restart of anybody (X6)',
  async () => {
    await world.start();
    await world.submit(vn(1), vn(3), nve('nve1'), nve('nve2'), nve('nve3'));
    await world.submit(
      attach('t1', 'nve1', 1),
      attach('t2', 'nve2', 2),
      attach('t3', 'nve3', 3),
      attach('t4', 'nve2', 4, { bindings: [{ vnid: 3, ip: '192.0.2.4' }] }),
    );
    const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
    await world.expectConverged();

    await broker.lose();
    await until(
      'the NVEs are cut off',
      () => (nves.every(({ client }) => client.membershipStatus().state === 'interrupted') ? null : 'not all are'),
      LIMIT_MS,
    );
    await world.submit(detach('t3', 'nve3'), attach('t5', 'nve1', 5));
    await broker.start();
    await until(
      'the feeds are made anew',
      () => {
        const { distributor, node, failures } = world.nva;
        if (failures.length > 0) throw failures[0];
        return distributor.feedsWhole && distributor.publishedPosition >= node.replica.network.position
          ? null
          : `at ${distributor.publishedPosition}`;
      },
      LIMIT_MS,
    );
    await until(
      'the NVEs are followed again',
      () => (nves.every(({ client }) => client.membershipStatus().state === 'live') ? null : 'not all are'),
      LIMIT_MS,
    );
    // The removal of its membership is lost with the topics; VN 1 says that it is not in it any more.
    await until(
      'nve3 has left',
      () => (nves[2]!.client.memberships.size === 0 ? null : JSON.stringify(nves[2]!.client.doubts())),
      LIMIT_MS,
    );
    await world.expectConverged();
    expect(nves.map(({ left }) => left)).toEqual([[], [], [1]]);
    for (const { withdrawn } of nves.slice(0, 2)) expect(withdrawn).toEqual(['1 mapping/t3/192.0.2.3', '1 member/nve3']);
  },
  LIMIT_MS,
);
