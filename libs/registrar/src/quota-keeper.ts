import {
  COUNTED,
  EVERYONE,
  limitOf,
  quotaExceeded,
  sharesBeyond,
  sharesOf,
  type Counted,
  type Nve,
  type Quotas,
  type QuotaScope,
  type Share,
  type TenantSystem,
  type Usage,
  type Vn,
} from '@nva/domain';
import type { Network } from '@nva/fold';
import { Refusal } from '@nva/identifiers';

type State = TenantSystem | Vn | Nve | null;

/** What decisions that are not folded yet will use beyond what the fold counts, stream by stream. */
export class PendingUsage {
  readonly #byStream = new Map<string, readonly Share[]>();
  readonly #sums = new Map<string, number>();

  set(stream: string, folded: State, pending: State): void {
    this.clear(stream);
    const shares = sharesBeyond(sharesOf(folded), sharesOf(pending));
    this.#byStream.set(stream, shares);
    this.#add(shares, 1);
  }

  clear(stream: string): void {
    const shares = this.#byStream.get(stream);
    if (!shares) return;
    this.#byStream.delete(stream);
    this.#add(shares, -1);
  }

  of(scope: QuotaScope, id: string, counted: Counted): number {
    return this.#sums.get(keyOf(scope, id, counted)) ?? 0;
  }

  #add(shares: readonly Share[], sign: 1 | -1): void {
    for (const { scope, id, counted, count } of shares) {
      const key = keyOf(scope, id, counted);
      const sum = (this.#sums.get(key) ?? 0) + sign * count;
      if (sum === 0) this.#sums.delete(key);
      else this.#sums.set(key, sum);
    }
  }
}

const keyOf = (scope: QuotaScope, id: string, counted: Counted): string => `${scope} ${id} ${counted}`;

/** What the keeper needs to know about decisions that are not folded yet. */
export interface PendingWork {
  readonly usage: PendingUsage;
  /** Tenant systems in their pending states. */
  pendingTenantSystems(): readonly TenantSystem[];
}

export const NOTHING_PENDING: PendingWork = { usage: new PendingUsage(), pendingTenantSystems: () => [] };

/**
 * Refuses commands that would exceed the quota of a tenant or an NVE, by the fold and everything that this process has decided.
 * Several registrars can together exceed a quota by what they decide at one moment. Nothing that exists is ever taken away for a
 * quota.
 */
export class QuotaKeeper {
  readonly #quotas: Quotas;
  readonly #network: Network;
  readonly #pending: PendingWork;
  readonly refusals = new Map<string, number>();

  constructor(quotas: Quotas, network: Network, pending: PendingWork) {
    this.#quotas = quotas;
    this.#network = network;
    this.#pending = pending;
  }

  /**
   * Throws Refusal `quota-exceeded` if the changes together, from each state to the other, exceed a quota. A use that decreases
   * or stays is never refused.
   */
  check(...changes: readonly (readonly [before: State, after: State])[]): void {
    const before = changes.flatMap((change) => sharesOf(change[0]));
    const after = changes.flatMap((change) => sharesOf(change[1]));
    for (const share of sharesBeyond(before, after)) if (share.count > 0) this.#checkShare(share);
    for (const [, state] of changes) if (state && 'tsId' in state) this.#checkVnsOfNves(state);
  }

  /** The present use, pending decisions included. */
  used(scope: QuotaScope, id: string): Usage {
    return {
      tenantSystems: this.#used(scope, id, 'tenantSystems'),
      bindings: this.#used(scope, id, 'bindings'),
      vns: scope === 'nve' ? this.#vnsOf(id).size : this.#used(scope, id, 'vns'),
    };
  }

  limits(scope: QuotaScope, id: string): Readonly<Record<Counted, number | null>> {
    const limit = (counted: Counted): number | null => {
      const value = limitOf(this.#quotas, scope, id, counted);
      return Number.isFinite(value) ? value : null;
    };
    return { tenantSystems: limit('tenantSystems'), bindings: limit('bindings'), vns: limit('vns') };
  }

  /** By scope and counted thing, the highest ratio of use to quota of any tenant or NVE; only where there is a quota. */
  fullest(): readonly { readonly scope: QuotaScope; readonly counted: Counted; readonly ratio: number }[] {
    return (['tenant', 'nve'] as const).flatMap((scope) =>
      COUNTED.filter((counted) => [...this.#quotas[scope].values()].some((limits) => limits[counted] !== undefined)).map((counted) => ({
        scope,
        counted,
        ratio: this.#fullest(scope, counted),
      })),
    );
  }

  #fullest(scope: QuotaScope, counted: Counted): number {
    const ids =
      this.#quotas[scope].get(EVERYONE)?.[counted] === undefined
        ? this.#quotas[scope].keys()
        : scope === 'tenant'
          ? this.#network.holdings.tenants()
          : this.#network.nves.keys();
    let fullest = 0;
    for (const id of ids)
      if (id !== EVERYONE) fullest = Math.max(fullest, this.#folded(scope, id, counted) / limitOf(this.#quotas, scope, id, counted));
    return fullest;
  }

  #checkShare(share: Share): void {
    const { scope, id, counted, count } = share;
    const limit = limitOf(this.#quotas, scope, id, counted);
    if (limit === Number.POSITIVE_INFINITY) return;
    const used = this.#used(scope, id, counted);
    if (used + count > limit) throw this.#refused(share, used, limit);
  }

  #checkVnsOfNves({ attachments, bindings }: TenantSystem): void {
    for (const { nveId } of attachments) {
      const limit = limitOf(this.#quotas, 'nve', nveId, 'vns');
      if (limit === Number.POSITIVE_INFINITY) continue;
      const memberships = this.#network.nves.get(nveId)?.memberships;
      if (bindings.every(({ vnid }) => memberships?.has(vnid))) continue;
      const vns = this.#vnsOf(nveId);
      const used = vns.size;
      for (const { vnid } of bindings) vns.add(vnid);
      if (vns.size > used && vns.size > limit)
        throw this.#refused({ scope: 'nve', id: nveId, counted: 'vns', count: vns.size - used }, used, limit);
    }
  }

  #vnsOf(nveId: string): Set<number> {
    const vns = new Set(this.#network.nves.get(nveId)?.memberships.keys());
    for (const ts of this.#pending.pendingTenantSystems()) {
      if (ts.attachments.some((attachment) => attachment.nveId === nveId)) for (const { vnid } of ts.bindings) vns.add(vnid);
    }
    return vns;
  }

  #used(scope: QuotaScope, id: string, counted: Counted): number {
    return this.#folded(scope, id, counted) + this.#pending.usage.of(scope, id, counted);
  }

  #folded(scope: QuotaScope, id: string, counted: Counted): number {
    if (scope === 'tenant') return this.#network.holdings.of(id)?.[counted] ?? 0;
    const nve = this.#network.nves.get(id);
    if (!nve) return 0;
    return counted === 'vns' ? nve.memberships.size : counted === 'bindings' ? nve.bindings : nve.attachments;
  }

  #refused(share: Share, used: number, limit: number): Refusal {
    const name = `${share.scope} ${share.counted}`;
    this.refusals.set(name, (this.refusals.get(name) ?? 0) + 1);
    return quotaExceeded(share, used, limit);
  }
}
