import type { Service } from '@nva/codec';

/**
 * What a decision may need to know about other aggregates. Answered from the fold and from everything that is decided but not
 * folded yet.
 */
export interface Facts {
  /** The living VN of that VNID, undefined if there is none. */
  vn(vnid: number): VnFacts | undefined;
  /** True if the NVE is known: connected once and not forgotten, reachable or not. */
  nveKnown(nveId: string): boolean;
  /** True if the NVE has disconnected and has not connected again. */
  nveDisconnected(nveId: string): boolean;
  /**
   * Another NVE that has connected once, and whose id differs from this one only in `.`, `_` and case. A forgotten NVE counts
   * only if Kafka treats the two ids as the same, because its topics stay.
   */
  nveNamedLike(nveId: string): string | undefined;
  /** A reachable NVE of another id that has this underlay address. */
  tunnelHolder(address: string, nveId: string): string | undefined;
  /** The tenant system that holds a MAC or an IP in a VN (X2). */
  holder(vnid: number, kind: 'mac' | 'ip', address: string): HolderFacts | undefined;
  /** True if a binding with that VNID is in no living VN of the tenant system's tenant: it must be registered again to count. */
  orphaned(ts: TenantSystemName, vnid: number): boolean;
  /** Whether any tenant system is in the VN. */
  vnInUse(vnid: number): boolean;
  /** How many tenant systems are attached at the NVE. */
  attachmentsAt(nveId: string): number;
}

/** An id belongs to a tenant, so it takes both to name a tenant system. */
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
