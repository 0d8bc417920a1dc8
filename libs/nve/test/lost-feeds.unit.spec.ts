import { DENIED_LOOK_MS, DENIED_LOOKS, MAX_REMEMBERED_REMOVALS } from '@nva/nve';
import { changeRecords, contextEntry, membershipEntry, removed, type Entry } from '@nva/nve/testing';
import { FeedDenied } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { clientAt, clientInVn, context, nve1, nve2, OTHER_LOG, vm } from './clients.ts';

const membership = membershipEntry(100, 5);

describe('a VN’s feed that has lost what it held', () => {
  it('and is empty withdraws nothing: the table before forwards, and reports nothing to the heartbeat (X6)', () => {
    const { client, transport, told, vmAt } = clientInVn();
    transport.vn(100).restart('the topic was made anew').complete();
    expect([vmAt(1), told]).toEqual(['remote', ['incomplete vn']]);
    expect(client.status()).toMatchObject([{ state: 'incomplete', position: 5, digest: null }]);
    expect(client.applied()).toEqual([]);
  });

  it('and was made again with one change in it withdraws nothing (X6)', () => {
    const { transport, told, vmAt } = clientInVn();
    transport.vn(100).restart().change(30, vm(3, 'nve1')).complete();
    transport.vn(100).change(31, vm(4, 'nve1'));
    expect([vmAt(1), vmAt(3), told]).toEqual(['remote', null, ['incomplete vn']]);
  });

  it('is taken at the end of the change that brings its context, and the difference is one report', () => {
    const { client, transport, forget, vmAt } = clientInVn();
    const feed = transport.vn(100).restart().complete();
    forget();
    feed.change(4, nve1, vm(1, 'nve1')).change(30, vm(3, 'nve1')).change(5, nve2);
    const [contextRecord, last] = changeRecords(3, [context, vm(2, 'nve1')]);
    feed.records([contextRecord!]);
    expect([forget(), vmAt(3)]).toEqual([[], null]);
    feed.records([last!]);
    expect(forget()).toEqual(['swap 100@30 +mapping/vm3/10.0.0.3 +mapping/vm2/10.0.0.2']);
    expect(client.status()).toMatchObject([{ state: 'live', position: 30 }]);
    feed.change(40, removed(vm(3, 'nve1')));
    expect(forget()).toEqual(['change 100@40 -mapping/vm3/10.0.0.3']);
  });

  it('may be lost again while it is filled', () => {
    const { transport, told, vmAt } = clientInVn();
    transport
      .vn(100)
      .restart()
      .complete()
      .change(30, vm(3, 'nve1'))
      .restart()
      .change(4, nve1, vm(1, 'nve1'))
      .complete()
      .change(5, nve2)
      .change(3, context);
    expect([vmAt(1), vmAt(3)]).toEqual(['remote', null]);
    expect(told).toEqual(['incomplete vn', 'incomplete vn']);
  });

  it('is no table when it is read for the first time: the VN has one when its context has come', () => {
    const { client, transport, told } = clientAt();
    const completed: string[] = [];
    client.on('complete', ({ feed }) => completed.push(feed.kind));
    transport.nve('nve2').read([[5, membership]]);
    transport.vn(100).restart().change(4, nve1, vm(1, 'nve1')).change(5, nve2).complete();
    expect([client.table(100), completed]).toEqual([null, ['nve']]);
    transport.vn(100).change(3, context);
    expect(completed).toEqual(['nve', 'vn']);
    expect(told).toEqual(['joined 100@5', 'incomplete vn', 'swap 100@5 +context +member/nve1 +member/nve2 +mapping/vm1/10.0.0.1']);
  });

  it('remembers no more removals than a whole one while it is filled: it is read anew', () => {
    const { client, transport, vmAt } = clientInVn();
    const feed = transport.vn(100).restart().complete();
    for (let i = 0; i <= MAX_REMEMBERED_REMOVALS; i++) feed.change(100 + i, [`mapping/gone${i}/10.0.0.1`, null]);
    expect([feed.closed, vmAt(1), client.status()[0]?.state]).toEqual([true, 'remote', 'reading']);
    const again = transport.vn(100).restart();
    for (let i = 0; i <= MAX_REMEMBERED_REMOVALS; i++) again.change(100 + i, [`mapping/gone${i}/10.0.0.1`, null]);
    again.complete().change(MAX_REMEMBERED_REMOVALS + 200, nve1);
    expect([again.closed, client.status()[0]?.state]).toEqual([false, 'incomplete']);
  });

  it('is told from a VN that was deleted by the record that removes the context', () => {
    const { client, transport, told } = clientInVn();
    transport
      .vn(100)
      .restart()
      .change(30, removed(vm(1, 'nve1')), removed(nve1), removed(nve2))
      .change(40, removed(context))
      .complete();
    expect(client.table(100)).toMatchObject({ size: 0, isDeleted: true });
    expect(told).toEqual(['swap 100@40 -mapping/vm1/10.0.0.1 -member/nve1 -member/nve2 -context']);
  });

  it('is not told from it by a removal that is older than the context which is known (X1)', () => {
    const { transport, told, vmAt } = clientInVn();
    transport.vn(100).restart().change(2, removed(context)).complete();
    expect([vmAt(1), told]).toEqual(['remote', ['incomplete vn']]);
  });

  it('is whole with a context that cannot be understood: that is there', () => {
    const { client, transport, told } = clientInVn();
    transport.vn(100).restart().change(4, nve1, vm(1, 'nve1')).change(5, nve2).undecodable('context').complete();
    expect(told).toEqual(['degraded vn context']);
    expect(client.table(100)?.context).toMatchObject({ vnid: 100 });
  });
});

describe('a membership that is absent from a new read of the own feed', () => {
  it('stays for as long as the VN’s table names this NVE, and is reported (X6)', () => {
    const { client, transport, told, vmAt } = clientInVn();
    transport.nve('nve2').restart('the topic was made anew').complete();
    expect([vmAt(1), [...client.memberships.keys()]]).toEqual(['remote', [100]]);
    expect(client.doubts()).toEqual([{ vnid: 100, reason: 'member' }]);
    transport.vn(100).change(20, vm(2, 'nve1'));
    transport.nve('nve2').restart().change(30, membershipEntry(300, 30)).complete();
    expect(told).toEqual(['doubtful 100 member', 'change 100@20 +mapping/vm2/10.0.0.2', 'joined 300@30']);
    expect(client.doubts()).toEqual([{ vnid: 100, reason: 'member' }]);
  });

  it('is not in doubt any more when its record comes', () => {
    const { client, transport, told } = clientInVn();
    transport.nve('nve2').restart().complete().change(5, membership);
    expect([told, client.doubts()]).toEqual([['doubtful 100 member', 'doubtful 100 over'], []]);
    transport.nve('nve2').change(40, removed(membership));
    expect(told.at(-1)).toBe('left 100');
  });

  it('ends by a record that removes it, and by no older one (X1)', () => {
    const { transport, forget } = clientInVn();
    transport.nve('nve2').restart().change(4, removed(membership)).complete().change(4, removed(membership));
    expect(forget()).toEqual(['doubtful 100 member']);
    transport.nve('nve2').change(30, removed(membership));
    expect(forget().filter((line) => !line.startsWith('left 100@'))).toEqual(['doubtful 100 over', 'left 100']);
  });

  it('ends by a removal of another log, whose positions compare with none before', () => {
    const { transport, told } = clientInVn();
    transport
      .nve('nve2')
      .restart()
      .records(changeRecords(2, [removed(membership), membershipEntry(300, 2)], OTHER_LOG))
      .complete();
    expect(told.filter((line) => !line.includes('@5'))).toEqual(['left 100', 'joined 300@2']);
  });

  it('ends when the VN’s table does not name this NVE', () => {
    const { client, transport, told } = clientInVn();
    transport.vn(100).change(20, removed(nve2));
    transport.nve('nve2').restart().complete();
    expect(told.slice(-2)).toEqual(['left 100@20 -mapping/vm1/10.0.0.1 -member/nve1 -context', 'left 100']);
    expect([...client.memberships.keys()]).toEqual([]);
    // Whatever its position: the NVE was told nothing of it.
    transport.nve('nve2').change(5, membership);
    expect(told.at(-1)).toBe('joined 100@5');
  });

  it.each<[string, Entry]>([
    ['takes this NVE out of the VN', removed(nve2)],
    ['deletes the VN', removed(context)],
  ])('ends when a record on the VN’s feed %s', (_, entry) => {
    const { client, transport, told } = clientInVn();
    transport.nve('nve2').restart().complete();
    transport.vn(100).change(20, entry);
    expect(told.slice(-3).map((line) => line.split('@')[0])).toEqual(['doubtful 100 over', 'left 100', 'left 100']);
    expect(client.doubts()).toEqual([]);
  });

  it('ends when the VN’s feed, read anew, is of another VN of that VNID, which does not name this NVE: nothing of that is shown', () => {
    const { client, transport, told } = clientInVn();
    transport.nve('nve2').restart().complete();
    transport.vn(100).read([
      [40, contextEntry(100, 'anew')],
      [41, nve1, vm(9, 'nve1')],
    ]);
    expect(told).toEqual([
      'doubtful 100 member',
      'incomplete vn',
      'doubtful 100 over',
      'left 100@5 -mapping/vm1/10.0.0.1 -member/nve1 -member/nve2 -context',
      'left 100',
    ]);
    expect(client.doubts()).toEqual([]);
  });

  it('is decided by a table of the VN that is kept up, and waits for it', () => {
    const { client, transport, told } = clientInVn();
    transport.vn(100).restart();
    transport.nve('nve2').restart().complete();
    expect(client.doubts()).toEqual([{ vnid: 100, reason: 'reading' }]);
    transport.vn(100).complete();
    expect(told).toEqual(['doubtful 100 reading', 'incomplete vn']);
    transport.vn(100).change(4, nve1, vm(1, 'nve1')).change(3, context);
    expect(told.slice(2).map((line) => line.split('@')[0])).toEqual(['swap 100', 'doubtful 100 over', 'left 100', 'left 100']);
  });

  it('ends when the VN’s feed was read empty and is filled with a VN that was changed meanwhile, and does not name this NVE', () => {
    const { client, transport, told } = clientInVn();
    transport.vn(100).restart().complete();
    transport.nve('nve2').restart().complete();
    expect(client.doubts()).toEqual([{ vnid: 100, reason: 'reading' }]);
    // Filled from the fold: members first, and the context, which has another name now, last.
    transport.vn(100).change(4, nve1, vm(1, 'nve1')).change(40, contextEntry(100, 'renamed'));
    expect(told.slice(2).map((line) => line.split('@')[0])).toEqual(['doubtful 100 over', 'left 100', 'left 100']);
  });

  it('stays while the VN’s feed is missing, however long', () => {
    const { client, transport, timers, vmAt } = clientInVn();
    transport.vn(100).interrupted(new Error('no such topic'));
    transport.nve('nve2').restart().complete();
    expect([client.doubts(), timers.delaysMs, vmAt(1)]).toEqual([[{ vnid: 100, reason: 'unreachable' }], [], 'remote']);
    transport.vn(100).resumed();
    expect(client.doubts()).toEqual([{ vnid: 100, reason: 'member' }]);
  });

  describe('while the VN’s feed is denied', () => {
    const denied = () => {
      const made = clientInVn();
      made.transport.vn(100).interrupted(new FeedDenied('no right'));
      made.transport.nve('nve2').restart().complete();
      made.forget();
      return made;
    };

    it('stays for ten minutes', () => {
      const { client, timers, told } = denied();
      expect(client.doubts()).toEqual([{ vnid: 100, reason: 'denied' }]);
      expect(DENIED_LOOK_MS * DENIED_LOOKS).toBe(600_000);
      for (let look = 1; look < DENIED_LOOKS; look++) timers.fire((delayMs) => delayMs === DENIED_LOOK_MS);
      expect(told).toEqual([]);
      timers.fire();
      expect(told).toEqual(['doubtful 100 over', 'left 100@5 -mapping/vm1/10.0.0.1 -member/nve1 -member/nve2 -context', 'left 100']);
      timers.fire();
      expect(timers.delaysMs).toEqual([]);
    });

    it('stays while the own feed is not heard either: brokers may deny everything', () => {
      const { client, transport, timers } = denied();
      transport.nve('nve2').interrupted(new FeedDenied('no right'));
      for (let look = 0; look < 2 * DENIED_LOOKS; look++) timers.fire();
      expect(client.doubts()).toEqual([{ vnid: 100, reason: 'denied' }]);
    });

    it('has the whole time again after it could be read', () => {
      const { client, transport, timers } = denied();
      for (let look = 1; look < DENIED_LOOKS; look++) timers.fire();
      transport.vn(100).resumed().interrupted(new FeedDenied('no right'));
      for (let look = 1; look < DENIED_LOOKS; look++) timers.fire();
      expect(client.doubts()).toEqual([{ vnid: 100, reason: 'denied' }]);
      timers.fire();
      expect([...client.memberships.keys()]).toEqual([]);
    });

    it('waits for nothing once the client is closed', async () => {
      const { client, timers } = denied();
      await client.close();
      expect(timers.delaysMs).toEqual([]);
    });
  });

  it('that has another `since` when it comes again is another stay', () => {
    const { transport, told } = clientInVn();
    transport.nve('nve2').restart().complete().change(40, membershipEntry(100, 40));
    expect(told.filter((line) => !line.startsWith('left 100@'))).toEqual([
      'doubtful 100 member',
      'doubtful 100 over',
      'left 100',
      'joined 100@40',
    ]);
    transport.vn(100).read([
      [35, contextEntry(100, 'anew')],
      [40, nve2],
    ]);
    expect(told.at(-1)).toBe('swap 100@40 +context +member/nve2');
  });
});
