import type { Binding } from '@nva/codec';
import { fieldIn, Refusal, type Bid, type IpAddress, type VlanId, type Vnid } from '@nva/identifiers';
import type { Facts } from './facts.ts';

/** Maximum number of bindings of one tenant system; keeps its events and its records small. */
export const MAX_BINDINGS_PER_TS = 256;

/** One line of a registration or of an attach, as received. `bid` 0 is the binding without a BID. */
export interface BindingLine {
  readonly bid?: Bid | 0;
  readonly vnid?: Vnid;
  readonly vlan?: VlanId;
  readonly ip?: IpAddress;
  /** Seconds; 0 de-registers (R24a). If absent: as before; a new binding then lasts until the tenant system is detached. */
  readonly lifetimeS?: number;
}

/** The result of a registration. `bindings` is the whole resulting set. */
export interface ResolvedRegistration {
  readonly bindings: readonly Binding[];
  readonly changed: readonly Binding[];
  readonly deregistered: readonly Binding[];
}

const bidOf = (binding: Binding): number => binding.bid ?? 0;

export const findByBid = (bindings: readonly Binding[], bid: number): Binding | undefined => bindings.find((b) => bidOf(b) === bid);

/** The same address in the same VN: the parts of a mapping's key. */
export function sameAddress(a: Pick<Binding, 'vnid' | 'vlan' | 'ip'>, b: Pick<Binding, 'vnid' | 'vlan' | 'ip'>): boolean {
  return a.vnid === b.vnid && a.vlan === b.vlan && a.ip === b.ip;
}

export function sameBinding(a: Binding, b: Binding): boolean {
  return a.bid === b.bid && a.lifetimeS === b.lifetimeS && sameAddress(a, b);
}

/** The order of bindings in a set does not matter. */
export function sameBindings(a: readonly Binding[], b: readonly Binding[]): boolean {
  return a.length === b.length && a.every((binding) => b.some((other) => sameBinding(binding, other)));
}

/** Adds, changes, renews and ends bindings, all or nothing (R18 to R24a). `pathOf` gives the caller's path of line i. */
export function register(
  current: readonly Binding[],
  lines: readonly BindingLine[],
  pathOf: (line: number) => string,
): ResolvedRegistration {
  const { bindings, changed, ended } = apply(current, lines, pathOf, false);
  checkSet(bindings, lines.length === 1 ? pathOf(0) : '');
  return { bindings, changed, deregistered: ended };
}

/**
 * The whole set, as an attach gives it. Each line is read as in a registration, and bindings that no line names end. So a line
 * may give a BID to another VN than before: this makes a new binding, whose address the line must give (R21), and the former
 * binding ends as if no line named it.
 */
export function wholeSet(current: readonly Binding[], lines: readonly BindingLine[]): readonly Binding[] {
  const pathOf = (line: number): string => `bindings[${line}]`;
  lines.forEach((line, i) => refuseTakingBack(current, line, pathOf(i)));
  const { standing } = apply(
    current.filter((binding) => !lines.some((line) => replaces(line, binding))),
    lines,
    pathOf,
    true,
  );
  checkSet(standing, 'bindings');
  return standing;
}

/**
 * Whether a line of a whole set gives the BID of this binding to another VN. A line that ends a binding must name that binding
 * (R22).
 */
const replaces = (line: BindingLine, { bid, vnid }: Binding): boolean =>
  line.bid !== undefined && line.bid === (bid ?? 0) && line.vnid !== undefined && line.vnid !== vnid && line.lifetimeS !== 0;

interface Applied {
  /** The resulting set: `current` as changed by the lines. */
  readonly bindings: readonly Binding[];
  /** The bindings of the result that a line names, in the order of the lines. */
  readonly standing: readonly Binding[];
  /** The bindings of the result that are new or changed. */
  readonly changed: readonly Binding[];
  readonly ended: readonly Binding[];
}

/**
 * Reads all lines, for every kind of call. A line names its binding by a known BID, or else by VN and exactly the address that it
 * gives; fields that it leaves out stay as they are. Known BIDs are read first, so the order of the lines does not matter.
 * `whole`: bindings that no line names end.
 */
function apply(current: readonly Binding[], lines: readonly BindingLine[], pathOf: (line: number) => string, whole: boolean): Applied {
  const bindings = [...current];
  const results: (Binding | undefined)[] = [];
  // Lists instead of sets: they are short, mostly of one element, and every attach makes them.
  const changed: Binding[] = [];
  const ended: Binding[] = [];
  const named: (Binding | number)[] = [];
  for (const i of knownBidsFirst(current, lines)) {
    const line = lines[i]!;
    const path = pathOf(i);
    const existing = findExisting(bindings, line, path);
    if (existing) refuseOtherBid(existing, line, path, named.includes(existing));
    const name = existing ?? line.bid;
    if (name !== undefined && name !== 0 && named.includes(name))
      throw new Refusal('bid-duplicate', 'two lines name one binding', { field: path, received: line, row: 'R18' });
    if (line.lifetimeS === 0) {
      if (!existing)
        throw line.bid === undefined
          ? new Refusal('bid-unknown', 'the line names no binding, so there is none to end', { field: path, received: line, row: 'R22' })
          : unknownBid(line, path);
      refuseOtherVn(existing, line, path);
      bindings.splice(bindings.indexOf(existing), 1);
      ended.push(existing);
      named.push(existing);
      continue;
    }
    const next = existing ? update(existing, line, path) : create(line, path, whole);
    const stays = existing !== undefined && sameBinding(existing, next);
    const result = stays ? existing : next;
    results[i] = result;
    named.push(result);
    if (result.bid !== null) named.push(result.bid);
    if (stays) continue;
    if (existing) bindings[bindings.indexOf(existing)] = next;
    else bindings.push(next);
    changed.push(next);
  }
  const standing = results.filter((binding) => binding !== undefined);
  return { bindings, standing, changed: standing.filter((binding) => changed.includes(binding)), ended };
}

function knownBidsFirst(current: readonly Binding[], lines: readonly BindingLine[]): readonly number[] {
  if (lines.length < 2) return lines.length === 0 ? [] : [0];
  const known = ({ bid }: BindingLine): boolean => bid !== undefined && findByBid(current, bid) !== undefined;
  const order = lines.map((_, i) => i);
  return [...order.filter((i) => known(lines[i]!)), ...order.filter((i) => !known(lines[i]!))];
}

/** A whole set states for each address whether it has a BID. A registration says nothing about what it leaves out. */
function refuseTakingBack(current: readonly Binding[], line: BindingLine, path: string): void {
  if (line.bid !== undefined || line.lifetimeS === 0) return;
  const before = findExisting(current, line, path);
  if (!before || before.bid === null) return;
  throw new Refusal('bid-taken-back', `the address has BID ${before.bid}; a BID once given is not taken back`, {
    field: fieldIn(path, 'bid'),
    received: null,
    expected: before.bid,
    row: 'R19',
  });
}

/**
 * Refuses bindings that their VN cannot take: the VN is unknown or another tenant's, or the binding lacks what the service needs
 * (R16, R44). An L2 binding without a VLAN is for untagged frames.
 */
export function checkVns(bindings: readonly Binding[], tenantId: string, facts: Facts): void {
  for (const binding of bindings) {
    const vn = facts.vn(binding.vnid);
    if (!vn) throw new Refusal('vn-unknown', `there is no VN ${binding.vnid}`, { field: 'vnid', received: binding.vnid });
    if (vn.tenantId !== tenantId) {
      throw new Refusal('vn-of-another-tenant', `VN ${binding.vnid} is not one of tenant ${tenantId}`, {
        field: 'vnid',
        received: binding.vnid,
        row: 'R44',
      });
    }
    if (vn.service === 'l3') {
      if (binding.ip === null && binding.vlan === null) throw addressRequired('ip', null);
      if (binding.ip === null)
        throw new Refusal('ip-required', `VN ${binding.vnid} is L3: its bindings carry an IP`, { field: 'ip', received: null, row: 'R16' });
      if (binding.vlan !== null)
        throw new Refusal('vlan-not-allowed', `VN ${binding.vnid} is L3: its bindings carry no VLAN`, {
          field: 'vlan',
          received: binding.vlan,
          row: 'R16',
        });
    }
  }
}

/**
 * Refuses bindings that would put one frame of the vNIC into two L2 VNs: the same VLAN, or no tag, for both (R16). Checks only
 * `changed`: an older log may have such bindings, and they must not cause the refusal of another one.
 */
export function checkFrames(bindings: readonly Binding[], changed: readonly Binding[], facts: Facts): void {
  if (bindings.length < 2) return;
  const isL2 = ({ vnid }: Binding): boolean => facts.vn(vnid)?.service === 'l2';
  for (const binding of changed.filter(isL2)) {
    const { vnid, vlan } = binding;
    const other = bindings.find((b) => b.vlan === vlan && b.vnid !== vnid && isL2(b));
    if (!other) continue;
    const frames = vlan === null ? 'frames without a tag' : `frames of VLAN ${vlan}`;
    throw new Refusal('vlan-of-another-vn', `${frames} from this vNIC are of VN ${other.vnid}; they cannot be of VN ${vnid} too`, {
      field: 'vlan',
      received: vlan,
      actual: { vnid: other.vnid, bid: other.bid },
      row: 'R16',
    });
  }
}

/** The binding that a line names. Throws Refusal `bid-required` if the line names several, of one IP on several VLANs. */
function findExisting(bindings: readonly Binding[], line: BindingLine, path: string): Binding | undefined {
  const byBid = line.bid === undefined ? undefined : findByBid(bindings, line.bid);
  if (byBid) return byBid;
  if (line.vnid === undefined) return undefined;
  const named = bindings.filter(
    (b) =>
      b.vnid === line.vnid &&
      (line.ip === undefined
        ? b.vlan === (line.vlan ?? null) && b.ip === null
        : b.ip === line.ip && (line.vlan === undefined || b.vlan === line.vlan)),
  );
  if (named.length > 1)
    throw new Refusal('bid-required', `several bindings have IP ${line.ip} in VN ${line.vnid}: name one by its BID or its VLAN`, {
      field: fieldIn(path, 'bid'),
      received: null,
      row: 'R18',
    });
  return named[0];
}

/** A BID can be given only to an address that has none. */
function refuseOtherBid(existing: Binding, line: BindingLine, path: string, sameRequest: boolean): void {
  if (line.bid === undefined || existing.bid === null || existing.bid === line.bid) return;
  if (sameRequest)
    throw new Refusal('address-duplicate', 'two bindings carry one address', { field: path, received: line.ip ?? line.vlan, row: 'R13' });
  throw new Refusal('address-registered', `the address is registered already, with BID ${existing.bid}`, {
    field: fieldIn(path, 'bid'),
    received: line.bid,
    expected: existing.bid,
    row: 'R18',
  });
}

function update(existing: Binding, line: BindingLine, path: string): Binding {
  refuseOtherVn(existing, line, path);
  return {
    bid: line.bid === undefined || line.bid === 0 ? existing.bid : line.bid,
    vnid: existing.vnid,
    vlan: line.vlan ?? existing.vlan,
    ip: line.ip ?? existing.ip,
    lifetimeS: line.lifetimeS ?? existing.lifetimeS,
  };
}

/**
 * Makes a new binding. In a whole set, and without a BID, a line without an address is for untagged frames. In a registration a
 * BID without an address is refused: its binding may have ended, and the line may be meant to renew it.
 */
function create(line: BindingLine, path: string, whole: boolean): Binding {
  if (line.vnid === undefined) throw line.bid === undefined ? addressRequired(path, line) : unknownBid(line, path);
  if (line.ip === undefined && line.vlan === undefined && line.bid !== undefined && !whole) throw addressRequired(path, line);
  return {
    bid: line.bid === undefined || line.bid === 0 ? null : line.bid,
    vnid: line.vnid,
    vlan: line.vlan ?? null,
    ip: line.ip ?? null,
    lifetimeS: line.lifetimeS ?? null,
  };
}

/** Refuses a tenant system's set of bindings that violates R13, R18, R19 or the bound. */
export function checkSet(bindings: readonly Binding[], path: string): void {
  if (bindings.length > MAX_BINDINGS_PER_TS) {
    throw new Refusal('too-many-bindings', `a tenant system has at most ${MAX_BINDINGS_PER_TS} bindings`, {
      field: path,
      received: bindings.length,
    });
  }
  if (bindings.length < 2) return;
  const bids = new Set<number>();
  const addresses = new Set<string>();
  for (const binding of bindings) {
    if (binding.bid === null) {
      throw new Refusal('bid-required', 'as soon as a tenant system has several addresses, every one of them has a BID', {
        field: fieldIn(path, 'bid'),
        received: null,
        row: 'R19',
      });
    }
    if (bids.has(binding.bid))
      throw new Refusal('bid-duplicate', `BID ${binding.bid} names two bindings`, { field: 'bid', received: binding.bid, row: 'R18' });
    bids.add(binding.bid);
    const address = `${binding.vnid} ${binding.vlan} ${binding.ip}`;
    if (addresses.has(address))
      throw new Refusal('address-duplicate', 'two bindings carry one address', {
        field: path,
        received: binding.ip ?? binding.vlan,
        row: 'R13',
      });
    addresses.add(address);
  }
}

function refuseOtherVn(known: Binding, line: BindingLine, path: string): void {
  if (line.vnid === undefined || line.vnid === known.vnid) return;
  throw new Refusal('bid-vn-mismatch', `BID ${known.bid ?? 0} is a binding in VN ${known.vnid}`, {
    field: fieldIn(path, 'vnid'),
    received: line.vnid,
    expected: known.vnid,
    row: 'R22',
  });
}

const addressRequired = (field: string, received: unknown): Refusal =>
  new Refusal('address-required', 'the first registration of a BID carries its VN and address (IP or VLAN)', {
    field,
    received,
    row: 'R21',
  });

const unknownBid = (line: BindingLine, path: string): Refusal =>
  new Refusal('bid-unknown', `no binding has BID ${line.bid ?? 0}, and none can be made without its VN and address`, {
    field: fieldIn(path, 'bid'),
    received: line.bid ?? null,
    row: 'R22',
  });
