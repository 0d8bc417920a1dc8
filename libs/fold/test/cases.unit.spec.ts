import { describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import type { Command } from '@nva/domain';
import { auditAt, command, streamOfEvent, World, underlayOf } from '@nva/domain/testing';
import { feedKey } from '@nva/ports';
import { factsOf, Network, Recompute, recordsOf, resolve, standingOf, takeSnapshot, type RecordChange } from '../src/index.ts';

const MAC1 = '02:00:00:00:00:01';
const MAC2 = '02:00:00:00:00:02';

const vn = (vnid: number): Command =>
  command('putVn', { vnid, tenantId: 'red', name: `VN${vnid}`, service: vnid === 2 ? 'l2' : 'l3', encapsulation: 'vxlan' });
const nve = (nveId: string, fields: object = {}): Command =>
  command('connectNve', { nveId, siteId: 's', mac: '02:00:00:00:0a:01', addresses: [underlayOf(nveId)], incarnation: 1, ...fields });
const attach = (tsId: string, nveId: string, mac: string, ip: string, fields: object = {}): Command =>
  command('attach', { tsId, nveId, tenantId: 'red', vmId: `vm-${tsId}`, mac, bindings: [{ vnid: 1, ip }], ...fields });
const detach = (tsId: string, nveId: string): Command => command('detach', { tsId, nveId });

/** Commands through the deciders into the fold; `changes` is what the last one made. */
class Nva {
  readonly network = new Network();
  readonly world = new World();
  changes: string[] = [];
  #position = 0;

  /** Sees nothing of who holds what: a registrar that lost a race. */
  blind = false;

  play(...commands: Command[]): this {
    for (const next of commands) {
      const facts = this.blind ? { ...this.world.facts, holder: () => undefined, vnInUse: () => false } : this.world.facts;
      for (const { stream, event } of this.world.aggregates.decide(next, facts, auditAt(0))) {
        this.world.aggregates.evolve(event, stream);
        this.#position += 10;
        this.changes = this.network
          .apply({ position: this.#position, stream, revision: this.world.aggregates.revision(stream), event })
          .map(show);
      }
    }
    return this;
  }

  /** An event that no command makes. Returns its position. */
  append(event: NvaEvent): number {
    this.#position += 10;
    this.changes = this.network.apply({ position: this.#position, stream: streamOfEvent(event), revision: 0, event }).map(show);
    return this.#position;
  }

  racing(...commands: Command[]): this {
    this.blind = true;
    this.play(...commands);
    this.blind = false;
    return this;
  }

  table(vnid: number): string[] {
    return [...recordsOf(this.network, { kind: 'vn', vnid })].map((record) => record.key).toSorted();
  }
}

const show = ({ feed, key, value }: RecordChange): string => `${feedKey(feed)} ${value ? '+' : '-'} ${key}`;

const empty = (): Nva => new Nva().play(vn(1), vn(2), vn(3), nve('nve1'), nve('nve2'), nve('nve3'));

describe('the five cases of section 7.1', () => {
  it('case 1: the first TS of the VN anywhere adds TS and NVE (R45, R35)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    expect(nva.changes).toEqual(['nve/nve1 + vn/1', 'vn/1 + member/nve1', 'vn/1 + mapping/t1/192.0.2.1']);
  });

  it('case 2: TS and NVE new, others there: both are added, and the NVE is told of the VN (R46, X8)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'), attach('t2', 'nve2', MAC2, '192.0.2.2'));
    expect(nva.changes).toEqual(['nve/nve2 + vn/1', 'vn/1 + member/nve2', 'vn/1 + mapping/t2/192.0.2.2']);
    expect(nva.table(1)).toEqual(['context', 'mapping/t1/192.0.2.1', 'mapping/t2/192.0.2.2', 'member/nve1', 'member/nve2']);
  });

  it('case 3: the NVE is there already: only the TS is added (R47)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'), attach('t2', 'nve1', MAC2, '192.0.2.2'));
    expect(nva.changes).toEqual(['vn/1 + mapping/t2/192.0.2.2']);
  });

  it('case 4: the TS is there, the NVE is not: a move adds the NVE and changes the one entry (R48, R55)', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '192.0.2.1'),
      attach('t2', 'nve1', MAC2, '192.0.2.2'),
      attach('t1', 'nve2', MAC1, '192.0.2.1'),
    );
    expect(nva.changes).toEqual(['nve/nve2 + vn/1', 'vn/1 + member/nve2', 'vn/1 + mapping/t1/192.0.2.1']);
    nva.play(attach('t1', 'nve3', MAC1, '192.0.2.1', { placement: 'add' }));
    expect(nva.changes).toEqual(['nve/nve3 + vn/1', 'vn/1 + member/nve3', 'vn/1 + mapping/t1/192.0.2.1']);
    expect(resolve(nva.network, 1, { ip: '192.0.2.1' })[0]!.mapping.attachments.map((a) => a.nveId)).toEqual(['nve2', 'nve3']);
  });

  it('case 5: the last TS leaves: its entries go, and the NVE (R49, R35)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'), attach('t2', 'nve2', MAC2, '192.0.2.2'), detach('t2', 'nve2'));
    expect(nva.changes).toEqual(['vn/1 - mapping/t2/192.0.2.2', 'vn/1 - member/nve2', 'nve/nve2 - vn/1']);
  });
});

describe('what changes, and no more', () => {
  it('a move between NVEs that stay in the VN is one record (R55)', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '192.0.2.1'),
      attach('t2', 'nve2', MAC2, '192.0.2.2'),
      attach('t3', 'nve1', '02:00:00:00:00:03', '192.0.2.3'),
    );
    nva.play(attach('t1', 'nve2', MAC1, '192.0.2.1'));
    expect(nva.changes).toEqual(['vn/1 + mapping/t1/192.0.2.1']);
  });

  it('a MAC change is one record per entry, in one change (R14)', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '192.0.2.1', {
        bindings: [
          { bid: 1, vnid: 1, ip: '192.0.2.1' },
          { bid: 2, vnid: 3, ip: '192.0.2.1' },
        ],
      }),
    );
    nva.play(command('changeMac', { tsId: 't1', mac: MAC2 }));
    expect(nva.changes).toEqual(['vn/1 + mapping/t1/192.0.2.1', 'vn/3 + mapping/t1/192.0.2.1']);
    expect(nva.network.vns.get(1)!.macs.holder(MAC1)).toBeUndefined();
  });

  it('giving an address its BID is one record, without a moment without an entry (R19, R12)', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '192.0.2.1'),
      command('registerBindings', { tsId: 't1', bindings: [{ bid: 7, vnid: 1, ip: '192.0.2.1' }] }),
    );
    expect(nva.changes).toEqual(['vn/1 + mapping/t1/192.0.2.1']);
    expect(resolve(nva.network, 1, { mac: MAC1 })[0]!.mapping.bid).toBe(7);
  });

  it('the failure or return of an NVE is one record per VN that it is in, none per mapping', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '192.0.2.1'),
      attach('t2', 'nve1', MAC2, '192.0.2.2'),
      command('disconnectNve', { nveId: 'nve1' }),
    );
    expect(nva.changes).toEqual(['vn/1 + member/nve1']);
    nva.play(nve('nve1'));
    expect(nva.changes).toEqual(['vn/1 + member/nve1']);
  });

  it('a renewed lifetime, a site or an access link changes nothing that is distributed (R11)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1', { logicalInterface: 'tap1' }));
    nva.play(attach('t1', 'nve1', MAC1, '192.0.2.1', { logicalInterface: 'tap2' }));
    expect(nva.changes).toEqual([]);
    nva.play(command('registerBinding', { tsId: 't1', bid: 0, lifetimeS: 60 }));
    expect(nva.changes).toEqual([]);
    expect(JSON.stringify([...recordsOf(nva.network, { kind: 'vn', vnid: 1 })])).not.toContain('tap');
  });

  it('an L2 binding without and with an IP are keyed by VLAN (R24)', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '', { bindings: [{ vnid: 2, vlan: 10 }] }),
      attach('t2', 'nve1', MAC2, '', { bindings: [{ vnid: 2, vlan: 10, ip: '192.0.2.2' }] }),
    );
    expect(nva.table(2)).toEqual(['context', 'mapping/t1/vlan-10', 'mapping/t2/vlan-10/192.0.2.2', 'member/nve1']);
  });

  it('a connection failure takes the entry out everywhere and leaves the NVE in the VN (R56)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'), command('connectionFailure', { tsId: 't1', nveId: 'nve1', vnid: 1 }));
    expect(nva.changes).toEqual(['vn/1 - mapping/t1/192.0.2.1']);
    nva.play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    expect(nva.changes).toEqual(['vn/1 + mapping/t1/192.0.2.1']);
  });

  it('an associated tenant system is in the tables, as such (X5)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1', { state: 'associated' }));
    expect(resolve(nva.network, 1, { ip: '192.0.2.1' })[0]!.mapping.attachments).toEqual([{ nveId: 'nve1', state: 'associated' }]);
  });

  it('a VN context goes with the VN, its policies included (R37, R43, R50)', () => {
    const nva = empty().play(command('putVn', { ...vn(1), policies: { access: { acl: 'web' }, tunnel: { dscp: '46' } } }));
    expect(nva.changes).toEqual(['vn/1 + context']);
    nva.play(command('deleteVn', { vnid: 1 }));
    expect(nva.changes).toEqual(['vn/1 - context']);
  });
});

describe('claims of one address by two tenant systems (X2)', () => {
  it('the earliest living claim holds; the later is kept, not distributed, and takes over when the first is released', () => {
    const nva = empty()
      .play(attach('t1', 'nve1', MAC1, '192.0.2.1'))
      .racing(attach('t2', 'nve2', MAC2, '192.0.2.1'));
    expect(nva.changes).toEqual(['nve/nve2 + vn/1', 'vn/1 + member/nve2']);
    expect(standingOf(nva.network.tenantSystems.get('t2')!)).toEqual({
      effective: false,
      conflicts: [{ vnid: 1, address: '192.0.2.1', heldBy: 't1' }],
      orphaned: [],
      memberships: [1],
    });
    nva.play(detach('t1', 'nve1'));
    expect(nva.changes).toEqual(['vn/1 - mapping/t1/192.0.2.1', 'vn/1 - member/nve1', 'vn/1 + mapping/t2/192.0.2.1', 'nve/nve1 - vn/1']);
    expect(standingOf(nva.network.tenantSystems.get('t2')!).effective).toBe(true);
  });

  it('a claim holds its address even while its own entry is withheld for another one', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    nva.racing(attach('t2', 'nve2', MAC1, '192.0.2.2'), attach('t3', 'nve3', '02:00:00:00:00:03', '192.0.2.2'));
    expect(nva.table(1).filter((key) => key.startsWith('mapping'))).toEqual(['mapping/t1/192.0.2.1']);
    nva.play(detach('t1', 'nve1'));
    expect(nva.table(1).filter((key) => key.startsWith('mapping'))).toEqual(['mapping/t2/192.0.2.2']);
  });
});

describe('rules that cross streams are checked again', () => {
  it('a binding that raced the deletion of its VN is orphaned, and stays so when the VNID comes back', () => {
    const nva = empty()
      .play(attach('t1', 'nve1', MAC1, '192.0.2.1'))
      .racing(command('deleteVn', { vnid: 1 }));
    expect(nva.changes).toEqual(['vn/1 - mapping/t1/192.0.2.1', 'vn/1 - member/nve1', 'vn/1 - context', 'nve/nve1 - vn/1']);
    nva.play(vn(1));
    expect(nva.table(1)).toEqual(['context']);
    expect(standingOf(nva.network.tenantSystems.get('t1')!)).toMatchObject({ effective: false, orphaned: [1], memberships: [] });
    const facts = factsOf(nva.network);
    expect(facts.orphaned({ tsId: 't1', tenantId: 'red' }, 1)).toBe(true);
  });

  it('registering the binding again brings it into the new VN', () => {
    const nva = empty()
      .play(attach('t1', 'nve1', MAC1, '192.0.2.1'))
      .racing(command('deleteVn', { vnid: 1 }))
      .play(vn(1));
    const { event } = nva.world.aggregates.decide(attach('t1', 'nve1', MAC1, '192.0.2.1'), factsOf(nva.network), auditAt(0))[0]!;
    expect(event.type).toBe('TenantSystemAttachmentChanged');
    nva.network.apply({ position: 10_000, stream: 'ts-t1', revision: 9, event });
    expect(nva.table(1)).toEqual(['context', 'mapping/t1/192.0.2.1', 'member/nve1']);
  });

  it('an attachment at a forgotten NVE counts for nothing until the NVE connects again', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'), attach('t2', 'nve2', MAC2, '192.0.2.2'));
    nva.network.apply({
      position: 1_000,
      stream: 'nve-nve1',
      revision: 1,
      event: {
        type: 'NveForgotten',
        data: { audit: { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null }, nveId: 'nve1' },
      },
    });
    expect(nva.table(1)).toEqual(['context', 'mapping/t2/192.0.2.2', 'member/nve2']);
    const back = nva.network.apply({
      position: 1_010,
      stream: 'nve-nve1',
      revision: 2,
      event: {
        type: 'NveConnected',
        data: {
          audit: { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null },
          nveId: 'nve1',
          siteId: 's',
          mac: MAC1,
          addresses: [],
          incarnation: 1,
          leaseS: null,
        },
      },
    });
    expect(back.map(show)).toEqual(['nve/nve1 + vn/1', 'vn/1 + member/nve1', 'vn/1 + mapping/t1/192.0.2.1']);
  });
});

describe('an event', () => {
  it('that was folded already changes nothing (X1)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    const before = JSON.stringify([...recordsOf(nva.network, { kind: 'vn', vnid: 1 })]);
    expect(
      nva.network.apply({
        position: 10,
        stream: 'vn-1',
        revision: 0,
        event: {
          type: 'VnDeleted',
          data: { audit: { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null }, vnid: 1 },
        },
      }),
    ).toEqual([]);
    expect(JSON.stringify([...recordsOf(nva.network, { kind: 'vn', vnid: 1 })])).toBe(before);
  });
});

describe('a log that was renewed', () => {
  it('goes on with the tables that it had: no record changes, by either fold', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    const before = takeSnapshot(nva.network);
    const renewed = {
      type: 'LogRenewed',
      data: { audit: auditAt(0), log: 'b', previousLog: 'a', head: nva.network.position, lostTo: 900, reason: 'spec' },
    } as const;
    const recomputed = new Recompute();
    const position = nva.append(renewed);
    expect(nva.changes).toEqual([]);
    expect(takeSnapshot(nva.network)).toEqual({ ...before, position });
    expect(recomputed.apply({ position, stream: 'log', revision: 0, event: renewed })).toEqual([]);
    expect(recomputed.position).toBe(position);
  });
});

describe('the deadlines of a group (R34)', () => {
  const takeover = {
    type: 'OracleTookOver',
    data: { audit: auditAt(0), group: 'east', oracleId: 'o', url: 'http://127.0.0.1:1' },
  } as const;
  const lapse = (owner: number): Command => command('lapseNve', { nveId: 'nve1', incarnation: 1, group: 'east', owner });

  it('lapse by their owner; what an earlier owner still appends is void, and only counts as the last event of its stream (X6)', () => {
    const nva = empty().play(attach('t1', 'nve1', MAC1, '192.0.2.1'));
    const first = nva.append(takeover);
    const second = nva.append(takeover);
    nva.play(lapse(first));
    expect(nva.changes).toEqual([]);
    expect(nva.network.nves.get('nve1')!.state!.status).toBe('reachable');
    expect(nva.network.nves.get('nve1')!.position).toBe(nva.network.position);
    nva.world.aggregates.states.set('nve-nve1', nva.network.nves.get('nve1')!.state!);
    nva.play(lapse(second));
    expect(nva.changes).toEqual(['vn/1 + member/nve1']);
    expect(nva.network.nves.get('nve1')!.state!.status).toBe('lapsed');
  });

  it('leave one binding for an address that was given to another while a void lapse of the first was believed in', () => {
    const nva = empty().play(
      attach('t1', 'nve1', MAC1, '', {
        bindings: [
          { bid: 1, vnid: 1, ip: '192.0.2.1' },
          { bid: 2, vnid: 1, ip: '192.0.2.2' },
        ],
      }),
    );
    nva.append({ type: 'BindingsLapsed', data: { audit: auditAt(0), tsId: 't1', bids: [1], group: 'east', owner: 1 } });
    nva.append({
      type: 'BindingsRegistered',
      data: {
        audit: auditAt(0),
        tsId: 't1',
        bindings: [{ bid: 2, vnid: 1, vlan: null, ip: '192.0.2.1', lifetimeS: null }],
        deregistered: [],
      },
    });
    expect(nva.changes).toEqual(['vn/1 - mapping/t1/192.0.2.2', 'vn/1 + mapping/t1/192.0.2.1']);
    expect(nva.table(1)).toEqual(['context', 'mapping/t1/192.0.2.1', 'member/nve1']);
    expect(nva.network.tenantSystems.get('t1')!.state.bindings).toHaveLength(1);
  });
});
