import type { Command, Facts, Sweep, TenantSystem } from '@nva/domain';
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
 * The tenant system that a caller may name, or none: an NVE names those attached to it, everybody else every one. What an NVE is
 * told of one that it may not name follows from this answer alone, so it is the same for one that is elsewhere, one of another
 * tenant, and one that does not exist.
 */
export function nameable<T extends Pick<TenantSystem, 'attachments'>>(caller: Caller, ts: T | null): T | null {
  if (caller.kind !== 'nve') return ts;
  return ts?.attachments.some(({ nveId }) => nveId === caller.nveId) ? ts : null;
}

/**
 * Refuses what the caller may not do. An NVE speaks for itself, for the tenant systems attached to it, and for the tenants that it may
 * serve; an operator may do everything. `ts` is the tenant system that the command is about, as it stands;
 * of a passing the taker: whoever may attach a tenant's systems may move them to itself, and their addresses as well.
 */
export function authorize(caller: Caller, command: Command, ts: TenantSystem | null): void {
  const refusal = refusalFor(caller, command, ts);
  if (refusal) throw refusal;
}

/** Why the caller may not give the command; null if it may. */
export function refusalFor(caller: Caller, command: Command, ts: TenantSystem | null): Refusal | null {
  if (caller.kind !== 'nve') return null;
  switch (command.type) {
    case 'connectNve':
      return own(caller, command.nveId) ?? (command.force ? forbidden('only an operator forces a connect', 'force', true) : null);
    case 'heartbeat':
      return own(caller, command.nveId);
    case 'disconnectNve':
      return command.forget ? forbidden('only an operator forgets an NVE') : own(caller, command.nveId);
    case 'attach':
      return own(caller, command.nveId) ?? served(caller, command.tenantId);
    case 'detach':
      return own(caller, command.nveId) ?? (nameable(caller, ts) ? null : notAtNve(command.tsId, caller.nveId));
    case 'connectionFailure':
      return own(caller, command.nveId) ?? hosted(caller, ts);
    case 'registerBindings':
    case 'registerBinding':
    case 'deregisterBinding':
    case 'changeMac':
      return hosted(caller, ts);
    case 'passAddress':
      return hosted(caller, ts, 'to') ?? served(caller, ts!.tenantId);
    default:
      return forbidden(`${command.type} is for operators`);
  }
}

/**
 * Why the caller may not give the sweep; null if it may. An NVE says what it has itself, whatever it names: what is not at it is
 * not touched.
 */
export function refusalForSweep(caller: Caller, sweep: Sweep): Refusal | null {
  if (caller.kind !== 'nve') return null;
  return sweep.type === 'keepOnly' ? own(caller, sweep.nveId) : forbidden(`${sweep.type} is for operators`);
}

/**
 * The facts that a command about a tenant system of `tenantId` is decided by. Who holds an address is told within one tenant only.
 * For an NVE, a VN is there if it is that tenant's, and the NVE may serve the tenant or is in the VN: every other one is as unknown
 * as one that does not exist. `isIn` says whether an NVE is in a VN.
 */
export function factsFor(caller: Caller, tenantId: string, facts: Facts, isIn: (nveId: string, vnid: number) => boolean): Facts {
  const ofTenant = (vnid: number): boolean => facts.vn(vnid)?.tenantId === tenantId;
  const there = (vnid: number): boolean =>
    caller.kind !== 'nve' || (ofTenant(vnid) && (serves(caller, tenantId) || isIn(caller.nveId, vnid)));
  return {
    ...facts,
    vn: (vnid) => (there(vnid) ? facts.vn(vnid) : undefined),
    holder: (vnid, kind, address) => (ofTenant(vnid) ? facts.holder(vnid, kind, address) : undefined),
  };
}

/**
 * A refusal as the caller may hear it: an NVE is not told which other NVE it is about, nor how much that one has, which is not its
 * tenants' alone.
 */
export function toldTo(caller: Caller, refusal: Refusal): Refusal {
  const { field, received } = refusal.detail;
  if (caller.kind === 'nve' && refusal.code === 'tunnel-address-held')
    return new Refusal(
      'tunnel-address-held',
      'another NVE that is reachable has this underlay address; if the host has got a new NVE id, an operator disconnects or forgets the former one',
      { field: field!, received },
    );
  if (caller.kind === 'nve' && refusal.code === 'nve-id-collides')
    return new Refusal(
      'nve-id-collides',
      'another NVE has an id that differs from this one in . and _ only, and Kafka takes the two for one in the names of topics',
      { field: 'nveId', received },
    );
  if (caller.kind === 'nve' && refusal.code === 'nve-id-case')
    return new Refusal(
      'nve-id-case',
      'another NVE has this id in another case: they are likely one NVE, which is to say its id in one way',
      { field: 'nveId', received },
    );
  if (caller.kind !== 'nve' || refusal.code !== 'quota-exceeded' || field !== 'nveId' || received === caller.nveId) return refusal;
  return new Refusal('quota-exceeded', `NVE ${String(received)}, where the tenant system is too, has no room for it`, { field, received });
}

type NveCaller = Extract<Caller, { kind: 'nve' }>;

const serves = (caller: NveCaller, tenantId: string): boolean => caller.tenants === null || caller.tenants.includes(tenantId);

const own = (caller: NveCaller, nveId: string): Refusal | null =>
  nveId === caller.nveId ? null : forbidden(`NVE ${caller.nveId} speaks for itself only`, 'nveId', nveId);

const served = (caller: NveCaller, tenantId: string): Refusal | null =>
  serves(caller, tenantId) ? null : forbidden(`NVE ${caller.nveId} does not serve that tenant`, 'tenantId', tenantId);

const hosted = (caller: NveCaller, ts: TenantSystem | null, field = 'tsId'): Refusal | null =>
  nameable(caller, ts) ? null : forbidden(`the tenant system is not attached to NVE ${caller.nveId}`, field);

/** What an operator is told of a detach that comes late (R55), without where the tenant system is, and whether it is anywhere. */
const notAtNve = (tsId: string, nveId: string): Refusal =>
  new Refusal('ts-not-at-nve', `tenant system ${tsId} is not at NVE ${nveId}`, { field: 'nveId', received: nveId, row: 'R55' });

const forbidden = (message: string, field?: string, received?: unknown): Refusal =>
  new Refusal('forbidden', message, { ...(field ? { field } : {}), ...(received === undefined ? {} : { received }) });
