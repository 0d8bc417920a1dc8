import { FeedRefused } from '@nva/ports';
import { afterEach, expect, it } from 'vitest';
import { attach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { World } from './world.ts';

let world: World;
afterEach(() => world.dispose());

it('topics of a log whose data directory was removed are refused, naming FEED_ADOPT; adopted, they and every follower end as the new log says (X6)', async () => {
  world = await World.make();
  await world.start();
  await world.submit(vn(1), vn(3), nve('nve1'), nve('nve2'), nve('nve3'));
  await world.submit(
    attach('t1', 'nve1', 1),
    attach('t2', 'nve2', 2),
    attach('t3', 'nve3', 3),
    attach('t4', 'nve3', 4, { bindings: [{ vnid: 3, ip: '192.0.2.4' }] }),
  );
  await world.submit(attach('t1', 'nve2', 1), attach('t1', 'nve1', 1));
  const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
  await world.expectConverged();
  const before = world.logId;
  await world.stop();
  await world.loseData();

  const refused = await world.start().then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(refused).toBeInstanceOf(FeedRefused);
  expect(String(refused)).toMatch(new RegExp(`${before}.*${world.logId}.*FEED_ADOPT=true`));
  // Refused: nothing was written, and nothing is taken away.
  expect(nves.map(({ withdrawn }) => withdrawn)).toEqual([[], [], []]);
  await world.stop();

  await world.start({ adopt: true });
  await world.submit(vn(1), nve('nve1'), nve('nve2'), nve('nve3'), attach('t1', 'nve1', 1), attach('t7', 'nve2', 7));
  expect(world.logId).not.toBe(before);
  await world.expectConverged();
  expect(nves[1]!.client.resolve(1, { ip: '192.0.2.7' })).toMatchObject({ outcome: 'local' });
  expect(nves[1]!.client.resolve(1, { ip: '192.0.2.3' })).toBeNull();
  expect([...nves[2]!.client.memberships]).toEqual([]);
  // An adopted log needs no adopting again.
  await world.stop();
  await world.start();
  await world.submit(attach('t3', 'nve3', 3));
  await world.expectConverged();
});
