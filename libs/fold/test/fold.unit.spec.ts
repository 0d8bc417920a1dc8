import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mapping } from '@nva/codec';
import { TableDigest } from '@nva/codec';
import { isTenantSystemEvent } from '@nva/domain';
import { auditAt } from '@nva/domain/testing';
import { feedKey, type RecordedEvent } from '@nva/ports';
import { feedsOf, FeedDigests, Network, Recompute, recordsOf, restore, RULES, takeSnapshot, type FoldRules } from '../src/index.ts';
import { isVoid } from '../src/oracles.ts';
import { dump, values } from './dump.ts';
import { racyLog } from './races.ts';

const RUNS = { numRuns: 1_000 };

const fold = (log: readonly RecordedEvent[]): Network => {
  const network = new Network();
  for (const event of log) network.apply(event);
  return network;
};

describe('the fold, over logs with every race', () => {
  it('agrees with the naive recompute after every event: same changes, same tables, same positions', () => {
    const seen = { conflicts: 0, orphans: 0, removals: 0, void: 0, passed: 0, tooLate: 0 };
    fc.assert(
      fc.property(racyLog(), (log) => {
        const network = new Network();
        const naive = new Recompute();
        for (const event of log) {
          const changes = network.apply(event);
          expect(changes, `at ${event.position} ${event.event.type}`).toEqual(naive.apply(event));
          seen.removals += changes.filter((c) => !c.value).length;
          if (isVoid(event.event, network.oracles)) seen.void++;
          if (event.event.type === 'AddressPassed') seen[network.passedOver ? 'tooLate' : 'passed']++;
          for (const feed of feedsOf(network)) {
            const table = new Map([...recordsOf(network, feed)].map((record) => [record.key, record]));
            expect(table).toEqual(naive.tables.get(feedKey(feed)) ?? new Map());
          }
        }
        for (const standing of Object.values((dump(network) as { standings: Record<string, { conflicts: []; orphaned: [] }> }).standings)) {
          seen.conflicts += standing.conflicts.length;
          seen.orphans += standing.orphaned.length;
        }
      }),
      RUNS,
    );
    // The generator must not have gone tame.
    expect(seen.conflicts).toBeGreaterThan(40);
    expect(seen.orphans).toBeGreaterThan(40);
    expect(seen.removals).toBeGreaterThan(1_000);
    expect(seen.void).toBeGreaterThan(40);
    expect(seen.passed).toBeGreaterThan(40);
    expect(seen.tooLate).toBeGreaterThan(40);
  });

  it('gives the same tables, positions and digests however a log is repeated, or cut into a snapshot and a tail', () => {
    fc.assert(
      fc.property(racyLog(), fc.nat(), fc.nat(), (log, a, b) => {
        const whole = fold(log);
        const cut = log.length === 0 ? 0 : a % log.length;
        const back = cut === 0 ? 0 : b % cut;
        const resumed = restore(structuredClone(takeSnapshot(fold(log.slice(0, cut)))));
        for (const event of log.slice(back)) resumed.apply(event);
        expect(dump(resumed)).toEqual(dump(whole));
        expect(takeSnapshot(resumed)).toEqual(takeSnapshot(whole));
      }),
      RUNS,
    );
  });

  it('gives the same tables for any order of events that have nothing to do with each other', () => {
    let swaps = 0;
    fc.assert(
      fc.property(racyLog(), fc.array(fc.nat(), { maxLength: 60, size: 'max' }), (log, picks) => {
        const shuffled = [...log];
        for (const pick of picks) {
          const i = shuffled.length < 2 ? 0 : pick % (shuffled.length - 1);
          if (!independent(shuffled, i)) continue;
          [shuffled[i], shuffled[i + 1]] = [shuffled[i + 1]!, shuffled[i]!];
          swaps++;
        }
        const renumbered = shuffled.map((event, i) => ({ ...event, position: i + 1 }));
        expect(values(fold(renumbered))).toEqual(values(fold(log.map((event, i) => ({ ...event, position: i + 1 })))));
      }),
      RUNS,
    );
    expect(swaps).toBeGreaterThan(500);
  });

  it('changes, when its rules are upgraded, exactly what they change, at the position of the upgrade (X1)', () => {
    const seen = { changed: 0, kept: 0 };
    fc.assert(
      fc.property(racyLog(), fc.nat(), fc.nat(), (log, a, b) => {
        const at = a % (log.length + 1);
        const upgraded = withUpgrade(log, at);
        const network = new Network(VERSIONS);
        const naive = new Recompute(VERSIONS);
        for (const event of upgraded) {
          const changes = network.apply(event);
          expect(changes, `at ${event.position} ${event.event.type}`).toEqual(naive.apply(event));
          if (event.event.type !== 'FoldUpgraded') continue;
          seen.changed += changes.length;
          for (const feed of feedsOf(network))
            for (const { position } of recordsOf(network, feed)) seen.kept += position < event.position ? 1 : 0;
        }
        const cut = b % upgraded.length;
        const first = new Network(VERSIONS);
        for (const event of upgraded.slice(0, cut)) first.apply(event);
        const resumed = restore(structuredClone(takeSnapshot(first)), VERSIONS);
        for (const event of upgraded.slice(cut)) resumed.apply(event);
        expect(takeSnapshot(resumed)).toEqual(takeSnapshot(network));
      }),
      RUNS,
    );
    expect(seen.changed).toBeGreaterThan(1_000);
    expect(seen.kept).toBeGreaterThan(1_000);
  });

  it('refuses a log and a snapshot that were folded by rules which it does not have', () => {
    const log = withUpgrade([], 0);
    expect(() => fold(log)).toThrow('version 2 of the rules; this build has versions 1 to 1');
    const network = new Network(VERSIONS);
    for (const event of log) network.apply(event);
    expect(() => restore(takeSnapshot(network))).toThrow('version 2');
  });

  it('counts what tenants and NVEs have as counting everything anew does, restored from a snapshot too', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const folded = fold(log);
        for (const network of [folded, restore(structuredClone(takeSnapshot(folded)))]) {
          const everyone = [...network.tenantSystems.values()]
            .map(({ state }) => state)
            .filter(({ attachments }) => attachments.length > 0);
          const bindingsOf = (some: typeof everyone): number => some.reduce((sum, { bindings }) => sum + bindings.length, 0);
          for (const tenantId of ['red', 'blue']) {
            const own = everyone.filter((ts) => ts.tenantId === tenantId);
            const vns = [...network.vns.values()].filter((vn) => vn.alive && vn.state.tenantId === tenantId).length;
            expect(network.holdings.of(tenantId) ?? { tenantSystems: 0, bindings: 0, vns: 0 }).toEqual({
              tenantSystems: own.length,
              bindings: bindingsOf(own),
              vns,
            });
          }
          for (const nve of network.nves.values()) {
            const here = everyone.filter(({ attachments }) => attachments.some(({ nveId }) => nveId === nve.nveId));
            expect([nve.attachments, nve.bindings]).toEqual([here.length, bindingsOf(here)]);
          }
        }
      }),
      RUNS,
    );
  });

  it('never publishes one MAC or one IP for two tenant systems of a VN (R13)', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const network = new Network();
        for (const event of log) {
          network.apply(event);
          for (const { mappings } of tables(network)) {
            const owner = new Map<string, string>();
            for (const { tsId, mac, ip } of mappings) {
              for (const address of [mac, ip]) {
                if (address === null) continue;
                expect(owner.get(address) ?? tsId, address).toBe(tsId);
                owner.set(address, tsId);
              }
            }
          }
        }
      }),
      RUNS,
    );
  });

  it('never shows anything of one tenant in a VN of another, VNs deleted and created again included (R44)', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const network = new Network();
        for (const event of log) {
          network.apply(event);
          for (const { tenantId, mappings, members } of tables(network)) {
            const tenantsHere = (nveId: string): boolean =>
              [...network.tenantSystems.values()].some(
                (ts) => ts.state.tenantId === tenantId && ts.state.attachments.some((a) => a.nveId === nveId),
              );
            for (const { tsId, mac } of mappings) expect(network.namesakes.of(tsId, tenantId)?.state.mac).toBe(mac);
            for (const nveId of members) expect(tenantsHere(nveId)).toBe(true);
          }
        }
      }),
      RUNS,
    );
  });

  it('never evicts anything live by what happens to another tenant system (X2)', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const network = new Network();
        for (const recorded of log) {
          const removed = network.apply(recorded).filter((change) => !change.value && change.key.startsWith('mapping/'));
          const { event } = recorded;
          if (!isTenantSystemEvent(event)) continue;
          // But by a passing, which is of two.
          const about = event.type === 'AddressPassed' ? [event.data.tsId, event.data.to] : [event.data.tsId];
          for (const { key } of removed) expect(about).toContain(key.split('/')[1]);
        }
      }),
      RUNS,
    );
  });

  it('gives a consumer that applies its changes the very tables, and the same digest kept incrementally or summed up', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const network = new Network();
        const digests = new FeedDigests();
        const consumer = new Map<string, Map<string, unknown>>();
        for (const event of log) {
          const changes = network.apply(event);
          digests.apply(event.position, changes);
          for (const { feed, key, value } of changes) {
            const table = consumer.get(feedKey(feed)) ?? new Map<string, unknown>();
            consumer.set(feedKey(feed), table);
            if (value) table.set(key, value);
            else table.delete(key);
          }
        }
        for (const feed of feedsOf(network)) {
          const records = [...recordsOf(network, feed)];
          expect(new Map(records.map((r) => [r.key, r.value]))).toEqual(consumer.get(feedKey(feed)) ?? new Map());
          const summed = new TableDigest();
          for (const { key, position } of records) summed.set(key, position, null);
          expect(digests.current(feedKey(feed)).digest).toBe(summed.toString());
        }
      }),
      RUNS,
    );
  });
});

/** As if a later build gave the context, some members and some mappings other values, and held a VLAN's mappings back. */
const VERSIONS: readonly FoldRules[] = [
  ...RULES,
  {
    context: (vn) => ({ ...RULES[0]!.context(vn), name: vn.name === 'a' ? 'alpha' : vn.name }),
    member: (nve) => ({ ...RULES[0]!.member(nve), reachable: nve.nveId === 'nve1' || nve.status === 'reachable' }),
    mapping: (ts, binding, attachments) =>
      binding.vlan === 20 ? null : { ...RULES[0]!.mapping(ts, binding, attachments)!, mobility: ts.tsId === 'ts1' ? 7 : ts.mobility },
  },
];

/** Every event after the first `at` one position on, to make room for the upgrade. */
function withUpgrade(log: readonly RecordedEvent[], at: number): RecordedEvent[] {
  const position = (log[at - 1]?.position ?? 0) + 1;
  const upgrade: RecordedEvent = {
    position,
    stream: 'fold',
    revision: 0,
    id: 'upgrade',
    event: { type: 'FoldUpgraded', data: { audit: auditAt(0), fromVersion: 1, toVersion: 2 } },
  };
  return [...log.slice(0, at), upgrade, ...log.slice(at).map((event) => ({ ...event, position: event.position + 1 }))];
}

interface Table {
  readonly tenantId: string;
  readonly mappings: readonly Mapping[];
  readonly members: readonly string[];
}

function tables(network: Network): Table[] {
  return [...network.vns.values()]
    .filter((vn) => vn.alive)
    .map((vn) => {
      const records = [...recordsOf(network, vn.feed)].map((r) => r.value);
      return {
        tenantId: vn.state.tenantId,
        mappings: records.flatMap((v) => (v.type === 'Mapping' ? [v.data] : [])),
        members: records.flatMap((v) => (v.type === 'VnMember' ? [v.data.nveId] : [])),
      };
    });
}

/** Neighbours that may change places: events of different tenant systems that never claim one address. */
function independent(log: readonly RecordedEvent[], i: number): boolean {
  const [a, b] = [log[i], log[i + 1]];
  if (!a || !b || a.stream === b.stream || !isTenantSystemEvent(a.event) || !isTenantSystemEvent(b.event)) return false;
  if ([a, b].some(({ event }) => event.type === 'AddressAwaited' || event.type === 'AddressPassed')) return false;
  const addressesOf = (stream: string): Set<string> =>
    new Set(
      log
        .filter((e) => e.stream === stream || e.event.type === 'AddressPassed')
        .flatMap((e) => JSON.stringify(e.event).match(/02:[0-9a-f:]{14}|192\.0\.2\.\d|2001:[0-9a-f:]+/g) ?? []),
    );
  return addressesOf(a.stream).isDisjointFrom(addressesOf(b.stream));
}
