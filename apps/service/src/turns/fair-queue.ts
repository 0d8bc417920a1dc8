import { Refusal } from '@nva/identifiers';
import type { Clock } from '@nva/ports';
import { FairLane, type LaneBounds } from './fair-lane.ts';

export interface FairQueueOptions {
  readonly clock: Clock;
  readonly bounds: LaneBounds;
  /** Maximum length of one slice in milliseconds; a piece that has begun is finished. */
  readonly sliceMs: number;
  /** Maximum work under way, in units of cost, read at every turn; no bound if absent. It does not apply to urgent work. */
  readonly window?: () => number;
  /**
   * Additional work that may be under way if the next entry costs one: a single command does not wait for room that the many
   * commands of others have taken.
   */
  readonly forSingles?: number;
  /** Calls back after one round of the event loop: setImmediate, except in tests. */
  readonly later?: (slice: () => void) => void;
}

/**
 * Work of many callers that share this thread. It is started in turns (`FairLane`) and in short slices, one for each round of the
 * event loop, so that other input waits for at most one slice. Urgent work comes first, in its own turns, and takes at most one
 * slice before one piece of the rest.
 */
export class FairQueue {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #window: () => number;
  readonly #forSingles: number;
  readonly #later: (slice: () => void) => void;
  readonly #urgent: FairLane;
  readonly #rest: FairLane;
  #underWay = 0;
  #closed = false;
  #scheduled = false;

  constructor({
    clock,
    bounds,
    sliceMs,
    window = () => Number.POSITIVE_INFINITY,
    forSingles = 0,
    later = (slice) => void setImmediate(slice),
  }: FairQueueOptions) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#window = window;
    this.#forSingles = forSingles;
    this.#later = later;
    this.#urgent = new FairLane(bounds);
    this.#rest = new FairLane(bounds);
  }

  /** Work that waits for its turn, in units of cost. */
  get waiting(): number {
    return this.#urgent.waiting + this.#rest.waiting;
  }

  /** Number of callers with waiting work that is not urgent. */
  get callers(): number {
    return this.#rest.callers;
  }

  /** Work that has begun and is counted, in units of cost. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Starts the work when it is the caller's turn; settles as the work does. Rejects with a Refusal, `too-many-waiting` or
   * `overloaded`, if the work was not started.
   */
  run<T>(caller: string, cost: number, work: () => T | Promise<T>, urgent = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(stopping());
      const start = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      };
      (urgent ? this.#urgent : this.#rest).push(caller, { cost, start, refuse: reject });
      this.#schedule();
    });
  }

  /** Starts nothing more: refuses all waiting and all later work. */
  close(): void {
    this.#closed = true;
    for (const lane of [this.#urgent, this.#rest])
      for (let waiting = lane.shift(); waiting; waiting = lane.shift()) waiting.refuse(stopping());
  }

  /** Counts work as under way until the promise settles. */
  async counted<T>(cost: number, done: Promise<T>): Promise<T> {
    this.#underWay += cost;
    try {
      return await done;
    } finally {
      this.#underWay -= cost;
      this.#schedule();
    }
  }

  get #open(): boolean {
    return this.#rest.waiting > 0 && this.#underWay < this.#window() + (this.#rest.nextCost === 1 ? this.#forSingles : 0);
  }

  #schedule(): void {
    if (this.#scheduled || !(this.#urgent.waiting > 0 || this.#open)) return;
    this.#scheduled = true;
    this.#later(() => this.#slice());
  }

  #slice(): void {
    this.#scheduled = false;
    const endMs = this.#clock.monotonicMs() + this.#sliceMs;
    while (this.#urgent.waiting > 0 && this.#clock.monotonicMs() < endMs) this.#urgent.shift()!.start();
    while (this.#open) {
      this.#rest.shift()!.start();
      if (this.#clock.monotonicMs() >= endMs) break;
    }
    this.#schedule();
  }
}

const stopping = (): Refusal => new Refusal('overloaded', 'this process is stopping, and has not begun it');
