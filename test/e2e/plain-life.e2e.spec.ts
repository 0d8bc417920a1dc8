import { command } from '@nva/domain/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import type { LocalNve } from './nves.ts';
import { World } from './world.ts';

let world: World;
let nves: LocalNve[];

beforeEach(async () => {
  world = await World.make();
  await world.start();
  await world.submit(vn(1), vn(3), nve('nve1'), nve('nve2'), nve('nve3'));
  nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
});
afterEach(() => world.dispose());

const second = { bindings: [{ vnid: 3, ip: '192.0.2.3' }] };

describe('over a real broker', () => {
  it('attach, move, MAC change and detach reach the table of every NVE in the VN (R36, R46)', async () => {
    await world.submit(
      attach('t1', 'nve1', 1),
      attach('t2', 'nve2', 2),
      attach('t3', 'nve3', 3, second),
      attach('t4', 'nve1', 4, { bindings: [{ vnid: 3, ip: '192.0.2.4' }] }),
    );
    await world.expectConverged();
    expect(nves.map(({ client }) => [...client.memberships.keys()].toSorted())).toEqual([[1, 3], [1], [3]]);
    expect(nves[1]!.client.resolve(1, { ip: '192.0.2.1' })).toMatchObject({ outcome: 'remote' });

    await world.submit(attach('t1', 'nve2', 1));
    await world.expectConverged();
    expect(nves[1]!.client.resolve(1, { ip: '192.0.2.1' })).toMatchObject({ outcome: 'local' });

    await world.submit(command('changeMac', { tsId: 't2', mac: '02:00:00:00:00:77' }), attach('t5', 'nve3', 5));
    await world.expectConverged();
    expect(nves[2]!.client.resolve(1, { mac: '02:00:00:00:00:77' })).toMatchObject({ outcome: 'remote' });

    await world.submit(detach('t3', 'nve3'), detach('t2', 'nve2'));
    await world.expectConverged();
    expect(nves[2]!.client.resolve(1, { mac: '02:00:00:00:00:77' })).toBeNull();
    // Its last tenant system in VN 3 is gone: so is the NVE from the VN, and the VN's table from the NVE.
    expect(nves[2]!.left).toEqual([3]);
  });

  it('a late joiner has the whole VN, with the distributor down (R46)', async () => {
    await world.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2), attach('t1', 'nve2', 1), attach('t3', 'nve3', 3));
    await world.expectConverged();
    await world.gone(nves[2]!);
    await world.nva.distributor.stop();
    const late = world.nve('nve3');
    await world.expectConverged();
    expect(late.changes.every(({ cause }) => cause === 'swap')).toBe(true);
  });

  it('every record carries its position, its log and its audit fields, and the last of a change says so (R36, R42)', async () => {
    await world.submit(attach('t1', 'nve1', 1), detach('t1', 'nve1'));
    await world.expectConverged();
    const records = (await world.feed.raw(world.topic(1))).map(({ key, value, headers }) => ({
      key: key!.toString(),
      removal: value === null,
      headers: Object.fromEntries(Object.entries(headers!).map(([name, text]) => [name, String(text)])),
    }));
    expect(
      records.map(({ key, removal, headers }) => `${key}${removal ? ' removed' : ''}${headers['change-end'] === '1' ? ' end' : ''}`),
    ).toEqual(['context end', 'member/nve1', 'mapping/t1/192.0.2.1 end', 'mapping/t1/192.0.2.1 removed', 'member/nve1 removed end']);
    for (const { headers } of records) {
      expect(headers).toMatchObject({
        'log': world.logId,
        'position': expect.stringMatching(/^\d+$/),
        'correlation-id': 'spec',
        'recorded-at': expect.stringMatching(/^\d+$/),
      });
    }
    expect(records.map(({ headers }) => headers['event-type'])).toEqual([
      'VnCreated',
      'TenantSystemAttached',
      'TenantSystemAttached',
      'TenantSystemDetached',
      'TenantSystemDetached',
    ]);
  });

  it('an NVE that fails and comes back is one record in each VN, and takes nothing away (X6, X8)', async () => {
    await world.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
    await world.expectConverged();
    const before = (await world.feed.raw(world.topic(1))).length;
    await world.submit(command('disconnectNve', { nveId: 'nve2', forget: false }));
    await world.expectConverged();
    expect(nves[0]!.client.resolve(1, { ip: '192.0.2.2' })).toMatchObject({ mapping: { tsId: 't2' } });
    await world.submit(nve('nve2', { incarnation: 2 }));
    await world.expectConverged();
    expect((await world.feed.raw(world.topic(1))).slice(before).map(({ key }) => key!.toString())).toEqual(['member/nve2', 'member/nve2']);
    expect(nves[0]!.withdrawn).toEqual([]);
  });
});
