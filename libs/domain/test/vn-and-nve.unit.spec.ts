import { describe, expect, it } from 'vitest';
import { command, World } from '@nva/domain/testing';
import type { Nve } from '../src/index.ts';
import { attach, l3, network, nve, vn } from './fixtures.ts';

const remove = (vnid: number): ReturnType<typeof command> => command('deleteVn', { vnid });

describe('a VN', () => {
  it('is created, updated in name, encapsulation and policies, and repeated without effect (R37, R50)', () => {
    const world = new World();
    expect(world.when(vn(1))).toMatchObject({ type: 'VnCreated', data: { service: 'l3', policies: { access: {}, tunnel: {} } } });
    expect(world.when(vn(1))).toBeNull();
    expect(world.when(vn(1, { encapsulation: 'mpls-gre', policies: { access: { acl: 'a' }, tunnel: {} } }))).toMatchObject({ type: 'VnUpdated', data: { encapsulation: 'mpls-gre' } });
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
    expect(world.refusal(nve('nve1', { incarnation: 0 }))).toBe('nve-incarnation');
    expect(world.when(nve('nve1'))).not.toBeNull();
    expect(world.state<Nve>('nve-nve1').status).toBe('reachable');
  });
});
