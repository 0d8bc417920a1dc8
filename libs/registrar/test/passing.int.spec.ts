import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NvaEvent } from '@nva/codec';
import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import { feedsOf, Network, Recompute, recordsOf, resolve } from '@nva/fold';
import { feedKey, StoreUnavailable, type EventStore } from '@nva/ports';
import { until } from '@nva/processes';
import type { Caller, Outcome } from '../src/index.ts';
import { OUTCOME_DEADLINE_MS } from '../src/registrar.ts';
import { answer, attach, code, detach, ManualClock, nve, openLog, startNode, vn, type LogFixture, type Node } from './harness.ts';

const VIP = '192.0.2.100';
const MAC9 = '02:00:00:00:00:09';

/** The store, with what comes right before the first append of such an event; where that throws, the append does not come. */
function overtaking(store: EventStore, type: NvaEvent['type'], before: () => Promise<unknown>): EventStore {
  let done = false;
  return new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown;
      if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value;
      return async (appends: Parameters<EventStore['append']>[0]) => {
        if (!done && appends.some(({ events }) => events.some(({ event }) => event.type === type))) {
          done = true;
          await before();
        }
        return store.append(appends);
      };
    },
  });
}

let clock: ManualClock;
let log: LogFixture;
let node: Node;
let other: Node;

const pass = (fields: object = {}): Command => command('passAddress', { tsId: 'a', to: 'b', vnid: 1, ip: VIP, ...fields });
const routers = [
  attach('a', 'nve1', 1, {
    bindings: [
      { bid: 1, vnid: 1, ip: '192.0.2.1' },
      { bid: 7, vnid: 1, ip: VIP },
    ],
  }),
  attach('b', 'nve2', 2, { bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.2' }] }),
  attach('c', 'nve3', 3, { bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.3' }] }),
];

beforeEach(async () => {
  clock = new ManualClock();
  log = await openLog(clock);
  node = await startNode(log.store, clock);
  other = await startNode(log.store, clock);
  await node.submit(vn(1), nve('nve1'), nve('nve2'), nve('nve3'), ...routers);
  await other.replica.passed((await log.store.head()).position);
});

afterEach(async () => {
  await node.stop();
  await other.stop();
  await log.dispose();
});

const holders = (network: Network, address: { ip: string } | { mac: string } = { ip: VIP }): string[] => [
  ...new Set(resolve(network, 1, address).map(({ mapping }) => mapping.tsId)),
];
const types = async (stream: string): Promise<string[]> =>
  (await Array.fromAsync(log.store.readStream(stream))).map(({ event }) => event.type);

describe('a passing', () => {
  it('moves both streams on, and is answered from the position at which everything changed (X1, X2)', async () => {
    const [outcome] = await node.submit(pass());
    const { position } = await log.store.head();
    expect(answer(outcome)).toEqual({ recorded: true, position, revision: 1, effective: true, conflicts: [], memberships: [1] });
    const { tenantSystems } = node.replica.network;
    expect([tenantSystems.get('a'), tenantSystems.get('b')]).toMatchObject([
      { revision: 1, position },
      { revision: 1, position },
    ]);
    expect([await types('ts-a'), await types('ts-b')]).toEqual([
      ['TenantSystemAttached', 'AddressPassed'],
      ['TenantSystemAttached', 'AddressAwaited'],
    ]);
    expect(holders(node.replica.network)).toEqual(['b']);
    expect(answer((await node.submit(pass()))[0])).toMatchObject({ recorded: false, revision: 1 });
  });

  it("is guarded by the holder's revision, and refused changes nothing; what was meant for the taker before it is refused after it (X9)", async () => {
    const { position } = await log.store.head();
    expect(code(await node.send({ command: pass(), ifRevision: 1 }))).toBe('revision-mismatch');
    expect(await log.store.head()).toMatchObject({ position });
    expect(code(await node.send({ command: pass(), ifRevision: 0 }))).toBe('accepted');
    expect(code(await node.send({ command: command('changeMac', { tsId: 'b', mac: MAC9 }), ifRevision: 0 }))).toBe('revision-mismatch');
  });

  it('is for the NVE that the taker is at, of a tenant that it serves, and for nobody else (X8)', async () => {
    const as = (nveId: string, tenants: readonly string[] | null, to = 'b'): Promise<Outcome> =>
      node.send({ command: pass({ to }), caller: { kind: 'nve', nveId, tenants } as Caller });
    expect(code(await as('nve1', ['red']))).toBe('forbidden');
    expect(code(await as('nve2', ['blue']))).toBe('forbidden');
    expect(code(await as('nve2', ['red'], 'c'))).toBe('forbidden');
    expect(code(await as('nve2', ['red'], 'nobody'))).toBe('forbidden');
    expect(code(await as('nve2', ['red']))).toBe('accepted');
    expect(code(await as('nve3', null, 'c'))).toBe('address-not-held');
  });

  it('tells an NVE nothing of who has an id before it is clear that the taker is its own (X8)', async () => {
    for (const tenantId of ['red', 'blue'])
      await node.submit(command('attach', { tsId: 'x', nveId: 'nve2', tenantId, vmId: 'v', mac: MAC9, bindings: [] }));
    const from = (tsId: string, to: string): Promise<Outcome> =>
      node.send({ command: pass({ tsId, to }), caller: { kind: 'nve', nveId: 'nve2', tenants: null } });
    expect([code(await from('a', 'x')), code(await from('nobody', 'x'))]).toEqual(['ts-ambiguous', 'ts-ambiguous']);
    expect([code(await from('a', 'c')), code(await from('nobody', 'c'))]).toEqual(['forbidden', 'forbidden']);
  });

  it('repeated waits for what is on its way to either, and is answered with how both stand', async () => {
    await node.submit(pass());
    const [[registered], [repeated]] = await Promise.all([
      node.submit(command('registerBinding', { tsId: 'b', bid: 7, lifetimeS: 50 })),
      node.submit(pass()),
    ]);
    expect(answer(registered)).toMatchObject({ recorded: true, revision: 2 });
    expect(answer(repeated)).toMatchObject({ recorded: false, revision: 1, effective: true });
    expect(node.replica.network.tenantSystems.get('b')!.revision).toBe(2);
  });

  it('that did not count renews no lifetime (R24a)', async () => {
    node.deadlines.start();
    await node.submit(command('registerBinding', { tsId: 'a', bid: 7, lifetimeS: 10 }));
    const audit = { recordedAt: clock.wall, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
    const bindings = (): number => node.replica.network.tenantSystems.get('a')!.state.bindings.length;
    for (let passed = 0; passed < 13_000; passed += 100) {
      clock.advance(100);
      await node.deadlines.tick();
      if (passed !== 8_000) continue;
      const line = { bid: 7, vnid: 1, vlan: null, ip: VIP, lifetimeS: 10 };
      const { revision } = node.registrar.standing('ts-a');
      await log.store.append([
        {
          stream: 'ts-a',
          expectedRevision: revision,
          events: [
            {
              id: randomUUID(),
              event: {
                type: 'AddressPassed',
                data: {
                  audit,
                  tsId: 'a',
                  to: 'b',
                  toRevision: 5,
                  vnid: 1,
                  ip: VIP,
                  mac: null,
                  bindings: [line],
                  deregistered: [],
                  toMac: null,
                  toBindings: [],
                },
              },
            },
          ],
        },
      ]);
      await node.replica.passed((await log.store.head()).position);
    }
    await until('the binding has lapsed', () => (bindings() > 1 ? `${bindings()} bindings` : null));
  });

  it('is seen by everything behind it, in one call and across calls, and sees everything before it', async () => {
    const [first, second] = await Promise.all([
      node.submit(
        command('deregisterBinding', { tsId: 'c', bid: 1 }),
        command('registerBindings', { tsId: 'a', bindings: [{ bid: 8, vnid: 1, ip: '192.0.2.3' }] }),
        pass({ ip: '192.0.2.3' }),
        pass(),
        detach('a', 'nve1'),
      ),
      node.submit(
        pass({ to: 'c' }),
        pass({ tsId: 'b', to: 'c' }),
        command('registerBinding', { tsId: 'c', bid: 7, vnid: 1, ip: VIP }),
        command('changeMac', { tsId: 'b', mac: '02:00:00:00:00:01' }),
      ),
    ]);
    expect([...first, ...second].map(code)).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'accepted',
      'accepted',
      'ts-not-attached',
      'accepted',
      'accepted',
      'accepted',
    ]);
    expect(answer(second[2])).toMatchObject({ recorded: false, revision: 2, position: answer(second[1]).position });
    expect([holders(node.replica.network), holders(node.replica.network, { ip: '192.0.2.3' })]).toEqual([['c'], ['b']]);
  });

  it('counts with the quotas of where the address goes, and not as more of the tenant', async () => {
    await node.stop();
    node = await startNode(log.store, clock, {
      quotas: { tenant: new Map([['red', { bindings: 4 }]]), nve: new Map([['nve3', { bindings: 1 }]]) },
    });
    expect(code((await node.submit(pass({ to: 'c' })))[0])).toBe('quota-exceeded');
    expect(code((await node.submit(pass()))[0])).toBe('accepted');
  });

  it('is returned by its Idempotency-Key as it was answered, whatever happened since, and after a restart too', async () => {
    const keyed = { command: pass(), idempotency: { key: 'k', requestDigest: 'd' } };
    const first = answer(await node.send(keyed));
    await node.submit(pass({ tsId: 'b', to: 'a' }));
    expect(answer(await node.send(keyed))).toEqual(first);
    await node.stop();
    node = await startNode(log.store, clock);
    expect(answer(await node.send(keyed))).toEqual(first);
    expect(holders(node.replica.network)).toEqual(['a']);
  });

  it('takes a lifetime along, which begins anew (R24a)', async () => {
    node.deadlines.start();
    const bindings = (tsId: string): number => node.replica.network.tenantSystems.get(tsId)!.state.bindings.length;
    const elapse = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 100) {
        clock.advance(100);
        await node.deadlines.tick();
      }
    };
    await node.submit(command('registerBinding', { tsId: 'a', bid: 7, lifetimeS: 10 }));
    await elapse(8_000);
    await node.submit(pass());
    await elapse(8_000);
    expect([bindings('a'), bindings('b')]).toEqual([1, 2]);
    await elapse(5_000);
    await until('the binding has lapsed', () => (bindings('b') > 1 ? `${bindings('b')} bindings` : null));
    expect([bindings('a'), bindings('b')]).toEqual([1, 1]);
  });
});

describe('a passing, while other registrars write', () => {
  const slow = (type: 'AddressAwaited' | 'AddressPassed', before: () => Promise<unknown>): Promise<Node> =>
    startNode(overtaking(log.store, type, before), clock);
  /** The other registrar has all that is in the log, and writes. */
  const meanwhile = async (...commands: Command[]): Promise<Outcome[]> => {
    await other.replica.passed((await log.store.head()).position);
    return other.submit(...commands);
  };
  const register = (tsId: string, bid: number, ip: string, fields: object = {}): Command =>
    command('registerBinding', { tsId, bid, vnid: 1, ip, ...fields });

  it('of one address to two at one moment: one has it, and the other is told', async () => {
    const [[first], [second]] = await Promise.all([node.submit(pass()), other.submit(pass({ to: 'c' }))]);
    expect([code(first), code(second)].toSorted()).toEqual(['accepted', 'address-not-held']);
    expect(holders(node.replica.network)).toEqual([code(first) === 'accepted' ? 'b' : 'c']);
  });

  it('is decided again where one of them comes to the taker first (X9)', async () => {
    const racing = await slow('AddressAwaited', () => meanwhile(command('changeMac', { tsId: 'b', mac: MAC9 })));
    expect(code((await racing.submit(pass()))[0])).toBe('accepted');
    expect([await types('ts-a'), await types('ts-b')]).toEqual([
      ['TenantSystemAttached', 'AddressPassed'],
      ['TenantSystemAttached', 'MacChanged', 'AddressAwaited'],
    ]);
    expect(racing.replica.network.tenantSystems.get('b')!.state).toMatchObject({ mac: MAC9, bindings: [{ bid: 1 }, { bid: 7, ip: VIP }] });
    await racing.stop();
  });

  it('is decided again where one comes between its two events, and refused if it was meant for that revision only', async () => {
    for (const [i, guarded] of [false, true].entries()) {
      const racing = await slow('AddressPassed', () => meanwhile(command('changeMac', { tsId: 'b', mac: `02:00:00:00:00:2${i}` })));
      const { revision } = racing.registrar.standing('ts-a');
      const keyed = { command: pass(), idempotency: { key: `k${i}`, requestDigest: 'd' } };
      expect(code(await racing.send({ ...keyed, ...(guarded ? { ifRevision: revision } : {}) }))).toBe(
        guarded ? 'revision-mismatch' : 'accepted',
      );
      // It ends the waiting before it writes: so it is in the log which came first.
      expect((await types('ts-b')).slice(guarded ? -2 : -3)).toEqual([
        'AddressAwaited',
        'MacChanged',
        ...(guarded ? [] : ['AddressAwaited']),
      ]);
      expect(holders(racing.replica.network)).toEqual([guarded ? 'a' : 'b']);
      await racing.stop();
      // Nothing that did not count is the answer to a key.
      const later = await startNode(log.store, clock);
      expect(code(await later.send(keyed))).toBe('accepted');
      expect(holders(later.replica.network)).toEqual(['b']);
      await later.submit(pass({ tsId: 'b', to: 'a' }));
      await later.stop();
    }
  });

  it('takes what was decided behind it on either with it: nothing lands on a state that never was', async () => {
    const another = '192.0.2.50';
    const first = await slow('AddressAwaited', () =>
      meanwhile(command('changeMac', { tsId: 'b', mac: MAC9 }), register('b', 7, '192.0.2.77')),
    );
    // The taker has BID 7 now, so that it is refused; what the holder was to have in place of the IP that it gave away replaces
    // that IP then, as its caller asked.
    expect((await first.submit(pass(), register('a', 7, another), register('a', 8, '192.0.2.51'))).map(code)).toEqual([
      'bid-duplicate',
      'accepted',
      'accepted',
    ]);
    expect(first.replica.network.tenantSystems.get('a')!.state.bindings.map(({ bid, ip }) => [bid, ip])).toEqual([
      [1, '192.0.2.1'],
      [7, another],
      [8, '192.0.2.51'],
    ]);
    await first.stop();

    await meanwhile(register('a', 7, VIP), command('deregisterBinding', { tsId: 'b', bid: 7 }));
    const second = await slow('AddressPassed', () => meanwhile(pass({ to: 'c' })));
    expect((await second.submit(pass(), register('b', 7, VIP, { lifetimeS: 60 }))).map(code)).toEqual(['address-not-held', 'duplicate-ip']);
    expect(holders(second.replica.network)).toEqual(['c']);
    expect(second.registrar.commandsInFlight).toBe(0);
    await second.stop();
  });

  it('is decided again on what is in the log, and not on what it would have come to', async () => {
    const racing = await slow('AddressPassed', () => meanwhile(command('changeMac', { tsId: 'b', mac: MAC9 })));
    const outcomes = await racing.submit(pass(), register('a', 9, '192.0.2.60'), register('b', 9, '192.0.2.61'));
    expect(outcomes.map(code)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(answer(outcomes[0])).toMatchObject({ recorded: true, effective: true });
    expect(holders(racing.replica.network)).toEqual(['b']);
    await racing.stop();
  });

  it('is not undone by what another decided on the taker while it waited, whatever revision that was meant for (X9)', async () => {
    let late: Promise<Outcome> | undefined;
    // The other knows that the taker waits, and not yet that what it waits for has come.
    const racing = await slow('AddressPassed', async () => {
      await other.replica.passed((await log.store.head()).position);
      const { revision } = other.registrar.standing('ts-b');
      late = other.send({ command: register('b', 7, '192.0.2.77'), ifRevision: revision });
    });
    const passed = await racing.submit(pass());
    expect(code(await late)).toBe('revision-mismatch');
    expect(code(passed[0])).toBe('accepted');
    expect(holders(racing.replica.network)).toEqual(['b']);
    await racing.stop();
  });

  it('whose second event does not come changes nothing, and a repeat is done', async () => {
    const shaky = await slow('AddressPassed', () => Promise.reject(new StoreUnavailable('gone')));
    expect(code((await shaky.submit(pass()))[0])).toBe('outcome-unknown');
    await shaky.replica.passed((await log.store.head()).position);
    expect(holders(shaky.replica.network)).toEqual(['a']);
    expect(shaky.registrar.standing('ts-b').state).toMatchObject({ bindings: [{ bid: 1 }], awaits: { from: 'a' } });
    expect(code((await shaky.submit(register('b', 2, '192.0.2.70')))[0])).toBe('accepted');
    expect(await types('ts-b')).toEqual(['TenantSystemAttached', 'AddressAwaited', 'AddressAwaited', 'BindingsRegistered']);
    expect(code((await shaky.submit(pass()))[0])).toBe('accepted');
    expect(holders(shaky.replica.network)).toEqual(['b']);
    await shaky.stop();
  });

  it(
    'is over for what comes after it, though its second event comes after its caller was told that nothing is known',
    { timeout: 600_000 },
    async () => {
      // That it counts, and that it does not.
      for (const counts of [true, false]) {
        const racing = await slow('AddressPassed', async () => {
          await new Promise((done) => setTimeout(done, OUTCOME_DEADLINE_MS + 500));
          if (!counts) await meanwhile(command('changeMac', { tsId: 'b', mac: MAC9 }));
        });
        expect(code((await racing.submit(pass()))[0])).toBe('outcome-unknown');
        const outcomes = await racing.submit(
          register('a', 4, '192.0.2.44'),
          register('b', 4, '192.0.2.45'),
          register('c', 4, '192.0.2.46'),
        );
        expect(outcomes.map(code)).toEqual(['accepted', 'accepted', 'accepted']);
        await until('it is decided again where it did not count', () =>
          holders(racing.replica.network).join() === 'b' ? null : 'not yet',
        );
        expect(racing.registrar.commandsInFlight).toBe(0);
        await racing.stop();
        await other.replica.passed((await log.store.head()).position);
        await meanwhile(pass({ tsId: 'b', to: 'a' }), ...['a', 'b', 'c'].map((tsId) => command('deregisterBinding', { tsId, bid: 4 })));
      }
    },
  );

  it('decides nothing on a taker that waits, though ending its waiting fails at first', async () => {
    let failures = 0;
    const deaf = new Proxy(log.store, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target) as unknown;
        if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value;
        return (appends: Parameters<EventStore['append']>[0]) => {
          const ends = appends.some(({ events }) =>
            events.some(({ event }) => event.type === 'AddressAwaited' && event.data.from === null),
          );
          return ends && failures++ < 2 ? Promise.reject(new StoreUnavailable('no answer')) : log.store.append(appends);
        };
      },
    });
    const shaky = await slow('AddressPassed', () => Promise.reject(new StoreUnavailable('gone')));
    await shaky.submit(pass());
    await shaky.stop();
    const late = await startNode(deaf, clock);
    expect(code((await late.submit(register('b', 7, '192.0.2.77')))[0])).toBe('accepted');
    expect(failures).toBe(3);
    expect(await types('ts-b')).toEqual(['TenantSystemAttached', 'AddressAwaited', 'AddressAwaited', 'BindingsRegistered']);
    await late.stop();
  });

  it('is disturbed by nobody who may not name the taker (X8)', async () => {
    const shaky = await slow('AddressPassed', () => Promise.reject(new StoreUnavailable('gone')));
    await shaky.submit(pass());
    const before = await log.store.head();
    const stranger = { kind: 'nve', nveId: 'nve3', tenants: ['blue'] } as const;
    expect(code(await shaky.send({ command: register('b', 7, '192.0.2.77'), caller: stranger }))).toBe('forbidden');
    expect(code(await shaky.send({ command: command('changeMac', { tsId: 'b', mac: MAC9 }), ifRevision: 9 }))).toBe('revision-mismatch');
    expect(await log.store.head()).toEqual(before);
    await shaky.stop();
  });

  it("takes nothing for done that is undone by what is on its way, and keeps the order of a caller's commands", async () => {
    const racing = await slow('AddressPassed', () => meanwhile(command('changeMac', { tsId: 'a', mac: MAC9 })));
    const outcomes = await racing.submit(
      pass(),
      command('deregisterBinding', { tsId: 'c', bid: 1 }),
      pass({ tsId: 'b', to: 'c', ip: '192.0.2.2' }),
      register('c', 1, '192.0.2.3'),
    );
    expect(outcomes.map(code)).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    expect(answer(outcomes[3])).toMatchObject({ recorded: true });
    // The passed one had BID 1 before the last command gave that another address.
    expect(racing.registrar.standing('ts-c').state).toMatchObject({ bindings: [{ bid: 1, ip: '192.0.2.3' }] });
    await racing.stop();
  });

  it('is decided again when nothing of its streams is on its way: what is undone by that is not taken for done', async () => {
    const [reached, released, overtaken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const passing = overtaking(log.store, 'AddressPassed', async () => {
      reached.resolve();
      await released.promise;
      await meanwhile(command('changeMac', { tsId: 'a', mac: MAC9 }));
      // The deregistration lands well after the passing was overtaken.
      setTimeout(overtaken.resolve, 300);
    });
    const racing = await startNode(
      overtaking(passing, 'BindingDeregistered', () => overtaken.promise),
      clock,
    );
    const first = racing.submit(pass());
    await reached.promise;
    const behind = racing.submit(
      command('deregisterBinding', { tsId: 'c', bid: 1 }),
      pass({ tsId: 'b', to: 'c', ip: '192.0.2.2', bid: 9 }),
      register('c', 1, '192.0.2.3'),
    );
    released.resolve();
    expect([...(await first), ...(await behind)].map(code)).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    expect(answer((await behind)[2])).toMatchObject({ recorded: true });
    expect(racing.registrar.standing('ts-c').state).toMatchObject({
      bindings: [
        { bid: 9, ip: '192.0.2.2' },
        { bid: 1, ip: '192.0.2.3' },
      ],
    });
    await racing.stop();
  });

  it('leaves each address with one of them, whatever comes when: both folds, and a fold from scratch, agree', async () => {
    const ids = ['a', 'b', 'c'];
    const ips = [VIP, '192.0.2.1', '192.0.2.2', '192.0.2.3'];
    const random = (
      (seed: number) => (n: number) =>
        (seed = (seed * 48_271) % 2_147_483_647) % n
    )(20_261_127);
    const some = <T>(list: readonly T[]): T => list[random(list.length)]!;
    const next = (): Command => {
      const [from, to] = random(2) === 0 ? [some(ids), some(ids)] : (['a', 'b'] as const);
      if (from === to) return command('registerBinding', { tsId: some(ids), bid: 1 + random(9), lifetimeS: 100 + random(50) });
      if (random(4) === 0) return command('passAddress', { tsId: from, to, mac: `02:00:00:00:00:0${1 + random(3)}` });
      return command('passAddress', {
        tsId: from,
        to,
        vnid: 1,
        ip: some(ips),
        ...(random(3) === 0 ? { forIp: some(ips) } : { bid: 1 + random(9) }),
      });
    };
    const tally = new Map<string, number>();
    for (let round = 0; round < 40; round++) {
      const outcomes = await Promise.all(
        [node, other, node, other].map((each) => each.submit(...Array.from({ length: 1 + random(4) }, next))),
      );
      for (const outcome of outcomes.flat()) tally.set(code(outcome), (tally.get(code(outcome)) ?? 0) + 1);
    }
    const { position } = await log.store.head();
    await Promise.all([node.replica.passed(position), other.replica.passed(position)]);
    const [recomputed, replayed] = [new Recompute(), new Network()];
    let tooLate = 0;
    for await (const { events } of log.store.readAll()) {
      for (const event of events) {
        recomputed.apply(event);
        replayed.apply(event);
        if (event.event.type === 'AddressPassed' && replayed.passedOver) tooLate++;
      }
    }
    for (const network of [node.replica.network, other.replica.network, replayed]) {
      for (const ip of ips) expect(holders(network, { ip })).toHaveLength(1);
      for (const mac of [1, 2, 3]) expect(holders(network, { mac: `02:00:00:00:00:0${mac}` }).length).toBeLessThan(2);
      for (const feed of feedsOf(network))
        expect(new Map([...recordsOf(network, feed)].map((record) => [record.key, record]))).toEqual(
          recomputed.tables.get(feedKey(feed)) ?? new Map(),
        );
    }
    expect(node.registrar.commandsInFlight + other.registrar.commandsInFlight).toBe(0);
    expect(tally.get('accepted')).toBeGreaterThan(30);
    expect(node.registrar.conflicts + other.registrar.conflicts + tooLate).toBeGreaterThan(10);
    expect(tally.has('internal')).toBe(false);
  });
});
