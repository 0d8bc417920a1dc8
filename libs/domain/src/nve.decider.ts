import type { Audit, NvaEvent } from '@nva/codec';
import { Refusal, type IpAddress, type MacAddress, type NveId, type SiteId } from '@nva/identifiers';
import type { Facts } from './facts.ts';
import type { TermOwner } from './term-owner.ts';

/** A network virtualization edge (R2). A forgotten one is remembered by its incarnation only. */
export interface Nve {
  readonly nveId: string;
  readonly status: 'reachable' | 'lapsed' | 'disconnected' | 'forgotten';
  readonly siteId: string;
  /** Underlay addresses. */
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly incarnation: number;
  /** Seconds; null has no lease. */
  readonly leaseS: number | null;
}

export type NveCommand =
  | {
      readonly type: 'connectNve';
      readonly nveId: NveId;
      readonly siteId: SiteId;
      readonly mac: MacAddress;
      readonly addresses: readonly IpAddress[];
      readonly incarnation?: number;
      readonly leaseS?: number;
    }
  | { readonly type: 'disconnectNve'; readonly nveId: NveId; readonly forget?: boolean }
  | { readonly type: 'heartbeat'; readonly nveId: NveId; readonly incarnation: number }
  /** From the owner of the lease only. */
  | ({ readonly type: 'lapseNve'; readonly nveId: NveId; readonly incarnation: number } & TermOwner);

export type NveEvent = Extract<NvaEvent, { type: 'NveConnected' | 'NveDisconnected' | 'NveLeaseLapsed' | 'NveRestored' | 'NveForgotten' }>;

export function decideNve(command: NveCommand, nve: Nve | null, facts: Facts, audit: Audit): NveEvent | null {
  if (command.type === 'connectNve') return decideConnect(command, nve, facts, audit);
  const { nveId } = command;
  if (!nve || nve.status === 'forgotten') throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  switch (command.type) {
    case 'disconnectNve':
      if (command.forget) {
        const attachments = facts.attachmentsAt(nveId);
        if (attachments > 0) throw new Refusal('nve-in-use', `${attachments} tenant systems are attached at NVE ${nveId}`, { field: 'nveId', received: nveId, actual: attachments });
        return { type: 'NveForgotten', data: { audit, nveId } };
      }
      return nve.status === 'disconnected' ? null : { type: 'NveDisconnected', data: { audit, nveId } };
    case 'heartbeat':
      if (command.incarnation !== nve.incarnation) throw otherIncarnation(nve, command.incarnation);
      if (nve.status === 'disconnected') throw disconnected(nveId);
      return nve.status === 'lapsed' ? { type: 'NveRestored', data: { audit, nveId, incarnation: nve.incarnation } } : null;
    case 'lapseNve':
      if (command.incarnation !== nve.incarnation) throw otherIncarnation(nve, command.incarnation);
      return nve.status === 'reachable' ? { type: 'NveLeaseLapsed', data: { audit, nveId, incarnation: nve.incarnation, group: command.group ?? null, owner: command.owner ?? null } } : null;
  }
}

function decideConnect(command: Extract<NveCommand, { type: 'connectNve' }>, nve: Nve | null, facts: Facts, audit: Audit): NveEvent | null {
  const { nveId, siteId, mac, addresses } = command;
  // One that has connected before keeps its name: it may be the first of the two.
  const like = nve ? undefined : facts.nveNamedLike(nveId);
  if (like !== undefined) throw new Refusal('nve-id-collides', `NVE ${like} has an id that differs from this one in . and _ only, and Kafka takes the two for one in the names of topics`, { field: 'nveId', received: nveId, actual: like });
  const incarnation = command.incarnation ?? nve?.incarnation ?? 0;
  const leaseS = command.leaseS ?? null;
  if (nve && incarnation < nve.incarnation) throw otherIncarnation(nve, incarnation);
  const unchanged =
    nve?.status === 'reachable' &&
    nve.siteId === siteId &&
    nve.mac === mac &&
    sameList(nve.addresses, addresses) &&
    nve.incarnation === incarnation &&
    nve.leaseS === leaseS;
  return unchanged ? null : { type: 'NveConnected', data: { audit, nveId, siteId, mac, addresses, incarnation, leaseS } };
}

export const sameList = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((item, i) => item === b[i]);

/** A disconnected NVE takes nothing until it connects again: no heartbeat, no tenant system. */
export const disconnected = (nveId: string): Refusal => new Refusal('nve-disconnected', `NVE ${nveId} has disconnected; it must connect again`, { field: 'nveId', received: nveId });

const otherIncarnation = (nve: Nve, received: number): Refusal =>
  new Refusal('nve-incarnation', `NVE ${nve.nveId} is at incarnation ${nve.incarnation}`, { field: 'incarnation', received, expected: nve.incarnation });

export function evolveNve(nve: Nve | null, event: NveEvent): Nve {
  if (event.type === 'NveConnected') {
    const { nveId, siteId, mac, addresses, incarnation, leaseS } = event.data;
    return { nveId, status: 'reachable', siteId, mac, addresses, incarnation, leaseS };
  }
  if (!nve) throw new Error(`${event.type} of an NVE that never connected`);
  switch (event.type) {
    case 'NveDisconnected':
      return { ...nve, status: 'disconnected' };
    case 'NveLeaseLapsed':
      return { ...nve, status: 'lapsed' };
    case 'NveRestored':
      return { ...nve, status: 'reachable' };
    case 'NveForgotten':
      return { ...nve, status: 'forgotten' };
  }
}
