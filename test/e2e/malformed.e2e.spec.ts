import { afterEach, expect, it } from 'vitest';
import { until } from '@nva/processes';
import { attach, nve, vn } from '../../libs/registrar/test/harness.ts';
import { World } from './world.ts';

let world: World;
afterEach(() => world.dispose());

it('a malformed record is counted, logged with topic and offset, and skipped; its key is degraded until a reconciliation puts it right (X1, X6)', async () => {
  world = await World.make();
  await world.start();
  await world.submit(vn(1), nve('nve1'), nve('nve2'), attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
  const nve1 = world.nve('nve1');
  await world.expectConverged();
  const topic = world.topic(1);
  const key = 'mapping/t2/192.0.2.2';
  const good = (await world.feed.raw(topic)).find((message) => message.key!.toString() === key)!;
  const headers = { 'position': String(good.headers!['position']), 'log': world.logId, 'change-end': '1' };
  // The schema's fingerprint, and of the body only a part.
  await world.feed.send(topic, [
    { key, value: good.value!.subarray(0, 12), headers },
    { key: 'mapping/ghost/192.0.2.66', value: 'no Avro at all', headers },
  ]);

  await until('it is degraded', () =>
    nve1.client.status()[0]!.degraded.length === 2 ? null : `degraded: ${nve1.client.status()[0]!.degraded}`,
  );
  expect(nve1.client.status()[0]!.degraded).toEqual(expect.arrayContaining([key, 'mapping/ghost/192.0.2.66']));
  const offset = Number((await world.feed.raw(topic)).at(-2)!.offset);
  expect(nve1.logged).toContainEqual({
    level: 'error',
    message: expect.stringContaining(`${topic} offset ${offset}`),
    fields: { topic, offset, key },
  });
  // What the key held stays, and what comes behind is taken.
  expect(nve1.client.resolve(1, { ip: '192.0.2.2' })).toMatchObject({ mapping: { tsId: 't2' } });
  await world.submit(attach('t3', 'nve2', 3));
  await until('the next change is there', () => (nve1.client.resolve(1, { ip: '192.0.2.3' }) ? null : 'not yet'));
  const late = world.nve('nve2');
  await until('a late joiner says the same', () => (late.client.status()[0]?.degraded.length === 2 ? null : 'not yet'));

  await world.stop();
  await world.start();
  expect(world.nva.distributor.counters.undecodable).toBe(2);
  expect(world.warnings).toContainEqual({
    message: expect.stringContaining('cannot be decoded'),
    fields: expect.objectContaining({ topic, offset: String(offset), key }),
  });
  await world.expectConverged();
  expect(nve1.withdrawn).toEqual([]);
});
