import type { Command, Facts, Sweep, TenantSystem } from '@nva/domain';
import { Refusal } from '@nva/identifiers';

/** Who sends a command (contract, «Callers»). */
export type Caller =
  | { readonly kind: 'operator'; readonly name: string }
  /** `tenants` null means any tenant. */
  | { readonly kind: 'nve'; readonly nveId: string; readonly tenants: readonly string[] | null }
  /** The NVA itself, for lapses. */
  | { readonly kind: 'system'; readonly part: string };

/** The caller as recorded in an event's audit fields. */
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
 * Returns the tenant system if the caller may name it, else null: an NVE may name those attached to it, every other caller may
 * name all. The answer to an NVE about a tenant system that it may not name depends on this result alone. So the answer is the
 * same if the tenant system is elsewhere, is another tenant's, or does not exist.
 */
export function nameable<T extends Pick<TenantSystem, 'attachments'>>(caller: Caller, ts: T | null): T | null {
  if (caller.kind !== 'nve') return ts;
  return ts?.attachments.some(({ nveId }) => nveId === caller.nveId) ? ts : null;
}

/**
 * Refuses what the caller may not do. An NVE acts for itself, for the tenant systems attached to it, and for the tenants that it
 * may serve; an operator may do everything. `ts` is the present tenant system that the command is about; for a passing it is the
 * taker, since an NVE that may attach a tenant's systems may move them, and also their addresses, to itself.
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
 * Why the caller may not give the sweep; null if it may. An NVE states what it has itself, whatever it names: tenant systems that
 * are not at the NVE are not touched.
 */
export function refusalForSweep(caller: Caller, sweep: Sweep): Refusal | null {
  if (caller.kind !== 'nve') return null;
  return sweep.type === 'keepOnly' ? own(caller, sweep.nveId) : forbidden(`${sweep.type} is for operators`);
}

/**
 * The facts for a command about a tenant system of `tenantId`. The holder of an address is shown within one tenant only. For an
 * NVE, a VN exists if it is that tenant's, and the NVE may serve the tenant or is in the VN; every other VN is unknown, as if it
 * did not exist. `isIn` tells whether an NVE is in a VN.
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
 * The refusal in the form that the caller may see. An NVE does not learn which other NVE a refusal is about, nor the numbers of
 * that NVE, which include those of other tenants.
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

/**
 * The refusal that an operator gets for a late detach (R55). It does not say where the tenant system is, nor whether it is
 * attached at all.
 */
const notAtNve = (tsId: string, nveId: string): Refusal =>
  new Refusal('ts-not-at-nve', `tenant system ${tsId} is not at NVE ${nveId}`, { field: 'nveId', received: nveId, row: 'R55' });

const forbidden = (message: string, field?: string, received?: unknown): Refusal =>
  new Refusal('forbidden', message, { ...(field ? { field } : {}), ...(received === undefined ? {} : { received }) });
