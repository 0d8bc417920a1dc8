import { FeedRefused, type EventStore, type FeedWriter } from '@nva/ports';
import { readLineage } from '@nva/replica';
import { assertCheckpointsWithin } from './lost-end.ts';

/** What to check before FEED_ADOPT, which cannot be undone: NVEs drop what is removed from their feeds. */
export const IF_ADOPTED =
  'look first whether this is the right log (DATA_DIR, EVENTSTORE_URL, EVENTSTORE_PREFIX) and these are its feeds (KAFKA_BROKERS, FEED_PREFIX). Only if the other log is given up for good, set FEED_ADOPT=true to make the feeds equal to this one: all that it does not hold is removed from them, and NVEs drop it';

/**
 * Decides which logs' feeds a distributor makes equal to its fold: feeds of its own log from before a renewal, and feeds of a
 * foreign log only if FEED_ADOPT asks for that.
 */
export class FeedOrigin {
  readonly #store: EventStore;
  readonly #adoptsAny: boolean;
  /** Former UUIDs of the log. */
  #former: ReadonlySet<string> = new Set();

  constructor(store: EventStore, adoptsAny: boolean) {
    this.#store = store;
    this.#adoptsAny = adoptsAny;
  }

  adopts(log: string): boolean {
    return this.#adoptsAny || this.#former.has(log);
  }

  /** Checks by the checkpoints. Throws FeedRefused if the feeds are of a foreign log, LogEndLost if they are ahead of the log. */
  async check(writer: FeedWriter): Promise<void> {
    this.#former = new Set((await readLineage(this.#store)).previous);
    const [checkpoint] = await Promise.all([writer.loadCheckpoint(), assertCheckpointsWithin(this.#store, writer)]);
    if (!checkpoint || checkpoint.log === this.#store.logId || this.adopts(checkpoint.log)) return;
    throw new FeedRefused(
      `the feeds belong to log ${checkpoint.log}, this is log ${this.#store.logId}, which ends at position ${(await this.#store.head()).position}; ${IF_ADOPTED}`,
    );
  }
}
