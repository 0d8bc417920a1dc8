import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mappingKey, type Mapping } from '@nva/codec';
import { resolve, standingOf, type FoldedTs, type Network } from '@nva/fold';
import type { History } from '@nva/history';
import { systemClock, type Position } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import { explain, Past, sentencesOf, type Address, type Explanation, type Reason } from '../src/index.ts';
import { Told } from './told.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const VNIDS = [1, 2, 3, 4];
const ADDRESSES: readonly Address[] = [
  ...['192.0.2.1', '192.0.2.2', '192.0.2.5', '2001:db8::1'].map((ip) => ({ ip })),
  ...['02:00:00:00:00:01', '02:00:00:00:00:02'].map((mac) => ({ mac })),
];
const NVES = [null, 'nve1', 'nve3'];

/** Its logs meet all reasons. */
const SEED = 14;

const REASONS: readonly Reason[] = [
  'distributed',
  'local',
  'vn-never-created',
  'vn-deleted',
  'nve-not-in-vn',
  'never-registered',
  'removed',
  'duplicate',
  'orphaned',
  'nve-forgotten',
  'connection-failed',
];

interface Wanted {
  readonly reasons: readonly Reason[];
  readonly mappings: readonly Mapping[];
}

/** Why an address is there or not, by looking at everything in the network. */
function wanted(network: Network, vnid: number, address: Address, nveId: string | null, everHeld: boolean, everVn: boolean): Wanted {
  const vn = network.vns.get(vnid);
  if (!vn?.alive) return { reasons: [everVn ? 'vn-deleted' : 'vn-never-created'], mappings: [] };
  const mappings = resolve(network, vnid, address).map(({ mapping }) => mapping);
  if (mappings.length > 0) {
    const isLocal = mappings.some(({ attachments }) => attachments.some((one) => one.nveId === nveId));
    return { reasons: [isLocal ? 'local' : nveId === null || vn.members.has(nveId) ? 'distributed' : 'nve-not-in-vn'], mappings };
  }
  const has = (ts: FoldedTs, isHere: (of: unknown) => boolean): boolean =>
    ts.state.bindings.some(
      (one) => one.vnid === vnid && isHere(one.vn) && ('mac' in address ? ts.state.mac === address.mac : one.ip === address.ip),
    );
  const everyone = [...network.tenantSystems.values()];
  const here = everyone.filter((ts) => has(ts, (of) => of === vn));
  if (here.some((ts) => standingOf(ts).conflicts.length > 0))
    return { reasons: ['duplicate', 'nve-forgotten', 'connection-failed'], mappings };
  if (here.length > 0) return { reasons: ['nve-forgotten', 'connection-failed'], mappings };
  // Of another tenant than the VN's, it was in a VN of another one, and has never registered in one of this.
  if (everyone.some((ts) => ts.state.tenantId === vn.state.tenantId && has(ts, (of) => of === null)))
    return { reasons: ['orphaned'], mappings };
  return { reasons: [everHeld ? 'removed' : 'never-registered'], mappings };
}

function checkChain(told: Told, found: Explanation): void {
  const { chain, vnid, entries, position, reason } = found;
  const positions = chain.map(({ event }) => event.position);
  expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
  for (const { event, parts } of chain) {
    expect(event.position).toBeLessThanOrEqual(position);
    expect(told.events.find((one) => one.position === event.position)).toMatchObject({ stream: event.stream, revision: event.revision });
    expect(parts.length).toBeGreaterThan(0);
  }
  const at = (part: string): Position | undefined => chain.findLast(({ parts }) => parts.includes(part))?.event.position;
  for (const { mapping } of entries) {
    const key = mappingKey(mapping);
    const changes = told.changes.filter((one) => one.feed === `vn/${vnid}` && one.key === key && one.position <= position);
    const appeared = changes.findLast((_, i) => {
      const before = changes[i - 1];
      return !before || !told.table(`vn/${vnid}`, before.position).has(key);
    })!;
    expect(chain.some(({ event, parts }) => event.position === appeared.position && parts.includes('entry'))).toBe(true);
  }
  if (reason === 'removed' || reason === 'orphaned')
    if (at('removal') !== undefined) {
      const removal = at('removal')!;
      expect(told.changes.some((one) => one.position === removal && one.feed === `vn/${vnid}`)).toBe(true);
    }
  if (entries.length > 0) expect(at('VN')).toBeDefined();
}

describe('an explanation', () => {
  it.each([
    ['of logs that are always the same', SEED],
    ['of other logs', undefined],
  ])('says of every address at every position what a replay finds, by the events that did it, %s (X12)', async (_, seed) => {
    const met = new Map<Reason, number>();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.array(fc.nat(), { minLength: 4, maxLength: 4 }), async (log, picks) => {
        const held = new Set<string>();
        const created = new Set<number>();
        const expected = new Map<string, Wanted>();
        const told = await Told.of(log, join(folder, `${run++}.sqlite`), (position, network) => {
          for (const vnid of VNIDS) {
            if (network.vns.get(vnid)) created.add(vnid);
            for (const address of ADDRESSES) {
              const name = `${vnid} ${JSON.stringify(address)}`;
              if (resolve(network, vnid, address).length > 0) held.add(name);
              for (const nveId of NVES)
                expected.set(`${position} ${name} ${nveId}`, wanted(network, vnid, address, nveId, held.has(name), created.has(vnid)));
            }
          }
        });
        fc.pre(told.events.length > 0);
        const past = new Past({ log: told.store, snapshots: null, timers: systemClock });
        for (const pick of picks) {
          const { position } = told.events[pick % told.events.length]!;
          const source = {
            log: told.store,
            ask: <T>(question: (history: History) => T): T => question(told.history),
            network: async () => (await past.at(position)).network,
          };
          for (const vnid of VNIDS)
            for (const address of ADDRESSES)
              for (const nveId of NVES) {
                const found = await explain(source, { vnid, address, nveId }, position);
                const { reasons, mappings } = expected.get(`${position} ${vnid} ${JSON.stringify(address)} ${nveId}`)!;
                expect(reasons, `${JSON.stringify({ vnid, address, nveId, position })}`).toContain(found.reason);
                expect(new Set(found.entries.map(({ mapping }) => mappingKey(mapping)))).toEqual(new Set(mappings.map(mappingKey)));
                expect(found.there).toBe(found.reason === 'distributed' || found.reason === 'local');
                expect(found.isPartial).toBe(false);
                checkChain(told, found);
                for (const sentence of sentencesOf(found)) expect(sentence).toMatch(/^\S.*\.$/);
                met.set(found.reason, (met.get(found.reason) ?? 0) + 1);
              }
        }
        told.close();
      }),
      { numRuns: 40, ...(seed !== undefined && { seed }) },
    );
    if (seed !== undefined) expect(REASONS.filter((reason) => !met.has(reason))).toEqual([]);
  });
});
