import type { TenantSystem } from '@nva/domain';
import { FoldedBinding, type ConnectedTenantSystem, type FoldedNve, type FoldedVn } from './model.ts';

interface Places {
  readonly vns: ReadonlyMap<number, FoldedVn>;
  nveNamed(nveId: string): FoldedNve;
}

/** Turns evolved states into the fold's own: bindings become FoldedBindings, and equal names share one string. */
export class Connecting {
  readonly #network: Places;
  readonly #names = new Map<string, string>();

  constructor(network: Places) {
    this.#network = network;
  }

  /** The state is a fresh object, so it is changed in place: copying each one would slow a replay noticeably. */
  connected(fresh: TenantSystem, before: TenantSystem | undefined): ConnectedTenantSystem {
    const state = fresh as { -readonly [K in keyof ConnectedTenantSystem]: ConnectedTenantSystem[K] };
    state.bindings = this.#connect(fresh);
    if (fresh.attachments !== before?.attachments) state.attachments = this.#adopt(fresh);
    state.tenantId = this.name(fresh.tenantId);
    return state;
  }

  /** One string per tenant instead of one per event. */
  name(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }

  /**
   * A new binding becomes a FoldedBinding to the present incarnation of its VN, if that is alive and the tenant's. An existing
   * FoldedBinding stays.
   */
  #connect(state: TenantSystem): readonly FoldedBinding[] {
    return state.bindings.map((binding) => {
      if (binding instanceof FoldedBinding) return binding;
      const vn = this.#network.vns.get(binding.vnid);
      return new FoldedBinding(binding, vn?.alive && vn.state.tenantId === state.tenantId ? vn : null);
    });
  }

  /** Shares one string per NVE, and makes an entry for every NVE that is mentioned. */
  #adopt(state: TenantSystem): TenantSystem['attachments'] {
    return state.attachments.map((attachment) => {
      const nve = this.#network.nveNamed(attachment.nveId);
      return { nveId: nve.nveId, logicalInterface: attachment.logicalInterface, state: attachment.state };
    });
  }
}
