import type { Nve, TenantSystem, TermOwner } from '@nva/domain';

/** Whose leases and lifetimes this process keeps, and on what authority. */
export interface TermScope {
  /** What a lapse decided now is signed with; null while another process owns the terms. */
  owner(): TermOwner | null;
  nve(nve: Nve): boolean;
  tenantSystem(ts: TenantSystem): boolean;
  /** Calls when `owner` has changed. */
  onChange(listener: () => void): void;
}

/** One process owns every term: nobody else writes the log. */
export const SOLE: TermScope = { owner: () => ({}), nve: () => true, tenantSystem: () => true, onChange: () => undefined };
