import type { FigureBinding } from './figure.ts';
import { here, nobody, remote, type Lookup } from './lookups.ts';
import type { Stage } from './stage.ts';

/** One event of the scenario, and what NVEs should find afterwards. */
export interface Step {
  readonly id: string;
  readonly title: string;
  /** The requirements that the step shows. */
  readonly rows: string;
  /** What the reader should look for. */
  readonly tells: string;
  readonly act: (stage: Stage) => Promise<void>;
  readonly lookups?: readonly Lookup[];
}

const VMB_BINDINGS: readonly FigureBinding[] = [
  { bid: 1, vn: 'VN2', vlan: 20, ip: '192.0.2.5' },
  { bid: 2, vn: 'VN3', ip: '203.0.113.11' },
];
const VMA_NEW_MAC = '02:00:00:00:aa:0a';

/** All VMs of a server attach at its NVE. */
function server(nveId: string, rows: string, tells: string, lookups: readonly Lookup[] = []): Step {
  return {
    id: `server-${nveId.at(-1)}`,
    title: `The VMs of server ${nveId.at(-1)} attach at ${nveId}`,
    rows,
    tells,
    lookups,
    act: async (stage) => {
      for (const { tsId } of stage.names.at(nveId)) await stage.arrive(tsId, nveId);
    },
  };
}

/** The network of Figure 1 is built. */
const building: readonly Step[] = [
  {
    id: 'connect',
    title: 'Six NVEs connect',
    rows: 'R2',
    tells: 'Each follows a feed of its own, where it will be told which VNs it is in. It is in none.',
    act: async (stage) => {
      for (const { nveId } of stage.names.figure.nves) await stage.connect(nveId);
    },
  },
  {
    id: 'vns',
    title: 'An operator creates VN1, VN2 and VN3',
    rows: 'R50',
    tells: 'L3 over VXLAN, L2 over NVGRE, L3 over MPLS over GRE. No NVE is in any of them, so none is told.',
    act: async (stage) => {
      for (const { name } of stage.names.figure.vns) await stage.createVn(name);
    },
  },
  server('NVE1', 'R45, R47', 'The first TS of VN1 anywhere puts NVE1 into it; the others just add entries.', [
    here('NVE1', 'VN1', '192.0.2.1', 'VM1'),
  ]),
  server('NVE2', 'R46, R47', 'NVE2 joins VN1: it gets all of the VN, and NVE1 gets what is new.', [
    remote('NVE1', 'VN1', '192.0.2.4', 'VM4', 'NVE2'),
    remote('NVE2', 'VN1', '192.0.2.1', 'VM1', 'NVE1'),
  ]),
  server('NVE3', 'R45, R47', 'VN2 is an L2 VN: entries carry a VLAN. Its addresses are those of VN1; nobody minds.', [
    here('NVE3', 'VN2', '192.0.2.1', 'VM7'),
    remote('NVE2', 'VN1', '192.0.2.1', 'VM1', 'NVE1'),
  ]),
  server(
    'NVE4',
    'R17, R23, R24, R46',
    'VMa is in VN2 by BID 1 and in VN3 by BID 2, on one vNIC with one MAC; that puts NVE4 into VN3 too.',
    [
      remote('NVE3', 'VN2', '192.0.2.4', 'VMa', 'NVE4'),
      remote('NVE3', 'VN2', '02:00:00:00:00:0c', 'VMc', 'NVE4'),
      remote('NVE4', 'VN2', '192.0.2.1', 'VM7', 'NVE3'),
    ],
  ),
  server('NVE5', 'R2, R46', 'Two VMs in VN1, two in VN3: one site in two VNs, with two tables that know nothing of each other.', [
    remote('NVE1', 'VN1', '192.0.2.14', 'VMe', 'NVE5'),
    remote('NVE5', 'VN3', '203.0.113.10', 'VMa', 'NVE4'),
    nobody('NVE5', 'VN3', '192.0.2.1'),
  ]),
  server('NVE6', 'R7, R36', 'The figure is complete: every NVE of a VN holds an entry for each of its TSs.', [
    remote('NVE3', 'VN2', '192.0.2.4', 'VMa', 'NVE4'),
    remote('NVE6', 'VN3', '203.0.113.10', 'VMa', 'NVE4'),
    here('NVE4', 'VN3', '203.0.113.10', 'VMa'),
    here('NVE5', 'VN3', '203.0.113.16', 'VMg'),
    nobody('NVE6', 'VN3', '192.0.2.1'),
  ]),
];

/** Changes in the network. */
const living: readonly Step[] = [
  {
    id: 'no-bid',
    title: 'VMb wants a second address, without BIDs',
    rows: 'R19',
    tells: 'As soon as a TS has several addresses each needs a BID, the first one too. Refused, so no table changes.',
    act: (stage) =>
      stage.refused('a second address for VMb', 'bid-required', () => stage.addBinding('VMb', { vn: 'VN3', ip: '203.0.113.11' })),
  },
  {
    id: 'second-address',
    title: 'VMb registers both of its addresses with BIDs',
    rows: 'R19, R20',
    tells: 'One request: the address in VN2 gets its BID, the one in VN3 is new. VN2 sees a change, not a removal; VN3 an arrival.',
    act: (stage) => stage.register('VMb', 'NVE4', VMB_BINDINGS),
    lookups: [remote('NVE3', 'VN2', '192.0.2.5', 'VMb', 'NVE4'), remote('NVE6', 'VN3', '203.0.113.11', 'VMb', 'NVE4')],
  },
  {
    id: 'move',
    title: 'VM1 moves from NVE1 to NVE2',
    rows: 'R43, R55',
    tells: 'One record, so there is no moment without an entry. NVE1 keeps VN1, for it still serves VM2 and VM3.',
    act: (stage) => stage.arrive('VM1', 'NVE2'),
    lookups: [
      here('NVE2', 'VN1', '192.0.2.1', 'VM1'),
      remote('NVE1', 'VN1', '192.0.2.1', 'VM1', 'NVE2'),
      remote('NVE5', 'VN1', '192.0.2.1', 'VM1', 'NVE2'),
    ],
  },
  {
    id: 'mac',
    title: `VMa changes its MAC to ${VMA_NEW_MAC}`,
    rows: 'R14, R15',
    tells: 'Every entry of the TS, in both of its VNs, in one step.',
    act: (stage) => stage.changeMac('VMa', 'NVE4', VMA_NEW_MAC),
    lookups: [
      remote('NVE3', 'VN2', VMA_NEW_MAC, 'VMa', 'NVE4'),
      remote('NVE6', 'VN3', '203.0.113.10', 'VMa', 'NVE4'),
      nobody('NVE3', 'VN2', '02:00:00:00:00:0a'),
    ],
  },
  {
    id: 'stranger',
    title: 'A VM of another tenant wants into VN1',
    rows: 'R44',
    tells: 'VN and TS must be of one tenant. Refused, so no table changes.',
    act: (stage) =>
      stage.refused('a VM of tenant mallory in VN1', 'vn-of-another-tenant', () =>
        stage.attachAs(
          'mallory',
          { tsId: 'VMx', mac: '02:00:00:00:00:99', logicalInterface: 'vport-x', bindings: [{ vn: 'VN1', ip: '192.0.2.99' }] },
          'NVE6',
        ),
      ),
  },
];

/** Failures, and ends. */
const failing: readonly Step[] = [
  {
    id: 'connection-failure',
    title: 'VM9 loses its connection to NVE3',
    rows: 'R56',
    tells: 'Its entry goes, at NVE3 and at every other NVE of VN2.',
    act: (stage) => stage.loseConnection('VM9', 'NVE3'),
    lookups: [nobody('NVE3', 'VN2', '192.0.2.3'), nobody('NVE4', 'VN2', '192.0.2.3')],
  },
  {
    id: 'reconnected',
    title: 'VM9 is connected again',
    rows: 'R56',
    tells: 'Attaching there again clears the failure.',
    act: (stage) => stage.arrive('VM9', 'NVE3'),
    lookups: [remote('NVE4', 'VN2', '192.0.2.3', 'VM9', 'NVE3')],
  },
  {
    id: 'nve-fails',
    title: 'NVE3 falls silent',
    rows: 'X6',
    tells: 'Unreachable, not gone: the others keep its entries, flagged, since it may be cut off from the NVA only.',
    act: (stage) => stage.fail('NVE3'),
    lookups: [remote('NVE4', 'VN2', '192.0.2.1', 'VM7', 'NVE3', false)],
  },
  {
    id: 'nve-returns',
    title: 'NVE3 starts again with an empty table',
    rows: 'R7, X6',
    tells: 'It is told its VNs and reads all of VN2; for the others one member is reachable again.',
    act: (stage) => stage.restart('NVE3'),
    lookups: [remote('NVE3', 'VN2', '192.0.2.4', 'VMa', 'NVE4'), remote('NVE4', 'VN2', '192.0.2.1', 'VM7', 'NVE3')],
  },
  {
    id: 'last-but-one',
    title: 'VMd is shut down at NVE5',
    rows: 'R43',
    tells: 'NVE5 stays in VN1, for VMe is still there.',
    act: (stage) => stage.depart('VMd', 'NVE5'),
    lookups: [nobody('NVE1', 'VN1', '192.0.2.13'), remote('NVE1', 'VN1', '192.0.2.14', 'VMe', 'NVE5')],
  },
  {
    id: 'last',
    title: 'VMe, the last TS of VN1 at NVE5, is shut down',
    rows: 'R35, R43, R49',
    tells: 'NVE5 leaves VN1 and drops its table; VN3 goes on there as if nothing had happened.',
    act: (stage) => stage.depart('VMe', 'NVE5'),
    lookups: [
      nobody('NVE5', 'VN1', '192.0.2.1'),
      here('NVE5', 'VN3', '203.0.113.15', 'VMf'),
      remote('NVE5', 'VN3', '203.0.113.10', 'VMa', 'NVE4'),
    ],
  },
];

export const figure1Scenario: readonly Step[] = [...building, ...living, ...failing];
