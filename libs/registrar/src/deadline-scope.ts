import type { Nve, TenantSystem, DeadlineOwner } from '@nva/domain';

/** The leases and lifetimes that this process keeps, and its authority for lapses. */
export interface DeadlineScope {
  /** The authority that a lapse decided now carries; null while another process owns the deadlines. */
  owner(): DeadlineOwner | null;
  nve(nve: Nve): boolean;
  tenantSystem(ts: TenantSystem): boolean;
  /** The listener is called when `owner` has changed. */
  onChange(listener: () => void): void;
}

/** For one process that owns every deadline, because nobody else writes the log. */
export const SOLE: DeadlineScope = { owner: () => ({}), nve: () => true, tenantSystem: () => true, onChange: () => undefined };
