import { describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import { auditAt, command, World } from '@nva/domain/testing';
import type { Command, TenantSystem } from '../src/index.ts';
import { attach, l3, MAC1, MAC2, network } from './fixtures.ts';

const VIP = '192.0.2.100';
const VRRP = '00:00:5e:00:01:0a';
const MAC3 = '02:00:00:00:00:03';

const pass = (fields: Record<string, unknown>): Command => command('passAddress', { tsId: 'a', to: 'b', ...fields });
const passVip = (fields: Record<string, unknown> = {}): Command => pass({ vnid: 1, ip: VIP, ...fields });

/** Two routers of red in the L3 VN 1: `a` is the master. */
const routers = (aFields: object = {}, bFields: object = {}): World =>
  network().given(
    attach('a', 'nve1', { bindings: [l3('192.0.2.1', { bid: 1 }), l3(VIP, { bid: 7 })], ...aFields }),
    attach('b', 'nve2', { mac: MAC2, bindings: [l3('192.0.2.2', { bid: 1 })], ...bFields }),
  );

const ts = (world: World, id: string): TenantSystem => world.state<TenantSystem>(`ts-${id}`);
const ips = (world: World, id: string): (string | null)[] => ts(world, id).bindings.map((b) => b.ip);
const dataOf = (event: NvaEvent | null): Record<string, unknown> => event!.data as unknown as Record<string, unknown>;

describe('passing an IP on', () => {
  it("is one event of the holder that says what both have then, and waits for the taker's at an exact revision (X2, R13)", () => {
    const world = routers();
    const decided = world.aggregates.decide(passVip(), world.facts, {
      recordedAt: 1,
      actor: 'nve:nve2',
      correlationId: 'c',
      idempotencyKey: 'k',
      requestDigest: 'd',
    });
    const common = { recordedAt: 1, actor: 'nve:nve2', correlationId: 'c' };
    expect(decided).toEqual([
      {
        stream: 'ts-b',
        event: {
          type: 'AddressAwaited',
          data: { audit: { ...common, idempotencyKey: null, requestDigest: null }, tsId: 'b', from: 'a', revision: 1 },
        },
      },
      {
        stream: 'ts-a',
        event: {
          type: 'AddressPassed',
          data: {
            audit: { ...common, idempotencyKey: 'k', requestDigest: 'd' },
            tsId: 'a',
            to: 'b',
            toRevision: 1,
            vnid: 1,
            ip: VIP,
            mac: null,
            toMac: null,
            bindings: [],
            deregistered: [7],
            toBindings: [{ bid: 7, vnid: 1, vlan: null, ip: VIP, lifetimeS: null }],
          },
        },
      },
    ]);
    world.given(passVip());
    expect(ips(world, 'a')).toEqual(['192.0.2.1']);
    expect(ips(world, 'b')).toEqual(['192.0.2.2', VIP]);
    expect([ts(world, 'a').mac, ts(world, 'b').mac]).toEqual([MAC1, MAC2]);
  });

  it('changes nothing where it is passed already, whatever has become of the former holder', () => {
    const world = routers().given(passVip());
    expect(world.when(passVip())).toBeNull();
    expect(world.given(command('remove', { tsId: 'a' })).when(passVip())).toBeNull();
  });

  it('is refused unless the one that it names holds it: of several who take over, the first has it (R13)', () => {
    const world = routers().given(attach('c', 'nve3', { mac: MAC3, bindings: [] }), passVip());
    expect(world.refusal(passVip({ to: 'c' }))).toBe('address-not-held');
    expect(world.refusal(passVip({ tsId: 'b', to: 'c', ip: '192.0.2.77' }))).toBe('address-not-held');
    expect(world.refusal(passVip({ tsId: 'b', to: 'c' }))).toEqual({ accepted: expect.objectContaining({ type: 'AddressPassed' }) });
  });

  it('keeps BID and lifetime, or gives others, and asks a BID where the taker has it already (R18, R19, R24a)', () => {
    const world = routers(
      { bindings: [l3('192.0.2.1', { bid: 1 }), l3(VIP, { bid: 7, lifetimeS: 30 })] },
      { bindings: [l3('192.0.2.2', { bid: 7 })] },
    );
    expect(world.refusal(passVip())).toBe('bid-duplicate');
    expect(dataOf(world.when(passVip({ bid: 9 })))['toBindings']).toEqual([{ bid: 9, vnid: 1, vlan: null, ip: VIP, lifetimeS: 30 }]);
    expect(dataOf(routers().when(passVip({ lifetimeS: 60 })))['toBindings']).toEqual([
      { bid: 7, vnid: 1, vlan: null, ip: VIP, lifetimeS: 60 },
    ]);
    const single = routers({ bindings: [l3(VIP)] }, { bindings: [l3('192.0.2.2')] });
    expect(single.refusal(passVip())).toBe('bid-required');
    expect(single.refusal(passVip({ bid: 2 }))).toBe('bid-required');
    expect(dataOf(routers({ bindings: [l3(VIP)] }, { bindings: [] }).when(passVip()))['toBindings']).toEqual([
      { bid: null, vnid: 1, vlan: null, ip: VIP, lifetimeS: null },
    ]);
  });

  it("leaves the holder in its L2 VN, where frames for its MAC still go, and fills the taker's binding there (R24)", () => {
    const world = network().given(
      attach('a', 'nve1', { bindings: [{ vnid: 2, vlan: 10, ip: VIP }] }),
      attach('b', 'nve2', { mac: MAC2, bindings: [{ vnid: 2, vlan: 20 }] }),
    );
    const before = [ts(world, 'a').bindings, ts(world, 'b').bindings];
    world.given(passVip({ vnid: 2 }));
    expect(ts(world, 'a').bindings).toEqual([{ bid: null, vnid: 2, vlan: 10, ip: null, lifetimeS: null }]);
    expect(ts(world, 'b').bindings).toEqual([{ bid: null, vnid: 2, vlan: 20, ip: VIP, lifetimeS: null }]);
    world.given(pass({ tsId: 'b', to: 'a', vnid: 2, ip: VIP }));
    expect([ts(world, 'a').bindings, ts(world, 'b').bindings]).toEqual(before);
  });

  it("takes the VLAN by which the taker is in the VN, the given one, or else the holder's (R16)", () => {
    const l2 = (bBindings: object[]): World =>
      network().given(
        attach('a', 'nve1', {
          bindings: [
            { bid: 1, vnid: 2, vlan: 10 },
            { bid: 2, vnid: 2, vlan: 10, ip: VIP },
          ],
        }),
        attach('b', 'nve2', { mac: MAC2, bindings: bBindings }),
      );
    const taken = (world: World, fields: object = {}): unknown => dataOf(world.when(passVip({ vnid: 2, ...fields })))['toBindings'];
    expect(taken(l2([]))).toEqual([{ bid: 2, vnid: 2, vlan: 10, ip: VIP, lifetimeS: null }]);
    expect(taken(l2([{ bid: 1, vnid: 2, vlan: 20, ip: '192.0.2.9' }]))).toEqual([{ bid: 2, vnid: 2, vlan: 20, ip: VIP, lifetimeS: null }]);
    expect(taken(l2([{ bid: 1, vnid: 2, vlan: 20, ip: '192.0.2.9' }]), { vlan: 30 })).toEqual([
      { bid: 2, vnid: 2, vlan: 30, ip: VIP, lifetimeS: null },
    ]);
    // Both of them gone from VLAN 10 but for the one without an IP.
    expect(ips(l2([]).given(passVip({ vnid: 2 })), 'a')).toEqual([null]);
  });

  it('passes all of an IP that is on several VLANs, as they are', () => {
    const several = [
      { bid: 1, vnid: 2, vlan: 10, ip: VIP },
      { bid: 2, vnid: 2, vlan: 11, ip: VIP },
    ];
    const world = network().given(attach('a', 'nve1', { bindings: several }), attach('b', 'nve2', { mac: MAC2, bindings: [] }));
    expect(world.refusal(passVip({ vnid: 2, vlan: 12 }))).toBe('bid-required');
    expect(world.refusal(passVip({ vnid: 2, bid: 3 }))).toBe('bid-required');
    world.given(passVip({ vnid: 2 }));
    expect(ts(world, 'b').bindings).toEqual(several.map((b) => ({ ...b, lifetimeS: null })));
    expect(ips(world, 'a')).toEqual([null, null]);
  });

  it('is refused to a VN that the taker cannot be in: its MAC, its VLAN and its BIDs are checked as in a registration (R13, R16)', () => {
    const world = network().given(
      attach('a', 'nve1', { bindings: [{ vnid: 2, vlan: 10, ip: VIP }] }),
      attach('b', 'nve2', { mac: MAC2, bindings: [] }),
      attach('c', 'nve3', { mac: MAC3, bindings: [{ vnid: 2, vlan: 10 }] }),
    );
    // `b` comes to VN 2 with the MAC that `c` has there.
    world.given(command('detach', { tsId: 'b', nveId: 'nve2' }), attach('b', 'nve2', { mac: MAC3, bindings: [l3('192.0.2.2')] }));
    expect(world.refusal(passVip({ vnid: 2, bid: 2 }))).toBe('bid-required');
    expect(
      world
        .given(command('registerBindings', { tsId: 'b', bindings: [l3('192.0.2.2', { bid: 1 })] }))
        .refusal(passVip({ vnid: 2, bid: 2 })),
    ).toBe('duplicate-mac');
  });

  it("is of one tenant: another's tenant system of that id is not meant, and none is unknown (R44)", () => {
    const world = routers();
    expect(world.refusal(passVip({ tsId: 'x' }))).toBe('ts-unknown');
    expect(world.refusal(passVip({ to: 'x' }))).toBe('ts-unknown');
    world.given(command('attach', { tsId: 'x', nveId: 'nve3', tenantId: 'blue', vmId: 'v', mac: MAC3, bindings: [] }));
    expect(world.refusal(passVip({ to: 'x' }))).toBe('ts-unknown');
    expect(world.refusal(passVip({ tsId: 'x' }))).toBe('ts-unknown');
  });

  it('is refused from and to what is attached nowhere', () => {
    const world = routers().given(command('remove', { tsId: 'b' }));
    expect(world.refusal(passVip())).toBe('ts-not-attached');
    expect(world.given(attach('b', 'nve2', { mac: MAC2 }), command('remove', { tsId: 'a' })).refusal(passVip())).toBe('ts-not-attached');
  });

  it('is refused where the holder would stay with the very MAC that the taker brings into the VN (R13)', () => {
    const world = routers({}, { mac: MAC1, bindings: [{ bid: 1, vnid: 3, ip: '192.0.2.2' }] });
    expect(world.refusal(passVip())).toBe('duplicate-mac');
    // Equal ones need no exchange.
    expect(world.when(pass({ mac: MAC1 }))).toBeNull();
    // With the last of its addresses there the holder leaves the VN.
    expect(world.given(command('deregisterBinding', { tsId: 'a', bid: 1 })).refusal(passVip())).toEqual({
      accepted: expect.objectContaining({ type: 'AddressPassed' }),
    });
  });

  it('is no repeat where a third one has come to hold the address (X2)', () => {
    const world = routers().given(passVip());
    const facts = {
      ...world.facts,
      holder: (vnid: number, kind: 'mac' | 'ip', address: string) =>
        address === VIP ? { tsId: 'c' } : world.facts.holder(vnid, kind, address),
    };
    expect(() => world.aggregates.decide(passVip(), facts, auditAt(0))).toThrow('tenant system c holds it');
  });

  it('gives what the taker has registered already, behind the holder: with another lifetime if one is given, under its own BID', () => {
    const world = routers({}, { bindings: [l3('192.0.2.2', { bid: 1 })] });
    const behind = (fields: Record<string, unknown>): unknown => {
      const facts = { ...world.facts, holder: () => undefined };
      const { event } = world.aggregates.decide(command('registerBinding', { tsId: 'b', bid: 4, vnid: 1, ip: VIP }), facts, auditAt(0))[0]!;
      const racing = routers({}, { bindings: [l3('192.0.2.2', { bid: 1 })] });
      racing.aggregates.evolve(event, 'ts-b');
      const passing = racing.aggregates.decide(passVip(fields), racing.facts, auditAt(0));
      return passing.at(-1)!.event.data;
    };
    expect(behind({})).toMatchObject({ deregistered: [7], toBindings: [] });
    expect(behind({ lifetimeS: 9 })).toMatchObject({ toBindings: [{ bid: 4, vnid: 1, vlan: null, ip: VIP, lifetimeS: 9 }] });
    expect(() => behind({ bid: 5 })).toThrow('with BID 4');
    expect(() => behind({ forIp: '192.0.2.2' })).toThrow('behind the other');
  });

  it('says what must come with what, and changes nothing', () => {
    const world = routers();
    expect(world.refusal(passVip({ to: 'a' }))).toBe('out-of-range');
    expect(world.refusal(pass({}))).toBe('address-required');
    expect(world.refusal(pass({ ip: VIP }))).toBe('missing-field');
    expect(world.refusal(pass({ vnid: 1, mac: MAC1 }))).toBe('missing-field');
    expect(world.refusal(pass({ mac: MAC1, forIp: VIP }))).toBe('missing-field');
    expect(world.refusal(passVip({ forMac: MAC3 }))).toBe('missing-field');
    expect(world.refusal(passVip({ forIp: VIP }))).toBe('out-of-range');
    expect(world.refusal(pass({ mac: MAC1, forMac: MAC1 }))).toBe('out-of-range');
    expect(world.refusal(passVip({ forIp: '192.0.2.2', bid: 3 }))).toBe('unknown-field');
    expect(world.refusal(pass({ mac: MAC1, lifetimeS: 3 }))).toBe('unknown-field');
  });
});

describe('exchanging', () => {
  it('two IPs, each binding keeps its BID, VLAN and lifetime', () => {
    const world = routers({}, { bindings: [l3('192.0.2.2', { bid: 3, lifetimeS: 20 })] }).given(passVip({ forIp: '192.0.2.2' }));
    expect(ts(world, 'a').bindings).toEqual([
      expect.objectContaining({ bid: 1, ip: '192.0.2.1' }),
      { bid: 7, vnid: 1, vlan: null, ip: '192.0.2.2', lifetimeS: null },
    ]);
    expect(ts(world, 'b').bindings).toEqual([{ bid: 3, vnid: 1, vlan: null, ip: VIP, lifetimeS: 20 }]);
    // Named by their values, so a repeat does not change them back.
    expect(world.when(passVip({ forIp: '192.0.2.2' }))).toBeNull();
    expect(world.refusal(passVip({ tsId: 'b', to: 'a', forIp: '192.0.2.9' }))).toBe('address-not-held');
  });

  it('two MACs, in every VN of both, which no order of MAC changes could (R13, R14)', () => {
    const world = routers().given(command('registerBindings', { tsId: 'a', bindings: [{ bid: 8, vnid: 3, ip: '192.0.2.1' }] }));
    expect(world.refusal(command('changeMac', { tsId: 'a', mac: MAC2 }))).toBe('duplicate-mac');
    expect(dataOf(world.when(pass({ mac: MAC1 })))).toMatchObject({
      vnid: null,
      ip: null,
      mac: MAC2,
      toMac: MAC1,
      bindings: [],
      deregistered: [],
      toBindings: [],
    });
    expect([ts(world, 'a').mac, ts(world, 'b').mac]).toEqual([MAC2, MAC1]);
    expect(world.when(pass({ mac: MAC1 }))).toBeNull();
  });

  it('is refused where a third one has the MAC in a VN of either (R13)', () => {
    const world = routers().given(
      attach('c', 'nve3', { mac: MAC2, bindings: [{ vnid: 3, ip: '192.0.2.5' }] }),
      command('registerBindings', { tsId: 'a', bindings: [{ bid: 8, vnid: 3, ip: '192.0.2.1' }] }),
    );
    expect(world.refusal(pass({ mac: MAC1 }))).toBe('duplicate-mac');
    expect(world.refusal(pass({ mac: MAC1, forMac: MAC3 }))).toEqual({ accepted: expect.objectContaining({ type: 'AddressPassed' }) });
    expect(world.refusal(pass({ mac: MAC3 }))).toBe('address-not-held');
  });
});

describe('passing MAC and IP on', () => {
  it("gives the taker both, and the holder the MAC that is said, or the taker's former one (R13)", () => {
    const master = (): World => routers({ mac: VRRP });
    const own = master().given(passVip({ mac: VRRP, forMac: MAC1 }));
    expect([ts(own, 'a').mac, ts(own, 'b').mac]).toEqual([MAC1, VRRP]);
    expect([ips(own, 'a'), ips(own, 'b')]).toEqual([['192.0.2.1'], ['192.0.2.2', VIP]]);
    const exchanged = master().given(passVip({ mac: VRRP }));
    expect([ts(exchanged, 'a').mac, ts(exchanged, 'b').mac]).toEqual([MAC2, VRRP]);
    expect(exchanged.when(passVip({ mac: VRRP }))).toBeNull();
  });
});

describe('a taker that waits', () => {
  it('waits no more after any other event of its own, or what it waited for', () => {
    const world = routers();
    const [awaited, passed] = world.aggregates.decide(passVip(), world.facts, {
      recordedAt: 1,
      actor: 'a',
      correlationId: 'c',
      idempotencyKey: null,
      requestDigest: null,
    });
    world.aggregates.evolve(awaited!.event, 'ts-b');
    expect(ts(world, 'b').awaits).toEqual({ from: 'a', revision: 1 });
    world.given(command('changeMac', { tsId: 'b', mac: MAC3 }));
    expect(ts(world, 'b').awaits).toBeNull();
    // Decided on what `b` was before: it does not count.
    world.aggregates.evolve(passed!.event, 'ts-a');
    expect(ips(world, 'a')).toContain(VIP);
    expect(ips(world, 'b')).not.toContain(VIP);
    expect(ts(world.given(passVip()), 'b').awaits).toBeNull();
  });
});
