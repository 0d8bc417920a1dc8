import type { Command, Nve, TenantSystem, TenantSystemCommand } from '@nva/domain';
import { isTenantSystemCommand, isVnCommand } from '@nva/domain';
import type { Network } from '@nva/fold';

/** A group of tenant systems that a set of registrars serves (R34), and the addresses of these registrars. */
export interface RegistrarGroup {
  readonly name: string;
  /** URLs at which other registrars reach the registrars of the group. */
  readonly urls: readonly string[];
  readonly nves: readonly string[];
  readonly sites: readonly string[];
  readonly tenants: readonly string[];
  /** Whether the group serves everything that no other group names. This is true for exactly one group. */
  readonly rest: boolean;
}

/**
 * Tells which group serves what. The NVE has precedence over its site, and the site over the tenant; everything else belongs to
 * the group of the rest. An NVE's lease is assigned by NVE and site; a tenant system's lifetimes by all three. VNs belong to no
 * group: every registrar takes their commands.
 */
export class RegistrarGroups {
  readonly list: readonly RegistrarGroup[];
  readonly #byNve: ReadonlyMap<string, RegistrarGroup>;
  readonly #bySite: ReadonlyMap<string, RegistrarGroup>;
  readonly #byTenant: ReadonlyMap<string, RegistrarGroup>;
  readonly #rest: RegistrarGroup;

  /** The caller has checked `list`: no name, NVE, site or tenant occurs twice, and one group serves the rest. */
  constructor(list: readonly RegistrarGroup[]) {
    this.list = list;
    this.#byNve = indexed(list, (group) => group.nves);
    this.#bySite = indexed(list, (group) => group.sites);
    this.#byTenant = indexed(list, (group) => group.tenants);
    this.#rest = list.find((group) => group.rest)!;
  }

  ofNve(nveId: string, siteId: string | undefined): RegistrarGroup {
    return this.#placed(nveId, siteId) ?? this.#rest;
  }

  ofTenantSystem(tenantId: string | undefined, nveId: string | undefined, siteId: string | undefined): RegistrarGroup {
    return (
      (nveId === undefined ? undefined : this.#placed(nveId, siteId)) ??
      (tenantId === undefined ? undefined : this.#byTenant.get(tenantId)) ??
      this.#rest
    );
  }

  /**
   * The group of a command; null for a command that every registrar takes. `meant` finds the tenant system that the command is
   * about.
   */
  ofCommand(command: Command, network: Network, meant: (command: TenantSystemCommand) => TenantSystem | null): RegistrarGroup | null {
    if (isVnCommand(command)) return null;
    const siteOf = (nveId: string | undefined): string | undefined =>
      nveId === undefined ? undefined : network.nves.get(nveId)?.state?.siteId;
    if (!isTenantSystemCommand(command))
      return this.ofNve(command.nveId, command.type === 'connectNve' ? command.siteId : siteOf(command.nveId));
    const known = meant(command);
    // A move belongs to the group of the NVE that the tenant system moves to.
    const nveId = 'nveId' in command ? command.nveId : known?.attachments[0]?.nveId;
    return this.ofTenantSystem(command.tenantId ?? known?.tenantId, nveId, siteOf(nveId));
  }

  servesNve(group: RegistrarGroup, nve: Nve): boolean {
    return this.ofNve(nve.nveId, nve.siteId) === group;
  }

  servesTenantSystem(group: RegistrarGroup, ts: TenantSystem, network: Network): boolean {
    const nveId = ts.attachments[0]?.nveId;
    return this.ofTenantSystem(ts.tenantId, nveId, nveId === undefined ? undefined : network.nves.get(nveId)?.state?.siteId) === group;
  }

  #placed(nveId: string, siteId: string | undefined): RegistrarGroup | undefined {
    return this.#byNve.get(nveId) ?? (siteId === undefined ? undefined : this.#bySite.get(siteId));
  }
}

function indexed(
  list: readonly RegistrarGroup[],
  names: (group: RegistrarGroup) => readonly string[],
): ReadonlyMap<string, RegistrarGroup> {
  return new Map(list.flatMap((group) => names(group).map((name) => [name, group] as const)));
}
