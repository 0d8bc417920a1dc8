import type { Attachment, AttachmentState, Audit, Binding, NvaEvent } from '@nva/codec';
import { Refusal, type Bid, type MacAddress, type NveId, type TenantId, type TsId, type VmId, type Vnid } from '@nva/identifiers';
import { checkFrames, checkVns, findByBid, register, sameAddress, sameBinding, sameBindings, wholeSet, type BindingLine } from './bindings.ts';
import type { Facts, TenantSystemName } from './facts.ts';
import { disconnected } from './nve.decider.ts';
import type { TermOwner } from './term-owner.ts';

/** Moves within this window that raise an alarm when there are more (X9, RFC 7432 section 15.1). */
export const MOVE_ALARM_WINDOW_MS = 180_000;
export const MOVE_ALARM_MOVES = 5;

/** A tenant system: one vNIC of one VM (R1). Without attachments it is detached, and has no bindings. */
export interface TenantSystem {
  readonly tsId: string;
  readonly tenantId: string;
  readonly vmId: string;
  readonly mac: string;
  readonly attachments: readonly Attachment[];
  readonly bindings: readonly Binding[];
  /** VNs that cannot be reached through an NVE (R56); vnid null is all of them. */
  readonly failures: readonly ConnectionFailure[];
  /** Never decreases, over detachments too. */
  readonly mobility: number;
  /** When it last moved, ms since the epoch, oldest first; those of the alarm window only. */
  readonly moves: readonly number[];
  /** Its place, where that is not the first of `attachments` alone (`placeOf`). */
  readonly place: readonly string[] | null;
}

/**
 * The NVEs that it was at when it was last counted as moved, as far as it is still there; of a detached one, where it was. It moves when it comes to be
 * attached, and at none of them any more, whatever commands brought that about (RFC 7432 section 7.7). So adding a second NVE is no move, and leaving
 * the first one then is.
 */
export const placeOf = ({ place, attachments }: Pick<TenantSystem, 'place' | 'attachments'>): readonly string[] => place ?? (attachments.length === 0 ? NONE : [attachments[0]!.nveId]);

export interface ConnectionFailure {
  readonly nveId: string;
  readonly vnid: number | null;
}

/** `tenantId` tells which of several tenants' tenant systems of that id is meant; absent where the caller can mean one only. */
export type TenantSystemCommand =
  | {
      readonly type: 'attach';
      readonly nveId: NveId;
      readonly tsId: TsId;
      readonly tenantId: TenantId;
      readonly vmId: VmId;
      readonly mac: MacAddress;
      readonly logicalInterface?: string;
      /** The whole set; absent leaves it as it is. */
      readonly bindings?: readonly BindingLine[];
      readonly state?: AttachmentState;
      readonly placement?: 'move' | 'add';
    }
  | { readonly type: 'detach'; readonly nveId: NveId; readonly tsId: TsId; readonly tenantId?: TenantId }
  | { readonly type: 'remove'; readonly tsId: TsId; readonly tenantId?: TenantId }
  | { readonly type: 'registerBindings'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bindings: readonly BindingLine[] }
  | ({ readonly type: 'registerBinding'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bid: Bid | 0 } & Omit<BindingLine, 'bid'>)
  | { readonly type: 'deregisterBinding'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bid: Bid | 0 }
  /** From the owner of the terms only, with the exact revision that the terms belong to (R24a). */
  | ({ readonly type: 'lapseBindings'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bids: readonly number[] } & TermOwner)
  | { readonly type: 'changeMac'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly mac: MacAddress }
  | { readonly type: 'connectionFailure'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly nveId: NveId; readonly vnid?: Vnid };

export type TenantSystemEvent = Extract<
  NvaEvent,
  {
    type:
      | 'TenantSystemAttached'
      | 'TenantSystemMoved'
      | 'TenantSystemAttachmentAdded'
      | 'TenantSystemAttachmentChanged'
      | 'TenantSystemDetached'
      | 'TenantSystemRemoved'
      | 'BindingsRegistered'
      | 'BindingDeregistered'
      | 'BindingsLapsed'
      | 'MacChanged'
      | 'ConnectionFailed';
  }
>;

type Attach = Extract<TenantSystemCommand, { type: 'attach' }>;

const NONE: readonly never[] = Object.freeze([]);

/** One accepted command is one event; null when nothing would change. Throws Refusal. */
export function decideTenantSystem(command: TenantSystemCommand, ts: TenantSystem | null, facts: Facts, audit: Audit): TenantSystemEvent | null {
  if (command.type === 'attach') return decideAttach(command, ts, facts, audit);
  const attached = attachedOrRefuse(ts, command.tsId);
  const { tsId } = attached;
  switch (command.type) {
    case 'detach': {
      atNveOrRefuse(attached, command.nveId);
      const moves = isElsewhere(attached, attached.attachments.filter((a) => a.nveId !== command.nveId));
      return { type: 'TenantSystemDetached', data: { audit, tsId, nveId: command.nveId, mobility: moves ? attached.mobility + 1 : null } };
    }
    case 'remove':
      return { type: 'TenantSystemRemoved', data: { audit, tsId, from: attached.attachments.map((a) => a.nveId) } };
    case 'registerBindings':
      return decideRegister(attached, command.bindings, (i) => `bindings[${i}]`, facts, audit);
    case 'registerBinding': {
      const { type: _type, tsId: _tsId, tenantId: _tenantId, ...line } = command;
      return decideRegister(attached, [line], () => '', facts, audit);
    }
    case 'deregisterBinding':
      if (!findByBid(attached.bindings, command.bid)) throw unknownBid(command.bid);
      return { type: 'BindingDeregistered', data: { audit, tsId, bid: command.bid } };
    case 'lapseBindings':
      for (const bid of command.bids) if (!findByBid(attached.bindings, bid)) throw unknownBid(bid);
      return { type: 'BindingsLapsed', data: { audit, tsId, bids: command.bids, group: command.group ?? null, owner: command.owner ?? null } };
    case 'changeMac':
      if (command.mac === attached.mac) return null;
      checkAddresses(attached, { mac: command.mac, bindings: attached.bindings }, facts);
      return { type: 'MacChanged', data: { audit, tsId, mac: command.mac } };
    case 'connectionFailure':
      return decideConnectionFailure(attached, command.nveId, command.vnid ?? null, audit);
  }
}

function decideAttach(command: Attach, ts: TenantSystem | null, facts: Facts, audit: Audit): TenantSystemEvent | null {
  const { tsId, nveId, tenantId, vmId, mac } = command;
  if (!facts.nveKnown(nveId)) throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  if (facts.nveDisconnected(nveId)) throw disconnected(nveId);
  const attached = ts !== null && ts.attachments.length > 0;
  // Whoever decides finds the tenant's own by its name; another's would become its.
  if (ts !== null && ts.tenantId !== tenantId) throw new Error(`tenant system ${tsId} is given to tenant ${tenantId}, and is of tenant ${ts.tenantId}`);
  if (attached) {
    if (ts.vmId !== vmId) throw new Refusal('ts-immutable', `tenant system ${tsId} is a vNIC of VM ${ts.vmId}`, { field: 'vmId', received: vmId, expected: ts.vmId, row: 'R1' });
  }
  const before = attached ? ts.bindings : NONE;
  const bindings = command.bindings ? wholeSet(before, command.bindings) : before;
  const here = attached ? ts.attachments.find((a) => a.nveId === nveId) : undefined;
  const attachment: Attachment = {
    nveId,
    logicalInterface: command.logicalInterface ?? here?.logicalInterface ?? null,
    state: command.state ?? 'activated',
  };
  const others = attached && command.placement !== 'add' ? ts.attachments.filter((a) => a.nveId !== nveId).map((a) => a.nveId) : NONE;
  const newMac = attached && mac !== ts.mac ? mac : null;
  // What is only being prepared elsewhere must not change what frames are sent to now.
  if (attached && newMac !== null && attachment.state === 'associated' && command.placement === 'add' && ts.attachments.some((a) => a.nveId !== nveId && a.state === 'activated')) {
    throw new Refusal('ts-immutable', `tenant system ${tsId} is live with MAC ${ts.mac}: what is associated beside it does not change that; give that MAC, or change it with PUT mac`, { field: 'mac', received: mac, expected: ts.mac });
  }
  const newBindings = command.bindings && (!sameBindings(before, bindings) || bindings.some((b) => facts.orphaned(command, b.vnid))) ? bindings : null;
  const changesPlace = !here || others.length > 0 || here.state !== attachment.state || here.logicalInterface !== attachment.logicalInterface;
  const clearsFailure = attached && ts.failures.some((failure) => failure.nveId === nveId);
  if (attached && !changesPlace && !clearsFailure && newMac === null && newBindings === null) return null;

  if (newBindings) {
    checkVns(newBindings, tenantId, facts);
    checkFrames(newBindings, newBindings.filter((b) => !before.some((known) => sameBinding(known, b)) || facts.orphaned(command, b.vnid)), facts);
  }
  const identity = attached ? ts : { tsId, tenantId, mac: null, bindings: NONE };
  if (!attached || newMac !== null || newBindings) checkAddresses(identity, { mac, bindings }, facts);

  if (!attached) {
    const moves = ts !== null && isElsewhere(ts, [attachment]);
    return { type: 'TenantSystemAttached', data: { audit, tsId, tenantId, vmId, mac, attachment, bindings, mobility: (ts?.mobility ?? 0) + Number(moves) } };
  }
  const common = { audit, tsId, attachment, mac: newMac, bindings: newBindings };
  if (others.length > 0) {
    const moves = isElsewhere(ts, [attachment]);
    const recentMoves = moves ? movesWithin(ts.moves, audit.recordedAt).length + 1 : 0;
    return { type: 'TenantSystemMoved', data: { ...common, from: others, mobility: ts.mobility + Number(moves), recentMoves } };
  }
  return { type: here ? 'TenantSystemAttachmentChanged' : 'TenantSystemAttachmentAdded', data: common };
}

function decideRegister(ts: TenantSystem, lines: readonly BindingLine[], pathOf: (i: number) => string, facts: Facts, audit: Audit): TenantSystemEvent | null {
  const { bindings, changed, deregistered } = register(ts.bindings, lines, pathOf);
  const revived = bindings.filter((b) => !changed.includes(b) && lines.some((line) => names(line, b)) && facts.orphaned(ts, b.vnid));
  const registered = [...changed, ...revived];
  if (registered.length === 0 && deregistered.length === 0) return null;
  checkVns(registered, ts.tenantId, facts);
  checkFrames(bindings, registered, facts);
  checkAddresses(ts, { mac: ts.mac, bindings }, facts);
  return { type: 'BindingsRegistered', data: { audit, tsId: ts.tsId, bindings: registered, deregistered: deregistered.map((b) => b.bid ?? 0) } };
}

const names = (line: BindingLine, binding: Binding): boolean =>
  line.bid === undefined ? line.vnid === binding.vnid && (line.ip ?? null) === binding.ip : line.bid === (binding.bid ?? 0);

function decideConnectionFailure(ts: TenantSystem, nveId: NveId, vnid: number | null, audit: Audit): TenantSystemEvent | null {
  atNveOrRefuse(ts, nveId);
  if (vnid !== null && !ts.bindings.some((b) => b.vnid === vnid)) {
    throw new Refusal('vn-not-joined', `tenant system ${ts.tsId} has no binding in VN ${vnid}`, { field: 'vnid', received: vnid, row: 'R56' });
  }
  if (ts.failures.some((f) => f.nveId === nveId && (f.vnid === null || f.vnid === vnid))) return null;
  return { type: 'ConnectionFailed', data: { audit, tsId: ts.tsId, nveId, vnid } };
}

/** Refuses an address that another tenant system of the VN holds, looking only at those that would be new (R13, X2). */
function checkAddresses(
  ts: TenantSystemName & { readonly mac: string | null; readonly bindings: readonly Binding[] },
  next: { readonly mac: string; readonly bindings: readonly Binding[] },
  facts: Facts,
): void {
  for (const binding of next.bindings) {
    const { vnid, ip } = binding;
    const wasThere = ts.bindings.some((b) => b.vnid === vnid) && !facts.orphaned(ts, vnid);
    if (!(wasThere && ts.mac === next.mac)) refuseIfHeld('mac', next.mac);
    if (ip !== null && !(wasThere && ts.bindings.some((b) => b.vnid === vnid && b.ip === ip))) refuseIfHeld('ip', ip);

    function refuseIfHeld(kind: 'mac' | 'ip', address: string): void {
      const holder = facts.holder(vnid, kind, address);
      if (!holder || holder.tsId === ts.tsId) return;
      throw new Refusal(`duplicate-${kind}`, `tenant system ${holder.tsId} holds ${address} in VN ${vnid}`, { field: kind, received: address, actual: { vnid, heldBy: holder.tsId }, row: 'R13' });
    }
  }
}

function attachedOrRefuse(ts: TenantSystem | null, tsId: string): TenantSystem {
  if (!ts) throw new Refusal('ts-unknown', `there is no tenant system ${tsId}`, { field: 'tsId', received: tsId });
  if (ts.attachments.length === 0) throw new Refusal('ts-not-attached', `tenant system ${tsId} is attached nowhere`, { field: 'tsId', received: tsId });
  return ts;
}

function atNveOrRefuse(ts: TenantSystem, nveId: string): void {
  if (ts.attachments.some((a) => a.nveId === nveId)) return;
  throw new Refusal('ts-not-at-nve', `tenant system ${ts.tsId} is not at NVE ${nveId}`, { field: 'nveId', received: nveId, actual: ts.attachments.map((a) => a.nveId), row: 'R55' });
}

const unknownBid = (bid: number): Refusal => new Refusal('bid-unknown', `no binding has BID ${bid}`, { field: 'bid', received: bid, row: 'R22' });

/** Whether being attached so is another place than it was at. */
const isElsewhere = (ts: TenantSystem, attachments: readonly Attachment[]): boolean => attachments.length > 0 && !attachments.some((a) => placeOf(ts).includes(a.nveId));

function movesWithin(moves: readonly number[], now: number): readonly number[] {
  return moves.filter((at) => at > now - MOVE_ALARM_WINDOW_MS && at <= now).slice(-MOVE_ALARM_MOVES);
}

/**
 * The state after an event. A binding that the event leaves as it is stays the very same object, and `attachments`, `bindings`
 * and `failures` stay the same arrays where nothing in them changed: the fold tells by identity what it need not look at.
 */
export function evolveTenantSystem(ts: TenantSystem | null, event: TenantSystemEvent): TenantSystem {
  if (event.type === 'TenantSystemAttached') {
    const { audit, tsId, tenantId, vmId, mac, attachment, bindings, mobility } = event.data;
    const moves = ts === null ? NONE : movesAfter(ts, mobility, audit);
    return { tsId, tenantId, vmId, mac, attachments: [attachment], bindings, failures: NONE, mobility, moves, place: null };
  }
  if (!ts) throw new Error(`${event.type} of a tenant system that was never attached`);
  switch (event.type) {
    case 'TenantSystemMoved': {
      const { attachment, mobility, audit } = event.data;
      return { ...placed(ts, event.data), attachments: [attachment], failures: NONE, mobility, moves: movesAfter(ts, mobility, audit), place: null };
    }
    case 'TenantSystemAttachmentAdded':
      return { ...placed(ts, event.data), attachments: [...ts.attachments, event.data.attachment] };
    case 'TenantSystemAttachmentChanged': {
      const { attachment } = event.data;
      const next = placed(ts, event.data);
      return {
        ...next,
        attachments: ts.attachments.map((a) => (a.nveId === attachment.nveId ? attachment : a)),
        failures: without(next.failures, (f) => f.nveId === attachment.nveId),
      };
    }
    case 'TenantSystemDetached': {
      const { nveId, audit } = event.data;
      const attachments = ts.attachments.filter((a) => a.nveId !== nveId);
      if (attachments.length === 0) return detached(ts);
      const mobility = event.data.mobility ?? ts.mobility;
      return { ...ts, attachments, failures: without(ts.failures, (f) => f.nveId === nveId), mobility, moves: movesAfter(ts, mobility, audit), place: placeAfter(ts, attachments) };
    }
    case 'TenantSystemRemoved':
      return detached(ts);
    case 'BindingsRegistered':
      return withBindings(ts, mergeBindings(ts.bindings, event.data.bindings, event.data.deregistered));
    case 'BindingDeregistered':
      return withBindings(ts, ts.bindings.filter((b) => (b.bid ?? 0) !== event.data.bid));
    case 'BindingsLapsed':
      return withBindings(ts, ts.bindings.filter((b) => !event.data.bids.includes(b.bid ?? 0)));
    case 'MacChanged':
      return { ...ts, mac: event.data.mac };
    case 'ConnectionFailed': {
      const { nveId, vnid } = event.data;
      const kept = vnid === null ? without(ts.failures, (f) => f.nveId === nveId) : ts.failures;
      return { ...ts, failures: [...kept, { nveId, vnid }] };
    }
  }
}

const placed = (ts: TenantSystem, data: { readonly mac: string | null; readonly bindings: readonly Binding[] | null }): TenantSystem => ({
  ...(data.bindings ? withBindings(ts, data.bindings) : ts),
  mac: data.mac ?? ts.mac,
});

const detached = (ts: TenantSystem): TenantSystem => ({ ...ts, attachments: NONE, bindings: NONE, failures: NONE, place: placeOf(ts) });

/** Every step of the sequence is a move. */
const movesAfter = (ts: TenantSystem, mobility: number, { recordedAt }: Audit): readonly number[] => (mobility > ts.mobility ? [...movesWithin(ts.moves, recordedAt), recordedAt] : ts.moves);

/** What it has left goes from its place; where that was all of it, its place is where it is now. */
function placeAfter(ts: TenantSystem, attachments: readonly Attachment[]): readonly string[] | null {
  const here = attachments.map((a) => a.nveId);
  const stayed = placeOf(ts).filter((nveId) => here.includes(nveId));
  const place = stayed.length === 0 ? here : stayed;
  return place.length === 1 && place[0] === here[0] ? null : place;
}

/** Connection failures of VNs that it left go with its bindings there. */
function withBindings(ts: TenantSystem, bindings: readonly Binding[]): TenantSystem {
  const failures = without(ts.failures, (f) => f.vnid !== null && !bindings.some((b) => b.vnid === f.vnid));
  return { ...ts, bindings, failures };
}

/**
 * A line replaces the binding with its BID (at most one has none), or else the one with its VN and address. No decision gives two
 * bindings one address; but one that was made while a lapse was believed in that turned out void may name the address of another
 * binding, which is replaced then too.
 */
function mergeBindings(before: readonly Binding[], lines: readonly Binding[], deregistered: readonly number[]): readonly Binding[] {
  const result = before.filter((b) => !deregistered.includes(b.bid ?? 0));
  for (const line of lines) {
    const byBid = result.findIndex((b) => b.bid === line.bid);
    const at = byBid === -1 ? result.findIndex((b) => sameAddress(b, line)) : byBid;
    if (at === -1) result.push(line);
    else result[at] = line;
    const twin = result.findIndex((b) => b !== line && sameAddress(b, line));
    if (twin !== -1) result.splice(twin, 1);
  }
  return result;
}

const without = <T>(list: readonly T[], drop: (item: T) => boolean): readonly T[] => (list.some(drop) ? list.filter((item) => !drop(item)) : list);
