import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafkaBrokers } from '../../../test/kafka/brokers.ts';
import { loadFigure1 } from '../src/figure.ts';
import { NvaApi } from '../src/nva-api.ts';
import { startNva, type KafkaPlace } from '../src/nva-process.ts';
import type { TableDifference } from '../src/nve-agent.ts';
import { play, type NveView, type StepOutcome, type TableView } from '../src/play.ts';
import { figure1Scenario } from '../src/scenario.ts';

/** A broker may have to be started first, on a machine that does other things too. */
const PLAY_TIMEOUT_MS = 240_000;

const figure = loadFigure1();

/** Figure 1 when all its VMs are attached: the NVEs of each VN, and its tenant systems with the NVE of each. */
const BUILT = {
  VN1: {
    nves: ['NVE1', 'NVE2', 'NVE5'],
    systems: ['VM1@NVE1', 'VM2@NVE1', 'VM3@NVE1', 'VM4@NVE2', 'VM5@NVE2', 'VM6@NVE2', 'VMd@NVE5', 'VMe@NVE5'],
  },
  VN2: { nves: ['NVE3', 'NVE4'], systems: ['VM7@NVE3', 'VM8@NVE3', 'VM9@NVE3', 'VMa@NVE4', 'VMb@NVE4', 'VMc@NVE4'] },
  VN3: { nves: ['NVE4', 'NVE5', 'NVE6'], systems: ['VMa@NVE4', 'VMf@NVE5', 'VMg@NVE5', 'VMh@NVE6', 'VMi@NVE6', 'VMj@NVE6', 'VMk@NVE6'] },
} as const;
type VnName = keyof typeof BUILT;
const VN_NAMES = Object.keys(BUILT) as VnName[];

describe.each([
  ['Server-Sent Events', false],
  ['Kafka', true],
] as const)('Figure 1 over %s (R4)', (_feeds, onKafka) => {
  const outcomes = new Map<string, StepOutcome>();
  const children = new AsyncDisposableStack();
  let api: NvaApi;

  beforeAll(async () => {
    const kafka: KafkaPlace | null = onKafka ? { brokers: await kafkaBrokers(), prefix: `nvo3-figure-1-${process.pid}` } : null;
    const nva = await startNva(kafka, children);
    api = new NvaApi(nva.baseUrl);
    for await (const outcome of play(figure1Scenario, { figure, baseUrl: nva.baseUrl, kafka })) outcomes.set(outcome.id, outcome);
  }, PLAY_TIMEOUT_MS);
  afterAll(() => children.disposeAsync());

  const nve = (step: string, nveId: string): NveView => outcomes.get(step)!.nves.find((view) => view.nveId === nveId)!;
  const table = (step: string, nveId: string, vn: VnName): TableView => nve(step, nveId).tables[vn]!;
  const holders = (view: TableView): string[] =>
    view.mappings.map(({ tsId, attachments }) => `${tsId}@${attachments.map(({ nveId }) => nveId).join('+')}`).sort();
  const inVn = (step: string, vn: VnName): string[] =>
    outcomes
      .get(step)!
      .nves.filter(({ tables }) => vn in tables)
      .map(({ nveId }) => nveId);
  /** What each NVE saw of a step, `+ key`, `- key` or `~ key`; NVEs that saw nothing are left out. */
  const seen = (step: string): Record<string, string[]> =>
    Object.fromEntries(
      outcomes
        .get(step)!
        .nves.filter(({ differences }) => differences.length > 0)
        .map(({ nveId, differences }) => [nveId, differences.map(signed)]),
    );
  const differences = (step: string): TableDifference[] => outcomes.get(step)!.nves.flatMap((view) => view.differences);

  it('plays to the end, every digest and every entry equal to the NVA’s after each step', () => {
    expect([...outcomes.keys()]).toEqual(figure1Scenario.map(({ id }) => id));
    for (const { id, checked, nves } of outcomes.values()) {
      expect(checked.nves, id).toBe(id === 'nve-fails' ? 5 : 6);
      expect(checked.digests, id).toBe(nves.reduce((sum, { tables }) => sum + Object.keys(tables).length, 0));
    }
  });

  it('tells an NVE that has just connected of no VN (X8)', () => {
    expect(outcomes.get('vns')!.nves.map(({ tables }) => Object.keys(tables))).toEqual([[], [], [], [], [], []]);
  });

  it('puts each NVE into the VNs of its tenant systems, NVE4 and NVE5 into two (R2, R35)', () => {
    for (const vn of VN_NAMES) expect(inVn('server-6', vn)).toEqual(BUILT[vn].nves);
  });

  it('lets a tenant reach several VNs with one VM or many, over one NVE or several (R3)', () => {
    const vnsOf = (nveId: string, tsId: string): string[] =>
      Object.entries(nve('server-6', nveId).tables)
        .flatMap(([vn, view]) => (view.mappings.some((mapping) => mapping.tsId === tsId) ? [vn] : []))
        .toSorted();
    expect(vnsOf('NVE4', 'VMa')).toEqual(['VN2', 'VN3']);
    expect([vnsOf('NVE5', 'VMd'), vnsOf('NVE5', 'VMf')]).toEqual([['VN1'], ['VN3']]);
    expect(holders(table('server-6', 'NVE1', 'VN1')).map((holder) => holder.split('@')[1])).toEqual(
      expect.arrayContaining(['NVE1', 'NVE2', 'NVE5']),
    );
  });

  it('gives every NVE of a VN an entry for every tenant system of it (R7)', () => {
    for (const vn of VN_NAMES)
      for (const nveId of BUILT[vn].nves) expect(holders(table('server-6', nveId, vn)), `${nveId} in ${vn}`).toEqual(BUILT[vn].systems);
  });

  it('gives every NVE of a VN the underlay address of every other, so that its sites send to each other directly (R6)', () => {
    for (const vn of VN_NAMES) {
      for (const nveId of BUILT[vn].nves) {
        const known = Object.fromEntries(table('server-6', nveId, vn).members.map((member) => [member.nveId, member.addresses]));
        expect(known, `${nveId} in ${vn}`).toEqual(
          Object.fromEntries(BUILT[vn].nves.map((other) => [other, figure.nves.find((one) => one.nveId === other)!.addresses])),
        );
      }
    }
  });

  it('sends mappings to all remote NVEs of the VN, also to those that never asked (R36)', () => {
    const arrived = ['VMh', 'VMi', 'VMj', 'VMk'].map((ts, i) => `+ mapping/${ts}/203.0.113.${17 + i}`);
    expect(seen('server-6')['NVE4']).toEqual(['+ member/NVE6', ...arrived]);
    expect(seen('server-6')['NVE5']).toEqual(['+ member/NVE6', ...arrived]);
    expect(Object.keys(seen('server-6'))).toEqual(['NVE4', 'NVE5', 'NVE6']);
  });

  it('sets a VN’s table up locally with its first tenant system (R45)', () => {
    expect(seen('server-1')).toEqual({
      NVE1: ['+ context', '+ member/NVE1', '+ mapping/VM1/192.0.2.1', '+ mapping/VM2/192.0.2.2', '+ mapping/VM3/192.0.2.3'],
    });
  });

  it('gives a new NVE the whole VN, and the others what is new (R46, R47)', () => {
    const added = ['+ mapping/VM4/192.0.2.4', '+ mapping/VM5/192.0.2.5', '+ mapping/VM6/192.0.2.6'];
    expect(seen('server-2')).toEqual({
      NVE1: ['+ member/NVE2', ...added],
      NVE2: [
        '+ context',
        '+ member/NVE1',
        '+ member/NVE2',
        '+ mapping/VM1/192.0.2.1',
        '+ mapping/VM2/192.0.2.2',
        '+ mapping/VM3/192.0.2.3',
        ...added,
      ],
    });
  });

  it('tells each NVE the service and encapsulation of its VNs, every kind of them (R50)', () => {
    const kinds = VN_NAMES.map((vn) => table('server-6', BUILT[vn].nves[0], vn).context!).map(({ name, service, encapsulation }) => [
      name,
      service,
      encapsulation,
    ]);
    expect(kinds).toEqual([
      ['VN1', 'l3', 'vxlan'],
      ['VN2', 'l2', 'nvgre'],
      ['VN3', 'l3', 'mpls-gre'],
    ]);
  });

  it('keeps one address apart in two VNs (R13)', () => {
    const at = (view: TableView): (string | undefined)[] => view.mappings.filter(({ ip }) => ip === '192.0.2.1').map(({ tsId }) => tsId);
    expect([at(table('server-6', 'NVE1', 'VN1')), at(table('server-6', 'NVE4', 'VN2'))]).toEqual([['VM1'], ['VM7']]);
  });

  it('has a VLAN in every entry of the L2 VN and an IP where there is one, an IP and no VLAN in the L3 VNs (R16)', () => {
    const { mappings } = table('server-6', 'NVE3', 'VN2');
    expect(mappings.every(({ vlan }) => vlan === 20)).toBe(true);
    expect(mappings.filter(({ ip }) => ip === null).map(({ tsId }) => tsId)).toEqual(['VMc']);
    for (const { vlan, ip } of table('server-6', 'NVE5', 'VN1').mappings) expect([vlan, typeof ip]).toEqual([null, 'string']);
  });

  it('shows VMa’s one vNIC in both of its VNs, by two BIDs on one MAC (R12, R17, R23, R24)', () => {
    const vma = (nveId: string, vn: VnName): object => {
      const { bid, mac, ip, vlan } = table('server-6', nveId, vn).mappings.find(({ tsId }) => tsId === 'VMa')!;
      return { bid, mac, ip, vlan };
    };
    expect(vma('NVE3', 'VN2')).toEqual({ bid: 1, mac: '02:00:00:00:00:0a', ip: '192.0.2.4', vlan: 20 });
    expect(vma('NVE6', 'VN3')).toEqual({ bid: 2, mac: '02:00:00:00:00:0a', ip: '203.0.113.10', vlan: null });
  });

  it('reaches tenant systems of one NVE there, without a tunnel (R52)', () => {
    const found = outcomes.get('server-6')!.lookups.find(({ lookup }) => lookup.at === 'NVE5' && lookup.address === '203.0.113.16')!;
    expect(found.found).toEqual({ is: 'here', tsId: 'VMg' });
  });

  it('sends a frame to many to the other NVEs of the VN, as long as they are reachable (X3)', () => {
    expect(table('server-6', 'NVE5', 'VN3').replicationList).toEqual(['NVE4', 'NVE6']);
    expect(table('nve-fails', 'NVE4', 'VN2').replicationList).toEqual([]);
    expect(table('nve-returns', 'NVE4', 'VN2').replicationList).toEqual(['NVE3']);
  });

  it('refuses a second address without BIDs, and changes nothing (R19)', () => {
    expect(outcomes.get('no-bid')!.notes).toEqual(['a second address for VMb: refused, 422 bid-required (R19)']);
    expect(seen('no-bid')).toEqual({});
    expect(outcomes.get('no-bid')!.position).toBe(outcomes.get('server-6')!.position);
  });

  it('adds the second address and gives the first its BID in one step (R19, R20)', () => {
    const [first, second] = ['~ mapping/VMb/vlan-20/192.0.2.5', '+ mapping/VMb/203.0.113.11'];
    expect(seen('second-address')).toEqual({ NVE3: [first], NVE4: [first, second], NVE5: [second], NVE6: [second] });
    expect(positions(differences('second-address'))).toHaveLength(1);
    expect(nve('second-address', 'NVE3').differences[0]).toMatchObject({ before: { bid: null }, after: { bid: 1 } });
  });

  it('moves a tenant system with one record: away from the old NVE, to the new one, elsewhere for every remote one (R55)', () => {
    const moved = ['~ mapping/VM1/192.0.2.1'];
    expect(seen('move')).toEqual({ NVE1: moved, NVE2: moved, NVE5: moved });
    for (const difference of differences('move'))
      expect(difference).toMatchObject({ before: { attachments: [{ nveId: 'NVE1' }] }, after: { attachments: [{ nveId: 'NVE2' }] } });
    expect(positions(differences('move'))).toHaveLength(1);
  });

  it('changes the MAC in every entry of the tenant system, in both VNs, in one step (R14, R15)', () => {
    const [inVn2, inVn3] = ['~ mapping/VMa/vlan-20/192.0.2.4', '~ mapping/VMa/203.0.113.10'];
    expect(seen('mac')).toEqual({ NVE3: [inVn2], NVE4: [inVn2, inVn3], NVE5: [inVn3], NVE6: [inVn3] });
    for (const difference of differences('mac'))
      expect(difference).toMatchObject({ before: { mac: '02:00:00:00:00:0a' }, after: { mac: '02:00:00:00:aa:0a' } });
    expect(positions(differences('mac'))).toHaveLength(1);
  });

  it('refuses another tenant’s VM, and changes nothing (R44)', () => {
    expect(outcomes.get('stranger')!.notes).toEqual(['a VM of tenant mallory in VN1: refused, 403 vn-of-another-tenant (R44)']);
    expect(seen('stranger')).toEqual({});
  });

  it('removes what has lost its connection at its NVE and at every NVE of the VN, and has it back (R56)', () => {
    const entry = 'mapping/VM9/vlan-20/192.0.2.3';
    expect(seen('connection-failure')).toEqual({ NVE3: [`- ${entry}`], NVE4: [`- ${entry}`] });
    expect(seen('reconnected')).toEqual({ NVE3: [`+ ${entry}`], NVE4: [`+ ${entry}`] });
  });

  it('withdraws nothing of an NVE that falls silent, and marks it unreachable until it is back (X6)', () => {
    expect(seen('nve-fails')).toEqual({ NVE4: ['~ member/NVE3'] });
    expect(nve('nve-fails', 'NVE4').differences[0]).toMatchObject({ before: { reachable: true }, after: { reachable: false } });
    expect(seen('nve-returns')['NVE4']).toEqual(['~ member/NVE3']);
    expect(holders(table('nve-returns', 'NVE3', 'VN2'))).toEqual(BUILT.VN2.systems);
  });

  it('keeps a VN’s context at an NVE while it serves another tenant system, and not longer (R43)', () => {
    expect(table('move', 'NVE1', 'VN1').context?.name).toBe('VN1');
    expect(table('last-but-one', 'NVE5', 'VN1').context?.name).toBe('VN1');
    expect(Object.keys(nve('last', 'NVE5').tables)).toEqual(['VN3']);
  });

  it('takes an NVE out of a VN with its last tenant system there (R35, R49)', () => {
    const gone = ['- member/NVE5', '- mapping/VMe/192.0.2.14'];
    expect(seen('last')).toMatchObject({ NVE1: gone, NVE2: gone });
    expect(seen('last')['NVE5']).toHaveLength(1 + 3 + 7);
    expect(seen('last')['NVE5']!.every((line) => line.startsWith('- '))).toBe(true);
    expect(inVn('last', 'VN1')).toEqual(['NVE1', 'NVE2']);
  });

  it('ends with these tables', () => {
    const vn1 = ['VM1@NVE2', 'VM2@NVE1', 'VM3@NVE1', 'VM4@NVE2', 'VM5@NVE2', 'VM6@NVE2'];
    const vn2 = ['VM7@NVE3', 'VM8@NVE3', 'VM9@NVE3', 'VMa@NVE4', 'VMb@NVE4', 'VMc@NVE4'];
    const vn3 = ['VMa@NVE4', 'VMb@NVE4', 'VMf@NVE5', 'VMg@NVE5', 'VMh@NVE6', 'VMi@NVE6', 'VMj@NVE6', 'VMk@NVE6'];
    const held = Object.fromEntries(
      outcomes
        .get('last')!
        .nves.map(({ nveId, tables }) => [nveId, Object.fromEntries(Object.entries(tables).map(([vn, view]) => [vn, holders(view)]))]),
    );
    expect(held).toEqual({
      NVE1: { VN1: vn1 },
      NVE2: { VN1: vn1 },
      NVE3: { VN2: vn2 },
      NVE4: { VN2: vn2, VN3: vn3 },
      NVE5: { VN3: vn3 },
      NVE6: { VN3: vn3 },
    });
  });

  it('lists one entry per connection at the NVA, without what only an NVE can know (R9)', async () => {
    const entries = await Promise.all(figure.vns.map(({ vnid }) => api.mappings(vnid)));
    expect(entries.map((list) => list.length)).toEqual([6, 6, 8]);
    for (const entry of entries.flat())
      expect(Object.keys(entry).sort()).toEqual(['attachments', 'bid', 'ip', 'mac', 'mobility', 'position', 'tsId', 'via', 'vlan']);
  });

  it('sends the logical interface to no NVE; the NVA knows it (R11)', async () => {
    expect(JSON.stringify([...outcomes.values()])).not.toContain('vport-');
    const kept = await (await fetch(`${api.baseUrl}/v1/tenant-systems/VM7`)).text();
    expect(kept).toContain('vport-7');
  });
});

const signed = ({ before, after, key }: TableDifference): string => `${before === null ? '+' : after === null ? '-' : '~'} ${key}`;
const positions = (differences: readonly TableDifference[]): number[] => [...new Set(differences.map(({ position }) => position))];
