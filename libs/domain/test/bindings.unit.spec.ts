import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { Refusal } from '@nva/identifiers';
import { register } from '../src/bindings.ts';
import { evolveTenantSystem, type BindingLine, type TenantSystem } from '../src/index.ts';
import { attach, l3, MAC1, network } from './fixtures.ts';

const address = fc.record({ vnid: fc.constantFrom(1, 3), ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3') });
const line = fc.record({ bid: fc.constantFrom(0, 1, 2, 3), vnid: fc.constantFrom(1, 3), ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3'), lifetimeS: fc.constantFrom(0, 60) }, { requiredKeys: [] });

const sorted = (bindings: readonly { vnid: number; ip: string | null; bid: number | null }[]): string[] => bindings.map((b) => JSON.stringify([b.vnid, b.ip, b.bid])).toSorted();

describe('a registration', () => {
  it('comes to the same set in the decision and in the state that its event makes (R19, R22)', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.uniqueArray(address, { maxLength: 3, selector: ({ vnid, ip }) => `${vnid} ${ip}` }), fc.boolean(), fc.array(line, { minLength: 1, maxLength: 3 }), (addresses, numbered, lines) => {
        const bindings = addresses.map(({ vnid, ip }, i) => ({ bid: numbered || addresses.length > 1 ? addresses.length - i : null, vnid, vlan: null, ip, lifetimeS: null }));
        const before: TenantSystem = { tsId: 't1', tenantId: 'red', vmId: 'vm', mac: MAC1, attachments: [], bindings, failures: [], mobility: 0, moves: [], place: null };
        let resolved: ReturnType<typeof register>;
        try {
          resolved = register(bindings, lines as BindingLine[], String);
        } catch (error) {
          if (error instanceof Refusal) return;
          throw error;
        }
        accepted++;
        const audit = { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
        const after = evolveTenantSystem(before, { type: 'BindingsRegistered', data: { audit, tsId: 't1', bindings: resolved.changed, deregistered: resolved.deregistered.map((b) => b.bid ?? 0) } });
        expect(sorted(after.bindings)).toEqual(sorted(resolved.bindings));
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it('changes the address of the binding without a BID instead of adding one (R19, R22)', () => {
    const world = network().given(attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }), command('registerBinding', { tsId: 't1', bid: 0, ip: '192.0.2.8' }));
    expect(world.state<TenantSystem>('ts-t1').bindings).toEqual([{ bid: null, vnid: 1, vlan: null, ip: '192.0.2.8', lifetimeS: null }]);
  });
});
