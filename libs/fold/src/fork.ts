import type { Position } from '@nva/ports';
import { ForkedMap } from './forked-map.ts';
import { FoldedBinding, FoldedNve, FoldedVn, type FoldedMember, type FoldedTs } from './model.ts';
import type { Network } from './network.ts';
import type { NetworkParts } from './network-parts.ts';

/**
 * What makes a fork of a network: the copies of everything in it that was looked at. Tenant systems, VNs, NVEs and members refer to
 * each other; each is copied once, so the copies refer to copies. A copy of a VN or an NVE is small: what is inside it is copied when
 * it is asked for.
 *
 * Why copies when something is looked at and not when it is changed: the fold changes objects in place, and compares them by
 * identity. A copy made later would have to replace the original everywhere.
 */
export class Fork {
  readonly #original: Network;
  readonly #position: Position;
  readonly #copies = new Map<object, object>();

  constructor(original: Network) {
    this.#original = original;
    this.#position = original.position;
  }

  /** Number of tenant systems, VNs, NVEs and members that were copied. */
  get copied(): number {
    return this.#copies.size;
  }

  parts(): NetworkParts {
    const { tenantSystems, vns, nves, nvesAlike, oracles, namesakes, holdings, tunnelEnds } = this.#original;
    const byName = this.map(tenantSystems, this.tenantSystem);
    return {
      tenantSystems: byName,
      namesakes: namesakes.fork(byName, this),
      vns: this.map(vns, this.vn),
      nves: this.map(nves, this.nve),
      nvesAlike: this.map(nvesAlike, (alike) => alike.map(this.nve)),
      oracles: this.map(oracles, (oracle) => oracle),
      holdings: holdings.fork(this),
      tunnelEnds: tunnelEnds.fork(this),
    };
  }

  /** A map that begins as `original` does. */
  map<K extends string | number, V>(original: ReadonlyMap<K, V>, copyOf: (value: V) => V): ForkedMap<K, V> {
    return new ForkedMap(original, (value) => {
      this.#assertUnmoved();
      return copyOf(value);
    });
  }

  readonly tenantSystem = (original: FoldedTs): FoldedTs => {
    const known = this.#copies.get(original);
    if (known) return known as FoldedTs;
    const { state, revision, position } = original;
    const copy: FoldedTs = { state: { ...state, bindings: state.bindings.map(this.#binding) }, revision, position };
    this.#copies.set(original, copy);
    return copy;
  };

  readonly vn = (original: FoldedVn): FoldedVn => {
    const known = this.#copies.get(original);
    if (known) return known as FoldedVn;
    const { state, revision, position, incarnation, contextPosition, deletedAtMs } = original;
    const copy = new FoldedVn(state, revision, position, incarnation, {
      members: this.map(original.members, this.member),
      macs: original.macs.fork(this),
      ips: original.ips.fork(this),
    });
    Object.assign(copy, { contextPosition, deletedAtMs });
    this.#copies.set(original, copy);
    return copy;
  };

  readonly nve = (original: FoldedNve): FoldedNve => {
    const known = this.#copies.get(original);
    if (known) return known as FoldedNve;
    const { nveId, state, revision, position, attachments, bindings } = original;
    const copy = Object.assign(new FoldedNve(nveId, this.map(original.memberships, this.member)), {
      state,
      revision,
      position,
      attachments,
      bindings,
    });
    this.#copies.set(original, copy);
    return copy;
  };

  readonly member = (original: FoldedMember): FoldedMember => {
    const known = this.#copies.get(original);
    if (known) return known as FoldedMember;
    const copy: FoldedMember = { ...original, vn: this.vn(original.vn), nve: this.nve(original.nve) };
    this.#copies.set(original, copy);
    return copy;
  };

  readonly #binding = (original: FoldedBinding): FoldedBinding => {
    const copy = new FoldedBinding(original, original.vn && this.vn(original.vn));
    copy.position = original.position;
    return copy;
  };

  #assertUnmoved(): void {
    if (this.#original.position !== this.#position)
      throw new Error(`the network that was forked at position ${this.#position} is at ${this.#original.position} now`);
  }
}
