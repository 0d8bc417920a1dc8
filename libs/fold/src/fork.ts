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

  /** A map that begins as `original` does. It throws where it would read `original` after the network has gone on. */
  map<K extends string | number, V>(original: ReadonlyMap<K, V>, copyOf: (value: V) => V): ForkedMap<K, V> {
    return new ForkedMap(() => {
      this.#assertUnmoved();
      return original;
    }, copyOf);
  }

  readonly tenantSystem = (original: FoldedTs): FoldedTs =>
    this.#once(original, ({ state, revision, position }) => ({
      state: { ...state, bindings: state.bindings.map(this.#binding) },
      revision,
      position,
    }));

  readonly vn = (original: FoldedVn): FoldedVn =>
    this.#once(original, ({ state, revision, position, incarnation, contextPosition, deletedAtMs, members, macs, ips }) => {
      const inside = { members: this.map(members, this.member), macs: macs.fork(this), ips: ips.fork(this) };
      return Object.assign(new FoldedVn(state, revision, position, incarnation, inside), { contextPosition, deletedAtMs });
    });

  readonly nve = (original: FoldedNve): FoldedNve =>
    this.#once(original, ({ nveId, state, revision, position, attachments, bindings, memberships }) =>
      Object.assign(new FoldedNve(nveId, this.map(memberships, this.member)), { state, revision, position, attachments, bindings }),
    );

  readonly member = (original: FoldedMember): FoldedMember =>
    this.#once(original, (member) => ({ ...member, vn: this.vn(member.vn), nve: this.nve(member.nve) }));

  readonly #binding = (original: FoldedBinding): FoldedBinding => {
    const copy = new FoldedBinding(original, original.vn && this.vn(original.vn));
    copy.position = original.position;
    return copy;
  };

  #once<T extends object>(original: T, copyOf: (original: T) => T): T {
    let copy = this.#copies.get(original) as T | undefined;
    if (!copy) {
      copy = copyOf(original);
      this.#copies.set(original, copy);
    }
    return copy;
  }

  #assertUnmoved(): void {
    if (this.#original.position !== this.#position)
      throw new Error(`the network that was forked at position ${this.#position} is at ${this.#original.position} now`);
  }
}
