import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import type { RecordedEvent } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { Network, NetworkCapture, takeSnapshot, type TenantSystemSnapshot, type VnSnapshot } from '../src/index.ts';
import { play } from './races.ts';

const vn = (vnid: number, name: string): Command =>
  command('putVn', { vnid, tenantId: 'red', name, service: 'l3', encapsulation: 'vxlan' });
const nve = (n: number): Command =>
  command('connectNve', { nveId: `nve${n}`, siteId: 's', mac: `02:00:00:00:0a:0${n}`, addresses: [`198.51.100.${n}`], incarnation: 1 });
/** At an NVE; once more at another is an event that changes it. */
const attach = (tsId: string, n: number, vnids: readonly number[], nveId = 'nve1'): Command =>
  command('attach', {
    tsId,
    nveId,
    tenantId: 'red',
    vmId: `vm-${tsId}`,
    mac: `02:00:00:00:00:0${n}`,
    bindings: vnids.map((vnid, i) => ({ bid: i + 1, vnid, ip: `192.0.2.${n}` })),
  });

const BEFORE = [
  nve(1),
  nve(2),
  nve(3),
  vn(1, 'one'),
  vn(2, 'two'),
  attach('first', 1, [1]),
  attach('both', 2, [1, 2]),
  attach('second', 3, [2]),
  attach('loose', 4, []),
  attach('bare', 5, []),
];

/** A network of what was before, and the events of what comes later. */
function networkBefore(later: readonly Command[]): { readonly network: Network; readonly events: readonly RecordedEvent[] } {
  const log = play([...BEFORE, ...later].map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })));
  expect(log).toHaveLength(BEFORE.length + later.length);
  const network = new Network();
  for (const event of log.slice(0, BEFORE.length)) network.apply(event);
  return { network, events: log.slice(BEFORE.length) };
}
const twice = (tsId: string, n: number, vnids: readonly number[]): readonly Command[] => [
  attach(tsId, n, vnids, 'nve2'),
  attach(tsId, n, vnids, 'nve3'),
];

type Entry = VnSnapshot | TenantSystemSnapshot;
const nameOf = ({ state }: Entry): string => ('tsId' in state ? state.tsId : `VN ${state.vnid}`);

describe('an entry of the network that a capture is taken of', () => {
  const table = tableIn('libs/fold/src/capture.ts', ['what the event changes', 'where the capture is', 'what becomes of it']);
  /** Its name, and two commands that change it. */
  const changed = meanings<readonly [name: string, commands: readonly Command[]]>(table, ['what the event changes'], {
    'a tenant system of VN 1 and VN 2': ['both', twice('both', 2, [1, 2])],
    'a tenant system of VN 2': ['second', twice('second', 3, [2])],
    'a tenant system without a VN': ['bare', twice('bare', 5, [])],
    'a tenant system that it makes': ['new', [attach('new', 6, [1]), attach('new', 6, [1], 'nve2')]],
    'VN 1': ['VN 1', [vn(1, 'another'), vn(1, 'a third')]],
    'VN 2': ['VN 2', [vn(2, 'another'), vn(2, 'a third')]],
    'a VN that it makes': ['VN 3', [vn(3, 'three'), vn(3, 'another')]],
  });
  /** VNs that were handed out, and steps of the walk: one for a tenant system, another where a VN is over. */
  const steps = meanings<readonly [vns: number, walk: number]>(table, ['where the capture is'], {
    'not begun': [0, 0],
    'behind VN 1': [1, 0],
    'in VN 1': [2, 1],
    'at the end of VN 1': [2, 2],
    'between VN 1 and VN 2': [2, 3],
    'in VN 2': [2, 4],
    'over those without a VN': [2, 10],
    'behind all of them': [2, 11],
  });
  const becomes = meanings(table, ['what becomes of it'], {
    'it is handed out next, as it was': { before: 0, isNext: true, after: 1 },
    'nothing: it was handed out': { before: 1, isNext: false, after: 0 },
    'nothing: it is left out': { before: 0, isNext: false, after: 0 },
  });

  it.each(table)('%s', (_, row) => {
    const [name, commands] = changed(row['what the event changes']);
    const { network, events } = networkBefore(commands);
    const expected = structuredClone(takeSnapshot(network));
    const capture = new NetworkCapture(network);
    const [vns, walk] = steps(row['where the capture is']);
    const early: Entry[] = [];
    for (let i = 0; i < vns; i++) early.push(...capture.vns(1)!);
    for (let i = 0; i < walk; i++) early.push(...capture.tenantSystems(1)!);
    const kept = structuredClone(early);

    for (const event of events) network.apply(event);

    const late: { readonly vns: VnSnapshot[]; readonly tenantSystems: TenantSystemSnapshot[] } = { vns: [], tenantSystems: [] };
    for (let part = capture.vns(1); part; part = capture.vns(1)) late.vns.push(...structuredClone(part));
    for (let part = capture.tenantSystems(1); part; part = capture.tenantSystems(1)) late.tenantSystems.push(...structuredClone(part));

    const isIt = (entry: Entry): boolean => nameOf(entry) === name;
    const [next] = name.startsWith('VN') ? late.vns : late.tenantSystems;
    const rest = [...late.vns, ...late.tenantSystems];
    const { before, isNext, after } = becomes(row['what becomes of it']);
    expect([early.filter(isIt).length, next !== undefined && isIt(next), rest.filter(isIt).length]).toEqual([before, isNext, after]);
    const byName = (a: Entry, b: Entry): number => (nameOf(a) < nameOf(b) ? -1 : 1);
    expect([...kept, ...rest].toSorted(byName)).toEqual([...expected.vns, ...expected.tenantSystems].toSorted(byName));
  });
});
