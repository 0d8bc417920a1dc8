import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import type { RecordedEvent } from '@nva/ports';
import {
  FeedDigests,
  Network,
  NetworkCapture,
  restore,
  takeSnapshot,
  type NetworkSnapshot,
  type TenantSystemSnapshot,
  type VnSnapshot,
} from '../src/index.ts';
import { dump } from './dump.ts';
import { play, racyLog, type Step } from './races.ts';

const RUNS = { numRuns: 1_000 };

const fold = (log: readonly RecordedEvent[], digests = new FeedDigests()): Network => {
  const network = new Network();
  for (const event of log) digests.apply(event.position, network.apply(event));
  return network;
};

/** A capture hands VNs and tenant systems out in an order of its own, which means nothing. */
const sorted = (snapshot: NetworkSnapshot): NetworkSnapshot => ({
  ...snapshot,
  vns: snapshot.vns.toSorted((a, b) => a.state.vnid - b.state.vnid),
  tenantSystems: snapshot.tenantSystems.toSorted((a, b) => ((a.name ?? a.state.tsId) < (b.name ?? b.state.tsId) ? -1 : 1)),
});

/** Takes a capture to its end; `between` is called after every slice. */
function whole(capture: NetworkCapture, slice: () => number, between: () => void): NetworkSnapshot {
  const vns: VnSnapshot[] = [];
  const tenantSystems: TenantSystemSnapshot[] = [];
  between();
  for (let part = capture.vns(slice()); part; part = capture.vns(slice())) {
    vns.push(...part);
    between();
  }
  for (let part = capture.tenantSystems(slice()); part; part = capture.tenantSystems(slice())) {
    tenantSystems.push(...part);
    between();
  }
  return structuredClone({ ...capture.frame, oracles: capture.oracles, nves: capture.nves, vns, tenantSystems });
}

describe('a capture of the network, over logs with every race', () => {
  it('is the network at the position where it began, whatever is folded meanwhile, and with the tail makes the whole', () => {
    const seen = { meanwhile: 0, changed: 0 };
    fc.assert(
      fc.property(
        racyLog(),
        fc.nat(),
        fc.infiniteStream(fc.nat({ max: 3 })),
        fc.infiniteStream(fc.integer({ min: 1, max: 3 })),
        (log, a, pauses, slices) => {
          const at = a % (log.length + 1);
          const network = fold(log.slice(0, at));
          const before = structuredClone(takeSnapshot(network));
          let next = at;
          const snapshot = whole(
            new NetworkCapture(network),
            () => slices.next().value,
            () => {
              for (let events = pauses.next().value; events > 0 && next < log.length; events--) network.apply(log[next++]!);
            },
          );
          seen.meanwhile += next - at;
          if (JSON.stringify(takeSnapshot(network).tenantSystems) !== JSON.stringify(before.tenantSystems)) seen.changed++;
          expect(sorted(snapshot)).toEqual(sorted(before));
          expect(snapshot.tenantSystems).toHaveLength(before.tenantSystems.length);
          expect(network.watcher).toBeNull();

          const restored = restore(snapshot);
          expect(dump(restored)).toEqual(dump(fold(log.slice(0, at))));
          for (const event of log.slice(at)) restored.apply(event);
          for (const event of log.slice(next)) network.apply(event);
          expect(dump(restored)).toEqual(dump(network));
          expect(sorted(takeSnapshot(restored))).toEqual(sorted(takeSnapshot(fold(log))));
        },
      ),
      RUNS,
    );
    // Captures must have met changes on their way; how many is left to chance.
    expect(seen.meanwhile).toBeGreaterThan(1_000);
    expect(seen.changed).toBeGreaterThan(100);
  });

  it('gives the same digests as before, and none for what came before it', () => {
    fc.assert(
      fc.property(racyLog(), fc.nat(), (log, a) => {
        const at = a % (log.length + 1);
        const before = new FeedDigests();
        const restored = restore(structuredClone(takeSnapshot(fold(log.slice(0, at), before))));
        const digests = FeedDigests.restored(structuredClone(before.all()));
        for (const { feed, position, digest } of before.all()) {
          expect(digests.current(feed)).toEqual({ position, digest });
          expect(digests.at(feed, position)).toBe(digest);
          expect(digests.at(feed, position - 1)).toBeNull();
        }
        for (const event of log.slice(at)) digests.apply(event.position, restored.apply(event));
        const replayed = new FeedDigests();
        fold(log, replayed);
        expect(new Set(digests.all())).toEqual(new Set(replayed.all()));
      }),
      RUNS,
    );
  });

  it('skips nobody of several that claim one address when an earlier one lets it go', () => {
    const step = (c: Command): Step => ({ command: c, lag: 0, blind: true, gap: 1 });
    const attach = (n: number, mac: string): Step =>
      step(
        command('attach', {
          tsId: `ts${n}`,
          tenantId: 'red',
          vmId: `vm${n}`,
          nveId: 'nve1',
          mac,
          bindings: [{ vnid: 1, ip: `192.0.2.${n}` }],
        }),
      );
    const log = play([
      step(command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' })),
      step(command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:00:0a', addresses: ['198.51.100.1'], incarnation: 1 })),
      ...[1, 2, 3].map((n) => attach(n, '02:00:00:00:00:01')),
      attach(1, '02:00:00:00:00:02'),
    ]);
    const network = fold(log.slice(0, -1));
    expect(network.vns.get(1)!.macs.claimants('02:00:00:00:00:01')).toHaveLength(3);
    const capture = new NetworkCapture(network);
    const handedOut = [...capture.tenantSystems(1)!, ...capture.tenantSystems(1)!];
    network.apply(log.at(-1)!);
    for (let part = capture.tenantSystems(1); part; part = capture.tenantSystems(1)) handedOut.push(...part);
    expect(handedOut.map(({ state }) => state.tsId)).toEqual(['ts1', 'ts2', 'ts3']);
  });

  it('is one at a time, and lets the network go when it is given up', () => {
    const network = new Network();
    const capture = new NetworkCapture(network);
    expect(() => new NetworkCapture(network)).toThrow('another capture');
    capture.end();
    expect(network.watcher).toBeNull();
    new NetworkCapture(network).end();
  });
});
