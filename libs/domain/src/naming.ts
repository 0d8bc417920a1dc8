import { Refusal, tsNameFor, type TenantId, type TsId, type TsOwners } from '@nva/identifiers';
import type { PassAddress } from './passing.ts';
import type { TenantSystemCommand } from './tenant-system.decider.ts';
import type { TenantSystem } from './tenant-system.ts';

/** A tenant system and the name that it stands under: what its stream's name ends in. */
export interface NamedTenantSystem {
  readonly name: string;
  readonly ts: TenantSystem;
}

/**
 * An id of a tenant system is its tenant's own. This tells the one that a command is about from the others with that id, attached
 * or not.
 */
export interface TenantSystemNames extends TsOwners {
  /** Every tenant's with that id, the first one to have it first. */
  all(tsId: string): readonly NamedTenantSystem[];
}

/**
 * The name that the command's tenant system stands under, or will. A command that says its tenant means that tenant's; one that does not
 * means what is attached at the NVE that it names or comes from (`nveId`), else what is attached anywhere. Throws Refusal `ts-ambiguous`
 * where that is more than one.
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

/** The name of the one that takes what `passAddress` passes, and that its caller speaks for. Throws as `tsNameOfCommand`. */
export const takersName = (
  { to, tenantId }: Pick<PassAddress, 'to' | 'tenantId'>,
  names: TenantSystemNames,
  nveId: string | undefined,
): string => tsNameOfCommand({ tsId: to, ...(tenantId === undefined ? {} : { tenantId }) }, names, nveId);

/** An address passes within one tenant; undefined where there is no taker. */
function takersTenant(to: string, names: TenantSystemNames, nveId: string | undefined): TenantId | undefined {
  const name = tsNameOfCommand({ tsId: to as TsId }, names, nveId);
  return names.all(to).find((known) => known.name === name)?.ts.tenantId as TenantId | undefined;
}
