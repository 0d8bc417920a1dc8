import type { Nve, TenantSystem, TermOwner } from '@nva/domain';

/** The leases and lifetimes that this process keeps, and its authority for lapses. */
export interface TermScope {
  /** The authority that a lapse decided now carries; null while another process owns the terms. */
  owner(): TermOwner | null;
  nve(nve: Nve): boolean;
  tenantSystem(ts: TenantSystem): boolean;
  /** The listener is called when `owner` has changed. */
  onChange(listener: () => void): void;
}

/** For one process that owns every term, because nobody else writes the log. */
export const SOLE: TermScope = { owner: () => ({}), nve: () => true, tenantSystem: () => true, onChange: () => undefined };
