import { VnTable } from '@nva/nve';
import { changeRecords, contextEntry, mappingEntry, memberEntry, type Entry } from '@nva/nve/testing';
import { describe, expect, it } from 'vitest';

function tableAt(nveId: string, ...entries: Entry[]): VnTable {
  const table = new VnTable(100, nveId);
  for (const record of changeRecords(10, entries)) table.add(record);
  return table;
}

const MAC = '02:00:00:00:00:01';
const both = (a: 'associated' | 'activated', b: 'associated' | 'activated') => ({
  attachments: [
    { nveId: 'nve1', state: a },
    { nveId: 'nve2', state: b },
  ],
});
const vm1 = (nveId: string, fields: object = {}): Entry => mappingEntry('vm1', nveId, { mac: MAC, ip: '10.0.0.1', ...fields });
const [context, nve1, nve2] = [contextEntry(100), memberEntry('nve1'), memberEntry('nve2', { addresses: ['192.0.2.2', '2001:db8::2'] })];

describe('resolve', () => {
  it('resolves a TS on the same NVE locally, without a tunnel (R52)', () => {
    const resolution = tableAt('nve2', context, nve2, vm1('nve2')).resolve({ mac: MAC });
    expect(resolution).toMatchObject({ outcome: 'local', via: { nveId: 'nve2', local: true } });
    expect(resolution).not.toHaveProperty('tunnel');
  });

  it('gives the NVE, its addresses, the encapsulation and the VNID of a TS elsewhere (R8, R38)', () => {
    expect(tableAt('nve1', context, nve2, vm1('nve2')).resolve({ ip: '10.0.0.1' })).toMatchObject({
      outcome: 'remote',
      key: 'mapping/vm1/10.0.0.1',
      via: { nveId: 'nve2', reachable: true, member: { mac: '02:00:00:00:ff:01' } },
      tunnel: { vnid: 100, encapsulation: 'vxlan', addresses: ['192.0.2.2', '2001:db8::2'] },
    });
  });

  it('prefers its own NVE for a multihomed TS, and shows every attachment (R7, R52)', () => {
    const resolution = tableAt('nve2', context, nve1, nve2, vm1('nve1', both('activated', 'activated'))).resolve({ mac: MAC });
    expect(resolution).toMatchObject({
      outcome: 'local',
      via: { nveId: 'nve2' },
      attachments: [
        { nveId: 'nve1', reachable: true },
        { nveId: 'nve2', local: true },
      ],
    });
  });

  it('shows an associated attachment and forwards by the activated one only (X5)', () => {
    const resolution = tableAt('nve2', context, nve1, nve2, vm1('nve1', both('activated', 'associated'))).resolve({ mac: MAC });
    expect(resolution).toMatchObject({ outcome: 'remote', via: { nveId: 'nve1' } });
    expect(resolution?.attachments.map(({ nveId, state }) => [nveId, state])).toEqual([
      ['nve1', 'activated'],
      ['nve2', 'associated'],
    ]);
    expect(tableAt('nve3', context, nve1, nve2, vm1('nve1', both('associated', 'associated'))).resolve({ mac: MAC })).toMatchObject({
      outcome: 'unresolved',
      reason: 'not-activated',
    });
  });

  it('avoids an unreachable NVE where another is reachable, and flags it where none is', () => {
    const down = memberEntry('nve1', { reachable: false });
    const multihomed = vm1('nve1', both('activated', 'activated'));
    expect(tableAt('nve3', context, down, nve2, multihomed).resolve({ mac: MAC })).toMatchObject({
      via: { nveId: 'nve2', reachable: true },
    });
    expect(tableAt('nve3', context, down, nve2, vm1('nve1')).resolve({ mac: MAC })).toMatchObject({
      outcome: 'remote',
      via: { nveId: 'nve1', reachable: false },
    });
  });

  it('keeps a mapping whose NVE or VN is not told of yet, unresolved', () => {
    const table = tableAt('nve3', vm1('nve1'));
    expect(table.resolve({ mac: MAC })).toMatchObject({ outcome: 'unresolved', reason: 'member-missing' });
    for (const record of changeRecords(20, [nve1])) table.add(record);
    expect(table.resolve({ mac: MAC })).toMatchObject({ outcome: 'unresolved', reason: 'context-missing' });
    for (const record of changeRecords(30, [context])) table.add(record);
    expect(table.resolve({ mac: MAC })).toMatchObject({ outcome: 'remote' });
  });

  it('finds by MAC all that a TS has, IPv4 and IPv6, and by IP the one, without flooding (R13, R41)', () => {
    const table = tableAt('nve3', context, nve1, vm1('nve1', { bid: 1 }), vm1('nve1', { bid: 2, ip: '2001:db8::1' }));
    expect(table.resolveAll({ mac: MAC }).map(({ key }) => key)).toEqual(['mapping/vm1/10.0.0.1', 'mapping/vm1/2001:db8::1']);
    expect(table.resolve({ ip: '2001:db8::1' })).toMatchObject({ outcome: 'remote', mapping: { bid: 2 } });
    for (const record of changeRecords(20, [vm1('nve1', { bid: 2, ip: '2001:db8::1', mobility: 1 })])) table.add(record);
    expect(table.resolve({ mac: MAC })?.key).toBe('mapping/vm1/2001:db8::1');
  });

  it('narrows a MAC down to a VLAN in an L2 VN (R16, R24)', () => {
    const tagged = (vlan: number): Entry => mappingEntry('vm1', 'nve1', { mac: MAC, vlan, bid: vlan });
    const table = tableAt('nve3', contextEntry(100, 'l2', 'l2'), nve1, tagged(10), tagged(20));
    expect(table.resolve({ mac: MAC, vlan: 20 })?.key).toBe('mapping/vm1/vlan-20');
    expect(table.resolve({ mac: MAC, vlan: 30 })).toBeNull();
  });

  it('knows nothing of an address that no mapping bears', () => {
    expect(tableAt('nve3', context, nve1).resolve({ ip: '10.0.0.1' })).toBeNull();
  });
});

describe('the replication list', () => {
  it('is the other reachable NVEs of the VN that have an address, by id (X3)', () => {
    const table = tableAt(
      'nve2',
      memberEntry('nve4'),
      nve2,
      nve1,
      memberEntry('nve3', { reachable: false }),
      memberEntry('nve5', { addresses: [] }),
    );
    expect(table.replicationList().map(({ nveId }) => nveId)).toEqual(['nve1', 'nve4']);
  });

  it('holds no address twice, and none of this NVE, whoever was given it', () => {
    const at = (nveId: string, ...addresses: string[]): ReturnType<typeof memberEntry> => memberEntry(nveId, { addresses });
    const table = tableAt(
      'nve2',
      at('nve1', '192.0.2.1', '2001:db8::1'),
      at('nve2', '192.0.2.2'),
      at('nve3', '2001:db8::1', '192.0.2.3'),
      at('nve4', '192.0.2.1'),
      at('nve5', '192.0.2.2'),
      at('nve6', '192.0.2.6'),
    );
    expect(table.replicationList().map(({ nveId, addresses }) => [nveId, ...addresses])).toEqual([
      ['nve1', '192.0.2.1', '2001:db8::1'],
      ['nve3', '192.0.2.3'],
      ['nve6', '192.0.2.6'],
    ]);
  });
});

describe('mappingsHere', () => {
  it('follows what the NVA says is at this NVE, in either phase', () => {
    const table = tableAt('nve2', vm1('nve1', both('activated', 'associated')));
    expect([...table.mappingsHere()].map(([key]) => key)).toEqual(['mapping/vm1/10.0.0.1']);
    for (const record of changeRecords(20, [vm1('nve1')])) table.add(record);
    expect([...table.mappingsHere()]).toEqual([]);
  });
});
