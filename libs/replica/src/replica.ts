import { FeedDigests, Network, type RecordChange } from '@nva/fold';
import { systemClock, type Checkpoint, type Logger, type Position, type ReadableLog, type RecordedEvent, type Timers } from '@nva/ports';

/** Called for every event right after it was folded, in order, while the network stands exactly there. Must not throw. */
export type FoldListener = (recorded: RecordedEvent, changes: readonly RecordChange[]) => void;

/** The state that a fold continues from: everything in the log up to the checkpoint is folded. */
export interface ReplicaStart {
  readonly network: Network;
  readonly digests: FeedDigests;
  readonly checkpoint: Checkpoint;
}

interface Waiter {
  readonly position: Position;
  readonly resolve: () => void;
}

/** Events folded in one slice: about a millisecond, including what listeners do at each. */
export const EVENTS_PER_SLICE = 64;
/** How many callers may wait for a position; a further caller is told at once that it cannot wait. */
const MAX_WAITERS = 65_536;

/**
 * The present network, kept up with the log: the one fold of a process. The registrar decides against it, the distributor
 * publishes from it and queries read it. It folds events in the order of the log and calls listeners after each.
 *
 * A fold that throws is a defect, and any table after it would be a guess. So the replica stops there, reports it through
 * `failed`, and answers no waiter any more; the process is expected to end.
 */
export class Replica {
  readonly network: Network;
  readonly digests: FeedDigests;
  readonly #store: Pick<ReadableLog, 'subscribe'>;
  readonly #logger: Logger;
  readonly #timers: Timers;
  readonly #after: Checkpoint | undefined;
  readonly #listeners: FoldListener[] = [];
  readonly #stopping = new AbortController();
  readonly #waiters: Waiter[] = [];
  #running: Promise<void> | null = null;
  #eventsFolded = 0;
  #caughtUp = false;

  /** Without a start, it folds the whole log. */
  constructor(store: Pick<ReadableLog, 'subscribe'>, logger: Logger, start: Partial<ReplicaStart> = {}, timers: Timers = systemClock) {
    this.#timers = timers;
    this.network = start.network ?? new Network();
    this.digests = start.digests ?? new FeedDigests();
    this.#after = start.checkpoint;
    this.#store = store;
    this.#logger = logger;
  }

  get eventsFolded(): number {
    return this.#eventsFolded;
  }

  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** To be called before `start`. */
  onFolded(listener: FoldListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Resolves when everything that is in the log at the call has been folded; the replica then keeps following. Calls `failed` if
   * it cannot go on.
   */
  start(failed: (cause: unknown) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#running = this.#follow(resolve).catch((cause: unknown) => {
        this.#logger.error('the fold has stopped', { err: cause, position: this.network.position });
        reject(cause);
        failed(cause);
      });
    });
  }

  /** Resolves when the network has passed the position; rejects if too many callers wait. The caller sets its own time limit. */
  passed(position: Position): Promise<void> {
    if (this.network.position >= position) return Promise.resolve();
    if (this.#waiters.length >= MAX_WAITERS) return Promise.reject(new Error('too many callers wait for the fold'));
    return new Promise((resolve) => this.#waiters.push({ position, resolve }));
  }

  /** Whether the network passes the position in time; false at once if too many callers wait. */
  passedWithin(position: Position, limitMs: number): Promise<boolean> {
    if (this.network.position >= position) return Promise.resolve(true);
    if (this.#waiters.length >= MAX_WAITERS) return Promise.resolve(false);
    return new Promise((settle) => {
      const waiter = { position, resolve: () => (callOff(), settle(true)) };
      const callOff = this.#timers.after(limitMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        settle(false);
      });
      this.#waiters.push(waiter);
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #follow(caughtUp: () => void): Promise<void> {
    for await (const message of this.#store.subscribe({
      signal: this.#stopping.signal,
      ...(this.#after !== undefined && { after: this.#after }),
    })) {
      if (message.kind === 'caught-up') {
        this.#caughtUp = true;
        caughtUp();
        continue;
      }
      await this.#foldAll(message.events);
    }
  }

  /** After the first catch-up it folds in slices, so other work waits for one slice at most. */
  async #foldAll(events: readonly RecordedEvent[]): Promise<void> {
    for (let at = 0; at < events.length && !this.#stopping.signal.aborted; at++) {
      if (this.#caughtUp && at > 0 && at % EVENTS_PER_SLICE === 0) {
        this.#wake();
        await this.#timers.turn();
      }
      this.#fold(events[at]!);
    }
    this.#wake();
  }

  #fold(recorded: RecordedEvent): void {
    const changes = this.network.apply(recorded);
    this.digests.apply(recorded.position, changes);
    this.#eventsFolded++;
    for (const listener of this.#listeners) listener(recorded, changes);
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const passed = this.#waiters.filter((waiter) => waiter.position <= this.network.position);
    if (passed.length === 0) return;
    const still = this.#waiters.filter((waiter) => waiter.position > this.network.position);
    this.#waiters.splice(0, this.#waiters.length, ...still);
    for (const waiter of passed) waiter.resolve();
  }
}
