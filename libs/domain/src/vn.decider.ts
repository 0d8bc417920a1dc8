import type { Audit, NvaEvent, Policies, Service, VnContext } from '@nva/codec';
import { Refusal, type TenantId, type Vnid } from '@nva/identifiers';
import type { Facts } from './facts.ts';

/** A virtual network. The state of a deleted VN is kept: the VNID stays reserved for its tenant until it is purged. */
export interface Vn {
  readonly vnid: number;
  readonly status: 'alive' | 'deleted' | 'purged';
  readonly tenantId: string;
  readonly name: string;
  readonly service: Service;
  readonly encapsulation: VnContext['encapsulation'];
  readonly policies: Policies;
  /** Milliseconds since the epoch; null while it is alive. */
  readonly deletedAt: number | null;
  /** The VN is deleted, and an operator wants the VNID free as soon as the topic is gone. */
  readonly released: boolean;
}

export type VnCommand =
  | {
      readonly type: 'putVn';
      readonly vnid: Vnid;
      readonly tenantId: TenantId;
      readonly name: string;
      readonly service: Service;
      readonly encapsulation: VnContext['encapsulation'];
      /** If absent, as before, or none for a new VN. */
      readonly policies?: Policies;
    }
  | { readonly type: 'deleteVn'; readonly vnid: Vnid }
  /** From an operator: frees the VNID of a deleted VN early. */
  | { readonly type: 'releaseVn'; readonly vnid: Vnid; readonly reason: string }
  /** From the distributor, once the topic of a deleted VN is gone. */
  | { readonly type: 'purgeVn'; readonly vnid: Vnid };

export type VnEvent = Extract<NvaEvent, { type: 'VnCreated' | 'VnUpdated' | 'VnDeleted' | 'VnReleased' | 'VnPurged' }>;

const NO_POLICIES: Policies = Object.freeze({ access: {}, tunnel: {} });

export function decideVn(command: VnCommand, vn: Vn | null, facts: Facts, audit: Audit): VnEvent | null {
  const { vnid } = command;
  switch (command.type) {
    case 'putVn':
      return vn?.status === 'alive' ? decideUpdate(command, vn, audit) : decideCreate(command, vn, audit);
    case 'deleteVn':
      if (vn?.status !== 'alive') throw unknown(vnid);
      if (facts.vnInUse(vnid)) throw new Refusal('vn-in-use', `VN ${vnid} still has tenant systems`, { field: 'vnid', received: vnid });
      return { type: 'VnDeleted', data: { audit, vnid } };
    case 'releaseVn':
      if (!vn) throw unknown(vnid);
      if (vn.status === 'alive')
        throw new Refusal('vn-not-deleted', `VN ${vnid} is not deleted; delete it first`, { field: 'vnid', received: vnid });
      return vn.status === 'purged' || vn.released ? null : { type: 'VnReleased', data: { audit, vnid, reason: command.reason } };
    case 'purgeVn':
      if (!vn) throw unknown(vnid);
      return vn.status === 'deleted' ? { type: 'VnPurged', data: { audit, vnid } } : null;
  }
}

type PutVn = Extract<VnCommand, { type: 'putVn' }>;

function decideCreate(command: PutVn, vn: Vn | null, audit: Audit): VnEvent {
  const { vnid, tenantId, name, service, encapsulation, policies } = command;
  if (vn?.status === 'deleted' && vn.tenantId !== tenantId) {
    throw new Refusal('vnid-reserved', `VNID ${vnid} is still its former tenant's`, { field: 'vnid', received: vnid });
  }
  return { type: 'VnCreated', data: { audit, vnid, tenantId, name, service, encapsulation, policies: policies ?? NO_POLICIES } };
}

function decideUpdate(command: PutVn, vn: Vn, audit: Audit): VnEvent | null {
  const { vnid, tenantId, name, service, encapsulation } = command;
  if (tenantId !== vn.tenantId)
    throw new Refusal('vn-immutable', 'the tenant of a VN never changes', { field: 'tenantId', received: tenantId });
  if (service !== vn.service)
    throw new Refusal('vn-immutable', 'the service of a VN never changes', { field: 'service', received: service, expected: vn.service });
  const policies = command.policies ?? vn.policies;
  if (name === vn.name && encapsulation === vn.encapsulation && samePolicies(policies, vn.policies)) return null;
  return { type: 'VnUpdated', data: { audit, vnid, name, encapsulation, policies } };
}

export function samePolicies(a: Policies, b: Policies): boolean {
  return sameAttributes(a.access, b.access) && sameAttributes(a.tunnel, b.tunnel);
}

function sameAttributes(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

const unknown = (vnid: number): Refusal => new Refusal('vn-unknown', `there is no VN ${vnid}`, { field: 'vnid', received: vnid });

export function evolveVn(vn: Vn | null, event: VnEvent): Vn {
  if (event.type === 'VnCreated') {
    const { vnid, tenantId, name, service, encapsulation, policies } = event.data;
    return { vnid, status: 'alive', tenantId, name, service, encapsulation, policies, deletedAt: null, released: false };
  }
  if (!vn) throw new Error(`${event.type} of a VN that was never created`);
  switch (event.type) {
    case 'VnUpdated': {
      const { name, encapsulation, policies } = event.data;
      return { ...vn, name, encapsulation, policies };
    }
    case 'VnDeleted':
      return { ...vn, status: 'deleted', deletedAt: event.data.audit.recordedAt };
    case 'VnReleased':
      return { ...vn, released: true };
    case 'VnPurged':
      return { ...vn, status: 'purged' };
  }
}
