import type { Mapping } from '@nva/codec';

const NONE: readonly string[] = [];

/**
 * The mappings that have a MAC or an IP. All mappings of one tenant system share its MAC (IPv4 and IPv6, several VLANs). An IP
 * has one mapping, except while records of an address that was taken over are read out of order, so both sides hold sets of keys.
 *
 * The index is updated with every change. `AddressIndex.of` builds it from all mappings, which tests compare with it.
 */
export class AddressIndex {
  readonly #byMac = new Map<string, readonly string[]>();
  readonly #byIp = new Map<string, readonly string[]>();

  static of(mappings: Iterable<readonly [key: string, mapping: Mapping]>): AddressIndex {
    const index = new AddressIndex();
    for (const [key, mapping] of mappings) index.change(key, null, mapping);
    return index;
  }

  /** The mapping under `key` has changed from `before` to `after`. */
  change(key: string, before: Mapping | null, after: Mapping | null): void {
    move(this.#byMac, key, before?.mac ?? null, after?.mac ?? null);
    move(this.#byIp, key, before?.ip ?? null, after?.ip ?? null);
  }

  /** Keys of the mappings with this MAC, in no particular order. */
  withMac(mac: string): readonly string[] {
    return this.#byMac.get(mac) ?? NONE;
  }

  /** Keys of the mappings with this IP, in no particular order. */
  withIp(ip: string): readonly string[] {
    return this.#byIp.get(ip) ?? NONE;
  }

  /** The whole index in one canonical order. */
  dump(): { readonly mac: Record<string, string[]>; readonly ip: Record<string, string[]> } {
    return { mac: dump(this.#byMac), ip: dump(this.#byIp) };
  }
}

function move(index: Map<string, readonly string[]>, key: string, from: string | null, to: string | null): void {
  if (from === to) return;
  if (from !== null) {
    const rest = (index.get(from) ?? NONE).filter((other) => other !== key);
    if (rest.length === 0) index.delete(from);
    else index.set(from, rest);
  }
  if (to !== null) {
    const others = index.get(to);
    index.set(to, others ? [...others, key] : [key]);
  }
}

const dump = (index: ReadonlyMap<string, readonly string[]>): Record<string, string[]> =>
  Object.fromEntries([...index.keys()].sort().map((address) => [address, [...index.get(address)!].sort()]));
