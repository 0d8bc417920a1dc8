import type { TenantSystem } from '@nva/domain';
import { Connection, type ConnectedTenantSystem, type FoldedNve, type FoldedVn } from './model.ts';

interface Places {
  readonly vns: ReadonlyMap<number, FoldedVn>;
  nveNamed(nveId: string): FoldedNve;
}

/** Makes the states that events evolved to the fold's own: bindings become Connections, and names one string each. */
export class Connecting {
  readonly #network: Places;
  readonly #names = new Map<string, string>();

  constructor(network: Places) {
    this.#network = network;
  }

  /** The state is a fresh object, so it is changed in place: a copy of each is felt in a replay. */
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

  /** New bindings become Connections to the VN as it now is, if it lives and is the tenant's; those that stay, stay. */
  #connect(state: TenantSystem): readonly Connection[] {
    return state.bindings.map((binding) => {
      if (binding instanceof Connection) return binding;
      const vn = this.#network.vns.get(binding.vnid);
      return new Connection(binding, vn?.alive && vn.state.tenantId === state.tenantId ? vn : null);
    });
  }

  /** One string per NVE, and an entry for every NVE that is spoken of. */
  #adopt(state: TenantSystem): TenantSystem['attachments'] {
    return state.attachments.map((attachment) => {
      const nve = this.#network.nveNamed(attachment.nveId);
      return { nveId: nve.nveId, logicalInterface: attachment.logicalInterface, state: attachment.state };
    });
  }
}
