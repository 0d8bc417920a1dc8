import type { Timers } from '@nva/ports';

/**
 * Turns of the event loop without a new connection in which what waits on sockets gets to its handler: it is read, and its request
 * is taken.
 */
const QUIET_TURNS = 4;
/**
 * In a turn one connection is accepted (libuv since 1.45); more than may wait in the queue of the system (511) were not there at
 * the beginning.
 */
const MAX_TURNS = 1_024;
/** What has been under way for so long is not waited for: it hangs. */
const MAX_HANDLING_MS = 30_000;

/** Whether everything that has reached this process has been heard. */
export interface Hearing {
  /** A way in is closed now: nobody can be heard there. */
  readonly deaf: boolean;
  /** Resolves when all that had arrived before the call has been read and handled, or after a bounded time. */
  heard(): Promise<void>;
}

/**
 * What has arrived and is not handled yet: requests that wait for their turn, lines of commands, commands from Kafka. They count as heard
 * when they arrive, so nothing is decided from somebody's silence while they wait.
 */
export class Arrivals implements Hearing {
  readonly #timers: Timers;
  readonly #pending = new Set<Promise<void>>();
  readonly #waysIn: (() => boolean)[] = [];
  #connections = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Arrived and not handled. */
  get pending(): number {
    return this.#pending.size;
  }

  get deaf(): boolean {
    return this.#waysIn.some((open) => !open());
  }

  /** A way in that may be closed at times; `open` tells whether it is open now. */
  comesBy(open: () => boolean): void {
    this.#waysIn.push(open);
  }

  /** A connection was accepted; what it brings is still to be read. */
  connected(): void {
    this.#connections++;
  }

  /** Something has arrived; what it returns says that it is handled, and may be called again. */
  arrived(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending.add(promise);
    return () => {
      this.#pending.delete(promise);
      resolve();
    };
  }

  /** The same for what is handled when a promise settles. */
  async until<T>(handled: Promise<T>): Promise<T> {
    const done = this.arrived();
    try {
      return await handled;
    } finally {
      done();
    }
  }

  async heard(): Promise<void> {
    await this.#read();
    if (this.#pending.size === 0) return;
    const limit = Promise.withResolvers<void>();
    const callOff = this.#timers.after(MAX_HANDLING_MS, limit.resolve);
    await Promise.race([Promise.all(this.#pending), limit.promise]);
    callOff();
  }

  async #read(): Promise<void> {
    let quiet = 0;
    for (let turns = 0; quiet < QUIET_TURNS && turns < MAX_TURNS; turns++) {
      const before = this.#connections;
      await this.#timers.turn();
      quiet = this.#connections === before ? quiet + 1 : 0;
    }
  }
}
