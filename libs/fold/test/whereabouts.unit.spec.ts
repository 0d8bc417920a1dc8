import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Network, type FoldedTs } from '../src/index.ts';
import { racyLog } from './races.ts';

const NVES = ['nve1', 'nve2', 'nve3'];
const nameOf = ({ state }: FoldedTs): string => `${state.tsId}!${state.tenantId}`;
const taken = (order: { take(isBefore: () => boolean, max: number): FoldedTs[] }): string[] =>
  order.take(() => false, Number.MAX_SAFE_INTEGER).map(nameOf);

it('what is attached at each NVE is found in the order of the ids, from whichever event on it is asked for', () => {
  let attached = 0;
  fc.assert(
    fc.property(racyLog(), fc.nat(), fc.integer({ min: 1, max: 4 }), (log, n, bit) => {
      const network = new Network();
      const { whereabouts } = network;
      const askedAt = log.length === 0 ? 0 : n % log.length;
      for (const [i, event] of log.entries()) {
        // From then on everything is taken in bit by bit, while the log goes on.
        if (i >= askedAt) {
          whereabouts.everyone.prepare(bit);
          if (whereabouts.prepare(bit)) whereabouts.at('nve2').prepare(bit);
        }
        network.apply(event);
      }
      while (!whereabouts.prepare(bit));
      while (!whereabouts.everyone.prepare(bit));
      const all = [...network.tenantSystems.values()];
      expect(taken(whereabouts.everyone)).toEqual(all.map(nameOf).toSorted());
      for (const nveId of NVES) {
        const here = all.filter(({ state }) => state.attachments.some((a) => a.nveId === nveId)).map(nameOf);
        attached += here.length;
        while (!whereabouts.at(nveId).prepare(bit));
        expect(taken(whereabouts.at(nveId)), nveId).toEqual(here.toSorted());
      }
    }),
    { numRuns: 500 },
  );
  expect(attached).toBeGreaterThan(500);
});
