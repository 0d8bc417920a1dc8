import type { Binding, TenantSystem } from '../api/answers.ts';
import { bindingText } from '../output/columns.ts';
import type { DesiredTenantSystem } from './manifest.ts';
import type { Step } from './step.ts';
import { resulting, tenantSystemSteps, withKnownBids } from './tenant-system-steps.ts';

/** What only one tenant system of a VN can have: an IP, or a MAC. */
interface Address {
  readonly kind: 'ip' | 'mac';
  readonly vnid: number;
  readonly address: string;
}

/** A tenant system that has something to do. */
interface Node {
  readonly desired: DesiredTenantSystem;
  /** As it stands by the steps so far. */
  ts: TenantSystem | undefined;
  /** A step was about it already: its revision is another one. */
  isTouched: boolean;
  isDone: boolean;
}

/**
 * The steps of all tenant systems, so that each address is given up before somebody else takes it: the NVA refuses an address that
 * another one holds. In a circle they exchange IPs of a VN, or MACs, two by two, each time by one command, so that no moment is
 * without an address. Where that cannot be, one of them gives its address up first, and takes the new one last.
 */
export function stepsInOrder(
  all: readonly DesiredTenantSystem[],
  presentOf: (desired: DesiredTenantSystem) => TenantSystem | undefined,
  impossible: string[],
): readonly Step[] {
  const nodes = all
    .map((desired): Node => ({ desired, ts: presentOf(desired), isTouched: false, isDone: false }))
    .filter(({ desired, ts }) => tenantSystemSteps(desired, ts, impossible).length > 0);
  const ordering = new Ordering(nodes);
  for (const node of nodes) ordering.reach(node);
  return ordering.steps;
}

class Ordering {
  readonly steps: Step[] = [];
  /** Who of the nodes holds an address. */
  readonly #holders = new Map<string, Node>();

  constructor(nodes: readonly Node[]) {
    for (const node of nodes) for (const one of heldBy(node.ts)) this.#holders.set(keyOf(one), node);
  }

  /** Makes a node what it should be, after all that it waits for. */
  reach(start: Node): void {
    const path: Node[] = [start];
    const onPath = new Set(path);
    for (let node = path.at(-1); node; node = path.at(-1)) {
      const waited = node.isDone ? null : this.#waitsFor(node);
      if (waited && !onPath.has(waited.holder)) {
        path.push(waited.holder);
        onPath.add(waited.holder);
      } else if (waited) this.#open(node, waited.holder, waited.address);
      else {
        this.#finish(node);
        onPath.delete(path.pop()!);
      }
    }
  }

  /** The first address that another node holds and will give up. What another one keeps is not waited for: the NVA refuses it. */
  #waitsFor(node: Node): { readonly holder: Node; readonly address: Address } | null {
    for (const address of neededBy(node)) {
      const holder = this.#holders.get(keyOf(address));
      if (holder && holder !== node && !holder.isDone && !wantedBy(holder).some((other) => keyOf(other) === keyOf(address)))
        return { holder, address };
    }
    return null;
  }

  #finish(node: Node): void {
    if (node.isDone) return;
    const [first, ...others] = tenantSystemSteps(node.desired, node.ts, []);
    if (first) this.steps.push(node.isTouched ? unguarded(first) : first, ...others);
    const wanted = wantedBy(node);
    this.#become(node, wanted);
    node.isDone = true;
  }

  /** Opens a circle where `taker` waits for an address of `holder`. */
  #open(taker: Node, holder: Node, address: Address): void {
    if (this.#exchange(taker, holder, address)) return;
    const { desired, ts } = holder;
    const [place] = ts!.attachments;
    const kept = ts!.bindings.filter(({ vnid, ip }) => vnid !== address.vnid || (address.kind === 'ip' && ip !== address.address));
    const given = ts!.bindings.filter((binding) => !kept.includes(binding));
    const { tsId, tenantId } = desired;
    this.#step(holder, {
      sign: '~',
      action: 'change',
      object: `ts/${tsId}`,
      what: `gives up ${given.map(bindingText).join(' ')} first`,
      line: {
        command: 'attach',
        nveId: place!.nveId,
        tsId,
        tenantId,
        vmId: ts!.vmId,
        mac: ts!.mac,
        state: place!.state,
        placement: 'add',
        bindings: kept.map(({ vnid, vlan, ip, bid }) => ({
          vnid,
          ...(vlan !== null && { vlan }),
          ...(ip !== null && { ip }),
          ...(bid !== null && { bid }),
        })),
      },
    });
    this.#stand(holder, { ...ts!, bindings: kept });
  }

  /**
   * Exchanges the address with one that the taker gives up, by one command: nobody is without an address at any moment. The taker then
   * has what it wants, and the circle is shorter by one. False if there is nothing to exchange it with.
   */
  #exchange(taker: Node, holder: Node, { kind, vnid, address }: Address): boolean {
    if (!taker.ts || taker.ts.attachments.length === 0 || !holder.ts) return false;
    const { tsId, tenantId } = holder.desired;
    const to = taker.desired.tsId;
    const exchange = { sign: '~', action: 'exchange', object: `ts/${tsId}` } as const;
    if (kind === 'mac') {
      const back = taker.ts.mac;
      const isFree = ({ bindings }: TenantSystem): boolean =>
        bindings.every((one) => [taker, undefined].includes(this.#holders.get(keyOf({ kind, vnid: one.vnid, address: back }))));
      if (taker.desired.mac !== address || holder.ts.mac !== address || !isFree(holder.ts)) return false;
      const what = `MAC ${address} ↔ ${back} with ts/${to}`;
      this.#step(holder, { ...exchange, what, line: { command: 'passAddress', tsId, tenantId, to, mac: address } });
      this.#stand(holder, { ...holder.ts, mac: back });
      this.#stand(taker, { ...taker.ts, mac: address });
      return true;
    }
    const wanted = new Set(wantedBy(taker).map(keyOf));
    for (const { vnid: other, ip: back } of taker.ts.bindings) {
      if (other !== vnid || back === null || wanted.has(keyOf({ kind, vnid, address: back }))) continue;
      const [next, former] = [exchanged(holder.ts, vnid, address, back), exchanged(taker.ts, vnid, back, address)];
      if (!next || !former || !isWanted(taker, former, vnid, address)) continue;
      const what = `${vnid}/${address} ↔ ${vnid}/${back} with ts/${to}`;
      const line = { command: 'passAddress', tsId, tenantId, to, vnid, ip: address, forIp: back };
      this.#step(holder, { ...exchange, what, line });
      this.#stand(holder, { ...holder.ts, bindings: next });
      this.#stand(taker, { ...taker.ts, bindings: former });
      return true;
    }
    return false;
  }

  #step(node: Node, step: Step): void {
    this.steps.push(node.isTouched ? step : { ...step, line: { ...step.line, ifRevision: node.ts!.revision } });
    node.isTouched = true;
  }

  /** A node stands otherwise than before. */
  #stand(node: Node, ts: TenantSystem): void {
    const before = heldBy(node.ts);
    node.ts = ts;
    node.isTouched = true;
    this.#become(node, heldBy(ts), before);
  }

  #become(node: Node, held: readonly Address[], before: readonly Address[] = heldBy(node.ts)): void {
    for (const one of before) if (this.#holders.get(keyOf(one)) === node) this.#holders.delete(keyOf(one));
    for (const one of held) this.#holders.set(keyOf(one), node);
  }
}

const keyOf = ({ kind, vnid, address }: Address): string => `${kind} ${vnid} ${address}`;

function addressesOf(mac: string, bindings: readonly Pick<Binding, 'vnid' | 'ip'>[]): readonly Address[] {
  return bindings.flatMap(({ vnid, ip }): readonly Address[] => [
    ...(ip === null ? [] : [{ kind: 'ip', vnid, address: ip } as const]),
    { kind: 'mac', vnid, address: mac },
  ]);
}

/** What it has a binding for and no conflict about. */
function heldBy(ts: TenantSystem | undefined): readonly Address[] {
  if (!ts || ts.attachments.length === 0) return [];
  return addressesOf(ts.mac, ts.bindings).filter(
    ({ vnid, address }) => !ts.conflicts.some((conflict) => conflict.vnid === vnid && conflict.address === address),
  );
}

/** The bindings that it should have; those that it has, where the NVA would refuse the new ones. */
function bindingsOf({ desired, ts }: Node): readonly Pick<Binding, 'vnid' | 'vlan' | 'ip' | 'bid'>[] {
  const { bindings } = desired;
  if (!bindings) return ts?.bindings ?? [];
  if (ts && ts.attachments.length > 0) return resulting(ts.bindings, withKnownBids(bindings, ts.bindings)) ?? ts.bindings;
  return bindings.flatMap(({ vnid, vlan = null, ip = null, bid = null }) => (vnid === undefined ? [] : [{ vnid, vlan, ip, bid }]));
}

const wantedBy = (node: Node): readonly Address[] => addressesOf(node.desired.mac, bindingsOf(node));
/** The same, and what it has on its way: its MAC changes in the VNs that it is in, before its bindings do. */
function neededBy(node: Node): readonly Address[] {
  const { desired, ts } = node;
  const former = ts && ts.attachments.length > 0 && ts.mac !== desired.mac ? ts.bindings : [];
  return [...wantedBy(node), ...former.map(({ vnid }): Address => ({ kind: 'mac', vnid, address: desired.mac }))];
}

/** The bindings with another IP in place of one; null if the NVA would not exchange it. */
function exchanged({ bindings }: TenantSystem, vnid: number, from: string, to: string): readonly Binding[] | null {
  const given = bindings.filter((binding) => binding.vnid === vnid && binding.ip === from);
  if (given.length !== 1 || bindings.some((other) => other.vnid === vnid && other.ip === to)) return null;
  return bindings.map((other) => (other === given[0] ? { ...other, ip: to } : other));
}

/** Whether it should have an IP by just the binding that it has it by. */
function isWanted(node: Node, bindings: readonly Binding[], vnid: number, ip: string): boolean {
  const has = bindings.find((one) => one.vnid === vnid && one.ip === ip)!;
  return bindingsOf(node).some((one) => one.vnid === vnid && one.ip === ip && one.vlan === has.vlan && (one.bid ?? null) === has.bid);
}

/** Its first step comes after others about it: the revision of the plan is past. */
function unguarded(step: Step): Step {
  const { ifRevision: _, ...line } = step.line;
  return { ...step, line: line as Step['line'] };
}
