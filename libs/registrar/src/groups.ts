import type { Command, Nve, TenantSystem, TenantSystemCommand } from '@nva/domain';
import { isTenantSystemCommand, isVnCommand } from '@nva/domain';
import type { Network } from '@nva/fold';

/** A group of tenant systems that one NVA serves (R34), and where its registrars are. */
export interface Group {
  readonly name: string;
  /** Registrars of the group, as others reach them. */
  readonly urls: readonly string[];
  readonly nves: readonly string[];
  readonly sites: readonly string[];
  readonly tenants: readonly string[];
  /** Serves what no other group names. Exactly one does. */
  readonly rest: boolean;
}

/**
 * Which group serves what. The NVE decides before its site, the site before the tenant, and what nobody names goes to the group of the
 * rest. An NVE's lease goes by NVE and site; a tenant system's lifetimes by all three. VNs belong to no group: every registrar takes
 * their commands.
 */
export class Groups {
  readonly list: readonly Group[];
  readonly #byNve: ReadonlyMap<string, Group>;
  readonly #bySite: ReadonlyMap<string, Group>;
  readonly #byTenant: ReadonlyMap<string, Group>;
  readonly #rest: Group;

  /** `list` has been checked: no name, NVE, site or tenant twice, one group of the rest. */
  constructor(list: readonly Group[]) {
    this.list = list;
    this.#byNve = indexed(list, (group) => group.nves);
    this.#bySite = indexed(list, (group) => group.sites);
    this.#byTenant = indexed(list, (group) => group.tenants);
    this.#rest = list.find((group) => group.rest)!;
  }

  ofNve(nveId: string, siteId: string | undefined): Group {
    return this.#placed(nveId, siteId) ?? this.#rest;
  }

  ofTenantSystem(tenantId: string | undefined, nveId: string | undefined, siteId: string | undefined): Group {
    return (
      (nveId === undefined ? undefined : this.#placed(nveId, siteId)) ??
      (tenantId === undefined ? undefined : this.#byTenant.get(tenantId)) ??
      this.#rest
    );
  }

  /** The group that a command belongs to; null for one that every registrar takes. `meant` finds the tenant system that it is about. */
  ofCommand(command: Command, network: Network, meant: (command: TenantSystemCommand) => TenantSystem | null): Group | null {
    if (isVnCommand(command)) return null;
    const siteOf = (nveId: string | undefined): string | undefined =>
      nveId === undefined ? undefined : network.nves.get(nveId)?.state?.siteId;
    if (!isTenantSystemCommand(command))
      return this.ofNve(command.nveId, command.type === 'connectNve' ? command.siteId : siteOf(command.nveId));
    const known = meant(command);
    // A move belongs to where the tenant system goes.
    const nveId = 'nveId' in command ? command.nveId : known?.attachments[0]?.nveId;
    return this.ofTenantSystem(command.tenantId ?? known?.tenantId, nveId, siteOf(nveId));
  }

  servesNve(group: Group, nve: Nve): boolean {
    return this.ofNve(nve.nveId, nve.siteId) === group;
  }

  servesTenantSystem(group: Group, ts: TenantSystem, network: Network): boolean {
    const nveId = ts.attachments[0]?.nveId;
    return this.ofTenantSystem(ts.tenantId, nveId, nveId === undefined ? undefined : network.nves.get(nveId)?.state?.siteId) === group;
  }

  #placed(nveId: string, siteId: string | undefined): Group | undefined {
    return this.#byNve.get(nveId) ?? (siteId === undefined ? undefined : this.#bySite.get(siteId));
  }
}

function indexed(list: readonly Group[], names: (group: Group) => readonly string[]): ReadonlyMap<string, Group> {
  return new Map(list.flatMap((group) => names(group).map((name) => [name, group] as const)));
}
