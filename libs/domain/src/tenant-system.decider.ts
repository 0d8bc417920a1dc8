import type { Attachment, AttachmentState, Audit, Binding } from '@nva/codec';
import { Refusal, type Bid, type MacAddress, type NveId, type TenantId, type TsId, type VmId, type Vnid } from '@nva/identifiers';
import { checkFrames, checkVns, findByBid, register, sameBinding, sameBindings, wholeSet, type BindingLine } from './bindings.ts';
import type { Facts, TenantSystemName } from './facts.ts';
import { disconnected } from './nve.decider.ts';
import type { PassAddress } from './passing.ts';
import { attachedOrRefuse, movesWithin, NONE, placeOf, type TenantSystem, type TenantSystemEvent } from './tenant-system.ts';
import type { DeadlineOwner } from './deadline-owner.ts';

/** `tenantId` tells which tenant's tenant system is meant if several have that id. It is absent if the caller can mean only one. */
export type TenantSystemCommand =
  | {
      readonly type: 'attach';
      readonly nveId: NveId;
      readonly tsId: TsId;
      readonly tenantId: TenantId;
      readonly vmId: VmId;
      readonly mac: MacAddress;
      readonly logicalInterface?: string;
      /** The whole set of bindings; if absent, the bindings stay as they are. */
      readonly bindings?: readonly BindingLine[];
      readonly state?: AttachmentState;
      readonly placement?: 'move' | 'add';
    }
  | { readonly type: 'detach'; readonly nveId: NveId; readonly tsId: TsId; readonly tenantId?: TenantId }
  | { readonly type: 'remove'; readonly tsId: TsId; readonly tenantId?: TenantId }
  | { readonly type: 'registerBindings'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bindings: readonly BindingLine[] }
  | ({ readonly type: 'registerBinding'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bid: Bid | 0 } & Omit<
      BindingLine,
      'bid'
    >)
  | { readonly type: 'deregisterBinding'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly bid: Bid | 0 }
  /** From the owner of the deadlines only, with the exact revision that the deadlines are based on (R24a). */
  | ({
      readonly type: 'lapseBindings';
      readonly tsId: TsId;
      readonly tenantId?: TenantId;
      readonly bids: readonly number[];
    } & DeadlineOwner)
  | { readonly type: 'changeMac'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly mac: MacAddress }
  | { readonly type: 'connectionFailure'; readonly tsId: TsId; readonly tenantId?: TenantId; readonly nveId: NveId; readonly vnid?: Vnid }
  /** About two tenant systems: `decidePassing` decides it. */
  | PassAddress;

type Attach = Extract<TenantSystemCommand, { type: 'attach' }>;

/** One accepted command is one event; null if nothing would change. Throws Refusal. */
export function decideTenantSystem(
  command: Exclude<TenantSystemCommand, PassAddress>,
  ts: TenantSystem | null,
  facts: Facts,
  audit: Audit,
): TenantSystemEvent | null {
  if (command.type === 'attach') return decideAttach(command, ts, facts, audit);
  const attached = attachedOrRefuse(ts, command.tsId);
  const { tsId } = attached;
  switch (command.type) {
    case 'detach': {
      atNveOrRefuse(attached, command.nveId);
      const moves = isElsewhere(
        attached,
        attached.attachments.filter((a) => a.nveId !== command.nveId),
      );
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
      return {
        type: 'BindingsLapsed',
        data: { audit, tsId, bids: command.bids, group: command.group ?? null, owner: command.owner ?? null },
      };
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
  // The caller finds the tenant's own tenant system by its name; a mistake there would give this tenant another tenant's.
  if (ts !== null && ts.tenantId !== tenantId)
    throw new Error(`tenant system ${tsId} is given to tenant ${tenantId}, and is of tenant ${ts.tenantId}`);
  if (attached) {
    if (ts.vmId !== vmId)
      throw new Refusal('ts-immutable', `tenant system ${tsId} is a vNIC of VM ${ts.vmId}`, {
        field: 'vmId',
        received: vmId,
        expected: ts.vmId,
        row: 'R1',
      });
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
  // An attachment that is only being prepared must not change the MAC to which frames are sent now.
  if (
    attached &&
    newMac !== null &&
    attachment.state === 'associated' &&
    command.placement === 'add' &&
    ts.attachments.some((a) => a.nveId !== nveId && a.state === 'activated')
  ) {
    throw new Refusal(
      'ts-immutable',
      `tenant system ${tsId} is live with MAC ${ts.mac}: what is associated beside it does not change that; give that MAC, or change it with PUT mac`,
      { field: 'mac', received: mac, expected: ts.mac },
    );
  }
  const newBindings =
    command.bindings && (!sameBindings(before, bindings) || bindings.some((b) => facts.orphaned(command, b.vnid))) ? bindings : null;
  const changesPlace =
    !here || others.length > 0 || here.state !== attachment.state || here.logicalInterface !== attachment.logicalInterface;
  const clearsFailure = attached && ts.failures.some((failure) => failure.nveId === nveId);
  if (attached && !changesPlace && !clearsFailure && newMac === null && newBindings === null) return null;

  if (newBindings) {
    checkVns(newBindings, tenantId, facts);
    checkFrames(
      newBindings,
      newBindings.filter((b) => !before.some((known) => sameBinding(known, b)) || facts.orphaned(command, b.vnid)),
      facts,
    );
  }
  const identity = attached ? ts : { tsId, tenantId, mac: null, bindings: NONE };
  if (!attached || newMac !== null || newBindings) checkAddresses(identity, { mac, bindings }, facts);

  if (!attached) {
    const moves = ts !== null && isElsewhere(ts, [attachment]);
    return {
      type: 'TenantSystemAttached',
      data: { audit, tsId, tenantId, vmId, mac, attachment, bindings, mobility: (ts?.mobility ?? 0) + Number(moves) },
    };
  }
  const common = { audit, tsId, attachment, mac: newMac, bindings: newBindings };
  if (others.length > 0) {
    const moves = isElsewhere(ts, [attachment]);
    const recentMoves = moves ? movesWithin(ts.moves, audit.recordedAt).length + 1 : 0;
    return { type: 'TenantSystemMoved', data: { ...common, from: others, mobility: ts.mobility + Number(moves), recentMoves } };
  }
  return { type: here ? 'TenantSystemAttachmentChanged' : 'TenantSystemAttachmentAdded', data: common };
}

function decideRegister(
  ts: TenantSystem,
  lines: readonly BindingLine[],
  pathOf: (i: number) => string,
  facts: Facts,
  audit: Audit,
): TenantSystemEvent | null {
  const { bindings, changed, deregistered } = register(ts.bindings, lines, pathOf);
  const revived = bindings.filter((b) => !changed.includes(b) && lines.some((line) => names(line, b)) && facts.orphaned(ts, b.vnid));
  const registered = [...changed, ...revived];
  if (registered.length === 0 && deregistered.length === 0) return null;
  checkVns(registered, ts.tenantId, facts);
  checkFrames(bindings, registered, facts);
  checkAddresses(ts, { mac: ts.mac, bindings }, facts);
  return {
    type: 'BindingsRegistered',
    data: { audit, tsId: ts.tsId, bindings: registered, deregistered: deregistered.map((b) => b.bid ?? 0) },
  };
}

const names = (line: BindingLine, binding: Binding): boolean =>
  line.bid === undefined ? line.vnid === binding.vnid && (line.ip ?? null) === binding.ip : line.bid === (binding.bid ?? 0);

function decideConnectionFailure(ts: TenantSystem, nveId: NveId, vnid: number | null, audit: Audit): TenantSystemEvent | null {
  atNveOrRefuse(ts, nveId);
  if (vnid !== null && !ts.bindings.some((b) => b.vnid === vnid)) {
    throw new Refusal('vn-not-joined', `tenant system ${ts.tsId} has no binding in VN ${vnid}`, {
      field: 'vnid',
      received: vnid,
      row: 'R56',
    });
  }
  if (ts.failures.some((f) => f.nveId === nveId && (f.vnid === null || f.vnid === vnid))) return null;
  return { type: 'ConnectionFailed', data: { audit, tsId: ts.tsId, nveId, vnid } };
}

/** Refuses addresses that another tenant system of the VN holds. Checks only addresses that would be new (R13, X2). */
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
      throw new Refusal(`duplicate-${kind}`, `tenant system ${holder.tsId} holds ${address} in VN ${vnid}`, {
        field: kind,
        received: address,
        actual: { vnid, heldBy: holder.tsId },
        row: 'R13',
      });
    }
  }
}

function atNveOrRefuse(ts: TenantSystem, nveId: string): void {
  if (ts.attachments.some((a) => a.nveId === nveId)) return;
  throw new Refusal('ts-not-at-nve', `tenant system ${ts.tsId} is not at NVE ${nveId}`, {
    field: 'nveId',
    received: nveId,
    actual: ts.attachments.map((a) => a.nveId),
    row: 'R55',
  });
}

const unknownBid = (bid: number): Refusal =>
  new Refusal('bid-unknown', `no binding has BID ${bid}`, { field: 'bid', received: bid, row: 'R22' });

/** Whether these attachments are another place than the present one. */
const isElsewhere = (ts: TenantSystem, attachments: readonly Attachment[]): boolean =>
  attachments.length > 0 && !attachments.some((a) => placeOf(ts).includes(a.nveId));
