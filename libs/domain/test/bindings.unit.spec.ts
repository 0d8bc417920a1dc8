import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { Refusal } from '@nva/identifiers';
import { register, wholeSet } from '../src/bindings.ts';
import { evolveTenantSystem, type BindingLine, type TenantSystem } from '../src/index.ts';
import { attach, l3, MAC1, network } from './fixtures.ts';

const address = fc.record({ vnid: fc.constantFrom(1, 3), ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3') });
const line = fc.record(
  {
    bid: fc.constantFrom(0, 1, 2, 3),
    vnid: fc.constantFrom(1, 3),
    ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3'),
    lifetimeS: fc.constantFrom(0, 60),
  },
  { requiredKeys: [] },
);

const sorted = (bindings: readonly { vnid: number; ip: string | null; bid: number | null }[]): string[] =>
  bindings.map((b) => JSON.stringify([b.vnid, b.ip, b.bid])).toSorted();

describe('a whole set', () => {
  const numbered = (addresses: readonly { vnid: number; ip: string }[], bids: readonly number[]) =>
    addresses.map(({ vnid, ip }, i) => ({ bid: bids[i]!, vnid, vlan: null, ip, lifetimeS: null }));
  const addresses = fc.uniqueArray(address, { maxLength: 4, selector: ({ vnid, ip }) => `${vnid} ${ip}` });
  const bids = fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 4, maxLength: 4 });

  it('of which every line says VN, address and BID is what it says, whatever was there before, unless an address that stays had another BID (R18, R22)', () => {
    let accepted = 0;
    fc.assert(
      fc.property(addresses, bids, addresses, bids, (before, beforeBids, after, afterBids) => {
        const current = numbered(before, beforeBids);
        const lines = numbered(after, afterBids);
        let whole: ReturnType<typeof wholeSet>;
        try {
          whole = wholeSet(current, lines.map(({ bid, vnid, ip }) => ({ bid, vnid, ip })) as BindingLine[]);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
          expect((error as Refusal).code).toBe('address-registered');
          expect(
            lines.some((one) =>
              current.some(
                (other) =>
                  other.vnid === one.vnid && other.ip === one.ip && other.bid !== one.bid && !lines.some(({ bid }) => bid === other.bid),
              ),
            ),
          ).toBe(true);
          return;
        }
        accepted++;
        expect(sorted(whole)).toEqual(sorted(lines));
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(2_000);
  });
});

describe('a registration', () => {
  it('comes to the same set in the decision and in the state that its event makes (R19, R22)', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.uniqueArray(address, { maxLength: 3, selector: ({ vnid, ip }) => `${vnid} ${ip}` }),
        fc.boolean(),
        fc.array(line, { minLength: 1, maxLength: 3 }),
        (addresses, numbered, lines) => {
          const bindings = addresses.map(({ vnid, ip }, i) => ({
            bid: numbered || addresses.length > 1 ? addresses.length - i : null,
            vnid,
            vlan: null,
            ip,
            lifetimeS: null,
          }));
          const before: TenantSystem = {
            tsId: 't1',
            tenantId: 'red',
            vmId: 'vm',
            mac: MAC1,
            attachments: [],
            bindings,
            failures: [],
            mobility: 0,
            moves: [],
            place: null,
            awaits: null,
          };
          let resolved: ReturnType<typeof register>;
          try {
            resolved = register(bindings, lines as BindingLine[], () => '');
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            expect(error.detail.field).not.toMatch(/^\./);
            return;
          }
          accepted++;
          const audit = { recordedAt: 0, actor: 'a', correlationId: 'c', idempotencyKey: null, requestDigest: null };
          const after = evolveTenantSystem(before, {
            type: 'BindingsRegistered',
            data: { audit, tsId: 't1', bindings: resolved.changed, deregistered: resolved.deregistered.map((b) => b.bid ?? 0) },
          });
          expect(sorted(after.bindings)).toEqual(sorted(resolved.bindings));
        },
      ),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it('changes the address of the binding without a BID instead of adding one (R19, R22)', () => {
    const world = network().given(
      attach('t1', 'nve1', { bindings: [l3('192.0.2.1')] }),
      command('registerBinding', { tsId: 't1', bid: 0, ip: '192.0.2.8' }),
    );
    expect(world.state<TenantSystem>('ts-t1').bindings).toEqual([{ bid: null, vnid: 1, vlan: null, ip: '192.0.2.8', lifetimeS: null }]);
  });
});
