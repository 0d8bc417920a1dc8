import type { Command, TenantSystem } from '@nva/domain';
import { Refusal } from '@nva/identifiers';

/** Who asks (contract, «Callers»). */
export type Caller =
  | { readonly kind: 'operator'; readonly name: string }
  /** `tenants` null is any tenant. */
  | { readonly kind: 'nve'; readonly nveId: string; readonly tenants: readonly string[] | null }
  /** The NVA itself: lapses. */
  | { readonly kind: 'system'; readonly part: string };

/** The caller as it stands in an event's audit fields. */
export function actorOf(caller: Caller): string {
  switch (caller.kind) {
    case 'operator':
      return `operator:${caller.name}`;
    case 'nve':
      return `nve:${caller.nveId}`;
    case 'system':
      return `system:${caller.part}`;
  }
}

/**
 * Refuses what the caller may not do. An NVE speaks for itself, for the tenant systems attached to it, and for the tenants that it may
 * serve; an operator may do everything. `ts` is the tenant system that the command is about, as it stands.
 */
export function authorize(caller: Caller, command: Command, ts: TenantSystem | null): void {
  if (caller.kind !== 'nve') return;
  switch (command.type) {
    case 'connectNve':
    case 'heartbeat':
      return own(caller, command.nveId);
    case 'disconnectNve':
      if (command.forget) throw forbidden('only an operator forgets an NVE');
      return own(caller, command.nveId);
    case 'attach':
      own(caller, command.nveId);
      return serves(caller, command.tenantId);
    case 'detach':
      return own(caller, command.nveId);
    case 'connectionFailure':
      own(caller, command.nveId);
      return hosts(caller, ts);
    case 'registerBindings':
    case 'registerBinding':
    case 'deregisterBinding':
    case 'changeMac':
      return hosts(caller, ts);
    default:
      throw forbidden(`${command.type} is for operators`);
  }
}

type NveCaller = Extract<Caller, { kind: 'nve' }>;

function own(caller: NveCaller, nveId: string): void {
  if (nveId !== caller.nveId) throw forbidden(`NVE ${caller.nveId} speaks for itself only`, 'nveId', nveId);
}

function serves(caller: NveCaller, tenantId: string): void {
  if (caller.tenants && !caller.tenants.includes(tenantId)) throw forbidden(`NVE ${caller.nveId} does not serve that tenant`, 'tenantId', tenantId);
}

/** A tenant system that is elsewhere and one that does not exist are refused alike: neither is this NVE's to know. */
function hosts(caller: NveCaller, ts: TenantSystem | null): void {
  if (!ts?.attachments.some((attachment) => attachment.nveId === caller.nveId)) throw forbidden(`the tenant system is not attached to NVE ${caller.nveId}`, 'tsId');
}

const forbidden = (message: string, field?: string, received?: unknown): Refusal =>
  new Refusal('forbidden', message, { ...(field ? { field } : {}), ...(received === undefined ? {} : { received }) });
