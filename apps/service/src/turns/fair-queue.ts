import { Refusal } from '@nva/identifiers';
import type { Clock } from '@nva/ports';
import { FairLane, type LaneBounds } from './fair-lane.ts';

export interface FairQueueOptions {
  readonly clock: Clock;
  readonly bounds: LaneBounds;
  /** How long it works at a stretch, in milliseconds; what it has begun it ends. */
  readonly sliceMs: number;
  /** Work under way at most, in units of cost, asked at every turn; no bound if absent. Urgent work does not heed it. */
  readonly window?: () => number;
  /**
   * How much more may be under way where what is next costs one: who brings a single piece does not wait for room that others' many
   * have taken.
   */
  readonly forSingles?: number;
  /** Calls back when the event loop has been round: setImmediate, but in tests. */
  readonly later?: (slice: () => void) => void;
}

/**
 * Work of many callers that share this thread. It is begun in turns (`FairLane`) and in short slices, one for each round of the
 * event loop, so that whatever else comes in waits for one slice at most. Urgent work comes first, in turns of its own, and takes a
 * slice at most before one piece of the rest.
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

  /** What waits for its turn, in units of cost. */
  get waiting(): number {
    return this.#urgent.waiting + this.#rest.waiting;
  }

  /** Callers of whom something waits that is not urgent. */
  get callers(): number {
    return this.#rest.callers;
  }

  /** What has begun and is counted, in units of cost. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Begins the work when it is the caller's turn; settles as it does. Rejects with a Refusal, `too-many-waiting` or `overloaded`,
   * if it was not begun.
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

  /** Begins nothing any more: refuses what waits, and what comes. */
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
