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

  /** A VN that the NVE is not in and one that does not exist are refused alike. */
  vn(vnid: number): void {
    if (!this.seesVn(vnid)) throw new Refusal('forbidden', 'the NVE is not in that VN', { field: 'vnid', received: vnid });
  }

  seesVn(vnid: number): boolean {
    return this.#caller.kind !== 'nve' || (this.#network.vns.get(vnid)?.members.has(this.#caller.nveId) ?? false);
  }

  /** The tenant system that the caller means; undefined if there is none. Throws Refusal `ts-ambiguous` if it could be several. */
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

  /** One that is elsewhere and one that does not exist are refused alike. */
  tenantSystem(ts: FoldedTs | undefined): void {
    if (this.#caller.kind === 'nve' && !nameable(this.#caller, ts?.state ?? null)) {
      throw new Refusal('forbidden', `the tenant system is not attached to NVE ${this.#caller.nveId}`, { field: 'tsId' });
    }
  }

  /** Where a tenant system is; the access link at an NVE is that NVE's own business (R11). */
  attachments(ts: FoldedTs): FoldedTs['state']['attachments'] {
    const { attachments } = ts.state;
    const { nveId: own } = this.#caller.kind === 'nve' ? this.#caller : {};
    return own === undefined ? attachments : attachments.map((a) => (a.nveId === own ? a : { ...a, logicalInterface: null }));
  }

  /**
   * What a group serves, as far as it is the caller's: of NVEs, sites and tenants an NVE is shown its own. null for a group that
   * serves nothing of it.
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
