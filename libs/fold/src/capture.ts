import { type FoldedTs, type FoldedVn } from './model.ts';
import type { ChangeWatcher, Network } from './network.ts';
import {
  frameOf,
  nveSnapshot,
  tenantSystemSnapshot,
  vnSnapshot,
  type NveSnapshot,
  type OracleSnapshot,
  type SnapshotFrame,
  type TenantSystemSnapshot,
  type VnSnapshot,
} from './snapshot.ts';

/**
 * A snapshot of the network taken in parts while the network goes on: everything as it stood at the position of the log where the capture
 * began. Copy on write: what an event is about to change is taken down first, unless it was handed out already; what came after the
 * position is left out. Owners of deadlines and NVEs are taken down at the start, VNs and tenant systems in slices as they are asked for.
 *
 * Why not a copy at once: of a million tenant systems it would stop everything for a second, and double the memory. Tenant systems come
 * VN by VN, each with the first of its VNs, so that whoever restores them fills one VN's tables after another.
 *
 * What an event does to an entry that it changes (`test/capture-table.unit.spec.ts` follows the table, row by row). The capture hands out
 * VN 1 and VN 2, and walks through their tenant systems, then over those without a VN:
 *
 * | what the event changes           | where the capture is    | what becomes of it               |
 * | -------------------------------- | ----------------------- | -------------------------------- |
 * | a tenant system of VN 1 and VN 2 | not begun               | it is handed out next, as it was |
 * | a tenant system of VN 1 and VN 2 | in VN 1                 | it is handed out next, as it was |
 * | a tenant system of VN 1 and VN 2 | at the end of VN 1      | nothing: it was handed out       |
 * | a tenant system of VN 1 and VN 2 | between VN 1 and VN 2   | nothing: it was handed out       |
 * | a tenant system of VN 1 and VN 2 | in VN 2                 | nothing: it was handed out       |
 * | a tenant system of VN 1 and VN 2 | over those without a VN | nothing: it was handed out       |
 * | a tenant system of VN 2          | in VN 1                 | it is handed out next, as it was |
 * | a tenant system of VN 2          | between VN 1 and VN 2   | it is handed out next, as it was |
 * | a tenant system of VN 2          | in VN 2                 | it is handed out next, as it was |
 * | a tenant system of VN 2          | over those without a VN | nothing: it was handed out       |
 * | a tenant system without a VN     | not begun               | it is handed out next, as it was |
 * | a tenant system without a VN     | between VN 1 and VN 2   | it is handed out next, as it was |
 * | a tenant system without a VN     | over those without a VN | it is handed out next, as it was |
 * | a tenant system without a VN     | behind all of them      | nothing: it was handed out       |
 * | a tenant system that it makes    | not begun               | nothing: it is left out          |
 * | a tenant system that it makes    | over those without a VN | nothing: it is left out          |
 * | VN 1                             | not begun               | it is handed out next, as it was |
 * | VN 1                             | behind VN 1             | nothing: it was handed out       |
 * | VN 2                             | behind VN 1             | it is handed out next, as it was |
 * | a VN that it makes               | not begun               | nothing: it is left out          |
 */
export class NetworkCapture implements ChangeWatcher {
  readonly frame: SnapshotFrame;
  readonly oracles: readonly OracleSnapshot[];
  readonly nves: readonly NveSnapshot[];
  readonly #network: Network;
  readonly #vns: readonly FoldedVn[];
  readonly #vnsLeft: Set<FoldedVn>;
  #savedVns: VnSnapshot[] = [];
  readonly #walk: Iterator<FoldedTs | null>;
  /** The VN whose tenant systems are being handed out, and those that were; null for those without one, undefined between two VNs. */
  #current: FoldedVn | null | undefined;
  readonly #handedOut = new Set<FoldedTs>();
  readonly #passed = new Set<FoldedVn>();
  /** Changed since the capture began. */
  readonly #changed = new Set<FoldedTs>();
  #saved: TenantSystemSnapshot[] = [];

  /** Between two events. Throws if another capture is under way. */
  constructor(network: Network) {
    if (network.watcher) throw new Error('another capture of the network is under way');
    network.watcher = this;
    this.#network = network;
    this.frame = frameOf(network);
    this.oracles = [...network.oracles];
    this.nves = [...network.nves.values()].map(nveSnapshot);
    this.#vns = [...network.vns.values()];
    this.#vnsLeft = new Set(this.#vns);
    this.#walk = this.#tenantSystems();
  }

  /** Up to `max` VNs; null when there are no more. */
  vns(max: number): readonly VnSnapshot[] | null {
    const slice = this.#savedVns.splice(0, max);
    for (const vn of this.#vnsLeft) {
      if (slice.length >= max) break;
      this.#vnsLeft.delete(vn);
      slice.push(vnSnapshot(vn));
    }
    return slice.length === 0 ? null : slice;
  }

  /** What `max` steps find, so that it may be nothing; null when there are no more, and the capture has ended. */
  tenantSystems(max: number): readonly TenantSystemSnapshot[] | null {
    if (this.#saved.length > 0) return this.#saved.splice(0, max);
    const slice: TenantSystemSnapshot[] = [];
    for (let steps = 0; steps < max; steps++) {
      const { value: ts, done } = this.#walk.next();
      if (done) {
        if (slice.length > 0) return slice;
        this.end();
        return null;
      }
      if (!ts || !this.#isDue(ts)) continue;
      this.#handedOut.add(ts);
      slice.push(tenantSystemSnapshot(this.#network, ts));
    }
    return slice;
  }

  /** Lets the network go: before the end, the rest is lost. */
  end(): void {
    if (this.#network.watcher === this) this.#network.watcher = null;
  }

  tenantSystem(ts: FoldedTs): void {
    if (ts.position > this.frame.position || this.#changed.has(ts)) return;
    this.#changed.add(ts);
    const vn = firstVn(ts);
    const handedOut = vn === this.#current ? this.#handedOut.has(ts) : vn !== null && this.#passed.has(vn);
    if (!handedOut) this.#saved.push(tenantSystemSnapshot(this.#network, ts));
  }

  vn(vn: FoldedVn): void {
    if (this.#vnsLeft.delete(vn)) this.#savedVns.push(vnSnapshot(vn));
  }

  /** Not what was handed out or taken down before, nor what is new. */
  #isDue(ts: FoldedTs): boolean {
    return ts.position <= this.frame.position && firstVn(ts) === this.#current && !this.#changed.has(ts);
  }

  /** Every tenant system, once per VN that it is in and once more; null for a step without one. */
  *#tenantSystems(): Generator<FoldedTs | null, undefined> {
    for (const vn of this.#vns) {
      this.#current = vn;
      for (const claimed of vn.macs.claimed()) {
        // Of a copy: the list may get shorter between two steps, which would skip somebody.
        if ('state' in claimed) yield claimed;
        else yield* claimed.slice();
      }
      this.#passed.add(vn);
      this.#current = undefined;
      this.#handedOut.clear();
      yield null;
    }
    this.#current = null;
    yield* this.#network.tenantSystems.values();
  }
}

const firstVn = (ts: FoldedTs): FoldedVn | null => ts.state.bindings.find((binding) => binding.vn !== null)?.vn ?? null;
