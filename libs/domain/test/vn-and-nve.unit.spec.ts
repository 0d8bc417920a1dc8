import { describe, expect, it } from 'vitest';
import { command, World } from '@nva/domain/testing';
import { Refusal } from '@nva/identifiers';
import { MAX_IDENTITY_CHANGES, type Nve } from '../src/index.ts';
import { attach, l3, network, nve, vn } from './fixtures.ts';

const remove = (vnid: number): ReturnType<typeof command> => command('deleteVn', { vnid });

describe('a VN', () => {
  it('is created, updated in name, encapsulation and policies, and repeated without effect (R37, R50)', () => {
    const world = new World();
    expect(world.when(vn(1))).toMatchObject({ type: 'VnCreated', data: { service: 'l3', policies: { access: {}, tunnel: {} } } });
    expect(world.when(vn(1))).toBeNull();
    expect(world.when(vn(1, { encapsulation: 'mpls-gre', policies: { access: { acl: 'a' }, tunnel: {} } }))).toMatchObject({
      type: 'VnUpdated',
      data: { encapsulation: 'mpls-gre' },
    });
    expect(world.when(vn(1, { encapsulation: 'mpls-gre' }))).toBeNull();
  });

  it('never changes its tenant or its service', () => {
    const world = network();
    expect(world.refusal(vn(1, { tenantId: 'blue' }))).toBe('vn-immutable');
    expect(world.refusal(vn(1, { service: 'l2' }))).toBe('vn-immutable');
  });

  it('is not deleted while a tenant system is in it', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.refusal(remove(1))).toBe('vn-in-use');
    world.given(command('detach', { tsId: 't1', nveId: 'nve1' }));
    expect(world.when(remove(1))).toMatchObject({ type: 'VnDeleted' });
    expect(world.refusal(remove(1))).toBe('vn-unknown');
  });

  it('is released by an operator once it is deleted, with a reason, and only once', () => {
    const release = command('releaseVn', { vnid: 1, reason: 'the tenant has left' });
    const world = network();
    expect(world.refusal(command('releaseVn', { vnid: 77, reason: 'r' }))).toBe('vn-unknown');
    expect(world.refusal(release)).toBe('vn-not-deleted');
    world.given(remove(1));
    expect(world.when(release)).toMatchObject({ type: 'VnReleased', data: { vnid: 1, reason: 'the tenant has left' } });
    expect(world.when(release)).toBeNull();
    // Until its topic is gone it is still its tenant's, who may have it back.
    expect(world.refusal(vn(1, { tenantId: 'blue' }))).toBe('vnid-reserved');
    expect(world.when(vn(1))).toMatchObject({ type: 'VnCreated' });
    expect(world.refusal(release)).toBe('vn-not-deleted');
    world.given(remove(1), command('purgeVn', { vnid: 1 }));
    expect(world.when(release)).toBeNull();
  });

  it('leaves its VNID to its tenant until it is purged', () => {
    const world = network().given(remove(1));
    expect(world.refusal(vn(1, { tenantId: 'blue' }))).toBe('vnid-reserved');
    expect(world.when(vn(1))).toMatchObject({ type: 'VnCreated' });
    world.given(remove(1), command('purgeVn', { vnid: 1 }));
    expect(world.when(vn(1, { tenantId: 'blue' }))).toMatchObject({ type: 'VnCreated', data: { tenantId: 'blue' } });
    expect(world.when(command('purgeVn', { vnid: 1 }))).toBeNull();
  });
});

describe('an NVE', () => {
  const disconnect = (forget = false): ReturnType<typeof command> => command('disconnectNve', { nveId: 'nve1', forget });
  const heartbeat = (incarnation = 1): ReturnType<typeof command> => command('heartbeat', { nveId: 'nve1', incarnation });
  const lapse = (incarnation = 1): ReturnType<typeof command> => command('lapseNve', { nveId: 'nve1', incarnation });

  it('connects, and repeats without effect (R2, R33)', () => {
    const world = new World();
    expect(world.when(nve('nve1'))).toMatchObject({ type: 'NveConnected', data: { siteId: 'site', incarnation: 1, leaseS: null } });
    expect(world.when(nve('nve1'))).toBeNull();
    expect(world.when(nve('nve1', { addresses: ['198.51.100.2'] }))).toMatchObject({ type: 'NveConnected' });
  });

  it('is refused under a lower incarnation', () => {
    const world = new World().given(nve('nve1', { incarnation: 5 }));
    expect(world.refusal(nve('nve1', { incarnation: 4 }))).toBe('nve-incarnation');
    expect(world.refusal(heartbeat(4))).toBe('nve-incarnation');
    expect(world.when(nve('nve1', { incarnation: 6 }))).not.toBeNull();
  });

  it('lapses without heartbeats, is restored by one, and keeps its attachments', () => {
    const world = network().given(attach('t1', 'nve1'));
    expect(world.when(heartbeat())).toBeNull();
    expect(world.when(lapse())).toMatchObject({ type: 'NveLeaseLapsed' });
    expect(world.when(lapse())).toBeNull();
    expect(world.when(heartbeat())).toMatchObject({ type: 'NveRestored' });
    expect(world.facts.attachmentsAt('nve1')).toBe(1);
  });

  it('is unreachable at once when it disconnects, and must connect again', () => {
    const world = network();
    expect(world.when(disconnect())).toMatchObject({ type: 'NveDisconnected' });
    expect(world.when(disconnect())).toBeNull();
    expect(world.refusal(heartbeat())).toBe('nve-disconnected');
    expect(world.when(nve('nve1'))).toMatchObject({ type: 'NveConnected' });
  });

  it('is forgotten only without attachments, and unknown from then on', () => {
    const world = network().given(attach('t1', 'nve1'));
    expect(world.refusal(disconnect(true))).toBe('nve-in-use');
    world.given(command('detach', { tsId: 't1', nveId: 'nve1' }));
    expect(world.when(disconnect(true))).toMatchObject({ type: 'NveForgotten' });
    for (const next of [disconnect(), heartbeat(), lapse(), attach('t1', 'nve1')]) expect(world.refusal(next)).toBe('nve-unknown');
  });

  it('that was forgotten is new: no incarnation of before stands in its way', () => {
    const world = new World().given(
      nve('nve1', { incarnation: 5 }),
      nve('nve1', { incarnation: 5, mac: '02:00:00:00:0a:09' }),
      disconnect(true),
    );
    expect(world.when(nve('nve1', { incarnation: undefined }))).toMatchObject({ type: 'NveConnected', data: { incarnation: 0 } });
    expect(world.when(heartbeat(0))).toBeNull();
    expect(world.state<Nve>('nve-nve1')).toMatchObject({ status: 'reachable', identityChanges: [] });
  });

  it('is told what to send by the refusal of its incarnation, in a connect and in a heartbeat, and gets in by that', () => {
    const world = new World().given(nve('nve1', { incarnation: 5 }));
    const told = [nve('nve1', { incarnation: 4 }), heartbeat(4), heartbeat(7)].map((late) => {
      try {
        return world.when(late);
      } catch (error) {
        return [(error as Refusal).message, (error as Refusal).detail.expected];
      }
    });
    for (const refusal of told) expect(refusal).toEqual([expect.stringContaining('reinstalled and has lost its count connects with 6'), 5]);
    expect(world.when(nve('nve1', { incarnation: 6 }))).toMatchObject({ type: 'NveConnected' });
    expect(world.when(heartbeat(6))).toBeNull();
  });
});

describe('an underlay address', () => {
  const own = (nveId: string, ...addresses: string[]): ReturnType<typeof nve> => nve(nveId, { addresses });

  it('that a reachable NVE of another id has is refused, with who has it; nothing changes', () => {
    const world = new World().given(own('nve1', '198.51.100.1', '2001:db8::1'));
    expect(world.refusal(own('nve2', '198.51.100.2', '2001:db8::1'))).toBe('tunnel-address-held');
    try {
      world.when(own('nve2', '198.51.100.2', '2001:db8::1'));
    } catch (error) {
      expect((error as Refusal).detail).toEqual({ field: 'addresses[1]', received: '2001:db8::1', actual: { heldBy: 'nve1' } });
    }
    expect(world.state('nve-nve2')).toBeUndefined();
    expect(world.when(own('nve2', '198.51.100.2'))).not.toBeNull();
    expect(world.refusal(own('nve2', '198.51.100.2', '198.51.100.1'))).toBe('tunnel-address-held');
  });

  it.each([
    ['has lapsed', [command('lapseNve', { nveId: 'nve1', incarnation: 1 })]],
    ['has disconnected', [command('disconnectNve', { nveId: 'nve1' })]],
    ['was forgotten', [command('disconnectNve', { nveId: 'nve1', forget: true })]],
    ['has another by now', [own('nve1', '198.51.100.7')]],
  ])('is free for another NVE when the one that had it %s', (_, gone) => {
    const world = new World().given(own('nve1', '198.51.100.1'), ...gone);
    expect(world.when(own('nve2', '198.51.100.1'))).toMatchObject({ type: 'NveConnected' });
  });

  it('that another has taken meanwhile keeps a lapsed or disconnected NVE from coming back with it', () => {
    const world = new World().given(
      own('nve1', '198.51.100.1'),
      command('lapseNve', { nveId: 'nve1', incarnation: 1 }),
      own('nve2', '198.51.100.1'),
    );
    expect(world.refusal(command('heartbeat', { nveId: 'nve1', incarnation: 1 }))).toBe('tunnel-address-held');
    expect(world.refusal(own('nve1', '198.51.100.1'))).toBe('tunnel-address-held');
    world.given(command('disconnectNve', { nveId: 'nve2' }));
    expect(world.when(command('heartbeat', { nveId: 'nve1', incarnation: 1 }))).toMatchObject({ type: 'NveRestored' });
  });

  it('is taken all the same where it is forced, and both then live with it', () => {
    const world = new World().given(own('nve1', '198.51.100.1'));
    expect(world.when(nve('nve2', { addresses: ['198.51.100.1'], force: true }))).toMatchObject({ type: 'NveConnected' });
    expect([world.when(own('nve1', '198.51.100.1')), world.when(own('nve2', '198.51.100.1'))]).toEqual([null, null]);
    expect(world.when(own('nve1', '198.51.100.1', '198.51.100.3'))).not.toBeNull();
  });
});

describe('the identity of an NVE', () => {
  it('is counted where it changes without a greater incarnation, and where it changes only', () => {
    const world = new World().given(nve('nve1', { incarnation: 5, leaseS: 60 }));
    const times = (): readonly number[] => world.state<Nve>('nve-nve1').identityChanges.map((at) => at - start);
    const start = world.now;
    const hosts = [{ mac: '02:00:00:00:0a:02' }, { siteId: 'other' }, { addresses: ['198.51.100.4'] }, {}];
    for (const host of hosts) {
      world.now += 1_000;
      world.given(nve('nve1', { incarnation: 5, ...host }));
    }
    expect(times()).toEqual([1_000, 2_000, 3_000, 4_000]);
    world.now += 1_000;
    world.given(
      nve('nve1', { incarnation: 5, leaseS: 30 }),
      nve('nve1', { incarnation: 6, mac: '02:00:00:00:0a:02' }),
      command('disconnectNve', { nveId: 'nve1' }),
      nve('nve1', { incarnation: 6, mac: '02:00:00:00:0a:02' }),
    );
    expect(times()).toEqual([1_000, 2_000, 3_000, 4_000]);
  });

  it('is counted no further than anybody asks', () => {
    const world = new World().given(nve('nve1'));
    for (let i = 0; i < 2 * MAX_IDENTITY_CHANGES; i++) world.given(nve('nve1', { siteId: `site-${i}` }));
    expect(world.state<Nve>('nve-nve1').identityChanges).toHaveLength(MAX_IDENTITY_CHANGES);
  });
});
