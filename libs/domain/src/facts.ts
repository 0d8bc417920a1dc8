import type { Service } from '@nva/codec';

/** What a decision may have to know about other aggregates. Answered from the fold and everything decided but not yet folded. */
export interface Facts {
  /** The living VN of that VNID, undefined if there is none. */
  vn(vnid: number): VnFacts | undefined;
  /** True if the NVE is known: connected once and not forgotten, reachable or not. */
  nveKnown(nveId: string): boolean;
  /** True if the NVE has disconnected, and not connected again since. */
  nveDisconnected(nveId: string): boolean;
  /**
   * Another NVE that has connected once, and whose id differs from this one in `.`, `_` and case only. One that is forgotten counts
   * where Kafka takes the two for one: its topics stay.
   */
  nveNamedLike(nveId: string): string | undefined;
  /** A reachable NVE of another id that has an underlay address. */
  tunnelHolder(address: string, nveId: string): string | undefined;
  /** The tenant system that holds a MAC or an IP in a VN (X2). */
  holder(vnid: number, kind: 'mac' | 'ip', address: string): HolderFacts | undefined;
  /** True if the tenant system's bindings there are in no living VN of its tenant: they must be registered again to count. */
  orphaned(ts: TenantSystemName, vnid: number): boolean;
  /** Whether any tenant system is in the VN. */
  vnInUse(vnid: number): boolean;
  /** How many tenant systems are attached at the NVE. */
  attachmentsAt(nveId: string): number;
}

/** An id of a tenant system is its tenant's own. */
export interface TenantSystemName {
  readonly tsId: string;
  readonly tenantId: string;
}

export interface VnFacts {
  readonly tenantId: string;
  readonly service: Service;
}

export interface HolderFacts {
  readonly tsId: string;
}
