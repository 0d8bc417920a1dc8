import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { silentLogger } from '@nva/ports';
import { Replica } from '@nva/replica';
import {
  Election,
  RegistrarGroups,
  MISSES_BEFORE_TAKEOVER,
  PROBE_EVERY_MS,
  Registrar,
  DeadlineKeeper,
  type RegistrarGroup,
  type Request,
} from '../src/index.ts';
import { attach, ManualClock, nve, openLog, OPERATOR, vn, type LogFixture } from './harness.ts';

const EAST: RegistrarGroup = { name: 'east', urls: [], nves: [], sites: ['s'], tenants: [], rest: false };
const REST: RegistrarGroup = { name: 'rest', urls: [], nves: [], sites: [], tenants: [], rest: true };
const GROUPS = new RegistrarGroups([EAST, REST]);

let log: LogFixture;
/** Registrars that do not answer. */
const silent = new Set<string>();
/** How long a look takes. */
let heldUpMs = 0;

/** A registrar of a group, with a clock of its own: stopping it is not letting its clock tick. */
class Node {
  readonly clock = new ManualClock();
  readonly replica = new Replica(log.store, silentLogger);
  readonly registrar = new Registrar(log.store, this.replica, this.clock, silentLogger);
  readonly election: Election;
  readonly deadlines: DeadlineKeeper;

  constructor(
    readonly url: string,
    group: RegistrarGroup,
  ) {
    this.election = new Election(log.store, this.replica, this.clock, silentLogger, {
      groups: GROUPS,
      group,
      url,
      probe: async (where) => (this.clock.advance(heldUpMs), !silent.has(where)),
    });
    this.deadlines = new DeadlineKeeper(this.registrar, this.replica, this.clock, silentLogger, this.election);
  }

  static async start(url: string, group = EAST): Promise<Node> {
    const node = new Node(url, group);
    await node.replica.start((cause) => {
      throw cause;
    });
    await node.election.look();
    node.deadlines.start();
    return node;
  }

  owns(): boolean {
    return this.election.owner() !== null;
  }

  async submit(...commands: Request['command'][]): Promise<void> {
    for (const outcome of await this.registrar.submit(commands.map((c) => ({ command: c, caller: OPERATOR, correlationId: 'spec' }))))
      if ('refusal' in outcome) throw outcome.refusal;
  }

  /** Time goes on, in ticks as the timer makes them. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.clock.advance(100);
      await this.deadlines.tick();
    }
  }

  async caughtUp(): Promise<void> {
    await this.replica.passed((await log.store.head()).position);
  }

  async stop(): Promise<void> {
    await this.election.stop();
    await this.deadlines.stop();
    await this.replica.stop();
  }
}

let nodes: Node[];
const start = async (url: string, group = EAST): Promise<Node> => {
  const node = await Node.start(url, group);
  nodes.push(node);
  return node;
};
const status = (node: Node, nveId = 'nve1'): string | undefined => node.replica.network.nves.get(nveId)?.state?.status;
const bindings = (node: Node): number => node.replica.network.tenantSystems.get('t1')!.state.bindings.length;
const heartbeat = command('heartbeat', { nveId: 'nve1', incarnation: 1 });

beforeEach(async () => {
  log = await openLog(new ManualClock());
  nodes = [];
  silent.clear();
  heldUpMs = 0;
});

afterEach(async () => {
  for (const node of nodes) await node.stop();
  await log.dispose();
});

describe('the owner of a group (R34)', () => {
  it('is the first registrar that looks; others leave it alone as long as it answers', async () => {
    const [a, b] = [await start('a'), await start('b')];
    for (let look = 0; look < 5; look++) await b.election.look();
    expect([a.owns(), b.owns()]).toEqual([true, false]);
  });

  it('is one, however many look at once', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((url) => start(url)));
    for (const node of nodes) await node.caughtUp();
    expect(nodes.filter((node) => node.owns())).toHaveLength(1);
  });

  it('is taken over at once by a new process at its address, but not back: two that have one address by mistake do not take turns every second', async () => {
    const [a, b] = [await start('a'), await start('a')];
    await a.caughtUp();
    expect([a.owns(), b.owns()]).toEqual([false, true]);
    // Whoever answers at the address is not the one that is asked for.
    silent.add('a');
    const { position } = await log.store.head();
    for (let look = 0; look < 9; look++) {
      a.clock.advance(1_000);
      await a.election.look();
    }
    expect((await log.store.head()).position).toBe(position);
  });

  it('is another when it does not answer three times in a row, and finds that out', async () => {
    const [a, b] = [await start('a'), await start('b')];
    silent.add('a');
    for (let look = 1; look < MISSES_BEFORE_TAKEOVER; look++) await b.election.look();
    expect(b.owns()).toBe(false);
    await b.election.look();
    expect(b.owns()).toBe(true);
    await a.caughtUp();
    expect(a.owns()).toBe(false);
    silent.add('b');
    for (let look = 0; look < MISSES_BEFORE_TAKEOVER; look++) await a.election.look();
    expect(a.owns(), 'two that cannot hear each other do not take turns').toBe(false);
  });

  it('is not taken over by one whose looks were held up because it was busy: it may not have heard the answer (X6)', async () => {
    const [, b] = [await start('a'), await start('b')];
    silent.add('a');
    heldUpMs = PROBE_EVERY_MS + 1;
    for (let look = 0; look < 3 * MISSES_BEFORE_TAKEOVER; look++) await b.election.look();
    expect(b.owns()).toBe(false);
    heldUpMs = PROBE_EVERY_MS;
    for (let look = 0; look < MISSES_BEFORE_TAKEOVER; look++) await b.election.look();
    expect(b.owns()).toBe(true);
  });

  it('is a registrar again at once when its process is another one: at its own address nobody else is', async () => {
    const a = await start('a');
    await a.stop();
    const again = await start('a');
    expect(again.owns()).toBe(true);
    expect(again.election.oracleId).not.toBe(a.election.oracleId);
  });

  it('is each group’s own', async () => {
    const [a, b] = [await start('a'), await start('b', REST)];
    expect([a.owns(), b.owns()]).toEqual([true, true]);
    await a.submit(nve('nve1', { leaseS: 2 }), nve('nve2', { leaseS: 2, siteId: 'elsewhere' }));
    await b.caughtUp();
    expect([a.deadlines.size, b.deadlines.size]).toEqual([1, 1]);
    await b.pass(5_000);
    await expect.poll(() => status(a, 'nve2'), { timeout: 240_000 }).toBe('lapsed');
    expect(status(a)).toBe('reachable');
  });
});

describe('a lease', () => {
  it('lapses by the owner only, signed with its takeover', async () => {
    const [a, b] = [await start('a'), await start('b')];
    await a.submit(nve('nve1', { leaseS: 2 }));
    await b.caughtUp();
    await b.pass(10_000);
    expect(status(b)).toBe('reachable');
    await a.pass(5_000);
    await expect.poll(() => status(a), { timeout: 240_000 }).toBe('lapsed');
  });

  it('starts anew with a takeover, however little was left', async () => {
    const [a, b] = [await start('a'), await start('b')];
    await a.submit(nve('nve1', { leaseS: 4 }));
    await a.pass(3_500);
    silent.add('a');
    for (let look = 0; look < MISSES_BEFORE_TAKEOVER; look++) await b.election.look();
    await b.pass(3_000);
    await a.caughtUp();
    expect(status(a)).toBe('reachable');
    await a.pass(10_000);
    expect(status(a), 'the former owner keeps no deadline any more').toBe('reachable');
  });

  it('of a live NVE never lapses by an owner that was stopped, superseded, and continued (X6)', async () => {
    const [a, b] = [await start('a'), await start('b')];
    await a.submit(nve('nve1', { leaseS: 2 }));
    await b.caughtUp();
    const superseded = a.election.owner()!;
    silent.add('a');
    for (let look = 0; look < MISSES_BEFORE_TAKEOVER; look++) await b.election.look();
    for (let beat = 0; beat < 8; beat++) {
      await b.submit(heartbeat);
      await b.pass(1_000);
    }
    // What it had on its way when it was stopped, as if its check of the owner had been before.
    await a.registrar.submit([
      {
        command: command('lapseNve', { nveId: 'nve1', incarnation: 1, ...superseded }),
        caller: { kind: 'system', part: 'terms' },
        correlationId: 'late',
      },
    ]);
    a.clock.advance(60_000);
    await a.deadlines.tick();
    await b.caughtUp();
    expect((await Array.fromAsync(log.store.readStream('nve-nve1'))).map(({ event }) => event.type)).toEqual([
      'NveConnected',
      'NveLeaseLapsed',
    ]);
    expect([status(a), status(b)]).toEqual(['reachable', 'reachable']);
  });
});

describe('a lifetime', () => {
  it('goes with its tenant system from group to group (R24a)', async () => {
    const [a, b] = [await start('a'), await start('b', REST)];
    await a.submit(
      vn(1),
      nve('nve1'),
      nve('nve2', { siteId: 'elsewhere' }),
      attach('t1', 'nve1', 1, { bindings: [{ vnid: 1, ip: '192.0.2.1', lifetimeS: 3 }] }),
    );
    await b.caughtUp();
    expect([a.deadlines.size, b.deadlines.size]).toEqual([1, 0]);
    await a.submit(command('attach', { tsId: 't1', nveId: 'nve2', tenantId: 'red', vmId: 'vm-t1', mac: '02:00:00:00:00:01' }));
    await b.caughtUp();
    await a.pass(10_000);
    expect([a.deadlines.size, b.deadlines.size, bindings(a)]).toEqual([0, 1, 1]);
    await b.pass(6_000);
    await expect.poll(() => bindings(a), { timeout: 240_000 }).toBe(0);
  });
});
