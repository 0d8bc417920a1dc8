import type { TenantSystem } from '@nva/domain';
import type { Fork } from './fork.ts';

/** What a tenant has: attached tenant systems, their bindings, living VNs. */
export interface Holding {
  tenantSystems: number;
  bindings: number;
  vns: number;
}

/** What each tenant has, for quotas. It is counted with every change, because counting it anew would walk over everything. */
export class Holdings {
  readonly #byTenant: Map<string, Holding>;

  constructor(byTenant: Map<string, Holding> = new Map()) {
    this.#byTenant = byTenant;
  }

  /** The same in a fork of the network. */
  fork(fork: Fork): Holdings {
    return new Holdings(fork.map(this.#byTenant, (holding) => ({ ...holding })));
  }

  /** undefined for a tenant that never had anything. */
  of(tenantId: string): Readonly<Holding> | undefined {
    return this.#byTenant.get(tenantId);
  }

  tenants(): IterableIterator<string> {
    return this.#byTenant.keys();
  }

  tenantSystem({ tenantId, attachments, bindings }: TenantSystem, step: 1 | -1): void {
    if (attachments.length === 0) return;
    const holding = this.#named(tenantId);
    holding.tenantSystems += step;
    holding.bindings += step * bindings.length;
  }

  vn(tenantId: string, step: 1 | -1): void {
    this.#named(tenantId).vns += step;
  }

  #named(tenantId: string): Holding {
    let holding = this.#byTenant.get(tenantId);
    if (!holding) {
      holding = { tenantSystems: 0, bindings: 0, vns: 0 };
      this.#byTenant.set(tenantId, holding);
    }
    return holding;
  }
}
