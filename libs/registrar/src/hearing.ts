import type { Timers } from '@nva/ports';

/**
 * Turns of the event loop without a new connection, within which data that waits on sockets is read and its request reaches its
 * handler.
 */
const QUIET_TURNS = 4;
/**
 * Upper bound of turns. The event loop accepts one connection in a turn (libuv since 1.45), and the system's queue holds 511;
 * more connections than these arrived after the beginning.
 */
const MAX_TURNS = 1_024;
/** A request that takes longer than this hangs, and is not waited for. */
const MAX_HANDLING_MS = 30_000;

/** Tells whether everything that has reached this process has been handled. */
export interface Hearing {
  /** An input is closed now: nobody can be heard there. */
  readonly deaf: boolean;
  /** Resolves when everything that had arrived before the call has been read and handled, or after a bounded time. */
  heard(): Promise<void>;
}

/**
 * What has arrived and is not handled yet: requests that wait for their turn, lines of commands, commands from Kafka. They count
 * as heard when they arrive, so nothing lapses for a caller whose request is waiting here.
 */
export class Arrivals implements Hearing {
  readonly #timers: Timers;
  readonly #pending = new Set<Promise<void>>();
  readonly #waysIn: (() => boolean)[] = [];
  #connections = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Number of requests that have arrived and are not handled. */
  get pending(): number {
    return this.#pending.size;
  }

  get deaf(): boolean {
    return this.#waysIn.some((open) => !open());
  }

  /** Adds an input that may be closed at times; `open` tells whether it is open now. */
  comesBy(open: () => boolean): void {
    this.#waysIn.push(open);
  }

  /** A connection was accepted; its data is still to be read. */
  connected(): void {
    this.#connections++;
  }

  /** A request has arrived. The returned function reports that it is handled; it may be called repeatedly. */
  arrived(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending.add(promise);
    return () => {
      this.#pending.delete(promise);
      resolve();
    };
  }

  /** The same for a request that is handled when a promise settles. */
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
