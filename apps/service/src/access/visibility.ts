import type { FoldedTs, Network } from '@nva/fold';
import { tsNameOfCommand, type TenantSystemNames } from '@nva/domain';
import { Refusal, type TenantId, type TsId } from '@nva/identifiers';
import { nameable, type Caller, type RegistrarGroup } from '@nva/registrar';

/** What a caller may read: an operator everything; an NVE itself, the VNs that it is in, and the tenant systems attached to it. */
export class Visibility {
  readonly #network: Network;
  readonly #caller: Caller;

  constructor(network: Network, caller: Caller) {
    this.#network = network;
    this.#caller = caller;
  }

  operator(): void {
    if (this.#caller.kind === 'nve') throw new Refusal('forbidden', 'this is for operators');
  }

  nve(nveId: string): void {
    if (this.#caller.kind === 'nve' && this.#caller.nveId !== nveId)
      throw new Refusal('forbidden', `NVE ${this.#caller.nveId} may ask for itself only`, { field: 'nveId', received: nveId });
  }

  /** The refusal is the same whether the VN does not exist or the NVE is not in it. */
  vn(vnid: number): void {
    if (!this.seesVn(vnid)) throw new Refusal('forbidden', 'the NVE is not in that VN', { field: 'vnid', received: vnid });
  }

  seesVn(vnid: number): boolean {
    return this.#caller.kind !== 'nve' || (this.#network.vns.get(vnid)?.members.has(this.#caller.nveId) ?? false);
  }

  /** The tenant system that the caller means; undefined if there is none. Throws Refusal `ts-ambiguous` if several are possible. */
  tenantSystemNamed(tsId: TsId, tenantId: TenantId | undefined): FoldedTs | undefined {
    const { tenantSystems, namesakes } = this.#network;
    const names: TenantSystemNames = {
      tenantOf: (name) => tenantSystems.get(name)?.state.tenantId,
      hasNamesakes: (id) => namesakes.hasOthers(id),
      all: (id) => namesakes.all(id).map((ts) => ({ name: namesakes.nameOf(ts), ts: ts.state })),
    };
    return tenantSystems.get(
      tsNameOfCommand(
        { tsId, ...(tenantId === undefined ? {} : { tenantId }) },
        names,
        this.#caller.kind === 'nve' ? this.#caller.nveId : undefined,
      ),
    );
  }

  /** The refusal is the same whether the tenant system does not exist or is attached elsewhere. */
  tenantSystem(ts: FoldedTs | undefined): void {
    if (this.#caller.kind === 'nve' && !nameable(this.#caller, ts?.state ?? null)) {
      throw new Refusal('forbidden', `the tenant system is not attached to NVE ${this.#caller.nveId}`, { field: 'tsId' });
    }
  }

  /** The attachments of a tenant system. An NVE sees only its own access links (R11). */
  attachments(ts: FoldedTs): FoldedTs['state']['attachments'] {
    const { attachments } = ts.state;
    const { nveId: own } = this.#caller.kind === 'nve' ? this.#caller : {};
    return own === undefined ? attachments : attachments.map((a) => (a.nveId === own ? a : { ...a, logicalInterface: null }));
  }

  /**
   * What a group serves, as far as the caller may see it: an NVE sees only its own id, its own site and its own tenants. null if
   * the group serves none of these.
   */
  group(group: RegistrarGroup): RegistrarGroup | null {
    if (this.#caller.kind !== 'nve') return group;
    const { nveId } = this.#caller;
    const nve = this.#network.nves.get(nveId);
    const tenants = this.#caller.tenants ?? [...(nve?.memberships.values() ?? [])].map(({ vn }) => vn.state.tenantId);
    const own = {
      nves: group.nves.filter((id) => id === nveId),
      sites: group.sites.filter((id) => id === nve?.state?.siteId),
      tenants: group.tenants.filter((id) => tenants.includes(id)),
    };
    return group.rest || [own.nves, own.sites, own.tenants].some((names) => names.length > 0) ? { ...group, ...own } : null;
  }
}
