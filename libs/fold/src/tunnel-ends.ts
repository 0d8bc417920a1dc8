import type { FoldedNve } from './model.ts';

const NONE: readonly never[] = Object.freeze([]);

/** Which reachable NVEs have an underlay address: nearly always one. Several were recorded by a race, or by an operator's will. */
export class TunnelEnds {
  readonly #at = new Map<string, FoldedNve | readonly FoldedNve[]>();

  at(address: string): readonly FoldedNve[] {
    const there = this.#at.get(address) ?? NONE;
    return Array.isArray(there) ? there : [there as FoldedNve];
  }

  /** Before the NVE changes. */
  leave(nve: FoldedNve): void {
    for (const address of reachableAt(nve)) {
      const rest = this.at(address).filter((other) => other !== nve);
      if (rest.length === 0) this.#at.delete(address);
      else this.#at.set(address, rest.length === 1 ? rest[0]! : rest);
    }
  }

  /** After it has changed. */
  enter(nve: FoldedNve): void {
    // A log of before may have one address twice.
    for (const address of new Set(reachableAt(nve))) {
      const there = this.at(address);
      this.#at.set(address, there.length === 0 ? nve : [...there, nve]);
    }
  }
}

const reachableAt = ({ state }: FoldedNve): readonly string[] => (state?.status === 'reachable' ? state.addresses : NONE);
