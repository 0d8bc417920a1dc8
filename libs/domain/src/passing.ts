import type { Audit, Binding } from '@nva/codec';
import { Refusal, type Bid, type IpAddress, type MacAddress, type TenantId, type TsId, type VlanId, type Vnid } from '@nva/identifiers';
import { checkFrames, checkSet, checkVns, register, sameBinding } from './bindings.ts';
import type { Facts } from './facts.ts';
import {
  attachedOrRefuse,
  evolveHolder,
  evolveTaker,
  mergeBindings,
  NONE,
  type AddressAwaited,
  type AddressPassed,
  type TenantSystem,
} from './tenant-system.ts';

/**
 * Passes an IP, the MAC or both from the holder (`tsId`) to the taker (`to`), both of one tenant, in one change. `forIp` and
 * `forMac` name what goes the other way. The passed address is named by its value, so that a repeat finds it passed and changes
 * nothing.
 */
export interface PassAddress {
  readonly type: 'passAddress';
  readonly tsId: TsId;
  readonly tenantId?: TenantId;
  readonly to: TsId;
  /** The VN of the IP; given together with it. */
  readonly vnid?: Vnid;
  readonly ip?: IpAddress;
  readonly forIp?: IpAddress;
  readonly mac?: MacAddress;
  /** The holder's MAC from then on; by default the taker's former MAC. */
  readonly forMac?: MacAddress;
  /** For the taker's binding, if the IP is not exchanged. */
  readonly bid?: Bid;
  readonly vlan?: VlanId;
  readonly lifetimeS?: number;
}

/** The present states of both tenant systems of a passing; null for one that does not exist. */
export interface PassingPair {
  readonly holder: TenantSystem | null;
  /** Revision of the holder's stream. */
  readonly revision: number;
  readonly taker: TenantSystem | null;
  readonly toRevision: number;
}

/** A passing is two events: the first in the taker's stream; the second, which changes both tenant systems, in the holder's. */
export interface Passing {
  readonly awaited: AddressAwaited;
  readonly passed: AddressPassed;
}

/**
 * A passing changes two tenant systems, each decided on its present state, but the store has no transaction over two streams. So
 * the taker's stream first gets an event that says what it waits for and changes nothing else; then the holder's stream gets the
 * event that counts. Each is appended at an exact revision, and the fold passes over the second event if anything else has come
 * between the two (`isAwaited`). So an event that counts was decided on exactly the states that it changes.
 *
 * null if the taker has the address already and the holder does not. Throws Refusal.
 */
export function decidePassing(command: PassAddress, pair: PassingPair, facts: Facts, audit: Audit): Passing | null {
  checkShape(command);
  const taker = attachedOrRefuse(pair.taker, command.to, 'to');
  if (pair.holder && isPassed(command, pair.holder, taker, facts)) return null;
  const holder = attachedOrRefuse(pair.holder, command.tsId);
  const ips =
    command.ip === undefined
      ? NO_LINES
      : command.forIp === undefined
        ? passIp(command, command.ip, holder, taker, facts)
        : exchangeIps(command, command.ip, command.forIp, holder, taker, facts);
  const macs = macsAfter(command, holder, taker);
  const toRevision = pair.toRevision + 1;
  const { tsId, to, vnid, ip } = command;
  const passed: AddressPassed = {
    type: 'AddressPassed',
    data: { audit, tsId, to, toRevision, vnid: vnid ?? null, ip: ip ?? null, ...macs, ...ips },
  };
  check(evolveHolder(holder, passed), evolveTaker(taker, passed), passed, facts);
  // The Idempotency-Key belongs to the event that counts.
  const own: Audit = { ...audit, idempotencyKey: null, requestDigest: null };
  return { awaited: { type: 'AddressAwaited', data: { audit: own, tsId: to, from: tsId, revision: pair.revision + 1 } }, passed };
}

/** The resulting bindings of both. */
type Lines = Pick<AddressPassed['data'], 'bindings' | 'deregistered' | 'toBindings'>;
const NO_LINES: Lines = { bindings: NONE, deregistered: NONE, toBindings: NONE };

/** Checks which fields must come together. */
function checkShape({ tsId, to, vnid, ip, forIp, mac, forMac, bid, vlan, lifetimeS }: PassAddress): void {
  if (tsId === to)
    throw new Refusal('out-of-range', `tenant system ${tsId} has it already: an address passes to another one`, {
      field: 'to',
      received: to,
    });
  if (ip === undefined && mac === undefined)
    throw new Refusal('address-required', 'the command says which address passes: ip, mac or both', {
      field: 'ip',
      received: null,
      row: 'X2',
    });
  const needs = (field: string, other: string): Refusal => new Refusal('missing-field', `${other} comes with ${field}`, { field });
  if (ip !== undefined && vnid === undefined) throw needs('vnid', 'an ip');
  if (ip === undefined && vnid !== undefined) throw needs('ip', 'a vnid');
  if (ip === undefined && forIp !== undefined) throw needs('ip', 'forIp');
  if (mac === undefined && forMac !== undefined) throw needs('mac', 'forMac');
  if (ip !== undefined && ip === forIp)
    throw new Refusal('out-of-range', 'the two that are exchanged differ', { field: 'forIp', received: forIp });
  if (mac !== undefined && mac === forMac)
    throw new Refusal('out-of-range', 'the two that are exchanged differ', { field: 'forMac', received: forMac });
  for (const [field, received] of Object.entries({ bid, vlan, lifetimeS })) {
    if (received === undefined || (ip !== undefined && forIp === undefined)) continue;
    throw new Refusal(
      'unknown-field',
      `${field} is of the binding that an ip passes to; where IPs are exchanged, and with a MAC alone, every binding stays as it is`,
      { field, received },
    );
  }
}

const at = (bindings: readonly Binding[], vnid: number | undefined, ip: string | undefined): readonly Binding[] =>
  bindings.filter((b) => b.vnid === vnid && b.ip === ip);

/**
 * Whether an earlier command, or this same one, has done it: the taker holds the address, and the holder has what goes the other
 * way.
 */
function isPassed({ vnid, ip, forIp, mac, forMac }: PassAddress, holder: TenantSystem, taker: TenantSystem, facts: Facts): boolean {
  const holds = (ts: TenantSystem, address: string): boolean =>
    at(ts.bindings, vnid, address).length > 0 && facts.holder(vnid!, 'ip', address)?.tsId === ts.tsId;
  const ipIs =
    ip === undefined || (holds(taker, ip) && at(holder.bindings, vnid, ip).length === 0 && (forIp === undefined || holds(holder, forIp)));
  const macIs =
    mac === undefined ||
    (taker.mac === mac &&
      taker.bindings.every((b) => (facts.holder(b.vnid, 'mac', mac)?.tsId ?? taker.tsId) === taker.tsId) &&
      (forMac === undefined || holder.mac === forMac));
  return ipIs && macIs;
}

/** The bindings by which a tenant system holds an IP. */
function heldOrRefuse(field: string, ip: string, vnid: Vnid, ts: TenantSystem, facts: Facts): readonly Binding[] {
  const bindings = at(ts.bindings, vnid, ip);
  const holder = facts.holder(vnid, 'ip', ip);
  if (bindings.length > 0 && holder?.tsId === ts.tsId) return bindings;
  const who = holder ? `tenant system ${holder.tsId} holds it` : 'no tenant system of the tenant holds it';
  throw new Refusal('address-not-held', `tenant system ${ts.tsId} does not hold ${ip} in VN ${vnid}: ${who}`, {
    field,
    received: ip,
    actual: { vnid, heldBy: holder?.tsId ?? null },
  });
}

/**
 * In an L2 VN the holder keeps its VLAN without an IP if it would have nothing left there, because its MAC stays. The taker gets
 * the IP on a new binding, or on its existing binding there without an IP.
 */
function passIp(command: PassAddress, ip: IpAddress, holder: TenantSystem, taker: TenantSystem, facts: Facts): Lines {
  const vnid = command.vnid!;
  const given = heldOrRefuse('ip', ip, vnid, holder, facts);
  if (given.length > 1 && (command.bid !== undefined || command.vlan !== undefined)) {
    throw new Refusal(
      'bid-required',
      `tenant system ${holder.tsId} has ${ip} on several VLANs of VN ${vnid}, and all of them pass as they are`,
      { field: command.bid === undefined ? 'vlan' : 'bid', received: command.bid ?? command.vlan, row: 'R18' },
    );
  }
  const l2 = facts.vn(vnid)?.service === 'l2';
  const bindings: Binding[] = [];
  const deregistered: number[] = [];
  for (const binding of given) {
    const isLast = l2 && !holder.bindings.some((b) => b !== binding && b.vnid === vnid && b.vlan === binding.vlan);
    if (isLast) bindings.push({ ...plain(binding), ip: null });
    else deregistered.push(binding.bid ?? 0);
  }
  let standing = taker.bindings;
  const toBindings: Binding[] = [];
  for (const binding of given) {
    const next = takenAs(command, ip, binding, standing, given.length > 1, facts.orphaned(taker, vnid));
    if (next) standing = mergeBindings(standing, [next], NONE);
    if (next) toBindings.push(next);
  }
  return { bindings, deregistered, toBindings };
}

/** The taker's binding made from one binding of the holder; null if the taker has exactly this already, behind the holder (X2). */
function takenAs(
  command: PassAddress,
  ip: IpAddress,
  given: Binding,
  bindings: readonly Binding[],
  several: boolean,
  revives: boolean,
): Binding | null {
  const { vnid } = given;
  const vlans = new Set(bindings.filter((b) => b.vnid === vnid).map((b) => b.vlan));
  const vlan = command.vlan ?? (several || vlans.size !== 1 ? given.vlan : [...vlans][0]!);
  const existing = bindings.find((b) => b.vnid === vnid && b.ip === ip && (b.vlan === vlan || (command.vlan === undefined && !several)));
  if (existing) {
    if (command.bid !== undefined && command.bid !== existing.bid)
      throw new Refusal('address-registered', `tenant system ${command.to} has the address already, with BID ${existing.bid}`, {
        field: 'bid',
        received: command.bid,
        expected: existing.bid,
        row: 'R18',
      });
    const next = { ...plain(existing), lifetimeS: command.lifetimeS ?? existing.lifetimeS };
    return revives || !sameBinding(existing, next) ? next : null;
  }
  const lifetimeS = command.lifetimeS ?? given.lifetimeS;
  const bare = bindings.find((b) => b.vnid === vnid && b.vlan === vlan && b.ip === null && b.lifetimeS === lifetimeS);
  if (bare && (command.bid === undefined || command.bid === bare.bid)) return { ...plain(bare), ip };
  const taken = command.bid ?? given.bid;
  if (taken !== null && bindings.some((b) => b.bid === taken))
    throw new Refusal('bid-duplicate', `tenant system ${command.to} has a binding with BID ${taken}: give another`, {
      field: 'bid',
      received: taken,
      row: 'R18',
    });
  // A binding without a BID is the taker's only address; `register` checks this (R19).
  const line = {
    vnid: vnid as Vnid,
    ip,
    ...(taken === null ? {} : { bid: taken as Bid }),
    ...(vlan === null ? {} : { vlan: vlan as VlanId }),
    ...(lifetimeS === null ? {} : { lifetimeS }),
  };
  return register(bindings, [line], () => '').changed[0]!;
}

/** A binding in the fold has more fields. */
const plain = ({ bid, vnid, vlan, ip, lifetimeS }: Binding): Binding => ({ bid, vnid, vlan, ip, lifetimeS });

/** Each binding keeps its BID, VLAN and lifetime, and gets the other's IP. */
function exchangeIps({ vnid }: PassAddress, ip: string, forIp: string, holder: TenantSystem, taker: TenantSystem, facts: Facts): Lines {
  const given = heldOrRefuse('ip', ip, vnid!, holder, facts);
  const taken = heldOrRefuse('forIp', forIp, vnid!, taker, facts);
  for (const [field, address, ts] of [
    ['forIp', forIp, holder],
    ['ip', ip, taker],
  ] as const) {
    if (at(ts.bindings, vnid, address).length > 0)
      throw new Refusal(
        'address-registered',
        `tenant system ${ts.tsId} has ${address} in VN ${vnid} registered too, behind the other: pass one of them, without an exchange`,
        { field, received: address, row: 'X2' },
      );
  }
  return {
    bindings: given.map((b) => ({ ...plain(b), ip: forIp })),
    deregistered: NONE,
    toBindings: taken.map((b) => ({ ...plain(b), ip })),
  };
}

function macsAfter({ mac, forMac }: PassAddress, holder: TenantSystem, taker: TenantSystem): Pick<AddressPassed['data'], 'mac' | 'toMac'> {
  if (mac === undefined) return { mac: null, toMac: null };
  if (holder.mac !== mac)
    throw new Refusal('address-not-held', `tenant system ${holder.tsId} has MAC ${holder.mac}`, {
      field: 'mac',
      received: mac,
      actual: holder.mac,
    });
  return { mac: forMac ?? taker.mac, toMac: mac };
}

/** Refuses what the taker's VNs cannot take, and addresses of a third tenant system: the same rules as in any registration. */
function check(holder: TenantSystem, taker: TenantSystem, { data }: AddressPassed, facts: Facts): void {
  const { bindings, toBindings, mac, toMac } = data;
  checkVns(toBindings, taker.tenantId, facts);
  checkFrames(taker.bindings, toBindings, facts);
  for (const [ts, partner, lines, newMac, field] of [
    [holder, taker, bindings, mac, 'forMac'],
    [taker, holder, toBindings, toMac, 'mac'],
  ] as const) {
    if (lines.length > 0) checkSet(ts.bindings, '');
    for (const binding of ts.bindings) {
      // The tenant system's own MAC is new in a VN that it joins.
      if (newMac !== null || lines.some((line) => sameBinding(line, binding)))
        refuseHeld(ts, partner, binding.vnid, 'mac', ts.mac, newMac === null ? 'to' : field);
    }
    for (const { vnid, ip } of lines) if (ip !== null) refuseHeld(ts, partner, vnid, 'ip', ip, 'ip');
  }

  /** Refuses an address that another tenant system holds, unless the partner gives it up in this passing. */
  function refuseHeld(ts: TenantSystem, partner: TenantSystem, vnid: number, kind: 'mac' | 'ip', address: string, field: string): void {
    const other = facts.holder(vnid, kind, address);
    if (!other || other.tsId === ts.tsId) return;
    const isPartners = partner.bindings.some((b) => b.vnid === vnid && (kind === 'mac' ? partner.mac === address : b.ip === address));
    if (other.tsId === partner.tsId && !isPartners) return;
    throw new Refusal(`duplicate-${kind}`, `tenant system ${other.tsId} holds ${address} in VN ${vnid}`, {
      field,
      received: address,
      actual: { vnid, heldBy: other.tsId },
      row: 'R13',
    });
  }
}
