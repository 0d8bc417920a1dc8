import type { Fork } from './fork.ts';
import { FoldedNve } from './model.ts';

const NONE: readonly never[] = Object.freeze([]);

/** The reachable NVEs with an underlay address: nearly always one. Several come from a race, or from an operator's `force`. */
export class TunnelEnds {
  readonly #at: Map<string, FoldedNve | readonly FoldedNve[]>;

  constructor(at: Map<string, FoldedNve | readonly FoldedNve[]> = new Map()) {
    this.#at = at;
  }

  /** The same in a fork of the network. */
  fork(fork: Fork): TunnelEnds {
    return new TunnelEnds(fork.map(this.#at, (there) => (there instanceof FoldedNve ? fork.nve(there) : there.map(fork.nve))));
  }

  at(address: string): readonly FoldedNve[] {
    const there = this.#at.get(address) ?? NONE;
    return Array.isArray(there) ? there : [there as FoldedNve];
  }

  /** To be called before the NVE changes. */
  leave(nve: FoldedNve): void {
    for (const address of reachableAt(nve)) {
      const rest = this.at(address).filter((other) => other !== nve);
      if (rest.length === 0) this.#at.delete(address);
      else this.#at.set(address, rest.length === 1 ? rest[0]! : rest);
    }
  }

  /** To be called after the NVE has changed. */
  enter(nve: FoldedNve): void {
    // In an older log, an NVE may list one address twice.
    for (const address of new Set(reachableAt(nve))) {
      const there = this.at(address);
      this.#at.set(address, there.length === 0 ? nve : [...there, nve]);
    }
  }
}

const reachableAt = ({ state }: FoldedNve): readonly string[] => (state?.status === 'reachable' ? state.addresses : NONE);
