import { Refusal } from '@nva/identifiers';
import type { Nve } from './nve.decider.ts';
import type { TenantSystem } from './tenant-system.ts';
import type { Vn } from './vn.decider.ts';

/**
 * What quotas count. For a tenant: its attached tenant systems, their bindings, its living VNs. For an NVE: the tenant systems
 * attached there, their bindings, the VNs that it is in.
 */
export const COUNTED = ['tenantSystems', 'bindings', 'vns'] as const;
export type Counted = (typeof COUNTED)[number];

/** Who has the quota: a tenant or an NVE. */
export type QuotaScope = 'tenant' | 'nve';

export type Usage = Readonly<Record<Counted, number>>;
/** Upper bounds; an absent one means no bound. */
export type Limits = Partial<Usage>;

/** Limits by id of the tenant or NVE. A limit under `*` holds for every id that has no limit of its own for the same thing. */
export interface Quotas {
  readonly tenant: ReadonlyMap<string, Limits>;
  readonly nve: ReadonlyMap<string, Limits>;
}

export const NO_QUOTAS: Quotas = { tenant: new Map(), nve: new Map() };

export const EVERYONE = '*';

export const limitOf = (quotas: Quotas, scope: QuotaScope, id: string, counted: Counted): number =>
  quotas[scope].get(id)?.[counted] ?? quotas[scope].get(EVERYONE)?.[counted] ?? Number.POSITIVE_INFINITY;

/** One part of what a tenant or an NVE uses. */
export interface Share {
  readonly scope: QuotaScope;
  readonly id: string;
  readonly counted: Counted;
  readonly count: number;
}

/**
 * What the state of one aggregate adds to the use of tenants and NVEs. The VNs that an NVE is in are not included, since they
 * depend on several aggregates.
 */
export function sharesOf(state: TenantSystem | Vn | Nve | null): readonly Share[] {
  if (state === null) return [];
  if ('vnid' in state) return state.status === 'alive' ? [{ scope: 'tenant', id: state.tenantId, counted: 'vns', count: 1 }] : [];
  if (!('tsId' in state) || state.attachments.length === 0) return [];
  const { bindings } = state;
  const shares = (scope: QuotaScope, id: string): Share[] => [
    { scope, id, counted: 'tenantSystems', count: 1 },
    { scope, id, counted: 'bindings', count: bindings.length },
  ];
  return [...shares('tenant', state.tenantId), ...state.attachments.flatMap(({ nveId }) => shares('nve', nveId))];
}

/** The difference in use between `before` and `after`; negative counts where `after` uses less. */
export function sharesBeyond(before: readonly Share[], after: readonly Share[]): readonly Share[] {
  const shares = new Map<string, Share>();
  const add = (share: Share, sign: 1 | -1): void => {
    const key = `${share.scope} ${share.id} ${share.counted}`;
    shares.set(key, { ...share, count: (shares.get(key)?.count ?? 0) + sign * share.count });
  };
  for (const share of after) add(share, 1);
  for (const share of before) add(share, -1);
  return [...shares.values()].filter(({ count }) => count !== 0);
}

const WHAT: Readonly<Record<Counted, string>> = { tenantSystems: 'tenant systems', bindings: 'bindings', vns: 'VNs' };

export const quotaExceeded = ({ scope, id, counted, count }: Share, used: number, limit: number): Refusal =>
  new Refusal('quota-exceeded', `${scope === 'nve' ? 'NVE' : 'tenant'} ${id} may have ${limit} ${WHAT[counted]}, and has ${used}`, {
    field: scope === 'nve' ? 'nveId' : 'tenantId',
    received: id,
    expected: { [counted]: limit },
    actual: { [counted]: used + count },
  });
