import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import type { Command } from '@nva/domain';
import { auditAt, command, underlayOf, World } from '@nva/domain/testing';
import { feedKey } from '@nva/ports';
import { factsOf, Network, recordsOf, resolve, restore, standingOf, takeSnapshot, type RecordChange } from '../src/index.ts';
import { racyLog } from './races.ts';

const VIP = '192.0.2.100';
const [MAC1, MAC2, MAC3] = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03'] as const;

const show = ({ feed, key, value }: RecordChange): string => `${feedKey(feed)} ${value ? '+' : '-'} ${key}`;
const attach = (tsId: string, nveId: string, mac: string, bindings: object[]): Command =>
  command('attach', { tsId, nveId, tenantId: 'red', vmId: `vm-${tsId}`, mac, bindings });
const passVip = (tsId: string, to: string, fields: object = {}): Command =>
  command('passAddress', { tsId, to, vnid: 1, ip: VIP, ...fields });

/** Commands through the deciders into the fold; what each event changed. */
class Nva {
  readonly network = new Network();
  readonly world = new World();
  #position = 0;

  play(next: Command, blind = false, seen = this.world.facts): string[][] {
    const facts = blind ? { ...seen, holder: () => undefined } : seen;
    return this.world.aggregates.decide(next, facts, auditAt(0)).map(({ stream, event }) => {
      this.world.aggregates.evolve(event, stream);
      return this.network.apply({ position: ++this.#position, stream, revision: this.world.aggregates.revision(stream), event }).map(show);
    });
  }

  append(stream: string, event: NvaEvent): void {
    this.world.aggregates.evolve(event, stream);
    this.network.apply({ position: ++this.#position, stream, revision: this.world.aggregates.revision(stream), event });
  }

  holder(address: { ip: string } | { mac: string }): string[] {
    return resolve(this.network, 1, address).map(({ mapping }) => mapping.tsId);
  }
}

function routers(): Nva {
  const nva = new Nva();
  const nves = ['nve1', 'nve2', 'nve3'].map((nveId) =>
    command('connectNve', { nveId, siteId: 's', mac: MAC1, addresses: [underlayOf(nveId)], incarnation: 1 }),
  );
  const vn = command('putVn', { vnid: 1, tenantId: 'red', name: 'VN1', service: 'l3', encapsulation: 'vxlan' });
  for (const each of [
    vn,
    ...nves,
    attach('a', 'nve1', MAC1, [
      { bid: 1, vnid: 1, ip: '192.0.2.1' },
      { bid: 7, vnid: 1, ip: VIP },
    ]),
    attach('b', 'nve2', MAC2, [{ bid: 1, vnid: 1, ip: '192.0.2.2' }]),
  ])
    nva.play(each);
  return nva;
}

describe('who is in a VN, in order', () => {
  it('is so after every event, MACs that are passed on and exchanged among them', () => {
    let passed = 0;
    fc.assert(
      fc.property(racyLog(60), (log) => {
        const network = new Network();
        for (const event of log) {
          network.apply(event);
          if (event.event.type === 'AddressPassed' && !network.passedOver) passed++;
          for (const { macs } of network.vns.values()) {
            while (!macs.order.prepare(100));
            const ids = macs.order.take(() => false, 100).map((ts) => ts.state.tsId);
            expect(ids, `at ${event.position}`).toEqual([...new Set([...macs.everyone()].map((ts) => ts.state.tsId))].toSorted());
            expect(macs.count).toBe([...macs.everyone()].length);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(passed).toBeGreaterThan(20);
  });
});

describe('a passing in the tables', () => {
  it("is one change at one position: the IP is never nobody's and never two's (R13, X1)", () => {
    const nva = routers();
    expect(nva.play(passVip('a', 'b'))).toEqual([[], [`vn/1 - mapping/a/${VIP}`, `vn/1 + mapping/b/${VIP}`]]);
    expect(nva.holder({ ip: VIP })).toEqual(['b']);
    expect([...recordsOf(nva.network, { kind: 'vn', vnid: 1 })].find(({ key }) => key === `mapping/b/${VIP}`)!.position).toBe(
      nva.network.position,
    );
  });

  it("brings the taker's NVE into the VN, and takes the holder's out, in that change (R35)", () => {
    const nva = routers();
    nva.play(attach('c', 'nve3', MAC3, []));
    nva.play(command('deregisterBinding', { tsId: 'a', bid: 1 }));
    expect(nva.play(passVip('a', 'c'))[1]).toEqual([
      'nve/nve3 + vn/1',
      `vn/1 - mapping/a/${VIP}`,
      'vn/1 - member/nve1',
      'vn/1 + member/nve3',
      `vn/1 + mapping/c/${VIP}`,
      'nve/nve1 - vn/1',
    ]);
  });

  it('exchanges two IPs and two MACs without a moment in which either is missing (R13, R14)', () => {
    const nva = routers();
    expect(nva.play(passVip('a', 'b', { forIp: '192.0.2.2' }))[1]).toEqual([
      `vn/1 - mapping/a/${VIP}`,
      'vn/1 - mapping/b/192.0.2.2',
      'vn/1 + mapping/a/192.0.2.2',
      `vn/1 + mapping/b/${VIP}`,
    ]);
    expect(nva.play(command('passAddress', { tsId: 'a', to: 'b', mac: MAC1 }))[1]).toEqual([
      'vn/1 + mapping/a/192.0.2.1',
      'vn/1 + mapping/a/192.0.2.2',
      `vn/1 + mapping/b/${VIP}`,
    ]);
    expect([nva.holder({ mac: MAC1 }), nva.holder({ mac: MAC2 })]).toEqual([['b'], ['a', 'a']]);
    expect(standingOf(nva.network.tenantSystems.get('a')!).effective && standingOf(nva.network.tenantSystems.get('b')!).effective).toBe(
      true,
    );
  });

  it("gives the taker the holder's place: who lost a race for the address before stays behind (X2)", () => {
    const nva = routers();
    nva.play(attach('c', 'nve3', MAC3, [{ bid: 1, vnid: 1, ip: VIP }]), true);
    nva.play(passVip('a', 'b'));
    expect(nva.holder({ ip: VIP })).toEqual(['b']);
    expect(standingOf(nva.network.tenantSystems.get('c')!).conflicts).toEqual([{ vnid: 1, address: VIP, heldBy: 'b' }]);
    const resumed = restore(structuredClone(takeSnapshot(nva.network)));
    expect(takeSnapshot(resumed)).toEqual(takeSnapshot(nva.network));
    nva.play(command('deregisterBinding', { tsId: 'b', bid: 7 }));
    expect(nva.holder({ ip: VIP })).toEqual(['c']);
  });

  it('counts only what is there: a binding whose VN went away under it is registered again with the address', () => {
    const nva = routers();
    nva.play(
      attach('c', 'nve3', MAC3, [
        { bid: 1, vnid: 1, ip: '192.0.2.3' },
        { bid: 2, vnid: 1, ip: '192.0.2.4' },
      ]),
    );
    for (const [tsId, bid] of [
      ['a', 1],
      ['a', 7],
      ['b', 1],
    ] as const)
      nva.play(command('deregisterBinding', { tsId, bid }));
    // Another registrar deletes the VN, and makes it again, while `c` is in it.
    for (const type of ['VnDeleted', 'VnCreated'] as const)
      nva.append('vn-1', {
        type,
        data: {
          audit: auditAt(0),
          vnid: 1,
          ...(type === 'VnCreated'
            ? { tenantId: 'red', name: 'VN1', service: 'l3', encapsulation: 'vxlan', policies: { access: {}, tunnel: {} } }
            : {}),
        },
      } as NvaEvent);
    nva.play(command('registerBindings', { tsId: 'a', bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.4' }] }), false, factsOf(nva.network));
    expect(nva.play(passVip('a', 'c', { ip: '192.0.2.4' }), false, factsOf(nva.network))[1]).toContain('vn/1 + mapping/c/192.0.2.4');
    expect(nva.holder({ ip: '192.0.2.4' })).toEqual(['c']);
  });

  it('gives it to one that lost the race for it as well', () => {
    const nva = routers();
    nva.play(attach('c', 'nve3', MAC3, [{ bid: 1, vnid: 1, ip: VIP }]), true);
    expect(nva.play(passVip('a', 'c'))[1]).toEqual([`vn/1 - mapping/a/${VIP}`, `vn/1 + mapping/c/${VIP}`]);
  });

  it("changes nothing where the taker's stream went on otherwise, and is then the last event of the holder's (X9)", () => {
    const nva = routers();
    const [awaited, passed] = nva.world.aggregates.decide(passVip('a', 'b'), nva.world.facts, auditAt(0));
    const { network } = nva;
    const { position } = network;
    network.apply({ position: position + 1, stream: 'ts-b', revision: 1, event: awaited!.event });
    expect(restore(structuredClone(takeSnapshot(network))).tenantSystems.get('b')!.state.awaits).toEqual({ from: 'a', revision: 1 });
    network.apply({
      position: position + 2,
      stream: 'ts-b',
      revision: 2,
      event: { type: 'MacChanged', data: { audit: auditAt(0), tsId: 'b', mac: MAC3 } },
    });
    const before = [...recordsOf(network, { kind: 'vn', vnid: 1 })];
    expect(network.apply({ position: position + 3, stream: 'ts-a', revision: 1, event: passed!.event })).toEqual([]);
    expect(network.passedOver).toBe(true);
    expect([...recordsOf(network, { kind: 'vn', vnid: 1 })]).toEqual(before);
    expect(network.tenantSystems.get('a')).toMatchObject({ revision: 1, position: position + 3 });
    network.apply({
      position: position + 4,
      stream: 'ts-b',
      revision: 3,
      event: { type: 'MacChanged', data: { audit: auditAt(0), tsId: 'b', mac: MAC2 } },
    });
    expect(network.passedOver).toBe(false);
  });
});
