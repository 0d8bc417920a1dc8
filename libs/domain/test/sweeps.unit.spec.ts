import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refusal } from '@nva/identifiers';
import { checkPresentLife, endingLines, WholeSet, type Held, type Nve, type TenantSystem } from '../src/index.ts';
import { command, underlayOf, World } from '../src/testing/index.ts';

const NVES = ['nve1', 'nve2'];
const TENANTS = ['red', 'blue'];
const VNID = { red: 1, blue: 2 } as const;

/** Tenant systems of two tenants with the same ids, each at some of two NVEs, in the tenant's VN or in none. */
const hosted = fc.uniqueArray(
  fc.record({
    tsId: fc.constantFrom('a', 'b', 'c', 'd'),
    tenantId: fc.constantFrom(...TENANTS),
    at: fc.subarray(NVES, { minLength: 1 }),
    bids: fc.constantFrom<(number | undefined)[]>([], [undefined], [1], [1, 2]),
  }),
  { maxLength: 8, selector: ({ tsId, tenantId }) => `${tsId}@${tenantId}` },
);
const held = fc.array(
  fc.record({ tsId: fc.constantFrom('a', 'b', 'c', 'd', 'unknown'), tenantId: fc.constantFrom(...TENANTS, undefined) }),
  { maxLength: 6 },
) as unknown as fc.Arbitrary<readonly Held[]>;

function worldOf(
  there: readonly { tsId: string; tenantId: string; at: readonly string[]; bids: readonly (number | undefined)[] }[],
): World {
  const world = new World();
  for (const tenantId of TENANTS)
    world.given(command('putVn', { vnid: VNID[tenantId as 'red'], tenantId, name: 'n', service: 'l3', encapsulation: 'vxlan' }));
  for (const nveId of NVES)
    world.given(command('connectNve', { nveId, siteId: 's', mac: '02:00:00:00:ff:01', addresses: [underlayOf(nveId)], incarnation: 1 }));
  for (const [i, { tsId, tenantId, at, bids }] of there.entries()) {
    const bindings = bids.map((bid) => ({
      ...(bid === undefined ? {} : { bid }),
      vnid: VNID[tenantId as 'red'],
      ip: `10.0.${i}.${bid ?? 0}`,
    }));
    for (const nveId of at)
      world.given(command('attach', { nveId, tsId, tenantId, vmId: 'vm', mac: `02:00:00:00:00:0${i}`, bindings, placement: 'add' }));
  }
  return world;
}

const at = (world: World, nveId: string): string[] =>
  world.aggregates
    .tenantSystems()
    .filter(({ ts }) => ts.attachments.some((a) => a.nveId === nveId))
    .map(({ ts }) => `${ts.tsId}@${ts.tenantId}`)
    .toSorted();

describe('an NVE\u2019s word on all that it has', () => {
  it('leaves at it exactly what it names of what was there, and everything at other NVEs', () => {
    let detached = 0;
    fc.assert(
      fc.property(hosted, held, (there, named) => {
        const world = worldOf(there);
        const [before, elsewhere] = [at(world, 'nve1'), at(world, 'nve2')];
        const kept = new WholeSet(named);
        for (const { ts } of world.aggregates.tenantSystems()) {
          if (ts.attachments.some(({ nveId }) => nveId === 'nve1') && !kept.has(ts))
            world.given(command('detach', { nveId: 'nve1', tsId: ts.tsId, tenantId: ts.tenantId }));
        }
        const wanted = before.filter((name) =>
          named.some(({ tsId, tenantId }) =>
            TENANTS.some((tenant) => name === `${tsId}@${tenant}` && (tenantId === undefined || tenantId === tenant)),
          ),
        );
        expect(at(world, 'nve1')).toEqual(wanted);
        expect(at(world, 'nve2')).toEqual(elsewhere);
        detached += before.length - wanted.length;
      }),
    );
    expect(detached).toBeGreaterThan(50);
  });

  it('is refused from a life before and from one to come, and where it has never connected', () => {
    const refused = (incarnation: number, nve: Partial<Nve> | null): unknown => {
      try {
        return checkPresentLife({ nveId: 'nve1', incarnation }, nve as Nve | null);
      } catch (error) {
        return error instanceof Refusal ? [error.code, error.detail.expected] : error;
      }
    };
    const nve: Partial<Nve> = { status: 'reachable', incarnation: 5 };
    expect(refused(5, nve)).toBeUndefined();
    expect(refused(4, nve)).toEqual(['nve-incarnation', 5]);
    expect(refused(6, nve)).toEqual(['nve-incarnation', 5]);
    expect(refused(5, { ...nve, status: 'disconnected' })).toBeUndefined();
    expect(refused(5, { ...nve, status: 'forgotten' })).toEqual(['nve-unknown', undefined]);
    expect(refused(5, null)).toEqual(['nve-unknown', undefined]);
  });
});

describe('emptying a VN', () => {
  it('ends every binding of a tenant system there in one event, by BID or by address, and none elsewhere', () => {
    fc.assert(
      fc.property(hosted, (there) => {
        const world = worldOf(there);
        for (const { name, ts } of world.aggregates.tenantSystems()) {
          const lines = endingLines(ts.bindings, 1);
          expect(lines).toHaveLength(ts.tenantId === 'red' ? ts.bindings.length : 0);
          if (lines.length > 0) world.given(command('registerBindings', { tsId: ts.tsId, tenantId: ts.tenantId, bindings: lines }));
          const after = world.state<TenantSystem>(`ts-${name}`);
          expect(after.bindings).toEqual(ts.tenantId === 'red' ? [] : ts.bindings);
          expect(after.attachments).toEqual(ts.attachments);
        }
      }),
    );
  });
});
