import { FeedRefused, type EventStore, type FeedWriter } from '@nva/ports';
import { readLineage } from '@nva/replica';
import { assertCheckpointsWithin } from './lost-end.ts';

/**
 * Which logs' feeds a distributor makes equal to its fold. Those of its log from before a renewal are its own; those of a stranger only where
 * that was asked for (FEED_ADOPT).
 */
export class FeedOrigin {
  readonly #store: EventStore;
  readonly #adoptsAny: boolean;
  /** UUIDs that the log had before. */
  #former: ReadonlySet<string> = new Set();

  constructor(store: EventStore, adoptsAny: boolean) {
    this.#store = store;
    this.#adoptsAny = adoptsAny;
  }

  adopts(log: string): boolean {
    return this.#adoptsAny || this.#former.has(log);
  }

  /** By the checkpoints. Throws FeedRefused if the feeds are a stranger's, LogEndLost if they are ahead of the log. */
  async check(writer: FeedWriter): Promise<void> {
    this.#former = new Set((await readLineage(this.#store)).previous);
    const [checkpoint] = await Promise.all([writer.loadCheckpoint(), assertCheckpointsWithin(this.#store, writer)]);
    if (!checkpoint || checkpoint.log === this.#store.logId || this.adopts(checkpoint.log)) return;
    throw new FeedRefused(`the feeds belong to log ${checkpoint.log}, this is log ${this.#store.logId}; set FEED_ADOPT=true to make them equal to this log`);
  }
}
