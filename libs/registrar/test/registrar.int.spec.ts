import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { StoreUnavailable, type EventStore } from '@nva/ports';
import type { Outcome } from '../src/index.ts';
import { answer, attach, code, detach, ManualClock, nve, openLog, OPERATOR, startNode, vn, type LogFixture, type Node } from './harness.ts';

/** The store with one of its methods replaced. */
const replaced = <M extends 'append' | 'head'>(store: EventStore, method: M, by: EventStore[M]): EventStore =>
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
    expect(answer(outcome)).toEqual({ recorded: true, position: head.position, revision: 0, effective: true, conflicts: [], memberships: [1] });
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
    const as = async (c: ReturnType<typeof command>, tenants: string[] | null = ['red']): Promise<string> => code(await node.send({ command: c, caller: { kind: 'nve', nveId: 'nve1', tenants } }));
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

describe('two registrars on one log', () => {
  let other: Node;
  beforeEach(async () => {
    other = await startNode(log.store, clock);
  });
  afterEach(() => other.stop());

  it('that race for an address: the later is recorded, not effective, and names the conflict (X2)', async () => {
    const [[first], [second]] = await Promise.all([node.submit(attach('t1', 'nve1', 1)), other.submit(attach('t2', 'nve2', 2, { bindings: [{ vnid: 1, ip: '192.0.2.1' }] }))]);
    expect(answer(first)).toMatchObject({ effective: true });
    expect(answer(second)).toMatchObject({ recorded: true, effective: false, conflicts: [{ vnid: 1, address: '192.0.2.1', heldBy: 't1' }], memberships: [1] });
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
    const outcomes = await Promise.all(rounds.flatMap((i) => [node.submit(nve('nve1', { incarnation: 2 * i })), other.submit(nve('nve1', { addresses: [`198.51.100.${i + 1}`], incarnation: 1000 + i }))]));
    const codes = new Set(outcomes.flat().map(code));
    expect([...codes].every((c) => ['accepted', 'nve-incarnation', 'contention'].includes(c))).toBe(true);
    const revisions: number[] = [];
    for await (const { revision } of log.store.readStream('nve-nve1')) revisions.push(revision);
    expect(revisions).toEqual(revisions.map((_, i) => i));
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
    expect(code(await node.send({ command: attach('t2', 'nve1', 2), caller: { ...OPERATOR, name: 'else' } as typeof OPERATOR, ...keyed('k', 'e') }))).toBe('accepted');
    clock.advance(24 * 3_600_000 + 1);
    expect(code(await node.send({ command: attach('t3', 'nve1', 3), ...keyed('k', 'f') }))).toBe('accepted');
  });

  it('of a refused command decides again', async () => {
    expect(code(await node.send({ command: attach('t1', 'nve9', 1), ...keyed('k', 'd') }))).toBe('nve-unknown');
    await node.submit(nve('nve9'));
    expect(code(await node.send({ command: attach('t1', 'nve9', 1), ...keyed('k', 'd') }))).toBe('accepted');
  });
});

describe('when the log does not answer', () => {
  it('the outcome is unknown, and what was on its way is no longer counted with', async () => {
    let broken = false;
    const flaky = replaced(log.store, 'append', (appends) => (broken ? Promise.reject(new StoreUnavailable('gone')) : log.store.append(appends)));
    const shaky = await startNode(flaky, clock);
    broken = true;
    expect((await shaky.submit(attach('t1', 'nve1', 1))).map(code)).toEqual(['outcome-unknown']);
    broken = false;
    expect((await shaky.submit(attach('t2', 'nve1', 1))).map(code)).toEqual(['accepted']);
    await shaky.stop();
  });
});

describe('terms', () => {
  beforeEach(() => node.terms.start());

  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(condition()).toBe(true);
  };
  /** Time passes as a running process sees it: in ticks. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await node.terms.tick();
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
    await node.terms.tick();
    await pass(9_000);
    expect(status()).toBe('reachable');
    await node.stop();
    node = await startNode(log.store, clock);
    clock.advance(60_000);
    node.terms.start();
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
    expect(node.replica.network.tenantSystems.get('t1')!.state).toMatchObject({ mac: '02:00:00:00:00:09', attachments: [{ nveId: 'nve2' }] });
  });

  it('given one by one, are decided again in their order, later ones behind them', async () => {
    const outcomes = await Promise.all([
      node.submit(attach('t1', 'nve2', 1)),
      ...['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c'].map((mac) => other.submit(command('changeMac', { tsId: 't1', mac }))),
      new Promise<void>((resolve) => setImmediate(resolve)).then(() => other.submit(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:0d' }))),
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
    const slow = await startNode(replaced(log.store, 'head', async () => (ask(), await told, log.store.head())), clock);
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
