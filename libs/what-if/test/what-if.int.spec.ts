import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mapping, NvaEvent, VnMember } from '@nva/codec';
import type { Command } from '@nva/domain';
import { auditAt, command, streamOfEvent, underlayOf } from '@nva/domain/testing';
import { feedsOf, Network, recordsOf, standingOf, type TableValue } from '@nva/fold';
import type { NveId } from '@nva/identifiers';
import { feedKey, type RecordedEvent } from '@nva/ports';
import type { Outcome } from '@nva/registrar';
import { dump } from '../../fold/test/dump.ts';
import { commands, play, prelude, racyLog, withPassing } from '../../fold/test/races.ts';
import { ManualClock, openLog, OPERATOR, startNode, type LogFixture } from '../../registrar/test/harness.ts';
import { whatIf, whatIfSentences, type Step, type WhatIf, type WhatIfOptions } from '../src/index.ts';

const SHARDS = 64;
const clock = new ManualClock();

function run(network: Network, steps: readonly Step[], options: Partial<WhatIfOptions> = {}): WhatIf {
  const pieces = whatIf(steps, { network, caller: OPERATOR, quotas: null, wallMs: clock.wall, shards: SHARDS, limit: 1_000, ...options });
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
}

const stepOf = (given: Command): Step => ({ name: given.type, command: { command: given } });

type Tables = ReadonlyMap<string, ReadonlyMap<string, TableValue>>;
/** Every table, without the positions at which memberships began: those of a supposition are not those of the log. */
const tablesOf = (network: Network): Tables =>
  new Map(
    [...feedsOf(network)].map((feed) => [
      feedKey(feed),
      new Map([...recordsOf(network, feed)].map(({ key, value }) => [key, structuredClone(value)] as const)),
    ]),
  );
const sinceless = (value: TableValue | null): unknown => (value?.type === 'Membership' ? { vnid: value.data.vnid } : value);

const conflictsOf = (network: Network): ReadonlySet<string> =>
  new Set(
    [...network.tenantSystems.values()].flatMap((ts) =>
      standingOf(ts).conflicts.map(({ vnid, address, heldBy }) => `${ts.state.tenantId} ${ts.state.tsId} ${vnid} ${address} ${heldBy}`),
    ),
  );

/** What a table says, found in the plainest way. */
class Plain {
  readonly #table: ReadonlyMap<string, TableValue>;
  constructor(tables: Tables, feed: string) {
    this.#table = tables.get(feed) ?? new Map<string, TableValue>();
  }
  get mappings(): ReadonlyMap<string, TableValue> {
    return new Map([...this.#table].filter(([key]) => key.startsWith('mapping/')));
  }
  has(nveId: string): boolean {
    return this.#table.has(`member/${nveId}`);
  }
  #forwards({ attachments }: Mapping): boolean {
    return attachments.some(
      ({ nveId, state }) => state === 'activated' && (this.#table.get(`member/${nveId}`)?.data as VnMember | undefined)?.reachable,
    );
  }
  pairs(): ReadonlySet<string> {
    const served = [...this.mappings.values()].map(({ data }) => data as Mapping).filter((mapping) => this.#forwards(mapping));
    const names = [...new Set(served.map(({ tsId }) => tsId))].toSorted();
    return new Set(names.flatMap((a) => names.filter((b) => b > a).map((b) => `${a} ${b}`)));
  }
}

const minus = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>): T[] => [...a].filter((one) => !b.has(one));

/** Holds what was foretold against what the tables became. */
function expectForetold(found: WhatIf, before: Tables, after: Tables, had: ReadonlySet<string>, has: ReadonlySet<string>): void {
  const feeds = [...new Set([...before.keys(), ...after.keys()])];
  const vns = feeds.filter((feed) => feed.startsWith('vn/'));
  for (const feed of feeds) {
    const [former, next] = [before.get(feed) ?? new Map(), after.get(feed) ?? new Map()];
    const changed = [...new Set([...former.keys(), ...next.keys()])].toSorted().flatMap((key) => {
      const [was, is] = [sinceless(former.get(key) ?? null), sinceless(next.get(key) ?? null)];
      return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ key, before: was, after: is }];
    });
    const effect = found.feeds.find((one) => feedKey(one.feed) === feed);
    // A stay in a VN that ended and began anew has another `since`: that is a change which these tables do not show.
    const foretold = (effect?.changes ?? []).map(({ key, before: was, after: is }) => ({
      key,
      before: sinceless(was),
      after: sinceless(is),
    }));
    expect(
      foretold.filter((one) => JSON.stringify(one.before) !== JSON.stringify(one.after)),
      feed,
    ).toEqual(changed);
    if (feed.startsWith('vn/'))
      expect([effect?.added ?? 0, effect?.changed ?? 0, effect?.removed ?? 0]).toEqual([
        changed.filter((one) => one.before === null).length,
        changed.filter((one) => one.before !== null && one.after !== null).length,
        changed.filter((one) => one.after === null).length,
      ]);
  }
  for (const nveId of ['nve1', 'nve2', 'nve3']) {
    const expected = { nveId, gained: 0, lost: 0, changed: 0, joined: [] as number[], left: [] as number[] };
    for (const feed of vns) {
      const [was, is] = [new Plain(before, feed), new Plain(after, feed)];
      const [former, next] = [was.has(nveId) ? was.mappings : new Map(), is.has(nveId) ? is.mappings : new Map()];
      for (const [key, value] of next)
        if (!former.has(key)) expected.gained++;
        else if (JSON.stringify(former.get(key)) !== JSON.stringify(value)) expected.changed++;
      for (const key of former.keys()) if (!next.has(key)) expected.lost++;
      if (!was.has(nveId) && is.has(nveId)) expected.joined.push(Number(feed.slice(3)));
      if (was.has(nveId) && !is.has(nveId)) expected.left.push(Number(feed.slice(3)));
    }
    const isNothing = expected.gained + expected.lost + expected.changed + expected.joined.length + expected.left.length === 0;
    expect(found.nves.find((one) => one.nveId === nveId)).toEqual(isNothing ? undefined : expected);
  }
  const [lost, gained] = [before, after].map((here, i) => {
    const there = i === 0 ? after : before;
    return vns.flatMap((feed) =>
      minus(new Plain(here, feed).pairs(), new Plain(there, feed).pairs()).map((pair) => `${feed.slice(3)} ${pair}`),
    );
  });
  for (const [pairs, expected] of [
    [found.pairs.lost, lost!],
    [found.pairs.gained, gained!],
  ] as const) {
    expect(pairs.first.map(({ vnid, a, b }) => `${vnid} ${[a, b].toSorted().join(' ')}`).toSorted()).toEqual(expected.toSorted());
    expect(pairs.count).toBe(expected.length);
  }
  const named = (set: ReadonlySet<string>): string[] => [...set].map((one) => one.replace(/^\S+ /, '')).toSorted();
  const told = (conflicts: WhatIf['conflicts']['appeared']): string[] =>
    conflicts.map(({ tsId, vnid, address, heldBy }) => `${tsId} ${vnid} ${address} ${heldBy}`).toSorted();
  expect(told(found.conflicts.appeared)).toEqual(named(new Set(minus(has, had))));
  expect(told(found.conflicts.ended)).toEqual(named(new Set(minus(had, has))));
}

const outcomeOf = (outcome: Outcome | null): unknown => {
  if (!outcome) return null;
  if ('refusal' in outcome) return { code: outcome.refusal.code, message: outcome.refusal.message };
  const { position: _, revision, ...rest } = outcome.answer;
  return { revision, ...rest };
};

const connected = (nveId: string, fields: object = {}): NvaEvent => ({
  type: 'NveConnected',
  data: {
    audit: auditAt(clock.wall),
    nveId,
    siteId: 's',
    mac: '02:00:00:00:0a:01',
    addresses: [underlayOf(nveId)],
    incarnation: 1,
    leaseS: null,
    ...fields,
  },
});
const recordedTs = (tsId: string, nveId: string, n: number, ip: string): NvaEvent => ({
  type: 'TenantSystemAttached',
  data: {
    audit: auditAt(clock.wall),
    tsId,
    tenantId: 'red',
    vmId: `vm-${tsId}`,
    mac: `02:00:00:00:00:0${n}`,
    attachment: { nveId, logicalInterface: null, state: 'activated' },
    mobility: 0,
    bindings: [{ bid: null, vnid: 1, vlan: null, ip, lifetimeS: null }],
  },
});
/** VN 1 with ts1 and ts2 at nve1, and ts3 at nve2. */
const ATTACHED: readonly NvaEvent[] = [
  {
    type: 'VnCreated',
    data: {
      audit: auditAt(clock.wall),
      vnid: 1,
      tenantId: 'red',
      name: 'VN1',
      service: 'l3',
      encapsulation: 'vxlan',
      policies: { access: {}, tunnel: {} },
    },
  },
  connected('nve1'),
  connected('nve2'),
  recordedTs('ts1', 'nve1', 1, '192.0.2.1'),
  recordedTs('ts2', 'nve1', 2, '192.0.2.2'),
  recordedTs('ts3', 'nve2', 3, '192.0.2.3'),
];
/** The network of events that are the first of their streams. */
function networkOf(...events: readonly NvaEvent[]): Network {
  const network = new Network();
  events.forEach((event, i) => network.apply({ position: i + 1, stream: streamOfEvent(event), revision: 0, event }));
  return network;
}

/** Appends a log of races to an empty store. */
async function write(store: LogFixture['store'], events: readonly RecordedEvent[]): Promise<void> {
  await store.append(
    events.map(({ stream, revision, event }) => ({
      stream,
      expectedRevision: revision - 1,
      events: [{ id: crypto.randomUUID(), event }],
    })),
  );
}

const given = commands.filter(({ type }) => !['takeOver', 'lapseNve', 'lapseBindings', 'purgeVn'].includes(type));

/** Tenant systems that reach each other, in VN 1 and VN 2. */
const orderlyLog = fc.constant(
  play([
    ...prelude,
    ...[1, 2, 3, 4, 5].map((n) => ({
      command: command('attach', {
        tsId: `ts${n}`,
        tenantId: 'red',
        vmId: `vm-ts${n}`,
        nveId: n % 2 === 0 ? 'nve1' : 'nve2',
        mac: `02:00:00:00:00:0${n}`,
        bindings: [
          { bid: 1, vnid: 1, ip: `192.0.2.${n}` },
          { bid: 2, vnid: 2, vlan: 10 },
        ],
      }),
      lag: 0,
      blind: false,
      gap: 1,
    })),
  ]),
);

describe('a what-if', () => {
  it('foretells the outcome of commands, and all that they change, and changes nothing', async () => {
    const seen = { refused: 0, changed: 0, lost: 0, gained: 0, appeared: 0, ended: 0, joined: 0, left: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(racyLog(40), orderlyLog),
        fc.array(given, { minLength: 1, maxLength: 30, size: 'max' }),
        async (events, wanted) => {
          const fixture = await openLog(clock);
          try {
            await write(fixture.store, events);
            const node = await startNode(fixture.store, clock);
            const { network } = node.replica;
            // What there is to pass is known by the network that the steps begin with.
            const steps = wanted.map((one) =>
              withPassing(
                one,
                [...network.tenantSystems.values()].map(({ state }) => state),
              ),
            );
            const [before, had, dumped] = [tablesOf(network), conflictsOf(network), dump(network)];
            const found = run(network, steps.map(stepOf));
            expect(dump(network)).toEqual(dumped);
            const outcomes = await node.submit(...steps);
            expect(found.steps.map(({ outcome }) => outcomeOf(outcome))).toEqual(outcomes.map(outcomeOf));
            expectForetold(found, before, tablesOf(network), had, conflictsOf(network));
            seen.refused += outcomes.filter((outcome) => 'refusal' in outcome).length;
            seen.changed += found.feeds.length;
            seen.lost += found.pairs.lost.count;
            seen.gained += found.pairs.gained.count;
            seen.appeared += found.conflicts.appeared.length;
            seen.ended += found.conflicts.ended.length;
            seen.joined += found.nves.reduce((sum, { joined }) => sum + joined.length, 0);
            seen.left += found.nves.reduce((sum, { left }) => sum + left.length, 0);
            await node.stop();
          } finally {
            await fixture.dispose();
          }
        },
      ),
      { numRuns: 30, seed: 11 },
    );
    // The runs are always the same. One registrar alone lets no conflict come up.
    expect(Object.entries(seen).filter(([kind, count]) => count === 0 && !['appeared', 'ended'].includes(kind))).toEqual([]);
  });

  it('tells which conflict would end, and who would get the address', () => {
    const network = networkOf(...ATTACHED, recordedTs('ts9', 'nve2', 9, '192.0.2.1'));
    const found = run(network, [stepOf(command('detach', { tsId: 'ts1', nveId: 'nve1' }))]);
    expect(found.conflicts).toEqual({ appeared: [], ended: [{ tsId: 'ts9', vnid: 1, address: '192.0.2.1', heldBy: 'ts1' }] });
    expect(found.feeds.find(({ feed }) => feedKey(feed) === 'vn/1')!.changes.map(({ key, after }) => [key, after !== null])).toEqual([
      ['mapping/ts1/192.0.2.1', false],
      ['mapping/ts9/192.0.2.1', true],
    ]);
  });

  it('refuses nothing that an operator may do, and tells what a registrar would refuse, step by step', () => {
    const found = run(networkOf(...ATTACHED), [
      stepOf(command('detach', { tsId: 'nobody', nveId: 'nve1' })),
      stepOf(command('deleteVn', { vnid: 1 })),
      stepOf(command('changeMac', { tsId: 'ts1', mac: '02:00:00:00:00:77' })),
    ]);
    expect(found.steps.map(({ outcome }) => (outcome && 'refusal' in outcome ? outcome.refusal.code : 'accepted'))).toEqual([
      'ts-unknown',
      'vn-in-use',
      'accepted',
    ]);
    expect(whatIfSentences(found)).toEqual([
      '3 steps would be recorded as 1 event.',
      'Step 1, detach, would be refused: there is no tenant system nobody.',
      'Step 2, deleteVn, would be refused: VN 1 still has tenant systems.',
    ]);
  });
});

describe('a scenario', () => {
  it('of an NVE that fails shows who can no longer be reached, though the entries stay (X6)', () => {
    const found = run(networkOf(...ATTACHED), [{ name: 'nve-fails', scenario: { type: 'nve-fails', nveId: 'nve1' } }]);
    expect(found.pairs.lost).toMatchObject({
      count: 3,
      first: [
        { vnid: 1, a: 'ts1', b: 'ts2' },
        { a: 'ts1', b: 'ts3' },
        { a: 'ts2', b: 'ts3' },
      ],
    });
    expect(found.feeds.map(({ feed, changed, removed }) => [feedKey(feed), changed, removed])).toEqual([['vn/1', 1, 0]]);
    expect(found.steps[0]).toMatchObject({ note: 'NVE nve1 has no lease: the NVA would notice only when somebody disconnects it' });
  });

  it('of an NVE with a lease is the lapse of the lease', () => {
    const network = networkOf(...ATTACHED, connected('nve3', { leaseS: 30 }));
    const found = run(network, [
      { name: 'nve-fails', scenario: { type: 'nve-fails', nveId: 'nve3' } },
      { name: 'nve-fails', scenario: { type: 'nve-fails', nveId: 'nve3' } },
    ]);
    expect(found.steps.map(({ events, note }) => [events.map(({ event }) => event.type), note])).toEqual([
      [['NveLeaseLapsed'], null],
      [[], 'NVE nve3 is unreachable already'],
    ]);
  });

  it('of a site takes all of its NVEs, and of a VN empties it first', () => {
    const site = run(networkOf(...ATTACHED), [{ name: 'site-fails', scenario: { type: 'site-fails', siteId: 's' } }]);
    expect(site.steps[0]!.events.map(({ stream }) => stream)).toEqual(['nve-nve1', 'nve-nve2']);
    const vn = run(networkOf(...ATTACHED), [{ name: 'vn-deleted', scenario: { type: 'vn-deleted', vnid: 1 } }]);
    expect(vn.steps[0]).toMatchObject({ swept: { done: 3, remaining: 0, refused: null } });
    expect(vn.steps[0]!.events.map(({ event }) => event.type)).toEqual([
      'BindingsRegistered',
      'BindingsRegistered',
      'BindingsRegistered',
      'VnDeleted',
    ]);
    expect(vn.nves).toEqual([
      { nveId: 'nve1', gained: 0, lost: 3, changed: 0, joined: [], left: [1] },
      { nveId: 'nve2', gained: 0, lost: 3, changed: 0, joined: [], left: [1] },
    ]);
  });

  it('of a distributor that stops marks what would not be told', () => {
    const found = run(networkOf(...ATTACHED), [
      stepOf(command('changeMac', { tsId: 'ts1', mac: '02:00:00:00:00:77' })),
      { name: 'distributor-stops', scenario: { type: 'distributor-stops', shards: [1] } },
      stepOf(command('detach', { tsId: 'ts2', nveId: 'nve1' })),
    ]);
    expect(found.feeds).toMatchObject([{ feed: { vnid: 1 }, told: false, changed: 1, removed: 1 }]);
    const other = run(networkOf(...ATTACHED), [
      { name: 'distributor-stops', scenario: { type: 'distributor-stops', shards: [2] } },
      stepOf(command('detach', { tsId: 'ts2', nveId: 'nve1' })),
    ]);
    expect(other.feeds).toMatchObject([{ told: true }]);
  });

  it('of a site, of a distributor, counts what earlier steps have made, and not what they have ended', () => {
    const fails = { name: 'site-fails', scenario: { type: 'site-fails', siteId: 's' } } as const;
    const stops = { name: 'distributor-stops', scenario: { type: 'distributor-stops', shards: [1, 2, 3] } } as const;
    const found = run(networkOf(...ATTACHED), [
      stepOf(command('connectNve', { nveId: 'nve8', siteId: 's', addresses: [underlayOf('nve8')] })),
      stepOf(command('connectNve', { nveId: 'nve2', siteId: 'elsewhere', addresses: [underlayOf('nve2')], incarnation: 1 })),
      stepOf(command('putVn', { vnid: 3 })),
      { name: 'vn-deleted', scenario: { type: 'vn-deleted', vnid: 1 } },
      fails,
      stops,
    ]);
    expect(found.steps.flatMap(({ outcome }) => (outcome && 'refusal' in outcome ? [outcome.refusal.message] : []))).toEqual([]);
    expect(found.steps[4]!.events.map(({ stream }) => stream)).toEqual(['nve-nve1', 'nve-nve8']);
    expect(found.steps[5]!.note).toContain('nothing of 1 VN would');
  });

  it('of a VN that has more in it than may be supposed is not called refused', () => {
    const found = run(networkOf(...ATTACHED), [{ name: 'vn-deleted', scenario: { type: 'vn-deleted', vnid: 1 } }], { maxEvents: 2 });
    expect(found.steps[0]).toMatchObject({ outcome: null, swept: { done: 2, remaining: 1 }, note: expect.stringContaining('bound') });
    expect(found.bounds).toEqual(new Set(['events']));
  });

  it('of a VN that is made again after it has a table of the new one only', () => {
    const found = run(networkOf(...ATTACHED), [
      { name: 'vn-deleted', scenario: { type: 'vn-deleted', vnid: 1 } },
      stepOf(command('putVn', { vnid: 1, tenantId: 'red', name: 'again' })),
    ]);
    expect(found.steps.map(({ outcome }) => (outcome && 'refusal' in outcome ? outcome.refusal.message : null))).toEqual([null, null]);
    expect(found.feeds.find(({ feed }) => feedKey(feed) === 'vn/1')).toMatchObject({ added: 0, changed: 1 });
  });

  it.each([
    ['nve-fails', { type: 'nve-fails', nveId: 'nowhere' }, 'nve-unknown'],
    ['site-fails', { type: 'site-fails', siteId: 'nowhere' }, 'nve-unknown'],
    ['vn-deleted', { type: 'vn-deleted', vnid: 77 }, 'vn-unknown'],
  ] as const)('%s of something that is not there is refused, and the next step goes on', (name, scenario, code) => {
    const found = run(networkOf(...ATTACHED), [{ name, scenario }, stepOf(command('detach', { tsId: 'ts2', nveId: 'nve1' }))]);
    expect(found.steps.map(({ outcome, events }) => [outcome && 'refusal' in outcome && outcome.refusal.code, events.length])).toEqual([
      [code, 0],
      [false, 1],
    ]);
  });
});

describe('a sweep in a what-if', () => {
  it('meets what the steps before it did, and leaves the rest to a later one', () => {
    const evacuate = (fields: object = {}): Step => ({
      name: 'evacuateNve',
      sweep: { sweep: { type: 'evacuateNve', nveId: 'nve1' as NveId, ...fields } },
    });
    const found = run(networkOf(...ATTACHED), [
      stepOf(command('attach', { tsId: 'ts7', nveId: 'nve1', tenantId: 'red', vmId: 'vm', mac: '02:00:00:00:00:07' })),
      evacuate({ limit: 2 }),
      evacuate({ dryRun: true }),
      evacuate(),
    ]);
    expect(found.steps.slice(1).map(({ swept, events }) => [swept?.done, swept?.remaining, events.length])).toEqual([
      [2, 1, 2],
      [0, 1, 0],
      [1, 0, 1],
    ]);
  });
});

describe('the bounds of a what-if', () => {
  it('are told where they are met', () => {
    const detach = ['ts1', 'ts2', 'ts3'].map((tsId) => stepOf(command('detach', { tsId, nveId: tsId === 'ts3' ? 'nve2' : 'nve1' })));
    const events = run(networkOf(...ATTACHED), detach, { maxEvents: 2 });
    expect([events.steps.length, [...events.bounds]]).toEqual([2, ['events']]);
    const sweep: Step = { name: 'evacuateNve', sweep: { sweep: { type: 'evacuateNve', nveId: 'nve1' as NveId, dryRun: true } } };
    const searched = run(networkOf(...ATTACHED), [sweep, sweep, sweep], { maxSearched: 4 });
    expect([searched.steps.length, [...searched.bounds]]).toEqual([2, ['searched']]);
    const listed = run(networkOf(...ATTACHED), detach, { limit: 1 });
    expect([...listed.bounds]).toEqual(['changes', 'pairs']);
    expect(listed.feeds.map(({ removed, changes }) => [removed, changes.length])).toEqual([
      [5, 1],
      [1, 0],
      [1, 0],
    ]);
    expect(listed.pairs.lost).toMatchObject({ count: 3, first: [{ a: 'ts1', b: 'ts2' }] });
    const tables = run(networkOf(...ATTACHED), detach, { maxLooked: 3 });
    expect([[...tables.bounds], tables.nves, tables.pairs.lost.count]).toEqual([['tables'], [], 0]);
    expect(whatIfSentences(tables).at(-1)).toBe('This is not all: a bound was met (tables).');
  });
});
