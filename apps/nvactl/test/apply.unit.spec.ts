import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { carryOut, type StepResult } from '../src/apply/carry-out.ts';
import { readManifest, type Manifest } from '../src/apply/manifest.ts';
import { planOf, type Plan } from '../src/apply/plan.ts';
import { planText, summaryText, told } from '../src/commands/apply.ts';
import { EXIT, Failure } from '../src/exit-codes.ts';
import { Paint } from '../src/output/paint.ts';
import { ModelNva } from './model.ts';

const manifestOf = (value: object): Manifest => readManifest([{ name: 'a.yaml', text: stringify(value) }]);
const vn = (vnid: number, fields: object = {}): object => ({
  vnid,
  tenantId: 'red',
  name: `vn${vnid}`,
  service: 'l3',
  encapsulation: 'vxlan',
  ...fields,
});
const nve = (n: number, fields: object = {}): object => ({
  nveId: `nve-${n}`,
  siteId: 'site-1',
  mac: `02:00:5e:00:00:0${n}`,
  addresses: [`198.51.100.${n}`],
  ...fields,
});
const ts = (n: number, fields: object = {}): object => ({
  tsId: `vm${n}`,
  tenantId: 'red',
  vmId: `vm${n}`,
  mac: `02:00:00:00:00:0${n}`,
  nveId: 'nve-1',
  bindings: [{ vnid: 100, ip: `192.0.2.${n}` }],
  ...fields,
});
const BASE = { vns: [vn(100), vn(200, { service: 'l2' })], nves: [nve(1), nve(2), nve(3)] };

/** A model that has been brought to these manifests, one after the other; each must leave nothing to do. */
function broughtTo(...manifests: readonly object[]): ModelNva {
  const nva = new ModelNva();
  for (const manifest of manifests) {
    const plan = planOf(manifestOf(manifest), nva.present(), null);
    expect(plan.impossible).toEqual([]);
    for (const { line } of plan.steps) nva.give(line);
    expect(planOf(manifestOf(manifest), nva.present(), null)).toEqual({ steps: [], impossible: [] });
  }
  return nva;
}
const planFrom = (nva: ModelNva, manifest: object, prune = false): Plan => planOf(manifestOf(manifest), nva.present(), prune ? {} : null);
const brief = ({ steps }: Plan): readonly string[] => steps.map(({ sign, action, object }) => `${sign} ${action} ${object}`);

describe('a manifest', () => {
  it('is read by the rules of the NVA, into the form in which the NVA answers', () => {
    const { tenantSystems, nves } = readManifest([
      { name: 'a', text: 'nves: [{nveId: n, siteId: s, mac: 02-00-5E-00-00-01, addresses: ["2001:DB8:0::1"]}]\n---\nvns:\n' },
      { name: 'b', text: stringify({ tenantSystems: [ts(1, { mac: '0200.0000.0001', bindings: [{ vnid: 100, ip: '2001:DB8::0:1' }] })] }) },
    ]);
    expect(nves).toEqual([{ nveId: 'n', siteId: 's', mac: '02:00:5e:00:00:01', addresses: ['2001:db8::1'] }]);
    expect(tenantSystems).toEqual([
      {
        tsId: 'vm1',
        tenantId: 'red',
        vmId: 'vm1',
        mac: '02:00:00:00:00:01',
        attachments: [{ nveId: 'nve-1', state: 'activated' }],
        bindings: [{ vnid: 100, ip: '2001:db8::1' }],
      },
    ]);
  });

  it.each([
    ['{vns: [{vnid: 100}]}', 'a.yaml, line 1: vns[0].tenantId: tenantId is missing'],
    [stringify({ vns: [vn(0)] }), 'a.yaml, line 2: vns[0].vnid'],
    [stringify({ vns: [vn(1), vn(1)] }), 'a.yaml, line 7: vns[1]: VN 1 is there twice; first in a.yaml, line 2'],
    [stringify({ nves: [nve(1, { force: true })] }), 'a.yaml, line 7: nves[0].force'],
    [stringify({ tenantSystems: [ts(1, { bindings: [{ vnid: 1, ip: '1.2.3' }] })] }), 'a.yaml, line 9: tenantSystems[0].bindings[0].ip'],
    [stringify({ tenantSystems: [ts(1, { attachments: [{ nveId: 'a' }] })] }), 'either nveId or attachments'],
    [stringify({ tenantSystems: [ts(1, { nveId: undefined, attachments: [] })] }), 'at least one place'],
    [stringify({ tenantSystems: [ts(1, { nveId: undefined, attachments: [{ nveId: 'a', mac: 'x' }] })] }), 'attachments[0].mac'],
    [stringify({ tenantSystems: [ts(1, { nveId: undefined, attachments: [{ nveId: 'a' }, { nveId: 'a' }] })] }), 'a is there twice'],
    ['hosts: []', 'there is no "hosts"'],
    ['vns: {}', 'vns is a list'],
    ['vns: [1]', 'vns[0] is a map'],
    ['- 1', 'a document is a map'],
    ['a: [', 'is not YAML'],
    ['', 'the files say nothing'],
    [`a: &a [x, x, x, x, x, x, x, x]\nb: &b [${'*a, '.repeat(8)}]\nc: &c [${'*b, '.repeat(8)}]\nvns: [${'*c, '.repeat(8)}]`, 'alias'],
  ])('that says %j is wrong usage: %s', (text, message) => {
    expect(() => readManifest([{ name: 'a.yaml', text }])).toThrow(
      expect.objectContaining({ exitCode: EXIT.usage, message: expect.stringContaining(message) }),
    );
  });
});

describe('a plan', () => {
  it('makes everything of nothing, in an order in which each finds what it needs', () => {
    const manifest = {
      ...BASE,
      tenantSystems: [ts(1), ts(2, { nveId: undefined, attachments: [{ nveId: 'nve-2' }, { nveId: 'nve-3', state: 'associated' }] })],
    };
    expect(brief(planFrom(new ModelNva(), manifest))).toEqual([
      '+ create vn/100',
      '+ create vn/200',
      '+ connect nve/nve-1',
      '+ connect nve/nve-2',
      '+ connect nve/nve-3',
      '+ attach ts/vm1',
      '+ attach ts/vm2',
      '+ attach ts/vm2',
    ]);
    broughtTo(manifest);
  });

  it('moves a tenant system in one change, so that there is no moment without it', () => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1)] });
    const plan = planFrom(nva, { tenantSystems: [ts(1, { nveId: 'nve-2' })] });
    expect(brief(plan)).toEqual(['~ move ts/vm1']);
    expect(plan.steps[0]!.line).toMatchObject({ command: 'attach', nveId: 'nve-2', ifRevision: 0 });
    expect(plan.steps[0]!.line['bindings']).toBeUndefined();
  });

  it.each([
    ['a name', { vns: [vn(100, { name: 'other' })] }, ['~ change vn/100']],
    ['policies', { vns: [vn(100, { context: { tunnel: { qos: 'gold' } } })] }, ['~ change vn/100']],
    ['a site and a lease', { nves: [nve(1, { siteId: 'site-2', leaseS: 30 })] }, ['~ change nve/nve-1']],
    ['a MAC', { tenantSystems: [ts(1, { mac: '02:00:00:00:00:99' })] }, ['~ change ts/vm1']],
    [
      'bindings',
      {
        tenantSystems: [
          ts(1, {
            bindings: [
              { vnid: 100, ip: '192.0.2.7', bid: 1 },
              { vnid: 200, vlan: 7, bid: 2 },
            ],
          }),
        ],
      },
      ['~ change ts/vm1'],
    ],
    ['a state', { tenantSystems: [ts(1, { state: 'associated' })] }, ['~ change ts/vm1']],
    ['an interface', { tenantSystems: [ts(1, { logicalInterface: 'eth7' })] }, ['~ change ts/vm1']],
    [
      'a second NVE',
      { tenantSystems: [ts(1, { nveId: undefined, attachments: [{ nveId: 'nve-1' }, { nveId: 'nve-2' }] })] },
      ['+ attach ts/vm1'],
    ],
    [
      'everything of a tenant system',
      { tenantSystems: [ts(1, { mac: '02:00:00:00:00:99', nveId: 'nve-3', bindings: [] })] },
      ['~ change ts/vm1', '~ move ts/vm1'],
    ],
  ])('changes %s, and nothing else', (_, change, expected) => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1)] });
    const plan = planFrom(nva, change);
    expect(brief(plan)).toEqual(expected);
    for (const { line } of plan.steps) nva.give(line);
    expect(brief(planFrom(nva, change))).toEqual([]);
  });

  it('leaves alone what a file leaves out: bindings, BIDs, interface, lease, policies', () => {
    const whole = {
      vns: [vn(100, { context: { access: { a: 'b' } } }), vn(200, { service: 'l2' })],
      nves: [nve(1, { leaseS: 30, incarnation: 7 })],
      tenantSystems: [
        ts(1, {
          logicalInterface: 'eth1',
          bindings: [
            { vnid: 100, ip: '192.0.2.1', bid: 5, lifetimeS: 60 },
            { vnid: 200, vlan: 3, ip: '192.0.2.1', bid: 6 },
          ],
        }),
      ],
    };
    const nva = broughtTo(whole);
    const bare = {
      vns: [vn(100)],
      nves: [nve(1)],
      tenantSystems: [
        ts(1, {
          bindings: [
            { vnid: 100, ip: '192.0.2.1' },
            { vnid: 200, ip: '192.0.2.1' },
          ],
        }),
      ],
    };
    expect(brief(planFrom(nva, bare))).toEqual([]);
    expect(brief(planFrom(nva, { tenantSystems: [ts(1, { bindings: undefined })] }))).toEqual([]);
  });

  it('lets an address go before somebody else takes it', () => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1), ts(2)] });
    const swap = { tenantSystems: [ts(2, { bindings: [{ vnid: 100, ip: '192.0.2.1' }] }), ts(1, { bindings: [] })] };
    const plan = planFrom(nva, swap);
    expect(brief(plan)).toEqual(['~ change ts/vm1', '~ change ts/vm2']);
    for (const { line } of plan.steps) nva.give(line);
  });

  /** The plan for a change of what there is, done step by step; every step is accepted, and nothing is left. */
  function done(before: readonly object[], after: readonly object[]): readonly string[] {
    const nva = broughtTo({ ...BASE, tenantSystems: before });
    const plan = planFrom(nva, { tenantSystems: after });
    for (const { line } of plan.steps) nva.give(line);
    expect(brief(planFrom(nva, { tenantSystems: after }))).toEqual([]);
    return plan.steps.map(({ action, object, what }) => `${action} ${object} ${what}`);
  }
  const withIp = (n: number, ip: number): object => ts(n, { bindings: [{ vnid: 100, ip: `192.0.2.${ip}` }] });

  it('exchanges two addresses, or two MACs, by one command', () => {
    expect(done([ts(1), ts(2)], [withIp(1, 2), withIp(2, 1)])).toEqual(['exchange ts/vm1 100/192.0.2.1 ↔ 100/192.0.2.2 with ts/vm2']);
    expect(done([ts(1), ts(2)], [ts(1, { mac: '02:00:00:00:00:02' }), ts(2, { mac: '02:00:00:00:00:01', nveId: 'nve-3' })])).toEqual([
      'exchange ts/vm1 MAC 02:00:00:00:00:01 ↔ 02:00:00:00:00:02 with ts/vm2',
      'move ts/vm2 nve-1 → nve-3',
    ]);
  });

  it('lets addresses go along a chain from its end, and opens any other circle', () => {
    expect(done([ts(1), ts(2), ts(3)], [withIp(1, 2), withIp(2, 3), withIp(3, 9)])).toEqual([
      'change ts/vm3 bindings 100/192.0.2.3 → 100/192.0.2.9',
      'change ts/vm2 bindings 100/192.0.2.2 → 100/192.0.2.3',
      'change ts/vm1 bindings 100/192.0.2.1 → 100/192.0.2.2',
    ]);
    expect(done([ts(1), ts(2), ts(3)], [withIp(1, 2), withIp(2, 3), withIp(3, 1)])).toEqual([
      'exchange ts/vm1 100/192.0.2.1 ↔ 100/192.0.2.3 with ts/vm3',
      'exchange ts/vm1 100/192.0.2.3 ↔ 100/192.0.2.2 with ts/vm2',
    ]);
    const of = (n: number, bindings: readonly object[]): object => ts(n, { bindings });
    const [one, two] = [
      { vnid: 100, ip: '192.0.2.1', bid: 1 },
      { vnid: 200, vlan: 7, ip: '192.0.2.2', bid: 2 },
    ];
    expect(done([of(1, [one]), of(2, [two])], [of(1, [two]), of(2, [one])])).toHaveLength(3);
  });

  it('waits for nobody who keeps the address: the NVA says who holds it', () => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1), ts(2)] });
    expect(brief(planFrom(nva, { tenantSystems: [withIp(1, 2), ts(2, { nveId: 'nve-3' })] }))).toEqual([
      '~ change ts/vm1',
      '~ move ts/vm2',
    ]);
  });

  it('says what cannot be, and does nothing about it', () => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1)] });
    const plan = planFrom(nva, {
      vns: [vn(100, { service: 'l2' }), vn(200, { tenantId: 'blue', service: 'l2' })],
      tenantSystems: [ts(1, { vmId: 'other' })],
    });
    expect(plan.steps).toEqual([]);
    expect(plan.impossible).toEqual([
      'vn/100 has service l3 and never another',
      'vn/200 is of tenant red and never of another',
      'ts/vm1 is a vNIC of VM vm1 while it is attached',
    ]);
    expect(planText(plan, new Paint({ isTTY: false }, {}))).toContain('! vn/100 has service');
  });

  it('prunes what the lists of the files do not name, tenant systems first, and nothing of a list that they do not have', () => {
    const nva = broughtTo({ ...BASE, tenantSystems: [ts(1), ts(2, { nveId: 'nve-3' })] });
    expect(brief(planFrom(nva, { tenantSystems: [ts(1)] }, true))).toEqual(['- remove ts/vm2']);
    const few = { vns: [vn(100)], nves: [nve(1)], tenantSystems: [ts(1)] };
    const plan = planFrom(nva, few, true);
    expect(brief(plan)).toEqual(['- remove ts/vm2', '- delete vn/200', '- forget nve/nve-2', '- forget nve/nve-3']);
    for (const { line } of plan.steps) nva.give(line);
    expect(brief(planFrom(nva, few, true))).toEqual([]);
    expect(planOf(manifestOf({ vns: [], nves: [], tenantSystems: [] }), nva.present(), { tenant: 'blue' }).steps).toEqual([]);
    expect(planOf(manifestOf({ vns: [], nves: [], tenantSystems: [] }), nva.present(), { tenant: 'red' }).steps).toHaveLength(2);
  });

  it('connects an NVE again that has disconnected', () => {
    const nva = broughtTo(BASE);
    nva.give({ command: 'disconnectNve', nveId: 'nve-1' });
    expect(planFrom(nva, { nves: [nve(1)] }).steps.map(({ what }) => what)).toEqual(['connects again']);
  });
});

const anyPlace = fc.record({ nveId: fc.constantFrom('nve-1', 'nve-2', 'nve-3'), state: fc.constantFrom('associated', 'activated') });
/** Each tenant system has addresses of its own: who holds an address first is another matter. */
const anyTenantSystem = (n: number): fc.Arbitrary<object> =>
  fc
    .record({
      mac: fc.constantFrom(`02:00:00:00:00:0${n}`, `02:00:00:00:01:0${n}`),
      attachments: fc.uniqueArray(anyPlace, { minLength: 1, selector: ({ nveId }) => nveId }),
      bindings: fc.option(
        fc.uniqueArray(
          fc.constantFrom(
            { vnid: 100, ip: `192.0.2.${n}`, bid: 1 },
            { vnid: 100, ip: `192.0.2.${n}0`, bid: 2 },
            { vnid: 200, vlan: 7, bid: 3 },
            { vnid: 200, vlan: 8, ip: `192.0.2.${n}`, bid: 4 },
          ),
          { selector: ({ bid }) => bid },
        ),
        { nil: undefined },
      ),
    })
    .map((fields) => ts(n, { nveId: undefined, ...fields }));
const anyManifest = fc
  .record({
    name: fc.constantFrom('a', 'b'),
    siteId: fc.constantFrom('site-1', 'site-2'),
    leaseS: fc.constantFrom(undefined, 30),
    tenantSystems: fc.tuple(...[1, 2, 3].map((n) => fc.option(anyTenantSystem(n), { nil: null }))),
  })
  .map(({ name, siteId, leaseS, tenantSystems }) => ({
    vns: [vn(100, { name }), vn(200, { service: 'l2' })],
    nves: [nve(1, { siteId, leaseS }), nve(2), nve(3)],
    tenantSystems: tenantSystems.filter((one) => one !== null),
  }));

describe('an apply', () => {
  it('is done as planned by the deciders of the NVA, and a second one has nothing to do', () => {
    let changes = 0;
    fc.assert(
      fc.property(fc.array(anyManifest, { minLength: 1, maxLength: 4 }), fc.boolean(), (manifests, prune) => {
        const nva = new ModelNva();
        for (const manifest of manifests) {
          const { steps, impossible } = planFrom(nva, manifest, prune);
          expect(impossible).toEqual([]);
          const before = nva.events;
          for (const { line } of steps) nva.give(line);
          // Every step was needed.
          expect(nva.events - before).toBe(steps.length);
          changes += steps.length;
          expect(brief(planFrom(nva, manifest, prune))).toEqual([]);
        }
      }),
      { numRuns: 100 },
    );
    expect(changes).toBeGreaterThan(500);
  });

  it('that hands addresses and MACs around in any way is done as planned', () => {
    const SYSTEMS = [1, 2, 3, 4];
    // Who has each of these addresses: without BIDs one of a VN, with them any number.
    const POOL = [
      { vnid: 100, ip: '192.0.2.1' },
      { vnid: 100, ip: '192.0.2.2' },
      { vnid: 100, ip: '192.0.2.3' },
      { vnid: 200, vlan: 7, ip: '192.0.2.1' },
      { vnid: 200, vlan: 7, ip: '192.0.2.2' },
    ];
    const withBids = fc
      .tuple(...POOL.map(() => fc.constantFrom(null, ...SYSTEMS)))
      .map((owners) => (n: number) => POOL.flatMap((one, i) => (owners[i] === n ? [{ ...one, bid: i + 1 }] : [])));
    const withoutBids = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }).map((owners) => (n: number) => {
      const address = POOL[owners[n - 1]!]!;
      return address.vnid === 200 ? [] : [address];
    });
    const anyMacs = fc.shuffledSubarray(SYSTEMS, { minLength: SYSTEMS.length });
    const anyOwners = fc.oneof(withBids, withoutBids);
    let [exchanges, givesUp] = [0, 0];
    fc.assert(
      fc.property(
        fc.oneof(fc.array(fc.tuple(withBids, anyMacs), { maxLength: 4 }), fc.array(fc.tuple(anyOwners, anyMacs), { maxLength: 2 })),
        (rounds) => {
          const nva = new ModelNva();
          for (const [bindingsOf, macs] of rounds) {
            const manifest = {
              ...BASE,
              tenantSystems: SYSTEMS.map((n) => ts(n, { mac: `02:00:00:00:00:0${macs[n - 1]}`, bindings: bindingsOf(n) })),
            };
            const { steps } = planFrom(nva, manifest);
            for (const { line } of steps) nva.give(line);
            exchanges += steps.filter(({ action }) => action === 'exchange').length;
            givesUp += steps.filter(({ what }) => what.startsWith('gives up')).length;
            expect(brief(planFrom(nva, manifest))).toEqual([]);
          }
        },
      ),
      { numRuns: 200 },
    );
    expect(Math.min(exchanges, givesUp)).toBeGreaterThan(0);
  });

  const { steps } = planFrom(new ModelNva(), { ...BASE, tenantSystems: Array.from({ length: 9 }, (_, i) => ts(i + 1)) });
  const many = Array.from({ length: 20 }, () => steps).flat();
  const answered = (status: number) => `{"line":1,"status":${status},"effective":${status === 200},"detail":"no"}`;
  /** A client whose NVA answers as told to. */
  const client = (answer: (lines: readonly string[], request: number) => Iterable<string>) => {
    const sent: number[] = [];
    return {
      sent,
      async *lines(body: string) {
        const lines = body.split('\n').slice(0, -1);
        sent.push(lines.length);
        yield* answer(lines, sent.length);
      },
    };
  };
  const idle = new AbortController().signal;

  it('tells the outcome of each command', async () => {
    const results: StepResult[] = [];
    const nva = client((lines) => lines.map((_, i) => answered([200, 202, 409][i % 3]!)));
    const carried = await carryOut(nva, steps, idle, (result) => results.push(result));
    expect(carried.failure).toBeNull();
    expect(carried.results).toEqual(results);
    expect(told(carried)).toBe('5 of 14 done, 5 not effective, 4 refused');
    expect(summaryText(carried, new Paint({ isTTY: false }, {}))).toContain('✗  connect  nve/nve-1  refused        no (409)');
  });

  it('ends with what is under way when it is interrupted', async () => {
    const stop = new AbortController();
    const nva = client((lines, request) => {
      if (request === 2) stop.abort();
      return lines.map(() => answered(200));
    });
    const carried = await carryOut(nva, many, stop.signal, () => undefined);
    expect(nva.sent).toEqual([64, 64]);
    expect(told(carried)).toBe('128 of 280 done, 152 not tried');
    expect(carried.failure?.exitCode).toBe(EXIT.interrupted);
  });

  it('says which outcomes are unknown when the NVA goes away', async () => {
    const nva = client(function* (lines, request) {
      yield* lines.slice(0, request === 2 ? 10 : 64).map(() => answered(200));
      if (request === 2) throw new Failure(EXIT.unreachable, 'gone');
    });
    const carried = await carryOut(nva, many, idle, () => undefined);
    expect(told(carried)).toBe('74 of 280 done, 54 unknown, 152 not tried');
    expect(carried.failure?.exitCode).toBe(EXIT.unreachable);
  });

  it.each(['no', '{}', 'null'])('is over if the NVA answers with %j', async (line) => {
    const carried = await carryOut(
      client(() => [line]),
      steps,
      idle,
      () => undefined,
    );
    expect(carried.failure?.exitCode).toBe(EXIT.unreachable);
    expect(told(carried)).toBe('0 of 14 done, 14 unknown');
  });
});
