import type { Address, Hosted, Resolution } from '@nva/nve';
import { CheckFailed } from './check-failed.ts';
import type { Stage } from './stage.ts';

/** The tenant system that an NVE should find at an address, and where. */
export type Expected =
  | { readonly is: 'here'; readonly tsId: string }
  | { readonly is: 'remote'; readonly tsId: string; readonly nveId: string; readonly reachable: boolean }
  | { readonly is: 'nobody' };

/** A packet or frame at an NVE, for an address in a VN, and the expected result. */
export interface Lookup {
  readonly at: string;
  readonly vn: string;
  /** An IP or a MAC. */
  readonly address: string;
  readonly expected: Expected;
}

/** What the NVE found. */
export type Found =
  | { readonly is: 'here'; readonly tsId: string }
  | {
      readonly is: 'remote';
      readonly tsId: string;
      readonly nveId: string;
      readonly reachable: boolean;
      readonly mac: string;
      readonly bid: number | null;
      readonly encapsulation: string;
      readonly vnid: number;
      /** The address at which the tunnel ends. */
      readonly endpoint: string;
    }
  | { readonly is: 'nobody' };

export interface LookedUp {
  readonly lookup: Lookup;
  readonly found: Found;
}

export const here = (at: string, vn: string, address: string, tsId: string): Lookup => ({
  at,
  vn,
  address,
  expected: { is: 'here', tsId },
});
export const nobody = (at: string, vn: string, address: string): Lookup => ({ at, vn, address, expected: { is: 'nobody' } });

/** Expects `tsId` behind the NVE `nveId`. */
export function remote(at: string, vn: string, address: string, tsId: string, nveId: string, reachable = true): Lookup {
  return { at, vn, address, expected: { is: 'remote', tsId, nveId, reachable } };
}

/** Resolves the address as the NVE does to forward. Throws CheckFailed if the result is not the expected one. */
export function lookUp(stage: Stage, lookup: Lookup): LookedUp {
  const { at, vn, address, expected } = lookup;
  const asked: Address = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(address) ? { mac: address } : { ip: address };
  const found = foundIn(stage.agent(at).client.resolve(stage.names.vn(vn).vnid, asked));
  const wrong = Object.entries(expected).some(([field, value]) => (found as Record<string, unknown>)[field] !== value);
  if (wrong)
    throw new CheckFailed(`${at} looks up ${address} in ${vn}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  return { lookup, found };
}

function foundIn(resolution: Hosted | Resolution | null): Found {
  if (resolution === null) return { is: 'nobody' };
  switch (resolution.outcome) {
    case 'hosted':
      return { is: 'here', tsId: resolution.attachment.tsId };
    case 'local':
      return { is: 'here', tsId: resolution.mapping.tsId };
    case 'unresolved':
      throw new CheckFailed(`${resolution.key} does not resolve: ${resolution.reason}`);
    case 'remote': {
      const { via, mapping, tunnel } = resolution;
      const { encapsulation, vnid, addresses } = tunnel;
      return {
        is: 'remote',
        tsId: mapping.tsId,
        nveId: via.nveId,
        reachable: via.reachable,
        mac: mapping.mac,
        bid: mapping.bid,
        encapsulation,
        vnid,
        endpoint: addresses[0]!,
      };
    }
  }
}
