import type { Binding } from '@nva/codec';
import { Refusal, type NveId, type TenantId, type TsId, type Vnid } from '@nva/identifiers';
import type { BindingLine } from './bindings.ts';
import type { Nve } from './nve.decider.ts';

/** Tenant systems that one sweep may change. */
export const MAX_SWEPT = 1_000;
/** Tenant systems that an NVE may name in a statement of all that it has. */
export const MAX_WHOLE_SET = 10_000;

/** A tenant system that an NVE has. Without the tenant, it means every tenant's tenant system of that id. */
export interface Held {
  readonly tsId: TsId;
  readonly tenantId?: TenantId;
}

interface Bounds {
  /** Reports what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** Maximum number of tenant systems; MAX_SWEPT by default. */
  readonly limit?: number;
  /** Where an earlier sweep ended: the `next` of its answer. */
  readonly after?: string;
}

/**
 * One request about many tenant systems: a bounded sequence of ordinary commands, one for each of them, without an event of its
 * own. Each result is in the tenant system's stream, decided on its exact revision like any other command. Why not an aggregate
 * for the whole: it would have to keep every other writer out of those streams meanwhile. It is not needed either: what is not
 * done yet is still there, so a repeat finds it.
 */
export type Sweep =
  /** Detaches everything at an NVE (operators). */
  | ({ readonly type: 'evacuateNve'; readonly nveId: NveId } & Bounds)
  /** Ends every binding in a VN; tenant systems stay attached (operators). */
  | ({ readonly type: 'emptyVn'; readonly vnid: Vnid } & Bounds)
  /** An NVE's statement of all tenant systems that it has: detaches those at it that the statement does not name. */
  | ({ readonly type: 'keepOnly'; readonly nveId: NveId; readonly incarnation: number; readonly tenantSystems: readonly Held[] } & Bounds);

/** All tenant systems that an NVE states to have. */
export class WholeSet {
  readonly #names: ReadonlySet<string>;

  constructor(held: readonly Held[]) {
    this.#names = new Set(held.map(({ tsId, tenantId }) => nameOf(tsId, tenantId)));
  }

  has({ tsId, tenantId }: { readonly tsId: string; readonly tenantId: string }): boolean {
    return this.#names.has(nameOf(tsId, tenantId)) || this.#names.has(nameOf(tsId, undefined));
  }
}

/** No id contains an `@`. */
const nameOf = (tsId: string, tenantId: string | undefined): string => (tenantId === undefined ? tsId : `${tsId}@${tenantId}`);

/**
 * Refuses a statement that is not from the NVE's present incarnation: it may be late, and a tenant system that it does not name
 * may have been attached since.
 */
export function checkPresentLife({ nveId, incarnation }: { readonly nveId: string; readonly incarnation: number }, nve: Nve | null): void {
  if (!nve || nve.status === 'forgotten')
    throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  if (incarnation === nve.incarnation) return;
  throw new Refusal('nve-incarnation', `NVE ${nveId} is at incarnation ${nve.incarnation}: only that one may say what it has`, {
    field: 'incarnation',
    received: incarnation,
    expected: nve.incarnation,
  });
}

/** The lines that end a tenant system's bindings in a VN. Each names its binding by its BID or, without one, by its address. */
export function endingLines(bindings: readonly Binding[], vnid: number): readonly BindingLine[] {
  const lines = bindings
    .filter((binding) => binding.vnid === vnid)
    .map(({ bid, vlan, ip }) =>
      bid === null ? { vnid, ...(vlan === null ? {} : { vlan }), ...(ip === null ? {} : { ip }), lifetimeS: 0 } : { bid, lifetimeS: 0 },
    );
  return lines as readonly BindingLine[];
}
