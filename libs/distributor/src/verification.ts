import type { Network } from '@nva/fold';
import { LogRefused, type Clock, type FeedName } from '@nva/ports';
import type { Owns } from './records.ts';

/** A round over all VNs begins so long after the last one began at the earliest. */
const ROUND_EVERY_MS = 3_600_000;

export interface VerificationOptions {
  readonly clock: Clock;
  readonly owns: Owns;
  /** How many records of the feed are not as the fold has them. */
  readonly differences: (feed: FeedName) => Promise<number>;
  /** Some are not. */
  readonly differs: (vnid: number) => void;
}

/** Compares the VNs' feeds with the fold one after another, beside publishing: what differs is compared again in turn. */
export class Verification {
  readonly #network: Network;
  readonly #options: VerificationOptions;
  #round: Iterator<number> = [].values();
  #roundAtMs = Number.NEGATIVE_INFINITY;
  #running = false;

  constructor(network: Network, options: VerificationOptions) {
    this.#network = network;
    this.#options = options;
  }

  /**
   * Compares the next VN; at once returns if one is being compared, or the round is over. Never rejects: a feed that cannot be read
   * is found elsewhere.
   */
  async next(): Promise<void> {
    if (this.#running) return;
    const vnid = this.#next();
    if (vnid === null) return;
    this.#running = true;
    try {
      if ((await this.#options.differences({ kind: 'vn', vnid })) > 0) this.#options.differs(vnid);
    } catch (error) {
      // A feed that is ahead of the log is compared in turn, which ends the distributor. Anything else comes round again.
      if (error instanceof LogRefused) this.#options.differs(vnid);
    } finally {
      this.#running = false;
    }
  }

  #next(): number | null {
    const { clock, owns } = this.#options;
    for (;;) {
      const { value, done } = this.#round.next();
      if (!done && owns(value) && this.#network.vns.get(value)?.alive) return value;
      if (!done) continue;
      if (clock.monotonicMs() - this.#roundAtMs < ROUND_EVERY_MS) return null;
      this.#roundAtMs = clock.monotonicMs();
      this.#round = [...this.#network.vns.keys()].values();
      if (this.#network.vns.size === 0) return null;
    }
  }
}
