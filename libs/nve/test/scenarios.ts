import type { FeedRecord } from '@nva/ports';
import { changeRecords, contextEntry, mappingEntry, memberEntry, removed, type Entry } from '@nva/nve/testing';
import type { VnTable } from '@nva/nve';

/** A VN's history as its feed tells it, and what must come of it at NVE nve2, whatever the order and number of the records. */
export interface Scenario {
  readonly name: string;
  readonly changes: readonly (readonly [position: number, ...entries: Entry[]])[];
  /** What each address resolves to at the end: `local`, `nve1`, `nve1!` if unreachable, `not-activated` and the like, or `unknown`. */
  readonly resolves: Readonly<Record<string, string>>;
  readonly replication: readonly string[];
}

export const OWN_NVE = 'nve2';
export const VNID = 100;

const context = contextEntry(VNID);
const nve1 = memberEntry('nve1');
const nve2 = memberEntry('nve2');
const nve3 = memberEntry('nve3');
const mac = (n: number): string => `02:00:00:00:00:0${n}`;
const vm1 = (nveId: string, fields: Parameters<typeof mappingEntry>[2] | object = {}): Entry =>
  mappingEntry('vm1', nveId, { mac: mac(1), ip: '10.0.0.1', ...fields });
const vm2 = (nveId: string, fields: object = {}): Entry => mappingEntry('vm2', nveId, { mac: mac(2), ip: '10.0.0.2', ...fields });
const vm1v6 = (nveId: string): Entry => mappingEntry('vm1', nveId, { mac: mac(1), ip: '2001:db8::1', bid: 2 });
const both = (first: 'associated' | 'activated', second: 'associated' | 'activated') => ({
  attachments: [
    { nveId: 'nve1', state: first },
    { nveId: 'nve3', state: second },
  ],
});

export const scenarios: readonly Scenario[] = [
  { name: 'nothing at all', changes: [], resolves: { '10.0.0.1': 'unknown' }, replication: [] },
  { name: 'a VN without anyone', changes: [[10, context]], resolves: { '10.0.0.1': 'unknown' }, replication: [] },
  {
    name: 'one TS, here: first of its VN (R45)',
    changes: [
      [10, context],
      [20, nve2, vm1('nve2')],
    ],
    resolves: { '10.0.0.1': 'local', [mac(1)]: 'local' },
    replication: [],
  },
  {
    name: 'this NVE joins a VN that others are in (R46)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, nve2, vm2('nve2')],
    ],
    resolves: { '10.0.0.1': 'nve1', '10.0.0.2': 'local' },
    replication: ['nve1'],
  },
  {
    name: 'one TS more at an NVE of the VN (R47)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, vm2('nve1')],
    ],
    resolves: { '10.0.0.1': 'nve1', '10.0.0.2': 'nve1' },
    replication: ['nve1'],
  },
  {
    name: 'a move to an NVE new in the VN, away from one left empty (R48, R55)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, removed(nve1), nve3, vm1('nve3', { mobility: 1 })],
    ],
    resolves: { '10.0.0.1': 'nve3', [mac(1)]: 'nve3' },
    replication: ['nve3'],
  },
  {
    name: 'a move here and back (R55)',
    changes: [
      [10, context],
      [20, nve1, nve2, vm1('nve1')],
      [30, vm1('nve2', { mobility: 1 })],
      [40, vm1('nve1', { mobility: 2 })],
    ],
    resolves: { '10.0.0.1': 'nve1' },
    replication: ['nve1'],
  },
  {
    name: 'the last TS leaves (R49)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [25, nve2, vm2('nve2')],
      [30, removed(vm1('nve1')), removed(nve1)],
    ],
    resolves: { '10.0.0.1': 'unknown', [mac(1)]: 'unknown', '10.0.0.2': 'local' },
    replication: [],
  },
  {
    name: 'a MAC change, of both addresses in one step (R14)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1'), vm1v6('nve1')],
      [30, vm1('nve1', { mac: mac(9) }), mappingEntry('vm1', 'nve1', { mac: mac(9), ip: '2001:db8::1', bid: 2 })],
    ],
    resolves: { '10.0.0.1': 'nve1', '2001:db8::1': 'nve1', [mac(1)]: 'unknown', [mac(9)]: 'nve1' },
    replication: ['nve1'],
  },
  {
    name: 'multihomed, one of its NVEs unreachable (R7, R48)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, nve3, vm1('nve1', both('activated', 'activated'))],
      [40, memberEntry('nve1', { reachable: false })],
    ],
    resolves: { '10.0.0.1': 'nve3' },
    replication: ['nve3'],
  },
  {
    name: 'a migration in two phases, half way (X5)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, nve3, vm1('nve1', both('activated', 'associated'))],
    ],
    resolves: { '10.0.0.1': 'nve1' },
    replication: ['nve1', 'nve3'],
  },
  {
    name: 'a TS associated and not yet activated (X5)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1', { attachments: [{ nveId: 'nve1', state: 'associated' }] })],
    ],
    resolves: { '10.0.0.1': 'not-activated' },
    replication: ['nve1'],
  },
  {
    name: 'an NVE unreachable (X6)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, memberEntry('nve1', { reachable: false })],
    ],
    resolves: { '10.0.0.1': 'nve1!' },
    replication: [],
  },
  {
    name: 'an NVE unreachable, and back with another address',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, memberEntry('nve1', { reachable: false })],
      [40, memberEntry('nve1', { addresses: ['192.0.2.9'] })],
    ],
    resolves: { '10.0.0.1': 'nve1' },
    replication: ['nve1'],
  },
  {
    name: 'a conflicted TS takes an address over when its holder releases it (X2)',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [25, nve3],
      [30, removed(vm1('nve1')), removed(nve1), mappingEntry('vm5', 'nve3', { mac: mac(5), ip: '10.0.0.1' })],
    ],
    resolves: { '10.0.0.1': 'nve3', [mac(1)]: 'unknown', [mac(5)]: 'nve3' },
    replication: ['nve3'],
  },
  {
    name: 'a VN deleted and created again',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, removed(vm1('nve1')), removed(nve1)],
      [40, removed(context)],
      [50, contextEntry(VNID, 'anew')],
      [60, nve2, nve3, vm1('nve3')],
    ],
    resolves: { '10.0.0.1': 'nve3' },
    replication: ['nve3'],
  },
  {
    name: 'a VN deleted',
    changes: [
      [10, context],
      [20, nve1, vm1('nve1')],
      [30, removed(vm1('nve1')), removed(nve1)],
      [40, removed(context)],
    ],
    resolves: { '10.0.0.1': 'unknown' },
    replication: [],
  },
  {
    name: 'a mapping whose NVE is not told of yet',
    changes: [
      [10, context],
      [20, vm1('nve1')],
    ],
    resolves: { '10.0.0.1': 'member-missing' },
    replication: [],
  },
];

export const recordsOf = ({ changes }: Scenario): FeedRecord[] =>
  changes.flatMap(([position, ...entries]) => changeRecords(position, entries));

/** What an address resolves to, in the words of `Scenario.resolves`. */
export function outcome(table: VnTable, address: string): string {
  const isMac = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(address);
  const resolution = table.resolve(isMac ? { mac: address } : { ip: address });
  if (resolution === null) return 'unknown';
  if (resolution.outcome === 'unresolved') return resolution.reason;
  if (resolution.outcome === 'local') return 'local';
  return resolution.via.reachable ? resolution.via.nveId : `${resolution.via.nveId}!`;
}
