import { Refusal, tsNameFor, type TenantId, type TsId, type TsOwners } from '@nva/identifiers';
import type { PassAddress } from './passing.ts';
import type { TenantSystemCommand } from './tenant-system.decider.ts';
import type { TenantSystem } from './tenant-system.ts';

/** A tenant system and its name: the end of its stream's name. */
export interface NamedTenantSystem {
  readonly name: string;
  readonly ts: TenantSystem;
}

/**
 * Finds the tenant system that a command is about among all with its id, attached or not. An id belongs to a tenant, so several
 * tenants may use the same one.
 */
export interface TenantSystemNames extends TsOwners {
  /** All tenants' tenant systems with that id, the one of the first tenant first. */
  all(tsId: string): readonly NamedTenantSystem[];
}

/**
 * The name of the command's tenant system, existing or to be created. A command that says its tenant means that tenant's tenant
 * system. A command without tenant means the one that is attached at the NVE that it names or comes from (`nveId`), else the one
 * that is attached anywhere. Throws Refusal `ts-ambiguous` if there is more than one.
 */
export function tsNameOfCommand(
  command: Pick<TenantSystemCommand, 'tsId' | 'tenantId'> & { readonly nveId?: string; readonly to?: string },
  names: TenantSystemNames,
  nveId: string | undefined,
): string {
  const { tsId, tenantId = command.to === undefined ? undefined : takersTenant(command.to, names, nveId) } = command;
  if (tenantId !== undefined) return tsNameFor(tsId, tenantId, names);
  const known = names.all(tsId);
  if (known.length < 2) return known[0]?.name ?? tsId;
  const place = nveId ?? command.nveId;
  const here = known.filter(({ ts }) => ts.attachments.some((attachment) => attachment.nveId === place));
  const attached = here.length > 0 || nveId !== undefined ? here : known.filter(({ ts }) => ts.attachments.length > 0);
  if (attached.length > 1)
    throw new Refusal('ts-ambiguous', `several tenants have a tenant system ${tsId}; say the tenant`, {
      field: 'tenantId',
      received: null,
    });
  return (attached[0] ?? known[0]!).name;
}

/** The name of the taker of `passAddress`, the tenant system that the caller acts for. Throws as `tsNameOfCommand`. */
export const takersName = (
  { to, tenantId }: Pick<PassAddress, 'to' | 'tenantId'>,
  names: TenantSystemNames,
  nveId: string | undefined,
): string => tsNameOfCommand({ tsId: to, ...(tenantId === undefined ? {} : { tenantId }) }, names, nveId);

/** Holder and taker are of the same tenant; undefined if there is no taker. */
function takersTenant(to: string, names: TenantSystemNames, nveId: string | undefined): TenantId | undefined {
  const name = tsNameOfCommand({ tsId: to as TsId }, names, nveId);
  return names.all(to).find((known) => known.name === name)?.ts.tenantId as TenantId | undefined;
}
