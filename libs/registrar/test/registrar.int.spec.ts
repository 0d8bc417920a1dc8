import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import { StoreUnavailable, type EventStore } from '@nva/ports';
import { until as waitUntil } from '@nva/processes';
import type { Answer, Caller, Outcome, Request } from '../src/index.ts';
import { answer, attach, code, detach, ManualClock, nve, openLog, OPERATOR, startNode, vn, type LogFixture, type Node } from './harness.ts';

/** The store with one of its methods replaced. */
const replaced = <M extends 'append' | 'head' | 'subscribe'>(store: EventStore, method: M, by: EventStore[M]): EventStore =>
  new Proxy(store, {
    get: (target, name) => {
      if (name === method) return by;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

let clock: ManualClock;
let log: LogFixture;
let node: Node;

beforeEach(async () => {
  clock = new ManualClock();
  log = await openLog(clock);
  node = await startNode(log.store, clock);
  await node.submit(vn(1), nve('nve1'), nve('nve2'));
});

afterEach(async () => {
  await node.stop();
  await log.dispose();
});

describe('a command', () => {
  it('is answered from the fold: position, revision, memberships (R37)', async () => {
    const [outcome] = await node.submit(attach('t1', 'nve1', 1));
    const head = await log.store.head();
    expect(answer(outcome)).toEqual({
      recorded: true,
      position: head.position,
      revision: 0,
      effective: true,
      conflicts: [],
      memberships: [1],
    });
    expect(node.replica.network.position).toBe(head.position);
  });

  it('that changes nothing records nothing, and is answered with what is there', async () => {
    const first = answer((await node.submit(attach('t1', 'nve1', 1)))[0]);
    const again = answer((await node.submit(attach('t1', 'nve1', 1)))[0]);
    expect(again).toEqual({ ...first, recorded: false });
    expect((await log.store.head()).position).toBe(first.position);
  });

  it('sees everything queued before it, in one call and across calls not answered yet', async () => {
    const outcomes = await Promise.all([
      node.submit(attach('t1', 'nve1', 1), attach('t2', 'nve1', 2, { bindings: [{ vnid: 1, ip: '192.0.2.1' }] }), attach('t1', 'nve1', 1)),
      node.submit(attach('t3', 'nve2', 1, { bindings: [{ vnid: 1, ip: '192.0.2.3' }] }), detach('t1', 'nve1'), attach('t4', 'nve2', 1)),
      node.submit(command('deleteVn', { vnid: 1 }), detach('t4', 'nve2'), command('deleteVn', { vnid: 1 }), attach('t5', 'nve1', 5)),
    ]);
    expect(outcomes.map((batch) => batch.map(code))).toEqual([
      ['accepted', 'duplicate-ip', 'accepted'],
      ['duplicate-mac', 'accepted', 'accepted'],
      ['vn-in-use', 'accepted', 'accepted', 'vn-unknown'],
    ]);
  });

  it('may take an address whose holder, long folded, is queued to leave before it', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    const outcomes = await node.submit(detach('t1', 'nve1'), attach('t2', 'nve2', 1), attach('t3', 'nve1', 1));
    expect(outcomes.map(code)).toEqual(['accepted', 'accepted', 'duplicate-mac']);
    expect(answer(outcomes[1])).toMatchObject({ effective: true, conflicts: [] });
  });

  it('is refused when meant for an older state, and changes nothing (X9)', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t1', 'nve2', 1));
    const { position } = await log.store.head();
    expect(code(await node.send({ command: attach('t1', 'nve1', 1), ifRevision: 0 }))).toBe('revision-mismatch');
    expect((await log.store.head()).position).toBe(position);
    expect(code(await node.send({ command: attach('t1', 'nve1', 1), ifRevision: 1 }))).toBe('accepted');
  });

  it('of an NVE is refused beyond its own NVE, tenants and tenant systems', async () => {
    await node.submit(attach('t1', 'nve1', 1), attach('t2', 'nve2', 2));
    const as = async (c: ReturnType<typeof command>, tenants: string[] | null = ['red']): Promise<string> =>
      code(await node.send({ command: c, caller: { kind: 'nve', nveId: 'nve1', tenants } }));
    expect(await as(attach('t3', 'nve2', 3))).toBe('forbidden');
    expect(await as(attach('t3', 'nve1', 3), ['blue'])).toBe('forbidden');
    expect(await as(command('changeMac', { tsId: 't2', mac: '02:00:00:00:00:09' }))).toBe('forbidden');
    expect(await as(command('changeMac', { tsId: 't9', mac: '02:00:00:00:00:09' }))).toBe('forbidden');
    expect(await as(command('remove', { tsId: 't1' }))).toBe('forbidden');
    expect(await as(vn(7))).toBe('forbidden');
    expect(await as(command('disconnectNve', { nveId: 'nve1', forget: true }))).toBe('forbidden');
    expect(await as(command('heartbeat', { nveId: 'nve2', incarnation: 1 }))).toBe('forbidden');
    expect(await as(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:09' }))).toBe('accepted');
    expect(await as(attach('t2', 'nve1', 2))).toBe('accepted');
  });
});

describe('an NVE', () => {
  it('is told that another NVE of its tenant system has no room, and not how much that one has', async () => {
    await node.stop();
    node = await startNode(log.store, clock, { quotas: { tenant: new Map(), nve: new Map([['nve2', { bindings: 2 }]]) } });
    await node.submit(attach('t1', 'nve1', 1), attach('t1', 'nve2', 1, { placement: 'add' }), attach('t2', 'nve2', 2));
    const more = command('registerBindings', {
      tsId: 't1',
      bindings: [
        { bid: 1, vnid: 1, ip: '192.0.2.1' },
        { bid: 2, vnid: 1, ip: '192.0.2.9' },
      ],
    });
    const refusal = async (caller: Caller): Promise<object> => {
      const outcome = await node.send({ command: more, caller });
      return 'refusal' in outcome ? { code: outcome.refusal.code, message: outcome.refusal.message, ...outcome.refusal.detail } : outcome;
    };
    expect(await refusal(OPERATOR)).toMatchObject({
      code: 'quota-exceeded',
      received: 'nve2',
      expected: { bindings: 2 },
      actual: { bindings: 3 },
    });
    expect(await refusal({ kind: 'nve', nveId: 'nve2', tenants: null })).toEqual(await refusal(OPERATOR));
    expect(await refusal({ kind: 'nve', nveId: 'nve1', tenants: null })).toEqual({
      code: 'quota-exceeded',
      message: 'NVE nve2, where the tenant system is too, has no room for it',
      field: 'nveId',
      received: 'nve2',
    });
  });
});

describe('an id of a tenant system that two tenants have', () => {
  const streams = async (): Promise<string[]> =>
    (await Array.fromAsync(log.store.readAll()))
      .flatMap(({ events }) => events.map(({ stream, event }) => `${stream} ${event.type}`))
      .filter((line) => line.startsWith('ts-'));
  const blue = { tenantId: 'blue', bindings: [{ vnid: 9, ip: '192.0.2.1' }] };

  it('names a tenant system of each, whichever registrar each is given to, at the same moment too', async () => {
    const other = await startNode(log.store, clock);
    await node.submit(vn(9, 'blue'));
    await other.replica.passed((await log.store.head()).position);
    const [[red], [second]] = await Promise.all([node.submit(attach('t1', 'nve1', 1)), other.submit(attach('t1', 'nve2', 2, blue))]);
    expect(answer(red)).toMatchObject({ recorded: true, effective: true, memberships: [1] });
    expect(answer(second)).toMatchObject({ recorded: true, effective: true, memberships: [9], revision: 0 });
    expect((await streams()).toSorted()).toEqual([
      'ts-t1 TenantSystemAttached',
      expect.stringMatching(/^ts-t1@(?:red|blue) TenantSystemAttached$/),
    ]);
    await node.replica.passed((await log.store.head()).position);
    expect(code((await node.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:07' })))[0])).toBe('ts-ambiguous');
    expect(answer((await node.submit(detach('t1', 'nve2')))[0])).toMatchObject({ memberships: [] });
    expect(node.replica.network.namesakes.of('t1', 'red')!.state).toMatchObject({
      attachments: [{ nveId: 'nve1' }],
      mac: '02:00:00:00:00:01',
    });
    await other.stop();
  });

  it('names the later one only once it is known what came of the earlier: a command that was recorded is found again, and not done twice', async () => {
    const keyed = { command: attach('t1', 'nve2', 2, blue), idempotency: { key: 'k', requestDigest: 'd' } };
    await node.submit(vn(9, 'blue'));
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let slow = true;
    let seen = Promise.resolve();
    const { promise: told, resolve: tell } = Promise.withResolvers<void>();
    const late = replaced(log.store, 'subscribe', async function* (options) {
      for await (const message of log.store.subscribe(options)) {
        await seen;
        yield message;
      }
    });
    const other = await startNode(
      replaced(late, 'append', async (appends) => {
        if (!slow) return log.store.append(appends);
        await released;
        throw new StoreUnavailable('the answer was lost');
      }),
      clock,
    );
    await other.replica.passed((await log.store.head()).position);
    seen = told;
    // The first attempt is recorded by one registrar; its answer is lost, and the other one, which lags and has another tenant's
    // attach on its way, is asked.
    const red = other.submit(attach('t1', 'nve1', 1));
    const first = answer(await node.send(keyed));
    slow = false;
    const again = other.send(keyed);
    release();
    expect(code((await red)[0])).toBe('outcome-unknown');
    tell();
    expect(answer(await again)).toEqual(first);
    expect(await streams()).toEqual(['ts-t1 TenantSystemAttached']);
    await other.stop();
  });

  it('keeps the streams of a log in which an earlier build gave one stream to both, one after the other', async () => {
    const audit = { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
    const attached = (tenantId: string): NvaEvent => ({
      type: 'TenantSystemAttached',
      data: {
        audit,
        tsId: 't5',
        tenantId,
        vmId: 'vm',
        mac: '02:00:00:00:00:05',
        attachment: { nveId: 'nve1', logicalInterface: null, state: 'activated' },
        bindings: [],
        mobility: 0,
      },
    });
    const events: NvaEvent[] = [
      attached('red'),
      { type: 'TenantSystemRemoved', data: { audit, tsId: 't5', from: ['nve1'] } },
      attached('blue'),
    ];
    await log.store.append([
      { stream: 'ts-t5', expectedRevision: -1, events: events.map((event) => ({ id: crypto.randomUUID(), event })) },
    ]);
    await node.replica.passed((await log.store.head()).position);
    expect(answer((await node.submit(attach('t5', 'nve2', 5)))[0])).toMatchObject({ revision: 0, effective: true });
    expect((await streams()).at(-1)).toBe('ts-t5@red TenantSystemAttached');
    expect(node.replica.network.namesakes.of('t5', 'blue')!.state.attachments).toMatchObject([{ nveId: 'nve1' }]);
  });

  it('lapses the bindings of the one whose lifetime has passed (R24a)', async () => {
    await node.submit(
      vn(9, 'blue'),
      attach('t1', 'nve1', 1, { bindings: [{ vnid: 1, ip: '192.0.2.1', lifetimeS: 5 }] }),
      attach('t1', 'nve1', 2, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '192.0.2.1', lifetimeS: 3 }] }),
    );
    node.deadlines.start();
    const bound = (tenantId: string): number => node.replica.network.namesakes.of('t1', tenantId)!.state.bindings.length;
    for (let ms = 0; ms < 8_000 && bound('blue') > 0; ms += 100) {
      if (ms % 1_000 === 0) await node.submit(command('registerBinding', { tsId: 't1', tenantId: 'red', bid: 0 }));
      clock.advance(100);
      await node.deadlines.tick();
      await node.replica.passed((await log.store.head()).position);
    }
    expect([bound('red'), bound('blue')]).toEqual([1, 0]);
  });
});

describe('the id of an NVE', () => {
  const refusal = async (...commands: Parameters<Node['submit']>): Promise<unknown[]> =>
    (await node.submit(...commands)).map((outcome) => ('refusal' in outcome ? outcome.refusal.code : 'taken'));

  it('that differs from another in . and _ only is refused, whether that one is written or on its way', async () => {
    expect(await refusal(nve('leaf.1'), nve('leaf_1'))).toEqual(['taken', 'nve-id-collides']);
    expect(await refusal(nve('leaf_1'))).toEqual(['nve-id-collides']);
    const [outcome] = await node.submit(nve('leaf_1'));
    expect('refusal' in outcome! && outcome.refusal.detail).toMatchObject({ field: 'nveId', received: 'leaf_1', actual: 'leaf.1' });
    expect(await refusal(nve('leaf-1'), nve('leaf.1', { incarnation: 2 }))).toEqual(['taken', 'taken']);
  });

  it('that differs from another in case only is refused, whether that one is written or on its way, until that one is forgotten', async () => {
    expect(await refusal(nve('Leaf-1'), nve('leaf-1'))).toEqual(['taken', 'nve-id-case']);
    expect(await refusal(nve('LEAF-1'))).toEqual(['nve-id-case']);
    const [outcome] = await node.submit(nve('leaf-1'));
    expect('refusal' in outcome! && outcome.refusal.detail).toMatchObject({ field: 'nveId', received: 'leaf-1', actual: 'Leaf-1' });
    expect(await refusal(nve('02-00-00-00-00-AB'), nve('02-00-00-00-00-ab'), nve('Leaf-1', { incarnation: 2 }))).toEqual([
      'taken',
      'nve-id-case',
      'taken',
    ]);
    const forgotten = command('disconnectNve', { nveId: 'Leaf-1', forget: true });
    expect(await refusal(forgotten, nve('leaf-1'), nve('LEAF-1'))).toEqual(['taken', 'taken', 'nve-id-case']);
    await node.stop();
    node = await startNode(log.store, clock);
    expect(await refusal(nve('LEAF-1'), nve('leaf-1', { incarnation: 2 }))).toEqual(['nve-id-case', 'taken']);
  });

  it('that another has in another case, in a log of before, stays both of theirs (X6)', async () => {
    const audit = { recordedAt: 0, actor: 'operator:old', correlationId: 'old', idempotencyKey: null, requestDigest: null };
    const connected = (nveId: string) => ({
      stream: `nve-${nveId}`,
      expectedRevision: -1,
      events: [
        {
          id: randomUUID(),
          event: {
            type: 'NveConnected' as const,
            data: { audit, nveId, siteId: 's', mac: '02:00:00:00:ff:01', addresses: ['198.51.100.1'], incarnation: 1, leaseS: null },
          },
        },
      ],
    });
    await log.store.append([connected('Spine-1'), connected('spine-1')]);
    await node.replica.passed((await log.store.head()).position);
    expect(await refusal(nve('Spine-1', { incarnation: 2 }), nve('spine-1', { incarnation: 2 }), nve('SPINE-1'))).toEqual([
      'taken',
      'taken',
      'nve-id-case',
    ]);
  });

  it('stays taken when its NVE is forgotten, since its topic stays, and over a restart', async () => {
    expect(await refusal(nve('a.b_c'), command('disconnectNve', { nveId: 'a.b_c', forget: true }))).toEqual(['taken', 'taken']);
    expect(await refusal(nve('a_b.c'))).toEqual(['nve-id-collides']);
    await node.stop();
    node = await startNode(log.store, clock);
    expect(await refusal(nve('a_b.c'), nve('a.b_c', { incarnation: 2 }))).toEqual(['nve-id-collides', 'taken']);
  });
});

describe('an underlay address', () => {
  const outcomes = async (...commands: Parameters<Node['submit']>): Promise<unknown[]> =>
    (await node.submit(...commands)).map((outcome) =>
      'refusal' in outcome ? [outcome.refusal.code, outcome.refusal.detail.actual] : 'taken',
    );
  const at = (nveId: string, address: string, incarnation = 1): ReturnType<typeof nve> => nve(nveId, { addresses: [address], incarnation });

  it('of another NVE is refused, whether that one is written or on its way, coming or going (R2)', async () => {
    const held = (heldBy: string): unknown[] => ['tunnel-address-held', { heldBy }];
    expect(await outcomes(at('a', '198.51.100.201'), at('b', '198.51.100.201'))).toEqual(['taken', held('a')]);
    expect(
      await outcomes(
        at('b', '198.51.100.201'),
        command('disconnectNve', { nveId: 'a' }),
        at('b', '198.51.100.201'),
        at('a', '198.51.100.201'),
      ),
    ).toEqual([held('a'), 'taken', 'taken', held('b')]);
    expect(await outcomes(at('b', '198.51.100.202', 2), at('a', '198.51.100.201', 2), at('c', '198.51.100.202'))).toEqual([
      'taken',
      'taken',
      held('b'),
    ]);
    await node.stop();
    node = await startNode(log.store, clock);
    expect(await outcomes(at('c', '198.51.100.201'), at('c', '198.51.100.202'))).toEqual([held('a'), held('b')]);
  });
});

describe('two registrars on one log', () => {
  let other: Node;
  beforeEach(async () => {
    other = await startNode(log.store, clock);
  });
  afterEach(() => other.stop());

  it('that race for an address: the later is recorded, not effective, and names the conflict (X2)', async () => {
    const [[first], [second]] = await Promise.all([
      node.submit(attach('t1', 'nve1', 1)),
      other.submit(attach('t2', 'nve2', 2, { bindings: [{ vnid: 1, ip: '192.0.2.1' }] })),
    ]);
    expect(answer(first)).toMatchObject({ effective: true });
    expect(answer(second)).toMatchObject({
      recorded: true,
      effective: false,
      conflicts: [{ vnid: 1, address: '192.0.2.1', heldBy: 't1' }],
      memberships: [1],
    });
  });

  it('that race for a stream: the later decides again on what the first wrote (R55)', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await other.replica.passed((await log.store.head()).position);
    const [[moved], [failed]] = await Promise.all([node.submit(attach('t1', 'nve2', 1)), other.submit(detach('t1', 'nve1'))]);
    expect(code(moved)).toBe('accepted');
    expect(code(failed)).toBe('ts-not-at-nve');
    expect(other.registrar.conflicts).toBe(1);
  });

  it('that are both given one keyed command: it is done once, and both tell the same answer', async () => {
    await node.submit(attach('t1', 'nve1', 1));
    await other.replica.passed((await log.store.head()).position);
    const request = { command: detach('t1', 'nve1'), idempotency: { key: 'k', requestDigest: 'd' } };
    const [first, second] = await Promise.all([node.send(request), other.send(request)]);
    expect(answer(first)).toMatchObject({ recorded: true, revision: 1 });
    expect(answer(second)).toEqual(answer(first));
    expect(other.registrar.conflicts).toBe(1);
  });

  it('that both keep writing one stream leave it whole: an outcome each, and no revision missing or twice', async () => {
    const rounds = Array.from({ length: 20 }, (_, i) => i);
    const outcomes = await Promise.all(
      rounds.flatMap((i) => [
        node.submit(nve('nve1', { incarnation: 2 * i })),
        other.submit(nve('nve1', { addresses: [`198.51.100.${i + 1}`], incarnation: 1000 + i })),
      ]),
    );
    const codes = new Set(outcomes.flat().map(code));
    expect([...codes].every((c) => ['accepted', 'nve-incarnation', 'contention'].includes(c))).toBe(true);
    const revisions: number[] = [];
    for await (const { revision } of log.store.readStream('nve-nve1')) revisions.push(revision);
    expect(revisions).toEqual(revisions.map((_, i) => i));
  });
});

describe('a tenant system whose VN was deleted under it, and the VNID given to another tenant,', () => {
  const blue = (tsId: string, n: number): Command =>
    attach(tsId, 'nve2', n, { tenantId: 'blue', bindings: [{ vnid: 5, ip: `192.0.2.${n}` }] });

  beforeEach(async () => {
    let overtaken = false;
    const late = replaced(log.store, 'append', async (appends) => {
      if (!overtaken) await node.submit(command('deleteVn', { vnid: 5 }));
      overtaken = true;
      return log.store.append(appends);
    });
    await node.submit(vn(5));
    const other = await startNode(late, clock);
    expect(answer((await other.submit(attach('t1', 'nve1', 1, { bindings: [{ vnid: 5, ip: '192.0.2.1' }] })))[0])).toMatchObject({
      effective: false,
      memberships: [],
    });
    await other.stop();
    const outcomes = await node.submit(command('purgeVn', { vnid: 5 }), vn(5, 'blue'), blue('b2', 2));
    expect(outcomes.map(code)).toEqual(['accepted', 'accepted', 'accepted']);
  });

  it('is told nothing of who holds an address there, and takes it', async () => {
    expect(code((await node.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:02' })))[0])).toBe('accepted');
    const [again] = await node.submit(attach('t1', 'nve1', 2, { bindings: [{ vnid: 5, ip: '192.0.2.2' }] }));
    expect(code(again)).toBe('vn-of-another-tenant');
  });

  it('holds no address there, while something of it is on its way neither', async () => {
    const outcomes = await node.submit(
      command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:03' }),
      blue('b1', 1),
      blue('b3', 3),
      command('remove', { tsId: 'b1' }),
      command('remove', { tsId: 'b2' }),
      command('remove', { tsId: 'b3' }),
    );
    expect(outcomes.map(code)).toEqual(Array.from({ length: 6 }, () => 'accepted'));
    expect(
      (await node.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:04' }), command('deleteVn', { vnid: 5 }))).map(code),
    ).toEqual(['accepted', 'accepted']);
  });
});

describe('an Idempotency-Key', () => {
  const keyed = (key: string, requestDigest: string): object => ({ idempotency: { key, requestDigest } });

  it('returns the original answer, whatever happened since, and after a restart too', async () => {
    const first = answer(await node.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') }));
    await node.submit(detach('t1', 'nve1'));
    expect(answer(await node.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') }))).toEqual(first);
    await node.stop();
    node = await startNode(await log.reopen(), clock);
    expect(answer(await node.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') }))).toEqual(first);
    expect(node.replica.network.tenantSystems.get('t1')!.state.attachments).toEqual([]);
  });

  it('is refused with another body, belongs to its caller, and is over after 24 hours', async () => {
    await node.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') });
    expect(code(await node.send({ command: attach('t2', 'nve1', 2), ...keyed('k', 'e') }))).toBe('idempotency-key-reused');
    expect(
      code(
        await node.send({ command: attach('t2', 'nve1', 2), caller: { ...OPERATOR, name: 'else' } as typeof OPERATOR, ...keyed('k', 'e') }),
      ),
    ).toBe('accepted');
    clock.advance(24 * 3_600_000 + 1);
    expect(code(await node.send({ command: attach('t3', 'nve1', 3), ...keyed('k', 'f') }))).toBe('accepted');
  });

  it('is in force though the wall clock jumps, of the registrar that recorded it or of another', async () => {
    const other = await startNode(log.store, Object.assign(new ManualClock(), { wall: clock.wall + 40 * 24 * 3_600_000 }));
    const first = answer(await node.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') }));
    await other.replica.passed(first.position);
    await node.submit(detach('t1', 'nve1'));
    clock.wall += 40 * 24 * 3_600_000;
    for (const one of [node, other])
      expect(answer(await one.send({ command: attach('t1', 'nve1', 1), ...keyed('k', 'd') }))).toEqual(first);
    await other.stop();
  });

  it('of a refused command decides again', async () => {
    expect(code(await node.send({ command: attach('t1', 'nve9', 1), ...keyed('k', 'd') }))).toBe('nve-unknown');
    await node.submit(nve('nve9'));
    expect(code(await node.send({ command: attach('t1', 'nve9', 1), ...keyed('k', 'd') }))).toBe('accepted');
  });
});

describe('an Idempotency-Key of one caller, whatever another sends,', () => {
  const NVE1: Caller = { kind: 'nve', nveId: 'nve1', tenants: null };
  const request = (caller: Caller, key: string, of: Command): Request => ({
    command: of,
    caller,
    correlationId: 'spec',
    idempotency: { key, requestDigest: `${of.type} ${key}` },
  });
  const mine = request(OPERATOR, 'mine', attach('t1', 'nve2', 1));

  /** Sent again it gets the original answer, and does nothing, though the tenant system is gone since. */
  async function expectInForce(first: Answer): Promise<void> {
    const { position } = node.replica.network;
    expect(answer(await node.send(mine))).toEqual(first);
    expect(node.replica.network.position).toBe(position);
  }

  it('stays in force under 205,000 keyed heartbeats of an NVE, which take no memory', async () => {
    const first = answer(await node.send(mine));
    await node.submit(detach('t1', 'nve2'));
    for (let sent = 0; sent < 205_000; sent += 5_000) {
      const outcomes = await node.registrar.submit(
        Array.from({ length: 5_000 }, (_, i) => request(NVE1, `beat-${sent + i}`, command('heartbeat', { nveId: 'nve1', incarnation: 1 }))),
      );
      expect(outcomes.every((outcome) => 'answer' in outcome)).toBe(true);
    }
    await expectInForce(first);
    expect(node.registrar.keys).toMatchObject({ size: 1, evicted: 0 });
  });

  it('stays in force under a flood of keyed commands of an NVE, that change something or nothing, and after a restart too', async () => {
    const keyBounds = { inAll: 60, perCaller: 40 };
    await node.stop();
    node = await startNode(log.store, clock, { keyBounds });
    const first = answer(await node.send(mine));
    await node.submit(detach('t1', 'nve2'), attach('t2', 'nve1', 2));
    for (let round = 0; round < 20; round++) {
      const macs = Array.from({ length: 10 }, (_, i) =>
        request(NVE1, `mac-${round}-${i}`, command('changeMac', { tsId: 't2', mac: `02:00:00:00:${round + 10}:1${i}` })),
      );
      const repeats = Array.from({ length: 10 }, (_, i) =>
        request(NVE1, `same-${round}-${i}`, command('changeMac', { tsId: 't2', mac: `02:00:00:00:${round + 10}:19` })),
      );
      expect((await node.registrar.submit([...macs, ...repeats])).map(code)).toEqual(Array.from({ length: 20 }, () => 'accepted'));
    }
    expect(node.registrar.keys).toMatchObject({ size: 41, evicted: 360 });
    await expectInForce(first);
    await node.stop();
    node = await startNode(await log.reopen(), clock, { keyBounds });
    expect(node.registrar.keys).toMatchObject({ size: 41, evicted: 160 });
    await expectInForce(first);
  });

  it('is not taken by a heartbeat that restored a lapsed NVE, after a restart neither; one that names another command is refused', async () => {
    await node.submit({ type: 'lapseNve', nveId: 'nve1', incarnation: 1 } as Command);
    const beat = request(NVE1, 'beat', command('heartbeat', { nveId: 'nve1', incarnation: 1 }));
    expect(answer((await node.registrar.submit([beat]))[0])).toMatchObject({ recorded: true });
    expect(answer((await node.registrar.submit([beat]))[0])).toMatchObject({ recorded: false });
    expect(node.registrar.keys.size).toBe(0);
    await node.stop();
    node = await startNode(await log.reopen(), clock);
    expect(node.registrar.keys.size).toBe(0);
    await node.registrar.submit([request(NVE1, 'taken', attach('t3', 'nve1', 3))]);
    expect(code((await node.registrar.submit([request(NVE1, 'taken', command('heartbeat', { nveId: 'nve1', incarnation: 1 }))]))[0])).toBe(
      'idempotency-key-reused',
    );
  });
});

describe('when the log does not answer', () => {
  it('the outcome is unknown, and what was on its way is no longer counted with', async () => {
    let broken = false;
    const flaky = replaced(log.store, 'append', (appends) =>
      broken ? Promise.reject(new StoreUnavailable('gone')) : log.store.append(appends),
    );
    const shaky = await startNode(flaky, clock);
    broken = true;
    expect((await shaky.submit(attach('t1', 'nve1', 1))).map(code)).toEqual(['outcome-unknown']);
    broken = false;
    expect((await shaky.submit(attach('t2', 'nve1', 1))).map(code)).toEqual(['accepted']);
    await shaky.stop();
  });
});

describe('deadlines', () => {
  beforeEach(() => node.deadlines.start());

  const until = (condition: () => boolean): Promise<void> => waitUntil(String(condition), () => (condition() ? null : 'not so'));
  /** Time passes as a running process sees it: in ticks. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await node.deadlines.tick();
    }
  };
  const status = (): string | undefined => node.replica.network.nves.get('nve3')?.state?.status;

  it('of a lease: it lapses without heartbeats, not with them, and a heartbeat restores', async () => {
    await node.submit(nve('nve3', { leaseS: 10 }));
    for (let i = 0; i < 5; i++) {
      await pass(8_000);
      await node.submit(command('heartbeat', { nveId: 'nve3', incarnation: 1 }));
    }
    expect(status()).toBe('reachable');
    await pass(13_000);
    await until(() => status() === 'lapsed');
    await node.submit(command('heartbeat', { nveId: 'nve3', incarnation: 1 }));
    expect(status()).toBe('reachable');
  });

  it('of a lifetime: the binding lapses unless renewed by BID alone (R22, R24a)', async () => {
    await node.submit(attach('t1', 'nve1', 1, { bindings: [{ bid: 5, vnid: 1, ip: '192.0.2.1', lifetimeS: 10 }] }));
    const bindings = (): number => node.replica.network.tenantSystems.get('t1')!.state.bindings.length;
    await pass(8_000);
    await node.submit(command('registerBinding', { tsId: 't1', bid: 5 }));
    await pass(8_000);
    expect(bindings()).toBe(1);
    await pass(5_000);
    await until(() => bindings() === 0);
    expect(node.replica.network.tenantSystems.get('t1')!.state.attachments).toHaveLength(1);
  });

  it('start anew after a restart and after a gap of the clock: an outage of the NVA withdraws nothing (X6)', async () => {
    await node.submit(nve('nve3', { leaseS: 10 }));
    await pass(9_000);
    clock.advance(60_000);
    await node.deadlines.tick();
    await pass(9_000);
    expect(status()).toBe('reachable');
    await node.stop();
    node = await startNode(log.store, clock);
    clock.advance(60_000);
    node.deadlines.start();
    await pass(9_000);
    expect(status()).toBe('reachable');
    await pass(4_000);
    await until(() => status() === 'lapsed');
  });
});

describe('commands for one stream that another registrar overtakes', () => {
  let other: Node;
  beforeEach(async () => {
    other = await startNode(log.store, clock);
    await node.submit(attach('t1', 'nve1', 1));
    await other.replica.passed((await log.store.head()).position);
  });
  afterEach(() => other.stop());

  const events = async (): Promise<string[]> => (await Array.fromAsync(log.store.readStream('ts-t1'))).map(({ event }) => event.type);

  it('never land on a state that never was, though the revision that a later one expects is there', async () => {
    const [[moved], [changed, detached]] = (await Promise.all([
      node.submit(attach('t1', 'nve2', 1)),
      other.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:09' }), detach('t1', 'nve1')),
    ])) as [Outcome[], Outcome[]];
    expect([code(moved), code(changed), code(detached)]).toEqual(['accepted', 'accepted', 'ts-not-at-nve']);
    expect(await events()).toEqual(['TenantSystemAttached', 'TenantSystemMoved', 'MacChanged']);
    expect(node.replica.network.tenantSystems.get('t1')!.state).toMatchObject({
      mac: '02:00:00:00:00:09',
      attachments: [{ nveId: 'nve2' }],
    });
  });

  it('given one by one, are decided again in their order, later ones behind them', async () => {
    const outcomes = await Promise.all([
      node.submit(attach('t1', 'nve2', 1)),
      ...['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c'].map((mac) =>
        other.submit(command('changeMac', { tsId: 't1', mac })),
      ),
      new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
        other.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:0d' })),
      ),
    ]);
    expect(outcomes.flat().map(code)).toEqual(Array.from({ length: 5 }, () => 'accepted'));
    expect(await events()).toEqual(['TenantSystemAttached', 'TenantSystemMoved', ...Array.from({ length: 4 }, () => 'MacChanged')]);
    expect(node.replica.network.tenantSystems.get('t1')!.state.mac).toBe('02:00:00:00:00:0d');
  });

  it('go together in one append when they are given together, more than one append holds included', async () => {
    const macs = Array.from({ length: 40 }, (_, i) => `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`);
    const outcomes = await other.submit(...macs.map((mac) => command('changeMac', { tsId: 't1', mac })));
    expect(new Set(outcomes.map(code))).toEqual(new Set(['accepted']));
    expect(outcomes.map((outcome) => answer(outcome).revision)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(other.replica.network.tenantSystems.get('t1')!.state.mac).toBe(macs.at(-1));
  });

  it('make those that come meanwhile wait: the address that one gives up is free for the next', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: told, resolve: tell } = Promise.withResolvers<void>();
    const slow = await startNode(
      replaced(log.store, 'head', async () => (ask(), await told, log.store.head())),
      clock,
    );
    await slow.submit(attach('t2', 'nve1', 2));
    const moved = node.submit(attach('t1', 'nve2', 1));
    const removed = slow.submit(command('remove', { tsId: 't1' }));
    await asked;
    const taken = slow.submit(command('changeMac', { tsId: 't2', mac: '02:00:00:00:00:01' }));
    tell();
    expect([...(await moved), ...(await removed), ...(await taken)].map(code)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(answer((await taken)[0])).toMatchObject({ effective: true, conflicts: [] });
    await slow.stop();
  });
});
