import { isTenantsOwnName, tenantsOwnTsName, tsNameOf, tsStream } from '@nva/identifiers';
import type { FoldedTs } from './model.ts';

const PREFIX_LENGTH = tsStream('').length;

/**
 * The name that a tenant system stands under. It is its id but for namesakes, and then the event's own string saves a copy of the
 * stream's.
 */
export const nameIn = (stream: string, tsId: string): string => (stream.length === PREFIX_LENGTH + tsId.length ? tsId : tsNameOf(stream)!);

const NONE: readonly FoldedTs[] = Object.freeze([]);

/**
 * Finds tenant systems by what callers call them. An id is a tenant's own: several tenants may have the same one. The first of them stands
 * under the id itself, and the others, which are rare, under names with their tenants' in them; only those are kept here.
 */
export class Namesakes {
  readonly #byName: ReadonlyMap<string, FoldedTs>;
  readonly #others = new Map<string, FoldedTs[]>();

  /** `byName` is what the fold keeps: the last part of each one's stream. */
  constructor(byName: ReadonlyMap<string, FoldedTs>) {
    this.#byName = byName;
  }

  /** To be told of every name that is new. */
  add(name: string, ts: FoldedTs): void {
    if (!isTenantsOwnName(name)) return;
    const { tsId } = ts.state;
    this.#others.set(tsId, [...(this.#others.get(tsId) ?? NONE), ts]);
  }

  /** Every tenant's with that id, the first one to have it first. */
  all(tsId: string): readonly FoldedTs[] {
    const first = this.#byName.get(tsId);
    const others = this.#others.get(tsId) ?? NONE;
    return first ? [first, ...others] : others;
  }

  /** Whether any tenant's but the first one's has that id. */
  hasOthers(tsId: string): boolean {
    return this.#others.size > 0 && this.#others.has(tsId);
  }

  of(tsId: string, tenantId: string): FoldedTs | undefined {
    const first = this.#byName.get(tsId);
    return first?.state.tenantId === tenantId ? first : this.#others.get(tsId)?.find((ts) => ts.state.tenantId === tenantId);
  }

  /** The name that it stands under. */
  nameOf(ts: FoldedTs): string {
    const { tsId, tenantId } = ts.state;
    return this.#others.get(tsId)?.includes(ts) ? tenantsOwnTsName(tsId, tenantId) : tsId;
  }
}
