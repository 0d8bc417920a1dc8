import { describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import { auditAt, command } from '@nva/domain/testing';
import { decideTenantSystem, MAX_BINDINGS_PER_TS, type TenantSystem } from '../src/index.ts';
import { attach, l3, MAC1, MAC2, network, nve, vn } from './fixtures.ts';

const register = (tsId: string, ...bindings: object[]): ReturnType<typeof command> => command('registerBindings', { tsId, bindings });
const detach = (tsId: string, nveId: string): ReturnType<typeof command> => command('detach', { tsId, nveId });

describe('attaching', () => {
  it('records who, where and with what address, in one event (R1, R33, R44)', () => {
    const event = network().when(attach('t1', 'nve1', { logicalInterface: 'tap1', bindings: [l3('192.0.2.1')] }));
    expect(event).toMatchObject({
      type: 'TenantSystemAttached',
      data: {
        tsId: 't1',
        tenantId: 'red',
        vmId: 'vm-t1',
        mac: MAC1,
        attachment: { nveId: 'nve1', logicalInterface: 'tap1', state: 'activated' },
        bindings: [{ bid: null, vnid: 1, vlan: null, ip: '192.0.2.1', lifetimeS: null }],
      },
    });
  });

  it('changes nothing when repeated', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.when(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }))).toBeNull();
    expect(world.when(attach('t1', 'nve1'))).toBeNull();
  });

  it('without bindings attaches a tenant system that is in no VN', () => {
    expect(network().when(attach('t1', 'nve1'))).toMatchObject({ data: { bindings: [] } });
  });

  it('is refused at an NVE that has not connected, into an unknown VN, and into a VN of another tenant (R44)', () => {
    expect(network().refusal(attach('t1', 'nve9'))).toBe('nve-unknown');
    expect(network().refusal(attach('t1', 'nve1', { bindings: [{ vnid: 7, ip: '192.0.2.1' }] }))).toBe('vn-unknown');
    expect(network().refusal(attach('t1', 'nve1', { bindings: [{ vnid: 9, ip: '192.0.2.1' }] }))).toBe('vn-of-another-tenant');
  });

  it('is refused at an NVE that has disconnected, as its heartbeat is, until it connects again', () => {
    const world = network().given(attach('t1', 'nve2'), command('disconnectNve', { nveId: 'nve1' }));
    expect(world.refusal(attach('t1', 'nve1'))).toBe('nve-disconnected');
    expect(world.refusal(attach('t2', 'nve1', { mac: MAC2, placement: 'add' }))).toBe('nve-disconnected');
    expect(world.refusal(command('heartbeat', { nveId: 'nve1', incarnation: 1 }))).toBe('nve-disconnected');
    world.given(nve('nve1', { incarnation: 2 }));
    expect(world.when(attach('t1', 'nve1'))).toMatchObject({ type: 'TenantSystemMoved' });
  });

  it("of an id that another tenant has as well is another tenant system: neither is in the other's way", () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }),
      attach('t1', 'nve1', { tenantId: 'blue', bindings: [{ vnid: 9, ip: '192.0.2.1' }] }),
    );
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({ tsId: 't1', tenantId: 'red', bindings: [{ vnid: 1 }] });
    expect(world.state<TenantSystem>('ts-t1@blue')).toMatchObject({ tsId: 't1', tenantId: 'blue', bindings: [{ vnid: 9 }] });
    expect(world.refusal(command('changeMac', { tsId: 't1', mac: MAC2 }))).toBe('ts-ambiguous');
    world.given(command('changeMac', { tsId: 't1', tenantId: 'blue', mac: MAC2 }), command('remove', { tsId: 't1', tenantId: 'red' }));
    expect(world.state<TenantSystem>('ts-t1@blue')).toMatchObject({ mac: MAC2 });
    expect(world.state<TenantSystem>('ts-t1').attachments).toEqual([]);
    world.given(command('remove', { tsId: 't1' }));
    expect(world.state<TenantSystem>('ts-t1@blue').attachments).toEqual([]);
  });

  it('is refused for another VM than it is attached for (R1)', () => {
    const world = network().given(attach('t1', 'nve1'));
    expect(world.refusal(attach('t1', 'nve1', { vmId: 'other' }))).toBe('ts-immutable');
  });

  it('asks an IP of a binding in an L3 VN and a VLAN in an L2 VN, where an IP is optional (R16, R23, R24)', () => {
    const world = network();
    expect(world.refusal(attach('t1', 'nve1', { bindings: [{ vnid: 1, vlan: 10 }] }))).toBe('ip-required');
    expect(world.refusal(attach('t1', 'nve1', { bindings: [{ vnid: 1, vlan: 10, ip: '192.0.2.1' }] }))).toBe('vlan-not-allowed');
    expect(world.refusal(attach('t1', 'nve1', { bindings: [{ vnid: 1 }] }))).toBe('address-required');
    expect(world.when(attach('t1', 'nve1', { bindings: [{ vnid: 2, vlan: 10 }] }))).not.toBeNull();
    expect(world.when(attach('t2', 'nve1', { mac: MAC2, bindings: [{ vnid: 2, vlan: 10, ip: '192.0.2.1' }] }))).not.toBeNull();
  });

  describe('to several L2 VNs by one vNIC', () => {
    const l2 = (bid: number, vnid: number, vlan?: number, ip?: string): object => ({
      bid,
      vnid,
      ...(vlan === undefined ? {} : { vlan }),
      ...(ip === undefined ? {} : { ip }),
    });
    const trunk = (): ReturnType<typeof network> =>
      network().given(vn(4), vn(5), attach('t1', 'nve1', { bindings: [l2(1, 2, 10), l2(2, 4, 20), l2(3, 5)] }));

    it('takes a VLAN for each, and frames without a tag for one of them (R16, R24)', () => {
      expect(trunk().state<TenantSystem>('ts-t1').bindings).toMatchObject([
        { vnid: 2, vlan: 10, ip: null },
        { vnid: 4, vlan: 20, ip: null },
        { vnid: 5, vlan: null, ip: null },
      ]);
    });

    it('refuses a VLAN, or no tag, for two of them: a frame would belong to both (R16)', () => {
      const world = network().given(vn(4), vn(5));
      for (const bindings of [
        [l2(1, 2, 10), l2(2, 4, 10)],
        [l2(1, 2), l2(2, 4)],
        [l2(1, 2, 10), l2(2, 4, 10, '192.0.2.1')],
        [l2(1, 2), l2(2, 4, undefined, '192.0.2.1')],
      ]) {
        expect(world.refusal(attach('t1', 'nve1', { bindings }))).toBe('vlan-of-another-vn');
      }
      expect(
        world.when(attach('t1', 'nve1', { bindings: [l2(1, 2, 10, '192.0.2.1'), l2(2, 2, 10, '192.0.2.2'), l2(3, 4, 11)] })),
      ).not.toBeNull();
    });

    it.each([
      ['a new binding', { bid: 4, vnid: 5, vlan: 10 }],
      ['a new binding without a tag', { bid: 4, vnid: 2, ip: '192.0.2.9' }],
      ['another VLAN of a binding', { bid: 2, vlan: 10 }],
    ])('refuses it where it would come to be so later: %s (R16)', (_, line) => {
      const world = trunk();
      expect(world.refusal(register('t1', line))).toBe('vlan-of-another-vn');
      expect(world.refusal(command('registerBinding', { tsId: 't1', ...line }))).toBe('vlan-of-another-vn');
      const others = [l2(1, 2), l2(2, 4), l2(3, 5)].filter((other) => (other as { bid: number }).bid !== line.bid);
      expect(world.refusal(attach('t1', 'nve1', { bindings: [...others, line] }))).toBe('vlan-of-another-vn');
    });

    it('lets a VLAN pass from one VN to another in one attach, and leaves untagged L3 bindings beside it alone', () => {
      const world = trunk();
      expect(
        world.when(
          attach('t1', 'nve1', {
            bindings: [
              { bid: 1, vlan: 20 },
              { bid: 2, vlan: 10 },
              { bid: 3 },
              { bid: 4, ...l3('192.0.2.1') },
              { bid: 5, vnid: 3, ip: '192.0.2.1' },
            ],
          }),
        ),
      ).not.toBeNull();
      expect(world.state<TenantSystem>('ts-t1').bindings).toMatchObject([
        { vnid: 2, vlan: 20 },
        { vnid: 4, vlan: 10 },
        { vnid: 5, vlan: null },
        { vnid: 1 },
        { vnid: 3 },
      ]);
    });

    it('takes what a log of before has, and refuses nothing else for it', () => {
      const world = trunk();
      world.aggregates.evolve({
        type: 'BindingsRegistered',
        data: { audit: auditAt(0), tsId: 't1', bindings: [{ bid: 2, vnid: 4, vlan: 10, ip: null, lifetimeS: null }], deregistered: [] },
      });
      expect(world.when(register('t1', { bid: 1 }, { bid: 2 }))).toBeNull();
      expect(world.when(register('t1', l2(7, 5, 30)))).not.toBeNull();
      expect(world.refusal(register('t1', { bid: 2, ip: '192.0.2.4' }))).toBe('vlan-of-another-vn');
    });

    it('does not take a registration of an unknown BID without an address for one without a tag: it may be meant to renew what has lapsed (R21, R22)', () => {
      const world = trunk().given(command('deregisterBinding', { tsId: 't1', bid: 3 }));
      expect(world.refusal(register('t1', { bid: 3, vnid: 5 }))).toBe('address-required');
      expect(world.refusal(command('registerBinding', { tsId: 't1', bid: 3, vnid: 5 }))).toBe('address-required');
      expect(world.when(register('t1', { bid: 3, vnid: 5, ip: '192.0.2.4' }))).toMatchObject({
        data: { bindings: [{ bid: 3, vnid: 5, vlan: null, ip: '192.0.2.4' }] },
      });
    });

    it('names the binding without a tag by its VN, as it names others by VN and VLAN (R22)', () => {
      const world = network().given(attach('t1', 'nve1', { bindings: [{ vnid: 2 }] }));
      expect(world.when(attach('t1', 'nve1', { bindings: [{ vnid: 2 }] }))).toBeNull();
      expect(world.when(register('t1', { vnid: 2, lifetimeS: 60 }))).toMatchObject({
        data: { bindings: [{ bid: null, vnid: 2, vlan: null, ip: null, lifetimeS: 60 }] },
      });
      expect(world.when(register('t1', { bid: 8, vnid: 2 }))).toMatchObject({ data: { bindings: [{ bid: 8, vnid: 2, vlan: null }] } });
      expect(world.when(register('t1', { vnid: 2, lifetimeS: 0 }))).toMatchObject({ data: { deregistered: [8] } });
    });
  });

  it('refuses a MAC or IP that another tenant system of the VN holds; other VNs may overlap (R13)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.refusal(attach('t2', 'nve2', { mac: MAC2, bindings: [l3('192.0.2.1')] }))).toBe('duplicate-ip');
    expect(world.refusal(attach('t2', 'nve2', { bindings: [l3('192.0.2.2')] }))).toBe('duplicate-mac');
    expect(world.when(attach('t2', 'nve2', { bindings: [{ vnid: 3, ip: '192.0.2.1' }] }))).not.toBeNull();
  });

  it('clears a MAC again that its holder gave up', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }), detach('t1', 'nve1'));
    expect(world.when(attach('t2', 'nve2', { bindings: [l3('192.0.2.1')] }))).not.toBeNull();
  });

  it('replaces the whole set of bindings that it names', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { vnid: 3, ip: '192.0.2.1', bid: 2 }] }));
    world.given(attach('t1', 'nve1', { bindings: [l3('192.0.2.7', { bid: 1 })] }));
    expect(world.state<TenantSystem>('ts-t1').bindings).toEqual([{ bid: 1, vnid: 1, vlan: null, ip: '192.0.2.7', lifetimeS: null }]);
    expect(world.when(attach('t1', 'nve1', { bindings: [] }))).toMatchObject({
      type: 'TenantSystemAttachmentChanged',
      data: { bindings: [] },
    });
  });
});

describe('several addresses and their BIDs', () => {
  it('refuses a second address without BIDs (R19)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.refusal(register('t1', { vnid: 3, ip: '192.0.2.1' }))).toBe('bid-required');
    expect(world.refusal(register('t1', { bid: 2, vnid: 3, ip: '192.0.2.1' }))).toBe('bid-required');
    expect(world.refusal(attach('t2', 'nve1', { mac: MAC2, bindings: [l3('192.0.2.2'), { vnid: 3, ip: '192.0.2.2' }] }))).toBe(
      'bid-required',
    );
  });

  it('gives the first its BID in the step that adds the second (R19, R20)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.when(register('t1', { bid: 1, vnid: 1, ip: '192.0.2.1' }, { bid: 2, vnid: 3, ip: '192.0.2.1' }))).toMatchObject({
      type: 'BindingsRegistered',
    });
    expect(world.state<TenantSystem>('ts-t1').bindings).toMatchObject([
      { bid: 1, vnid: 1 },
      { bid: 2, vnid: 3 },
    ]);
  });

  it('does not take a BID back, and has each BID once (R18)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 })] }));
    expect(world.refusal(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }))).toBe('bid-taken-back');
    expect(world.refusal(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { bid: 1, vnid: 1, ip: '192.0.2.2' }] }))).toBe(
      'bid-duplicate',
    );
    expect(world.refusal(register('t1', { bid: 2, vnid: 3, ip: '192.0.2.2' }, { bid: 2, vnid: 3, ip: '192.0.2.3' }))).toBe('bid-duplicate');
    expect(world.refusal(register('t1', { bid: 2, vnid: 1, ip: '192.0.2.1' }))).toBe('address-registered');
  });

  it('registers all lines or none (R20)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 })] }),
      attach('t2', 'nve1', { mac: MAC2, bindings: [{ vnid: 3, ip: '192.0.2.9' }] }),
    );
    expect(world.refusal(register('t1', { bid: 2, vnid: 3, ip: '192.0.2.8' }, { bid: 3, vnid: 3, ip: '192.0.2.9' }))).toBe('duplicate-ip');
    expect(world.state<TenantSystem>('ts-t1').bindings).toHaveLength(1);
  });

  it('asks the address at the first registration of a BID, and only then (R21, R22)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1, lifetimeS: 60 })] }));
    expect(world.refusal(command('registerBinding', { tsId: 't1', bid: 2 }))).toBe('bid-unknown');
    expect(world.refusal(command('registerBinding', { tsId: 't1', bid: 2, vnid: 3 }))).toBe('address-required');
    expect(world.when(command('registerBinding', { tsId: 't1', bid: 1 }))).toBeNull();
    expect(world.when(command('registerBinding', { tsId: 't1', bid: 2, vnid: 3, ip: '192.0.2.1' }))).toMatchObject({
      type: 'BindingsRegistered',
    });
  });

  it('updates the address of a known BID, but never its VN (R22)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 })] }));
    expect(world.refusal(command('registerBinding', { tsId: 't1', bid: 1, vnid: 3, ip: '192.0.2.1' }))).toBe('bid-vn-mismatch');
    expect(world.when(command('registerBinding', { tsId: 't1', bid: 1, ip: '192.0.2.5' }))).toMatchObject({
      data: { bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.5' }] },
    });
  });

  it('gives a BID of a whole set another VN than before, with its address: the set replaces all (R21, R22)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1, lifetimeS: 60 }), l3('192.0.2.2', { bid: 2 })] }),
    );
    expect(world.refusal(attach('t1', 'nve1', { bindings: [{ bid: 1, vnid: 3 }, { bid: 2 }] }))).toBe('address-required');
    world.given(attach('t1', 'nve1', { bindings: [{ bid: 2 }, { bid: 1, vnid: 3, ip: '192.0.2.1' }] }));
    expect(world.state<TenantSystem>('ts-t1').bindings).toEqual([
      { bid: 2, vnid: 1, vlan: null, ip: '192.0.2.2', lifetimeS: null },
      { bid: 1, vnid: 3, vlan: null, ip: '192.0.2.1', lifetimeS: null },
    ]);
    world.given(
      attach('t1', 'nve1', {
        bindings: [
          { bid: 1, vnid: 1, ip: '192.0.2.2' },
          { bid: 2, vnid: 3, ip: '192.0.2.1' },
        ],
      }),
    );
    expect(world.state<TenantSystem>('ts-t1').bindings).toMatchObject([
      { bid: 1, vnid: 1, ip: '192.0.2.2' },
      { bid: 2, vnid: 3, ip: '192.0.2.1' },
    ]);
    world.given(attach('t2', 'nve1', { mac: MAC2, bindings: [l3('192.0.2.9')] }));
    expect(world.refusal(attach('t1', 'nve1', { bindings: [{ bid: 2, vnid: 1, ip: '192.0.2.9' }] }))).toBe('duplicate-ip');
    world.given(attach('t2', 'nve1', { mac: MAC2, bindings: [{ bid: 0, vnid: 3, ip: '192.0.2.9' }] }));
    expect(world.state<TenantSystem>('ts-t2').bindings).toMatchObject([{ bid: null, vnid: 3, ip: '192.0.2.9' }]);
  });

  it('de-registers by BID alone, 0 being the one without (R22)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.refusal(command('deregisterBinding', { tsId: 't1', bid: 1 }))).toBe('bid-unknown');
    expect(world.when(command('deregisterBinding', { tsId: 't1', bid: 0 }))).toMatchObject({
      type: 'BindingDeregistered',
      data: { bid: 0 },
    });
    expect(world.refusal(command('deregisterBinding', { tsId: 't1', bid: 0 }))).toBe('bid-unknown');
  });

  it('de-registers by lifetime 0, and lapses what ran out (R24a)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1, lifetimeS: 60 }), { vnid: 3, bid: 2, ip: '192.0.2.1' }] }),
    );
    expect(world.when(command('registerBinding', { tsId: 't1', bid: 2, lifetimeS: 0 }))).toMatchObject({
      data: { bindings: [], deregistered: [2] },
    });
    expect(world.refusal(command('registerBinding', { tsId: 't1', bid: 2, lifetimeS: 0 }))).toBe('bid-unknown');
    expect(world.when(command('lapseBindings', { tsId: 't1', bids: [1] }))).toMatchObject({ type: 'BindingsLapsed' });
    expect(world.state<TenantSystem>('ts-t1').bindings).toEqual([]);
  });

  it('refuses to de-register a BID under another VN than its own, whatever the call (R22)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { bid: 3, vnid: 3, ip: '192.0.2.1' }] }));
    const wrong = { bid: 3, vnid: 1, ip: '192.0.2.1', lifetimeS: 0 };
    expect(world.refusal(command('registerBinding', { tsId: 't1', ...wrong }))).toBe('bid-vn-mismatch');
    expect(world.refusal(register('t1', wrong))).toBe('bid-vn-mismatch');
    expect(world.refusal(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), wrong] }))).toBe('bid-vn-mismatch');
    expect(world.state<TenantSystem>('ts-t1').bindings).toHaveLength(2);
  });

  it('refuses a line that names several bindings: those of one IP on several VLANs (R18)', () => {
    const bindings = [
      { bid: 1, vnid: 2, vlan: 10, ip: '192.0.2.1' },
      { bid: 2, vnid: 2, vlan: 20, ip: '192.0.2.1' },
    ];
    const world = network().given(attach('t1', 'nve1', { bindings }));
    const ambiguous = { vnid: 2, ip: '192.0.2.1' };
    for (const line of [
      { ...ambiguous, lifetimeS: 0 },
      { ...ambiguous, lifetimeS: 60 },
      { ...ambiguous, bid: 3 },
    ])
      expect(world.refusal(register('t1', line)), JSON.stringify(line)).toBe('bid-required');
    expect(world.refusal(attach('t1', 'nve1', { bindings: [ambiguous] }))).toBe('bid-required');
    expect(world.when(register('t1', { ...ambiguous, vlan: 20, lifetimeS: 0 }))).toMatchObject({ data: { deregistered: [2] } });
    expect(world.when(register('t1', { bid: 1, ...ambiguous, lifetimeS: 60 }))).not.toBeNull();
  });

  it('refuses a lifetime of 0 for a BID, a VN or an address that is not registered, in an attach too (R22, R24a)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 })] }));
    for (const unknown of [
      { bid: 2, lifetimeS: 0 },
      { bid: 2, vnid: 1, ip: '192.0.2.2', lifetimeS: 0 },
      { vnid: 7, ip: '192.0.2.1', lifetimeS: 0 },
      { vnid: 3, ip: '192.0.2.1', lifetimeS: 0 },
    ]) {
      expect(world.refusal(register('t1', unknown)), JSON.stringify(unknown)).toBe('bid-unknown');
      expect(world.refusal(attach('t1', 'nve1', { bindings: [{ bid: 1 }, unknown] })), JSON.stringify(unknown)).toBe('bid-unknown');
      expect(world.refusal(attach('t2', 'nve1', { mac: MAC2, bindings: [unknown] })), JSON.stringify(unknown)).toBe('bid-unknown');
    }
    expect(world.when(attach('t1', 'nve1', { bindings: [{ bid: 1, lifetimeS: 0 }] }))).toMatchObject({
      type: 'TenantSystemAttachmentChanged',
      data: { bindings: [] },
    });
  });

  it('takes IPv4 and IPv6 of one tenant system in one VN (R13, R17)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { bid: 2, vnid: 1, ip: '2001:db8::1' }] }),
    );
    expect(world.state<TenantSystem>('ts-t1').bindings).toHaveLength(2);
    expect(world.refusal(attach('t2', 'nve1', { mac: MAC2, bindings: [l3('192.0.2.2', { bid: 1 }), l3('192.0.2.2', { bid: 2 })] }))).toBe(
      'address-duplicate',
    );
  });

  it('is bounded', () => {
    const bindings = Array.from({ length: MAX_BINDINGS_PER_TS + 1 }, (_, i) => ({ bid: i + 1, vnid: 1, ip: `10.0.${i >> 8}.${i & 255}` }));
    expect(network().refusal(attach('t1', 'nve1', { bindings }))).toBe('too-many-bindings');
  });
});

describe('a line of a registration and one of an attach', () => {
  const lines: readonly (readonly [what: string, line: object])[] = [
    ['a known BID alone', { bid: 1 }],
    ['a known BID with its VN', { bid: 1, vnid: 2 }],
    ['a known BID with its VN and VLAN, which keeps its IP', { bid: 1, vnid: 2, vlan: 10 }],
    ['a known BID with a new VLAN, which keeps its IP', { bid: 1, vlan: 20 }],
    ['a known BID with a new IP, which keeps its VLAN', { bid: 1, ip: '192.0.2.9' }],
    ['a known BID with a new lifetime', { bid: 1, lifetimeS: 120 }],
    ['its whole address, which keeps its lifetime', { bid: 1, vnid: 2, vlan: 10, ip: '192.0.2.1' }],
    ['another BID for its address', { bid: 5, vnid: 2, vlan: 10, ip: '192.0.2.1' }],
    ['an unknown BID without an address in an L3 VN', { bid: 5, vnid: 1 }],
    ['an unknown BID without a VN', { bid: 5 }],
  ];
  const before = attach('t1', 'nve1', { bindings: [{ bid: 1, vnid: 2, vlan: 10, ip: '192.0.2.1', lifetimeS: 60 }] });
  const outcome = (then: ReturnType<typeof command>): unknown => {
    const world = network().given(before);
    const refused = world.refusal(then);
    if (typeof refused === 'string') return refused;
    world.when(then);
    return world.state<TenantSystem>('ts-t1').bindings;
  };

  it.each(lines)('are read by one rule: %s (R20, R21, R22)', (_, line) => {
    const attached = outcome(attach('t1', 'nve1', { bindings: [line] }));
    expect(attached).toEqual(outcome(register('t1', line)));
    if ('bid' in line) expect(attached).toEqual(outcome(command('registerBinding', { tsId: 't1', ...line })));
  });

  it('keep what they leave out: IP, VLAN and lifetime (R22, R24a)', () => {
    expect(outcome(attach('t1', 'nve1', { bindings: [{ bid: 1, vnid: 2, vlan: 20 }] }))).toEqual([
      { bid: 1, vnid: 2, vlan: 20, ip: '192.0.2.1', lifetimeS: 60 },
    ]);
    expect(outcome(attach('t1', 'nve1', { bindings: [{ bid: 5, vnid: 2, vlan: 10, ip: '192.0.2.1' }] }))).toBe('address-registered');
  });

  it('may swap addresses between BIDs, in any order of the lines (R20)', () => {
    const two = attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), l3('192.0.2.2', { bid: 2 })] });
    const swapped = [
      { bid: 2, ip: '192.0.2.1' },
      { bid: 1, ip: '192.0.2.2' },
    ];
    const freed = [
      { bid: 3, vnid: 1, ip: '192.0.2.1' },
      { bid: 1, ip: '192.0.2.3' },
    ];
    for (const order of [swapped, swapped.toReversed(), freed, freed.toReversed()]) {
      for (const then of [register('t1', ...order), attach('t1', 'nve1', { bindings: order })]) {
        const world = network().given(two, then);
        for (const line of order)
          expect(world.state<TenantSystem>('ts-t1').bindings).toContainEqual({ vnid: 1, vlan: null, lifetimeS: null, ...line });
      }
    }
  });
});

describe('moving and multihoming', () => {
  it('moves in one event and counts the mobility up (R55)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.when(attach('t1', 'nve2'))).toMatchObject({
      type: 'TenantSystemMoved',
      data: { from: ['nve1'], attachment: { nveId: 'nve2' }, mobility: 1, mac: null, bindings: null },
    });
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({ attachments: [{ nveId: 'nve2' }], bindings: [{ ip: '192.0.2.1' }] });
  });

  it('keeps the other NVEs when added (R48), and leaves them all when moved', () => {
    const world = network().given(attach('t1', 'nve1'), attach('t1', 'nve2', { placement: 'add' }));
    expect(world.state<TenantSystem>('ts-t1').attachments.map((a) => a.nveId)).toEqual(['nve1', 'nve2']);
    expect(world.when(attach('t1', 'nve2'))).toMatchObject({ type: 'TenantSystemMoved', data: { from: ['nve1'] } });
  });

  it('that is associated elsewhere keeps its MAC where it is live, whoever prepares the move; without a live one, or by a move, it may change', () => {
    const add = (nveId: string, mac: string, state: string): ReturnType<typeof command> =>
      attach('t1', nveId, { mac, state, placement: 'add' });
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    expect(world.refusal(add('nve2', MAC2, 'associated'))).toBe('ts-immutable');
    world.given(add('nve2', MAC1, 'associated'));
    expect(world.refusal(add('nve2', MAC2, 'associated'))).toBe('ts-immutable');
    expect(world.refusal(add('nve3', MAC2, 'associated'))).toBe('ts-immutable');
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({
      mac: MAC1,
      attachments: [
        { nveId: 'nve1', state: 'activated' },
        { nveId: 'nve2', state: 'associated' },
      ],
    });
    expect(world.when(add('nve2', MAC2, 'activated'))).toMatchObject({ data: { mac: MAC2 } });
    world.given(command('detach', { tsId: 't1', nveId: 'nve1' }), add('nve2', MAC2, 'associated'));
    expect(world.state<TenantSystem>('ts-t1').mac).toBe(MAC2);
    expect(world.when(attach('t1', 'nve3', { mac: MAC1, state: 'associated' }))).toMatchObject({
      type: 'TenantSystemMoved',
      data: { mac: MAC1 },
    });
  });

  it('associates at the new NVE before it activates there (X5)', () => {
    const world = network().given(attach('t1', 'nve1'), attach('t1', 'nve2', { placement: 'add', state: 'associated' }));
    expect(world.when(attach('t1', 'nve2', { placement: 'add', state: 'activated' }))).toMatchObject({
      type: 'TenantSystemAttachmentChanged',
      data: { attachment: { state: 'activated' } },
    });
  });

  it('refuses a detach by an NVE that the tenant system has left (R55)', () => {
    const world = network().given(attach('t1', 'nve1'), attach('t1', 'nve2'));
    expect(world.refusal(detach('t1', 'nve1'))).toBe('ts-not-at-nve');
    expect(world.when(detach('t1', 'nve2'))).toMatchObject({ type: 'TenantSystemDetached' });
    expect(world.refusal(detach('t1', 'nve2'))).toBe('ts-not-attached');
    expect(world.refusal(detach('t9', 'nve2'))).toBe('ts-unknown');
  });

  it('ends its bindings with its last attachment (R49), and not before', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }),
      attach('t1', 'nve2', { placement: 'add' }),
      detach('t1', 'nve1'),
    );
    expect(world.state<TenantSystem>('ts-t1').bindings).toHaveLength(1);
    world.given(detach('t1', 'nve2'));
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({ attachments: [], bindings: [] });
  });

  it('is detached everywhere by an operator', () => {
    const world = network().given(attach('t1', 'nve1'), attach('t1', 'nve2', { placement: 'add' }));
    expect(world.when(command('remove', { tsId: 't1' }))).toMatchObject({ data: { from: ['nve1', 'nve2'] } });
    expect(world.state<TenantSystem>('ts-t1').attachments).toEqual([]);
  });

  it('counts the moves of the last 180 s, for the alarm at more than 5 (X9)', () => {
    const world = network().given(attach('t1', 'nve1'));
    const moves = ['nve2', 'nve1', 'nve2', 'nve1', 'nve2', 'nve1'].map((to) => {
      world.now += 20_000;
      return (world.when(attach('t1', to))!.data as { recentMoves: number }).recentMoves;
    });
    expect(moves).toEqual([1, 2, 3, 4, 5, 6]);
    world.now += 180_000;
    expect(world.when(attach('t1', 'nve2'))).toMatchObject({ data: { recentMoves: 1, mobility: 7 } });
  });

  const add = (nveId: string, state?: string): ReturnType<typeof attach> =>
    attach('t1', nveId, { placement: 'add', ...(state ? { state } : {}) });

  it.each([
    ['a move', [attach('t1', 'nve2')]],
    ['add and detach', [add('nve2'), detach('t1', 'nve1')]],
    ['add and move', [add('nve2'), attach('t1', 'nve2')]],
    ['detach and attach', [detach('t1', 'nve1'), attach('t1', 'nve2')]],
    ['remove and attach', [command('remove', { tsId: 't1' }), attach('t1', 'nve2')]],
    ['associated, source gone, activated', [add('nve2', 'associated'), detach('t1', 'nve1'), add('nve2', 'activated')]],
    ['associated, activated, source gone', [add('nve2', 'associated'), add('nve2', 'activated'), detach('t1', 'nve1')]],
    ['two added, then the source gone, then one of the two', [add('nve2'), add('nve3'), detach('t1', 'nve1'), detach('t1', 'nve2')]],
  ])('counts one change of place once, whatever brought it about: %s (R55, X9, RFC 7432 section 7.7)', (_, commands) => {
    const world = network().given(attach('t1', 'nve1'), ...commands);
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({ mobility: 1, moves: [world.now] });
  });

  it.each([
    ['detached and attached again where it was', [detach('t1', 'nve1'), attach('t1', 'nve1')]],
    ['at a second NVE for a while', [add('nve2'), detach('t1', 'nve2')]],
    ['at a second NVE, and moved back from there to where it still is', [add('nve2'), attach('t1', 'nve1')]],
    ['at a second NVE that cannot reach the VN', [add('nve2'), command('connectionFailure', { tsId: 't1', nveId: 'nve2' })]],
  ])('counts no move of one that keeps its place: %s', (_, commands) => {
    const world = network().given(attach('t1', 'nve1'), ...commands);
    expect(world.state<TenantSystem>('ts-t1')).toMatchObject({ mobility: 0, moves: [] });
  });

  it('never counts the mobility down, over a detachment either', () => {
    const world = network().given(attach('t1', 'nve1'), attach('t1', 'nve2'), detach('t1', 'nve2'));
    expect(world.when(attach('t1', 'nve2'))).toMatchObject({ data: { mobility: 1 } });
    world.given(detach('t1', 'nve2'));
    expect(world.when(attach('t1', 'nve1'))).toMatchObject({ data: { mobility: 2 } });
  });

  it('takes the mobility from the log: a detachment of before, which says none, leaves it as it is', () => {
    const world = network().given(attach('t1', 'nve1'), add('nve2'));
    const event = world.when(detach('t1', 'nve1'))!;
    expect(event).toMatchObject({ type: 'TenantSystemDetached', data: { mobility: 1 } });
    const before = network().given(attach('t1', 'nve1'), add('nve2'));
    before.aggregates.evolve({ ...event, data: { ...event.data, mobility: null } } as NvaEvent);
    expect(before.state<TenantSystem>('ts-t1')).toMatchObject({ mobility: 0, moves: [], attachments: [{ nveId: 'nve2' }] });
  });
});

describe('MAC and connection', () => {
  it('changes the MAC of all bindings in one event (R14, R15)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { bid: 2, vnid: 3, ip: '192.0.2.1' }] }));
    expect(world.when(command('changeMac', { tsId: 't1', mac: MAC1 }))).toBeNull();
    expect(world.when(command('changeMac', { tsId: 't1', mac: MAC2 }))).toMatchObject({ type: 'MacChanged', data: { mac: MAC2 } });
  });

  it('refuses a MAC that another tenant system holds in any of its VNs (R13)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), { bid: 2, vnid: 3, ip: '192.0.2.1' }] }),
      attach('t2', 'nve1', { mac: MAC2, bindings: [{ vnid: 3, ip: '192.0.2.2' }] }),
    );
    expect(world.refusal(command('changeMac', { tsId: 't1', mac: MAC2 }))).toBe('duplicate-mac');
  });

  it('records a connection failure once, of one VN or all, and attaching there again clears it (R56)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    const fail = (fields: object): ReturnType<typeof command> => command('connectionFailure', { tsId: 't1', nveId: 'nve1', ...fields });
    expect(world.refusal(fail({ nveId: 'nve2' }))).toBe('ts-not-at-nve');
    expect(world.refusal(fail({ vnid: 3 }))).toBe('vn-not-joined');
    expect(world.when(fail({ vnid: 1 }))).toMatchObject({ type: 'ConnectionFailed', data: { vnid: 1 } });
    expect(world.when(fail({ vnid: 1 }))).toBeNull();
    expect(world.when(fail({}))).toMatchObject({ data: { vnid: null } });
    expect(world.when(attach('t1', 'nve1'))).toMatchObject({ type: 'TenantSystemAttachmentChanged' });
    expect(world.state<TenantSystem>('ts-t1').failures).toEqual([]);
  });
});

describe('the decider', () => {
  it('is pure: the same command on the same state gives the same event, and leaves both as they are', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }));
    const state = Object.freeze(structuredClone(world.state<TenantSystem>('ts-t1')));
    const move = Object.freeze(attach('t1', 'nve2')) as Parameters<typeof decideTenantSystem>[0];
    const audit = { recordedAt: 1, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
    expect(decideTenantSystem(move, state, world.facts, audit)).toEqual(decideTenantSystem(move, state, world.facts, audit));
  });
});
