import { isTenantsOwnName, tenantsOwnTsName, tsNameOf, tsStream } from '@nva/identifiers';
import type { Fork } from './fork.ts';
import type { FoldedTs } from './model.ts';

const PREFIX_LENGTH = tsStream('').length;

/**
 * The name of a tenant system. Without namesakes the name is the id; using the event's own string then saves a copy of the
 * stream's name.
 */
export const nameIn = (stream: string, tsId: string): string => (stream.length === PREFIX_LENGTH + tsId.length ? tsId : tsNameOf(stream)!);

const NONE: readonly FoldedTs[] = Object.freeze([]);

/**
 * Finds tenant systems by the ids that callers use. An id belongs to a tenant: several tenants may use the same one. The first
 * tenant's tenant system has the id itself as its name; the others, which are rare, have names that contain their tenant. Only
 * those are kept here.
 */
export class Namesakes {
  readonly #byName: ReadonlyMap<string, FoldedTs>;
  readonly #others: Map<string, readonly FoldedTs[]>;

  /** `byName` is the fold's map: the key is the last part of each tenant system's stream name. */
  constructor(byName: ReadonlyMap<string, FoldedTs>, others: Map<string, readonly FoldedTs[]> = new Map()) {
    this.#byName = byName;
    this.#others = others;
  }

  /** The same in a fork of the network. */
  fork(byName: ReadonlyMap<string, FoldedTs>, fork: Fork): Namesakes {
    return new Namesakes(
      byName,
      fork.map(this.#others, (others) => others.map(fork.tenantSystem)),
    );
  }

  /** To be called for every new name. */
  add(name: string, ts: FoldedTs): void {
    if (!isTenantsOwnName(name)) return;
    const { tsId } = ts.state;
    this.#others.set(tsId, [...(this.#others.get(tsId) ?? NONE), ts]);
  }

  /** All tenants' tenant systems with that id, the one of the first tenant first. */
  all(tsId: string): readonly FoldedTs[] {
    const first = this.#byName.get(tsId);
    const others = this.#others.get(tsId) ?? NONE;
    return first ? [first, ...others] : others;
  }

  /** Whether another tenant besides the first one uses that id. */
  hasOthers(tsId: string): boolean {
    return this.#others.size > 0 && this.#others.has(tsId);
  }

  of(tsId: string, tenantId: string): FoldedTs | undefined {
    const first = this.#byName.get(tsId);
    return first?.state.tenantId === tenantId ? first : this.#others.get(tsId)?.find((ts) => ts.state.tenantId === tenantId);
  }

  /** The tenant system's name. */
  nameOf(ts: FoldedTs): string {
    const { tsId, tenantId } = ts.state;
    return this.#others.get(tsId)?.includes(ts) ? tenantsOwnTsName(tsId, tenantId) : tsId;
  }
}
