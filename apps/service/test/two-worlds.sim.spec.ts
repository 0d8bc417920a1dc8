import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { macOf, nveBody, postLines, startNva, vnBody, type NvaFixture } from './support.ts';

const SEED = Number(process.env['SIM_SEED'] ?? 8);
const RUNS = 12;
const MAX_STEPS = 60;

type Json = Readonly<Record<string, unknown>>;
type Who = 'nve1' | 'operator';
/** A request to both worlds, or of what only the second one has. */
type Step =
  | { readonly to: 'both' | 'second'; readonly who: Who; readonly lines: readonly Json[] }
  | { readonly to: 'both'; readonly who: 'nve1'; readonly get: string };

let directory: string;
let tokens: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-two-worlds-'));
  tokens = join(directory, 'tokens.json');
  const digest = (token: string): string => createHash('sha256').update(token).digest('hex');
  await writeFile(
    tokens,
    JSON.stringify({
      operators: [{ name: 'op', sha256: digest('operator') }],
      nves: [{ nveId: 'nve1', tenants: ['red'], sha256: digest('nve1') }],
    }),
  );
});

afterAll(() => rm(directory, { recursive: true }));

// What red's NVE and the operators name. VN 9 and VN 8 are blue's if there are any, VN 7 is nobody's. Both tenants have tenant
// systems r1 and b1; r2 and r3
// are red's alone, b2 and b3 blue's, x1 is nobody's.
const vnids = fc.constantFrom(1, 2, 3, 7, 8, 9);
const tsIds = fc.constantFrom('r1', 'r2', 'r3', 'b1', 'b2', 'b3', 'x1');
const redTs = fc.constantFrom('r1', 'r2', 'r3', 'b1');
const blueTs = fc.constantFrom('b1', 'b2', 'b3', 'r1');
const nveIds = fc.constantFrom('nve1', 'nve1', 'nve1', 'nve2', 'nve9', 'nve7');
// A few addresses for everybody, so that they meet in a VN, and overlap between VNs.
const macs = fc.constantFrom(1, 2, 3, 4).map(macOf);
const ips = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3');
const bids = fc.constantFrom(1, 2, 3);
const revision = fc.option(fc.constantFrom(-1, 0, 1, 2), { nil: undefined, freq: 3 });
const key = fc.option(fc.constantFrom('k1', 'k2', 'k3', 'k4'), { nil: undefined, freq: 3 });

const attach = (tsId: fc.Arbitrary<string>, nveId: fc.Arbitrary<string>, vnid: fc.Arbitrary<number>, tenantId: fc.Arbitrary<string>) =>
  fc
    .record({
      nveId,
      tsId,
      tenantId,
      mac: macs,
      bindings: fc.array(fc.record({ bid: bids, vnid, ip: ips }), { maxLength: 3 }),
      placement: fc.constantFrom('move', 'add'),
    })
    .map((line) => ({ command: 'attach', vmId: `vm-${line.tsId}`, ...line }));

const applied = fc.array(
  fc.record({
    vnid: vnids,
    log: fc.constant('00000000-0000-4000-8000-000000000000'),
    position: fc.constantFrom('1', '9'),
    digest: fc.constant('d'.repeat(16)),
  }),
  { maxLength: 4 },
);
const command: fc.Arbitrary<Json> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: attach(redTs, nveIds, vnids, fc.constantFrom('red', 'red', 'red', 'blue')) },
      fc.record({ command: fc.constant('detach'), nveId: nveIds, tsId: tsIds }),
      fc.record({ command: fc.constant('registerBinding'), tsId: tsIds, bid: bids, vnid: vnids, ip: ips }),
      fc.record({
        command: fc.constant('registerBindings'),
        tsId: tsIds,
        bindings: fc.array(fc.record({ bid: bids, vnid: vnids, ip: ips }), { minLength: 1, maxLength: 2 }),
      }),
      fc.record({ command: fc.constant('deregisterBinding'), tsId: tsIds, bid: bids }),
      fc.record({ command: fc.constant('changeMac'), tsId: tsIds, mac: macs }),
      fc.record({ command: fc.constant('connectionFailure'), tsId: tsIds, nveId: nveIds, vnid: vnids }),
      fc.record({ command: fc.constant('remove'), tsId: tsIds }),
      fc.record({ command: fc.constant('deleteVn'), vnid: vnids }),
      fc.record({ command: fc.constant('heartbeat'), nveId: nveIds, incarnation: fc.constant(1), applied }),
    ),
    revision,
    key,
    fc.option(fc.constantFrom('red', 'blue'), { nil: undefined, freq: 3 }),
  )
  .map(([line, ifRevision, idempotencyKey, tenantId]) => ({
    ...(tenantId !== undefined && 'tsId' in line && { tenantId }),
    ...line,
    ...(ifRevision !== undefined && { ifRevision }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  }));

/** What it names may be anybody's: only what is at it counts. */
const keepOnly: fc.Arbitrary<Json> = fc.record({
  command: fc.constant('keepOnly'),
  nveId: nveIds,
  incarnation: fc.constantFrom(1, 1, 1, 2),
  tenantSystems: fc.array(fc.record({ tsId: tsIds, tenantId: fc.constantFrom('red', 'blue', undefined) }), { maxLength: 5 }),
});
const sweep = fc.oneof(
  keepOnly,
  keepOnly,
  nveIds.map((nveId) => ({ command: 'evacuateNve', nveId })),
  vnids.map((vnid) => ({ command: 'emptyVn', vnid })),
);

const path = fc.oneof(
  fc
    .tuple(vnids, fc.constantFrom('', '/members', '/tenant-systems', '/mappings', '/mappings?conflicted=true', '/mappings?limit=1'))
    .map(([vnid, rest]) => `/v1/vns/${vnid}${rest}`),
  fc.tuple(nveIds, fc.constantFrom('', '/table', '/tenant-systems', '/applied')).map(([nveId, rest]) => `/v1/nves/${nveId}${rest}`),
  fc.tuple(tsIds, fc.constantFrom('', '?tenantId=red', '?tenantId=blue')).map(([tsId, tenant]) => `/v1/tenant-systems/${tsId}${tenant}`),
  fc.tuple(vnids, ips, fc.constantFrom('direct', 'redirect')).map(([vnid, ip, mode]) => `/v1/resolve?vnid=${vnid}&ip=${ip}&mode=${mode}`),
  fc.constantFrom(
    '/v1/tenant-systems',
    '/v1/tenant-systems?limit=1',
    '/v1/tenant-systems?state=conflicted',
    '/v1/tenant-systems?tenantId=blue',
    '/v1/tenant-systems?vnid=9',
    '/v1/oracles',
    '/v1/vns',
    '/v1/nves',
    '/v1/events',
    '/v1/usage?nveId=nve1',
    '/v1/usage?nveId=nve9',
    '/v1/usage?tenantId=blue',
  ),
);

const VN3 = { command: 'putVn', vnid: 3, ...vnBody() };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      to: fc.constant('both' as const),
      who: fc.constant('nve1' as const),
      lines: fc.array(fc.oneof({ weight: 9, arbitrary: command }, { weight: 1, arbitrary: sweep }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ to: fc.constant('both' as const), who: fc.constant('nve1' as const), get: path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      to: fc.constant('both' as const),
      who: fc.constant('operator' as const),
      lines: fc.array(
        fc.oneof(
          attach(redTs, fc.constantFrom('nve1', 'nve2'), fc.constantFrom(1, 2, 3), fc.constant('red')),
          redTs.map((tsId) => ({ command: 'remove', tsId, tenantId: 'red' })),
          fc.constantFrom(VN3, { command: 'deleteVn', vnid: 3 }),
        ),
        { minLength: 1, maxLength: 2 },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      to: fc.constant('second' as const),
      who: fc.constant('operator' as const),
      lines: fc.array(
        fc.oneof(
          { weight: 4, arbitrary: attach(blueTs, fc.constantFrom('nve2', 'nve9'), fc.constantFrom(8, 9), fc.constant('blue')) },
          blueTs.map((tsId) => ({ command: 'remove', tsId, tenantId: 'blue' })),
          fc.tuple(blueTs, macs).map(([tsId, mac]) => ({ command: 'changeMac', tsId, tenantId: 'blue', mac })),
          fc.constantFrom(8, 9).map((vnid) => ({ command: 'putVn', vnid, ...vnBody({ tenantId: 'blue' }) })),
          fc.constantFrom(8, 9).map((vnid) => ({ command: 'deleteVn', vnid })),
        ),
        { minLength: 1, maxLength: 4 },
      ),
    }),
  },
);

const RED = [
  ...[1, 2, 3].map((vnid) => ({ command: 'putVn', vnid, ...vnBody() })),
  { command: 'connectNve', nveId: 'nve1', ...nveBody(1) },
  { command: 'connectNve', nveId: 'nve2', ...nveBody(2) },
];
const BLUE = [
  ...[8, 9].map((vnid) => ({ command: 'putVn', vnid, ...vnBody({ tenantId: 'blue' }) })),
  { command: 'connectNve', nveId: 'nve9', ...nveBody(9) },
  attached('b1', 'nve9', 1),
  attached('b2', 'nve2', 2),
];

function attached(tsId: string, nveId: string, n: number): Json {
  return {
    command: 'attach',
    nveId,
    tsId,
    tenantId: 'blue',
    vmId: `vm-${tsId}`,
    mac: macOf(n),
    bindings: [{ bid: 1, vnid: 9, ip: `10.0.0.${n}` }],
  };
}

const told = (nva: NvaFixture, who: Who, lines: readonly Json[]): Promise<Json[]> =>
  postLines(nva.url, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { authorization: `Bearer ${who}` });

async function read(nva: NvaFixture, of: string): Promise<unknown> {
  const { status, body } = await nva.http.get(of).set('authorization', 'Bearer nve1').set('x-correlation-id', 'c');
  return { status, body: body as unknown };
}

/** Positions count all that is recorded, so they differ between the worlds: what stands in their places, and the pairs that they make. */
class Positions {
  readonly #pairs = new Map<number, number>();

  compare(a: unknown, b: unknown, at: string): void {
    const [first, second] = [a, b].map((answer) => {
      const positions: number[] = [];
      const text = JSON.stringify(answer, (name, value: unknown) => {
        if (typeof value !== 'string' || !['position', 'since', 'incarnation'].includes(name)) return value;
        positions.push(Number(value));
        return '<position>';
      });
      return { text, positions };
    }) as [{ text: string; positions: number[] }, { text: string; positions: number[] }];
    expect(second.text, at).toBe(first.text);
    first.positions.forEach((position, i) => this.#pair(position, second.positions[i]!, at));
  }

  /** Each is later in the second world, by no less than an earlier one is, and always by the same. */
  #pair(first: number, second: number, at: string): void {
    expect(this.#pairs.get(first) ?? second, at).toBe(second);
    this.#pairs.set(first, second);
    const inOrder = [...this.#pairs].toSorted(([a], [b]) => a - b).map(([, other]) => other);
    expect(inOrder, at).toEqual(inOrder.toSorted((a, b) => a - b));
  }
}

it('two worlds that differ only in what is another tenant’s give an NVE the same answers to the same requests', async () => {
  const statuses = new Set<unknown>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: MAX_STEPS, size: 'max' }), async (steps) => {
      const [first, second] = [
        await startNva({ env: { TOKENS_FILE: tokens, RATE_LIMIT_PER_S: '100000' } }),
        await startNva({ env: { TOKENS_FILE: tokens, RATE_LIMIT_PER_S: '100000' } }),
      ];
      try {
        await Promise.all([told(first, 'operator', RED), told(second, 'operator', [...RED, ...BLUE])]);
        const positions = new Positions();
        // What the other tenant does goes on beside: nobody waits for it.
        const beside: Promise<unknown>[] = [];
        for (const [i, one] of steps.entries()) {
          if (one.to === 'second') beside.push(told(second, one.who, 'lines' in one ? one.lines : []));
          else {
            const ask = (nva: NvaFixture): Promise<unknown> => ('get' in one ? read(nva, one.get) : told(nva, one.who, one.lines));
            const [a, b] = await Promise.all([ask(first), ask(second)]);
            for (const { status } of [a].flat() as { status: number }[]) statuses.add(status);
            if (one.who === 'nve1') positions.compare(a, b, `step ${i}: ${JSON.stringify(one)}`);
          }
        }
        await Promise.all(beside);
        expect(await second.head()).toBeGreaterThan(await first.head());
      } finally {
        await Promise.all([first.stop(), second.stop()]);
      }
    }),
    { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 150_000, markInterruptAsFailure: false },
  );
  expect([...statuses].toSorted()).toEqual([200, 403, 404, 409, 422]);
}, 600_000);
