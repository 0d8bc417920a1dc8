import { MAX_REMEMBERED_REMOVALS, type LocalAttachment } from '@nva/nve';
import { changeRecords, contextEntry, membershipEntry, removed, SCRIPTED_LOG, type Entry } from '@nva/nve/testing';
import { describe, expect, it } from 'vitest';
import { clientAt, clientInVn, context, hosted, nve1, nve2, OTHER_LOG, vm, vn } from './clients.ts';

describe('memberships', () => {
  it('are followed by themselves: the NVA says which VNs, the client follows them (X8)', () => {
    const { client, transport, told } = clientAt();
    transport.nve('nve2').read([[5, membershipEntry(100, 5)]]);
    expect(transport.vn(100).membership).toEqual({ vnid: 100, topic: 'nvo3.vn.100', brokers: null, since: 5 });
    transport.vn(100).read([
      [3, context],
      [4, nve1, vm(1, 'nve1')],
      [5, nve2],
    ]);
    expect(told).toEqual(['joined 100@5', 'swap 100@5 +context +member/nve1 +member/nve2 +mapping/vm1/10.0.0.1']);
    expect([...client.memberships.keys()]).toEqual([100]);
    expect(client.resolve(100, { ip: '10.0.0.1' })).toMatchObject({ outcome: 'remote', via: { nveId: 'nve1' } });
  });

  it('come and go one by one, without touching the VNs that stay (R35)', () => {
    const { client, transport, told } = clientInVn();
    transport.nve('nve2').change(20, membershipEntry(200, 20));
    transport.vn(200).read([
      [18, contextEntry(200)],
      [20, nve2],
    ]);
    transport.nve('nve2').change(30, removed(membershipEntry(200, 20)));
    expect(told).toEqual(['joined 200@20', 'swap 200@20 +context +member/nve2', 'left 200@20 -member/nve2 -context', 'left 200']);
    expect(transport.openCount(vn(200))).toBe(0);
    expect(transport.followed.filter(({ feed }) => feed.kind === 'vn' && feed.vnid === 100)).toHaveLength(1);
    expect(client.table(200)).toBeNull();
    expect(client.table(100)).not.toBeNull();
  });

  it('begun anew drop what the VN was and read it from its start: deleted, created again', () => {
    const { client, transport, forget, vmAt } = clientInVn();
    transport.nve('nve2').change(40, membershipEntry(100, 40));
    expect(forget()).toEqual(['left 100@5 -mapping/vm1/10.0.0.1 -member/nve1 -member/nve2 -context', 'left 100', 'joined 100@40']);
    expect(client.status()).toEqual([{ vnid: 100, state: 'reading', log: null, position: null, digest: null, degraded: [] }]);
    expect(vmAt(1)).toBeNull();
    transport.vn(100).read([
      [20, removed(vm(1, 'nve1'))],
      [30, removed(nve1), removed(nve2), removed(context)],
      [35, contextEntry(100, 'anew')],
      [40, nve2, vm(2, 'nve2')],
    ]);
    expect(forget()).toEqual(['swap 100@40 +context +member/nve2 +mapping/vm2/10.0.0.2']);
    expect(transport.openCount(vn(100))).toBe(1);
  });

  it('removed and added in two changes do the same', () => {
    const { transport, forget } = clientInVn();
    transport
      .nve('nve2')
      .change(30, removed(membershipEntry(100, 5)))
      .change(40, membershipEntry(100, 40));
    expect(forget().slice(-2)).toEqual(['left 100', 'joined 100@40']);
    transport
      .nve('nve2')
      .change(5, membershipEntry(100, 5))
      .change(30, removed(membershipEntry(100, 5)));
    expect(forget()).toEqual([]);
  });

  it('removed by what a new read of the own feed says end only when it is complete', () => {
    const { client, transport, told } = clientInVn();
    transport
      .nve('nve2')
      .restart()
      .change(40, removed(membershipEntry(100, 5)))
      .change(50, membershipEntry(300, 50));
    expect(client.table(100)).not.toBeNull();
    expect(told).toEqual([]);
    transport.nve('nve2').complete();
    expect(told.filter((line) => /^(?:left|joined) \d+(?:@50)?$/.test(line))).toEqual(['left 100', 'joined 300@50']);
  });

  it('that name another topic are read anew from there, while the table at hand forwards', () => {
    const { transport, told, vmAt } = clientInVn();
    transport.nve('nve2').change(60, membershipEntry(100, 5, 'elsewhere.vn.100'));
    expect(transport.vn(100).membership?.topic).toBe('elsewhere.vn.100');
    expect(vmAt(1)).toBe('remote');
    transport.vn(100).read([
      [3, context],
      [4, nve1, vm(1, 'nve1')],
      [5, nve2],
    ]);
    expect(told).toEqual([]);
  });
});

describe('a table that is read anew', () => {
  it('is filled in the shadow of the one that forwards, and swapped as one set of changes', () => {
    const { client, transport, told, vmAt } = clientInVn();
    const feed = transport.vn(100).restart('offset out of range').change(3, context).change(30, nve1, vm(2, 'nve1'));
    expect([vmAt(1), vmAt(2), told.length]).toEqual(['remote', null, 0]);
    expect(client.status()[0]).toMatchObject({ state: 'reading', position: 5, digest: null });
    expect(client.applied()).toEqual([]);
    feed.complete();
    expect([vmAt(1), vmAt(2)]).toEqual([null, 'remote']);
    expect(told).toEqual(['swap 100@30 -mapping/vm1/10.0.0.1 -member/nve2 +mapping/vm2/10.0.0.2']);
    feed.change(40, vm(3, 'nve1'));
    expect(told.at(-1)).toBe('change 100@40 +mapping/vm3/10.0.0.3');
  });

  it('starts over when the transport does', () => {
    const { transport, told } = clientInVn();
    transport
      .vn(100)
      .restart()
      .change(30, vm(2, 'nve1'))
      .restart()
      .change(3, context)
      .change(4, nve1, vm(1, 'nve1'))
      .change(5, nve2)
      .complete();
    expect(told).toEqual([]);
  });

  it('where its feed lags behind what is known takes its place when it has come as far: nothing is withdrawn and told again', () => {
    const { client, transport, told, forget, vmAt } = clientInVn();
    transport.vn(100).change(20, vm(2, 'nve1')).change(30, vm(1, 'nve3'));
    forget();
    const feed = transport
      .vn(100)
      .restart()
      .change(3, context)
      .change(4, nve1, vm(1, 'nve1'))
      .change(5, nve2)
      .complete({ log: SCRIPTED_LOG, position: 19 });
    expect([told, vmAt(2), client.status()[0]?.state, client.applied()]).toEqual([['incomplete vn'], 'remote', 'incomplete', []]);
    feed.change(20, vm(2, 'nve1'));
    expect([told.length, client.status()[0]?.state]).toEqual([1, 'incomplete']);
    feed.change(30, vm(1, 'nve3')).change(40, vm(4, 'nve1'));
    expect(told.slice(1)).toEqual(['change 100@40 +mapping/vm4/10.0.0.4']);
    expect(client.status()[0]).toMatchObject({ state: 'live', position: 40 });
  });

  it('of the own feed, where that lags behind, ends no stay and begins none', () => {
    const { client, transport, told, forget } = clientInVn();
    transport
      .nve('nve2')
      .change(30, removed(membershipEntry(100, 5)))
      .change(40, membershipEntry(100, 40))
      .change(50, membershipEntry(200, 50));
    transport.vn(100).read([
      [3, context],
      [4, nve1, vm(1, 'nve1')],
      [40, nve2],
    ]);
    forget();
    const feed = transport.nve('nve2').restart().change(5, membershipEntry(100, 5)).complete({ log: SCRIPTED_LOG, position: 29 });
    expect([told, [...client.memberships].map(([vnid, { since }]) => [vnid, since])]).toEqual([
      ['incomplete nve'],
      [
        [100, 40],
        [200, 50],
      ],
    ]);
    feed
      .change(30, removed(membershipEntry(100, 5)))
      .change(40, membershipEntry(100, 40))
      .change(50, membershipEntry(200, 50));
    expect([told, client.membershipStatus().state, client.doubts()]).toEqual([['incomplete nve'], 'live', []]);
  });

  it('is read when a record of another log comes, with the old one forwarding meanwhile', () => {
    const { client, transport, told, vmAt } = clientInVn();
    const before = transport.vn(100);
    before.records(changeRecords(1, [vm(1, 'nve3')], OTHER_LOG));
    expect(before.closed).toBe(true);
    expect(transport.vn(100).resume).toBeUndefined();
    before.change(90, vm(9, 'nve1'));
    expect([vmAt(1), client.status()[0]?.state]).toEqual(['remote', 'reading']);
    transport
      .vn(100)
      .restart()
      .records([...changeRecords(4, [nve1, vm(1, 'nve1')]), ...changeRecords(1, [context, nve1, vm(1, 'nve1')], OTHER_LOG)])
      .complete();
    expect(client.status()[0]).toMatchObject({ state: 'live', log: OTHER_LOG, position: 1 });
    expect(told).toEqual(['swap 100@1 -member/nve2']);
  });

  it('keeps forwarding when the own feed goes over to another log, whose positions compare with none before (X6)', () => {
    const { transport, told, vmAt } = clientInVn();
    transport.nve('nve2').records(changeRecords(2, [membershipEntry(100, 2)], OTHER_LOG));
    transport
      .nve('nve2')
      .restart()
      .records(changeRecords(2, [membershipEntry(100, 2)], OTHER_LOG))
      .complete();
    expect(vmAt(1)).toBe('remote');
    expect(transport.vn(100).membership?.since).toBe(2);
    expect(told).toEqual([]);
  });
});

describe('removed keys', () => {
  it('are remembered up to a bound; then the feed is read anew, and the fresh table remembers what the feed still shows', () => {
    const { client, transport, vmAt } = clientInVn();
    const feed = transport.vn(100);
    for (let i = 0; i <= MAX_REMEMBERED_REMOVALS; i++) feed.change(100 + i, [`mapping/gone${i}/10.0.0.1`, null]);
    expect(feed.closed).toBe(true);
    expect([vmAt(1), client.status()[0]?.state]).toEqual(['remote', 'reading']);
    transport.vn(100).read([
      [3, context],
      [4, nve1, vm(1, 'nve1')],
    ]);
    expect(client.table(100)?.removals).toBe(0);
    expect(client.status()[0]?.state).toBe('live');
  });
});

describe('an interruption', () => {
  it('withdraws nothing, however long (X6)', () => {
    const { client, transport, told, vmAt } = clientInVn();
    const digest = client.applied();
    transport.nve('nve2').interrupted(new Error('NVA gone'));
    transport.vn(100).interrupted(new Error('NVA gone'));
    expect(told).toEqual(['interrupted nve NVA gone', 'interrupted vn NVA gone']);
    expect(client.status()[0]?.state).toBe('interrupted');
    expect(vmAt(1)).toBe('remote');
    expect(client.applied()).toEqual(digest);
    transport.vn(100).resumed();
    expect(client.status()[0]?.state).toBe('live');
  });
});

describe('what cannot be understood', () => {
  it('degrades the key and its VN until a record for it comes, and is told', () => {
    const { client, transport, told, vmAt } = clientInVn();
    transport.vn(100).undecodable('mapping/vm1/10.0.0.1');
    expect(client.status()[0]?.degraded).toEqual(['mapping/vm1/10.0.0.1']);
    expect(vmAt(1)).toBe('remote');
    transport.vn(100).change(20, vm(1, 'nve1'));
    expect(told).toEqual(['degraded vn mapping/vm1/10.0.0.1', 'degraded vn']);
  });

  it('is known from the first read on', () => {
    const { client, transport, told } = clientAt();
    transport.nve('nve2').read([[5, membershipEntry(100, 5)]]);
    transport.vn(100).restart().undecodable(null).change(5, context).complete();
    expect(told).toEqual(['joined 100@5', 'degraded vn ?@0', 'swap 100@5 +context']);
    expect(client.status()[0]?.degraded).toEqual(['?@0']);
  });

  it('is told to be over, if a record for it comes before the first read is complete', () => {
    const { transport, told } = clientAt();
    transport.nve('nve2').read([[5, membershipEntry(100, 5)]]);
    transport.vn(100).restart().undecodable('context').change(5, context).complete();
    expect(told).toEqual(['joined 100@5', 'degraded vn context', 'swap 100@5 +context', 'degraded vn']);
  });

  it('is told of the own feed too, and ends no membership', () => {
    const { client, transport, told } = clientInVn();
    transport.nve('nve2').restart().undecodable('vn/100').complete();
    expect(told).toEqual(['degraded nve vn/100']);
    expect(client.membershipStatus().degraded).toEqual(['vn/100']);
    expect(client.table(100)).not.toBeNull();
  });
});

describe('its own attachments', () => {
  it('are never removed by what the NVA says; the disagreement is reported (X7)', () => {
    const { client, transport, told, vmAt } = clientInVn({ localAttachments: [hosted(3)] });
    transport.vn(100).change(20, vm(3, 'nve2'));
    expect(client.disagreements()).toEqual([]);
    transport.vn(100).change(30, vm(3, 'nve1', { mobility: 1 }));
    expect(client.disagreements()).toEqual([{ vnid: 100, tsId: 'vm3', key: 'mapping/vm3/10.0.0.3', kind: 'elsewhere' }]);
    transport.nve('nve2').change(40, removed(membershipEntry(100, 5)));
    expect([...client.localAttachments.keys()]).toEqual(['vm3']);
    expect(vmAt(3)).toBe('hosted');
    expect(told.filter((line) => line.startsWith('disagreements'))).toEqual([
      'disagreements 100',
      'disagreements 100 vm3:elsewhere',
      'disagreements 100 vm3:not-a-member',
    ]);
  });

  it.each<[string, LocalAttachment, Entry[], string[]]>([
    ['is withheld or not told of', hosted(3), [], ['vm3:not-in-table']],
    ['is elsewhere', hosted(3), [vm(3, 'nve1')], ['vm3:elsewhere']],
    ['has another MAC', hosted(3, { mac: '02:00:00:00:00:99' }), [vm(3, 'nve2')], ['vm3:other-mac']],
    ['is in another phase (X5)', hosted(3, { state: 'associated' }), [vm(3, 'nve2')], ['vm3:other-state']],
    ['is here, and is not', hosted(3), [vm(3, 'nve2'), vm(4, 'nve2')], ['vm4:not-hosted']],
    ['is as it is', hosted(3), [vm(3, 'nve2')], []],
  ])('are compared with the table, which may say that one %s (X7)', (_, attachment, entries, kinds) => {
    const { client, transport } = clientInVn();
    if (entries.length > 0) transport.vn(100).change(20, ...entries);
    client.attachLocal(attachment);
    expect(client.disagreements().map(({ tsId, kind }) => `${tsId}:${kind}`)).toEqual(kinds);
    client.detachLocal(attachment.tsId);
    expect(client.disagreements().some(({ kind }) => kind !== 'not-hosted')).toBe(false);
  });

  it('are each tenant\u2019s own: two of one id are hosted side by side', () => {
    const { client, transport } = clientInVn();
    transport.vn(100).change(20, vm(3, 'nve2'));
    const blue: LocalAttachment = {
      tsId: 'vm3',
      tenantId: 'blue',
      mac: '02:00:00:00:0b:03',
      state: 'activated',
      bindings: [{ vnid: 200, vlan: null, ip: '10.0.0.3' }],
    };
    client.attachLocal(hosted(3, { tenantId: 'red' }));
    client.attachLocal(blue);
    expect(client.disagreements().filter(({ vnid }) => vnid === 100)).toEqual([]);
    expect(client.resolve(200, { ip: '10.0.0.3' })).toMatchObject({ outcome: 'hosted', attachment: blue });
    client.detachLocal('vm3', 'blue');
    expect(client.resolve(100, { mac: hosted(3).mac })).toMatchObject({ outcome: 'hosted', attachment: { tenantId: 'red' } });
    expect(client.resolve(200, { ip: '10.0.0.3' })).toBeNull();
  });

  it('are compared with nothing while the NVA has not been heard', () => {
    const { client } = clientAt({ localAttachments: [hosted(3)] });
    expect(client.disagreements()).toEqual([]);
    expect(client.resolve(100, { mac: '02:00:00:00:00:03' })).toMatchObject({ outcome: 'hosted', attachment: { tsId: 'vm3' } });
  });
});

describe('the heartbeat', () => {
  it('reports log, position and digest of each VN that is whole', () => {
    const { client, transport } = clientInVn();
    const digest = client.table(100)!.digest();
    expect(client.applied()).toEqual([{ vnid: 100, log: SCRIPTED_LOG, position: '5', digest }]);
    transport
      .vn(100)
      .change(20, vm(2, 'nve1'))
      .change(30, removed(vm(2, 'nve1')));
    expect(client.applied()).toEqual([{ vnid: 100, log: SCRIPTED_LOG, position: '30', digest }]);
  });

  it('reports the position that the transport says was read to, if the last change left no record', () => {
    const { client, transport } = clientInVn();
    transport.vn(100).restart().change(3, context).change(4, nve1).complete({ log: SCRIPTED_LOG, position: 77 });
    expect(client.applied()).toMatchObject([{ position: '77' }]);
  });
});

describe('a listener', () => {
  it('is taken off by what `on` returned', () => {
    const { client, transport } = clientInVn();
    let calls = 0;
    const off = client.on('change', () => calls++);
    transport.vn(100).change(20, vm(2, 'nve1'));
    off();
    transport.vn(100).change(30, vm(3, 'nve1'));
    expect(calls).toBe(1);
  });
});

describe('close', () => {
  it('lets go of every feed and keeps the tables', async () => {
    const { client, transport, vmAt } = clientInVn();
    await client.close();
    expect(transport.followed.every(({ closed }) => closed)).toBe(true);
    expect(vmAt(1)).toBe('remote');
  });
});
