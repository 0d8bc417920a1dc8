import type { Network } from '@nva/fold';
import { LogRefused, type Clock, type FeedName } from '@nva/ports';
import type { Owns } from './records.ts';

/** Time from the beginning of one round over all VNs to the beginning of the next, at least. */
const ROUND_EVERY_MS = 3_600_000;

export interface VerificationOptions {
  readonly clock: Clock;
  readonly owns: Owns;
  /** The number of records of the feed that differ from the fold. */
  readonly differences: (feed: FeedName) => Promise<number>;
  /** Called if some records differ. */
  readonly differs: (vnid: number) => void;
}

/**
 * Compares the VNs' feeds with the fold one after another, beside publishing. A VN that differs is compared again in turn with
 * publications.
 */
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
   * Compares the next VN. Returns at once if a comparison is running or the round is over. Never rejects: other parts detect a
   * feed that cannot be read.
   */
  async next(): Promise<void> {
    if (this.#running) return;
    const vnid = this.#next();
    if (vnid === null) return;
    this.#running = true;
    try {
      if ((await this.#options.differences({ kind: 'vn', vnid })) > 0) this.#options.differs(vnid);
    } catch (error) {
      // A feed that is ahead of the log is compared in turn, which stops the distributor. Any other failure is retried in the
      // next round.
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
