import type { FeedDigests, Network } from '@nva/fold';
import type { Clock } from '@nva/ports';
import { actorOf, type Caller } from '@nva/registrar';
import type { Replica } from '@nva/replica';
import { Visibility } from '../access/visibility.ts';
import type { FairQueue } from '../turns/fair-queue.ts';
import { inTurns, type Steps } from '../turns/sliced.ts';

/** The data from which reads are answered: the present fold, what the caller may see of it, and the turns of callers. */
export class Reads {
  readonly clock: Clock;
  readonly #replica: Pick<Replica, 'network' | 'digests'>;
  readonly #turns: FairQueue;

  constructor(replica: Pick<Replica, 'network' | 'digests'>, turns: FairQueue, clock: Clock) {
    this.#replica = replica;
    this.#turns = turns;
    this.clock = clock;
  }

  get network(): Network {
    return this.#replica.network;
  }

  get digests(): FeedDigests {
    return this.#replica.digests;
  }

  visibleTo(caller: Caller): Visibility {
    return new Visibility(this.network, caller);
  }

  /**
   * Runs the steps in turns with the reads of other callers. Rejects with a Refusal if too many wait, and with what a step
   * throws.
   */
  inTurns<T>(caller: Caller, steps: Steps<T>): Promise<T> {
    return inTurns(this.#turns, this.clock, actorOf(caller), steps);
  }
}
