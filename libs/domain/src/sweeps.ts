import type { Binding } from '@nva/codec';
import { Refusal, type NveId, type TenantId, type TsId, type Vnid } from '@nva/identifiers';
import type { BindingLine } from './bindings.ts';
import type { Nve } from './nve.decider.ts';

/** Tenant systems that one sweep changes at most. */
export const MAX_SWEPT = 1_000;
/** Tenant systems that an NVE may name as all that it has. */
export const MAX_WHOLE_SET = 10_000;

/** A tenant system that an NVE has; without the tenant it is any tenant's of that id. */
export interface Held {
  readonly tsId: TsId;
  readonly tenantId?: TenantId;
}

interface Bounds {
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** Tenant systems at most; MAX_SWEPT unless given. */
  readonly limit?: number;
  /** Where an earlier one ended: its `next`. */
  readonly after?: string;
}

/**
 * What is asked of many tenant systems at once: a bounded sequence of ordinary commands, one for each of them, and no event of its
 * own. What each comes to is in that tenant system's stream, decided on its exact revision like any other command. An aggregate for
 * the whole would have to keep every other writer of those streams out meanwhile; and nothing that is true needs it: what is not
 * done yet is still there, so a repeat finds it.
 */
export type Sweep =
  /** Detaches everything at an NVE (operators). */
  | ({ readonly type: 'evacuateNve'; readonly nveId: NveId } & Bounds)
  /** Ends every binding in a VN; tenant systems stay attached (operators). */
  | ({ readonly type: 'emptyVn'; readonly vnid: Vnid } & Bounds)
  /** An NVE's word on all that it has: detaches what is at it and not named. */
  | ({ readonly type: 'keepOnly'; readonly nveId: NveId; readonly incarnation: number; readonly tenantSystems: readonly Held[] } & Bounds);

/** All that an NVE has, by its own word. */
export class WholeSet {
  readonly #names: ReadonlySet<string>;

  constructor(held: readonly Held[]) {
    this.#names = new Set(held.map(({ tsId, tenantId }) => nameOf(tsId, tenantId)));
  }

  has({ tsId, tenantId }: { readonly tsId: string; readonly tenantId: string }): boolean {
    return this.#names.has(nameOf(tsId, tenantId)) || this.#names.has(nameOf(tsId, undefined));
  }
}

/** No id has an `@`. */
const nameOf = (tsId: string, tenantId: string | undefined): string => (tenantId === undefined ? tsId : `${tsId}@${tenantId}`);

/** Refuses an NVE's word that is not of its present life: it may be late, and what it does not name may have been attached since. */
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

/** The lines that end a tenant system's bindings in a VN, each by its BID or, where it has none, by its address. */
export function endingLines(bindings: readonly Binding[], vnid: number): readonly BindingLine[] {
  const lines = bindings
    .filter((binding) => binding.vnid === vnid)
    .map(({ bid, vlan, ip }) =>
      bid === null ? { vnid, ...(vlan === null ? {} : { vlan }), ...(ip === null ? {} : { ip }), lifetimeS: 0 } : { bid, lifetimeS: 0 },
    );
  return lines as readonly BindingLine[];
}
