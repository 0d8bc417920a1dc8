import fc from 'fast-check';
import { underlayOf } from '@nva/domain/testing';
import { describe, expect, it } from 'vitest';
import { factsOf, Network, restore, takeSnapshot } from '../src/index.ts';
import { racyLog } from './races.ts';

const NVES = ['nve1', 'nve2', 'nve3'];

/** By looking at every NVE. */
const reachableAt = (network: Network, address: string): string[] =>
  [...network.nves.values()]
    .filter(({ state }) => state?.status === 'reachable' && state.addresses.includes(address))
    .map(({ nveId }) => nveId)
    .toSorted();

/** What decisions are made by says of each address what is so. */
function expectTrue(network: Network): void {
  for (const address of NVES.map(underlayOf)) {
    const there = reachableAt(network, address);
    expect(
      network.tunnelEnds
        .at(address)
        .map(({ nveId }) => nveId)
        .toSorted(),
    ).toEqual(there);
    for (const nveId of NVES) {
      const holder = factsOf(network).tunnelHolder(address, nveId);
      const others = there.filter((other) => other !== nveId);
      if (others.length === 0) expect(holder).toBeUndefined();
      else expect(others).toContain(holder);
    }
  }
}

describe('which reachable NVEs have an underlay address (R2)', () => {
  it('is so after every event, whatever NVEs connect with, lapse, disconnect and are forgotten, and from a snapshot on', () => {
    fc.assert(
      fc.property(racyLog(), fc.nat({ max: 80 }), (log, at) => {
        let network = new Network();
        for (const [i, event] of log.entries()) {
          if (i === at) network = restore(takeSnapshot(network));
          network.apply(event);
          expectTrue(network);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is nobody any more when all of them have gone', () => {
    const network = new Network();
    const audit = { recordedAt: 1, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
    const connected = { siteId: 's', mac: '02:00:00:00:00:01', addresses: ['198.51.100.1', '198.51.100.1'], incarnation: 1, leaseS: null };
    // Two at once, as a race leaves them; one with an address twice, as a log of before may have it.
    ['nve1', 'nve2'].forEach((nveId, i) =>
      network.apply({
        position: i + 1,
        stream: `nve-${nveId}`,
        revision: 0,
        event: { type: 'NveConnected', data: { audit, nveId, ...connected } },
      }),
    );
    expect(network.tunnelEnds.at('198.51.100.1').map(({ nveId }) => nveId)).toEqual(['nve1', 'nve2']);
    ['nve1', 'nve2'].forEach((nveId, i) =>
      network.apply({ position: i + 3, stream: `nve-${nveId}`, revision: 1, event: { type: 'NveDisconnected', data: { audit, nveId } } }),
    );
    expect(network.tunnelEnds.at('198.51.100.1')).toEqual([]);
  });
});
