import { TableDigest } from '@nva/codec';
import { recordsOf, type FeedDigests, type Network } from '@nva/fold';
import type { Position } from '@nva/ports';

/** What somebody says of a VN's table at a position. */
export interface Claim {
  /** Who says it, for people: a snapshot, a topic, a server. */
  readonly by: string;
  readonly position: Position;
  readonly vnid: number;
  /** Digest of the table (contract); null: there is no such VN. */
  readonly digest: string | null;
}

/** A table that is not what the log says. */
export interface Difference extends Claim {
  /** null: by the log there was no such VN then. */
  readonly expected: string | null;
}

/**
 * Compares what others say of tables with what a replay makes of the log, and the digests that the replay keeps with those of its own
 * records, added up from nothing.
 */
export class Verification {
  readonly #claims: readonly Claim[];
  readonly differences: Difference[] = [];
  compared = 0;
  #next = 0;

  constructor(claims: readonly Claim[]) {
    this.#claims = claims.toSorted((a, b) => a.position - b.position);
  }

  /** Claims of positions that the replay did not come to. */
  get left(): number {
    return this.#claims.length - this.#next;
  }

  /** To be called before the event at a position is folded, and after the last with a position beyond it. */
  before(position: Position, network: Network, digests: FeedDigests): void {
    for (; this.#next < this.#claims.length && this.#claims[this.#next]!.position < position; this.#next++) {
      const claim = this.#claims[this.#next]!;
      this.#compare(claim, network.vns.get(claim.vnid)?.alive ? digests.current(`vn/${claim.vnid}`).digest : null);
    }
  }

  /** To be called at the end. */
  end(network: Network, digests: FeedDigests): void {
    this.before(network.position + 1, network, digests);
    for (const { feed, state, alive } of network.vns.values()) {
      if (!alive) continue;
      const digest = new TableDigest();
      for (const { key, position } of recordsOf(network, feed)) digest.set(key, position, null);
      const claim = { by: 'the digests that were kept', position: network.position, vnid: state.vnid };
      this.#compare({ ...claim, digest: digests.current(`vn/${state.vnid}`).digest }, digest.toString());
    }
  }

  #compare(claim: Claim, expected: string | null): void {
    this.compared++;
    if (claim.digest !== expected) this.differences.push({ ...claim, expected });
  }
}
