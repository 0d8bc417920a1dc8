import type { Audit, NvaEvent } from '@nva/codec';
import { nveIdOnKafka, Refusal, type IpAddress, type MacAddress, type NveId, type SiteId } from '@nva/identifiers';
import type { Facts } from './facts.ts';
import type { DeadlineOwner } from './deadline-owner.ts';

/** How many times of identity changes are kept for each NVE: the alarm counts no further. */
export const MAX_IDENTITY_CHANGES = 32;

/** A network virtualization edge (R2). Only the id of a forgotten NVE still matters, because its topic stays. */
export interface Nve {
  readonly nveId: string;
  readonly status: 'reachable' | 'lapsed' | 'disconnected' | 'forgotten';
  readonly siteId: string;
  /** Underlay addresses. */
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly incarnation: number;
  /** Seconds; null means no lease. */
  readonly leaseS: number | null;
  /**
   * Times at which the NVE reported another site, MAC or list of addresses without a greater incarnation: ms since the epoch,
   * oldest first, the last MAX_IDENTITY_CHANGES. Two hosts under one id do this alternately.
   */
  readonly identityChanges: readonly number[];
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
      /** Take the addresses even if a reachable NVE of another id has them; for operators. */
      readonly force?: boolean;
    }
  | { readonly type: 'disconnectNve'; readonly nveId: NveId; readonly forget?: boolean }
  | { readonly type: 'heartbeat'; readonly nveId: NveId; readonly incarnation: number }
  /** From the owner of the lease only. */
  | ({ readonly type: 'lapseNve'; readonly nveId: NveId; readonly incarnation: number } & DeadlineOwner);

export type NveEvent = Extract<NvaEvent, { type: 'NveConnected' | 'NveDisconnected' | 'NveLeaseLapsed' | 'NveRestored' | 'NveForgotten' }>;

export function decideNve(command: NveCommand, nve: Nve | null, facts: Facts, audit: Audit): NveEvent | null {
  if (command.type === 'connectNve') return decideConnect(command, nve, facts, audit);
  const { nveId } = command;
  if (!nve || nve.status === 'forgotten')
    throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  switch (command.type) {
    case 'disconnectNve':
      if (command.forget) {
        const attachments = facts.attachmentsAt(nveId);
        if (attachments > 0)
          throw new Refusal('nve-in-use', `${attachments} tenant systems are attached at NVE ${nveId}`, {
            field: 'nveId',
            received: nveId,
            actual: attachments,
          });
        return { type: 'NveForgotten', data: { audit, nveId } };
      }
      return nve.status === 'disconnected' ? null : { type: 'NveDisconnected', data: { audit, nveId } };
    case 'heartbeat':
      if (command.incarnation !== nve.incarnation) throw otherIncarnation(nve, command.incarnation);
      if (nve.status === 'disconnected') throw disconnected(nveId);
      if (nve.status !== 'lapsed') return null;
      // Another NVE may have taken its addresses while this one was away.
      refuseHeldAddresses(nveId, nve.addresses, NONE, facts);
      return { type: 'NveRestored', data: { audit, nveId, incarnation: nve.incarnation } };
    case 'lapseNve':
      if (command.incarnation !== nve.incarnation) throw otherIncarnation(nve, command.incarnation);
      return nve.status === 'reachable'
        ? {
            type: 'NveLeaseLapsed',
            data: { audit, nveId, incarnation: nve.incarnation, group: command.group ?? null, owner: command.owner ?? null },
          }
        : null;
  }
}

function decideConnect(
  command: Extract<NveCommand, { type: 'connectNve' }>,
  before: Nve | null,
  facts: Facts,
  audit: Audit,
): NveEvent | null {
  const { nveId, siteId, mac, addresses } = command;
  // A forgotten NVE counts as new: its former incarnation does not matter.
  const nve = before?.status === 'forgotten' ? null : before;
  const like = nve ? undefined : facts.nveNamedLike(nveId);
  if (like !== undefined && nveIdOnKafka(like) !== nveIdOnKafka(nveId))
    throw new Refusal(
      'nve-id-case',
      `NVE ${like} has this id in another case: they are likely one NVE, which is to say its id in one way; forget ${like} if it is gone`,
      { field: 'nveId', received: nveId, actual: like },
    );
  // An NVE that has connected before keeps its topic: it may be the first of the two.
  if (like !== undefined && !before)
    throw new Refusal(
      'nve-id-collides',
      `NVE ${like} has an id that differs from this one in . and _ only, and Kafka takes the two for one in the names of topics`,
      { field: 'nveId', received: nveId, actual: like },
    );
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
  if (unchanged) return null;
  if (!command.force) refuseHeldAddresses(nveId, addresses, nve?.status === 'reachable' ? nve.addresses : NONE, facts);
  return { type: 'NveConnected', data: { audit, nveId, siteId, mac, addresses, incarnation, leaseS } };
}

/** One tunnel address belongs to one NVE. `kept` are the addresses that this NVE has already. */
function refuseHeldAddresses(nveId: string, addresses: readonly string[], kept: readonly string[], facts: Facts): void {
  for (const [i, address] of addresses.entries()) {
    if (kept.includes(address)) continue;
    const holder = facts.tunnelHolder(address, nveId);
    if (holder === undefined) continue;
    const message = `NVE ${holder} is reachable and has the underlay address ${address}: one of the two is wrong. If the host has got a new NVE id, disconnect or forget NVE ${holder} first; an operator may force it`;
    throw new Refusal('tunnel-address-held', message, { field: `addresses[${i}]`, received: address, actual: { heldBy: holder } });
  }
}

const NONE: readonly never[] = Object.freeze([]);

export const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);

/** A disconnected NVE accepts nothing until it connects again: no heartbeat, no tenant system. */
export const disconnected = (nveId: string): Refusal =>
  new Refusal('nve-disconnected', `NVE ${nveId} has disconnected; it must connect again`, { field: 'nveId', received: nveId });

const otherIncarnation = (nve: Nve, received: number): Refusal =>
  new Refusal(
    'nve-incarnation',
    `NVE ${nve.nveId} is at incarnation ${nve.incarnation}, got ${received}. A heartbeat says ${nve.incarnation}. A connect says ${nve.incarnation} where the NVE has run on since, and a greater one after a restart; ` +
      `a host that was reinstalled and has lost its count connects with ${nve.incarnation + 1}`,
    { field: 'incarnation', received, expected: nve.incarnation },
  );

export function evolveNve(nve: Nve | null, event: NveEvent): Nve {
  if (event.type === 'NveConnected') {
    const { audit, nveId, siteId, mac, addresses, incarnation, leaseS } = event.data;
    const known = nve === null || nve.status === 'forgotten' ? null : nve;
    const changed =
      known !== null &&
      incarnation <= known.incarnation &&
      !(known.siteId === siteId && known.mac === mac && sameList(known.addresses, addresses));
    const changes = known?.identityChanges ?? NONE;
    const identityChanges = changed ? [...changes, audit.recordedAt].slice(-MAX_IDENTITY_CHANGES) : changes;
    return { nveId, status: 'reachable', siteId, mac, addresses, incarnation, leaseS, identityChanges };
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
