import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command, underlayOf } from '@nva/domain/testing';
import type { Command } from '@nva/domain';
import type { RecordedEvent } from '@nva/ports';
import { Network, takeSnapshot, type NetworkSnapshot } from '../src/index.ts';
import { ForkedMap } from '../src/forked-map.ts';
import { dump } from './dump.ts';
import { play, prelude, racyLog } from './races.ts';

const fold = (log: readonly RecordedEvent[]): Network => {
  const network = new Network();
  for (const event of log) network.apply(event);
  return network;
};
/** The log of commands that come one after the other, in the VNs 1 and 2 and at nve1 and nve2. */
const logOf = (...commands: Command[]): RecordedEvent[] =>
  play([...prelude, ...commands.map((one) => ({ command: one, lag: 0, blind: false, gap: 1 }))]);
const mac = (i: number): string => `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 0xff).toString(16).padStart(2, '0')}`;
const attach = (i: number, nveId: string): Command =>
  command('attach', {
    tsId: `ts-${i}`,
    tenantId: 'red',
    vmId: `vm-${i}`,
    nveId,
    mac: mac(i),
    bindings: [{ bid: 1, vnid: 1, ip: `198.51.${i >> 8}.${i & 0xff}` }],
    state: 'activated',
    placement: 'move',
  });
/** What the fold keeps besides what a snapshot says. */
const counted = (network: Network): unknown => ({
  holdings: [...network.holdings.tenants()].map((tenant) => [tenant, { ...network.holdings.of(tenant)! }]),
  nves: [...network.nves.values()].map(({ nveId, attachments, bindings, memberships }) => [
    nveId,
    attachments,
    bindings,
    [...memberships].map(([vnid, { tenantSystems, since }]) => [vnid, tenantSystems, since]),
  ]),
  alike: [...network.nvesAlike].map(([name, nves]) => [name, nves.map(({ nveId }) => nveId)]),
  tunnelEnds: ['nve1', 'nve2', 'nve3'].map((nveId) => network.tunnelEnds.at(underlayOf(nveId)).map((nve) => nve.nveId)),
  namesakes: ['ts1', 'ts2', 'ts3', 'ts4', 'ts5'].map((tsId) => network.namesakes.all(tsId).map(({ state }) => state.tenantId)),
  claims: [...network.vns.values()].map(({ macs, ips }) => [macs.count, macs.size, ips.count, ips.size]),
});
const copyOf = (network: Network): NetworkSnapshot => structuredClone(takeSnapshot(network));

describe('a fork of the network', () => {
  it('folds what follows as the network itself would, and leaves that as it was', () => {
    const seen = { events: 0, changes: 0 };
    fc.assert(
      fc.property(racyLog(), fc.nat(), (log, cut) => {
        const at = cut % (log.length + 1);
        const original = fold(log.slice(0, at));
        const [before, dumped, count] = [copyOf(original), dump(original), counted(original)];
        const forked = original.fork();
        const beside = fold(log.slice(0, at));
        for (const event of log.slice(at)) {
          const changes = forked.apply(event);
          expect(changes, `at ${event.position} ${event.event.type}`).toEqual(beside.apply(event));
          expect(forked.passedOver).toBe(beside.passedOver);
          seen.events++;
          seen.changes += changes.length;
        }
        expect(takeSnapshot(forked)).toEqual(takeSnapshot(beside));
        expect(dump(forked)).toEqual(dump(beside));
        expect(takeSnapshot(original)).toEqual(before);
        expect(dump(original)).toEqual(dumped);
        expect(counted(original)).toEqual(count);
        expect(counted(forked)).toEqual(counted(beside));
        const own = new Set(forked.tenantSystems.values());
        for (const { state } of own) for (const ts of forked.namesakes.all(state.tsId)) expect(own).toContain(ts);
        // The original goes on as if there had been no fork.
        for (const event of log.slice(at)) original.apply(event);
        expect(takeSnapshot(original)).toEqual(takeSnapshot(beside));
      }),
      { numRuns: 500 },
    );
    expect(seen.events).toBeGreaterThan(2_000);
    expect(seen.changes).toBeGreaterThan(2_000);
  });

  it('may be forked again, and one fork does not see what another folds', () => {
    fc.assert(
      fc.property(racyLog(), racyLog(), fc.nat(), fc.nat(), (log, other, a, b) => {
        const first = a % (log.length + 1);
        const second = first + (b % (log.length - first + 1));
        const original = fold(log.slice(0, first));
        const [one, two] = [original.fork(), original.fork()];
        const strange = other.map((event) => ({ ...event, position: event.position + original.position }));
        for (const [i, event] of log.slice(first, second).entries()) {
          one.apply(event);
          // Events of another history, as far as they can be folded here: what comes of them does not matter.
          if (strange[i]) attempt(() => two.apply(strange[i]!));
        }
        const before = copyOf(one);
        const again = one.fork();
        for (const event of log.slice(second)) again.apply(event);
        expect(takeSnapshot(one)).toEqual(before);
        expect(before).toEqual(takeSnapshot(fold(log.slice(0, second))));
        expect(takeSnapshot(again)).toEqual(takeSnapshot(fold(log)));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['something came', attach(2, 'nve1')],
    ['something went', command('remove', { tsId: 'ts-1' })],
  ])('throws once the network has gone on and %s, rather than be a mixture of both', (_, next) => {
    const log = logOf(attach(1, 'nve1'), next);
    const original = fold(log.slice(0, -1));
    const forked = original.fork();
    original.apply(log.at(-1)!);
    const message = /the network that was forked at position \d+ is at \d+ now/;
    expect(() => forked.apply(log.at(-1)!)).toThrow(message);
    expect(() => forked.tenantSystems.has('ts-1')).toThrow(message);
    expect(() => [...forked.vns.values()]).toThrow(message);
  });

  it('costs what is touched, and not the network', () => {
    const many = 2_000;
    const log = logOf(...Array.from({ length: many }, (_, i) => attach(i, i % 3 === 0 ? 'nve1' : 'nve2')), attach(6, 'nve2'));
    const network = fold(log.slice(0, -1));
    const forked = network.fork();
    expect(forked.apply(log.at(-1)!)).toHaveLength(1);
    expect(forked.origin!.copied).toBeLessThan(10);
    expect(network.tenantSystems.size).toBe(many);
  });
});

const attempt = (action: () => unknown): void => {
  try {
    action();
  } catch {
    // It could not be folded.
  }
};

describe('a map that is forked', () => {
  const step = fc.record({ act: fc.constantFrom('set', 'get', 'delete', 'clear'), key: fc.integer({ min: 0, max: 20 }) });
  it('has the entries that a copy would have, in that order, after whatever is done to it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 20 })), fc.array(step, { maxLength: 60 }), (keys, steps) => {
        const original = new Map(keys.map((key) => [key, { key, written: 0 }]));
        const copy = new Map(keys.map((key) => [key, { key, written: 0 }]));
        const forked = new ForkedMap(
          () => original,
          (value) => ({ ...value }),
        );
        for (const [i, { act, key }] of steps.entries()) {
          for (const map of [copy, forked]) {
            if (act === 'set') map.set(key, { key, written: i });
            else if (act === 'get') Object.assign(map.get(key) ?? {}, { written: -i });
            else if (act === 'delete') map.delete(key);
            else if (i % 7 === 0) map.clear();
          }
          expect(forked.has(key)).toBe(copy.has(key));
          expect(forked.size).toBe(copy.size);
        }
        expect([...forked]).toEqual([...copy]);
        expect([...forked.values()]).toEqual([...copy.values()]);
        expect([...forked.order.take(() => false, 100)]).toEqual([]);
        while (!forked.order.prepare(5));
        expect(forked.order.take(() => false, 100)).toEqual([...copy.keys()].toSorted((a, b) => a - b));
        const visited: number[] = [];
        forked.forEach((_, key) => visited.push(key));
        expect(visited).toEqual([...copy.keys()]);
        expect([...original.values()]).toEqual(keys.map((key) => ({ key, written: 0 })));
      }),
    );
  });
});
