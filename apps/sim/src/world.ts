import { Seeded } from '@nva/event-log/testing';

/** A scheduled call. */
interface Due {
  readonly atMs: number;
  /** The order among calls that are due at the same time: first come, first served. */
  readonly turn: number;
  readonly life: Life | null;
  /** null once it is cancelled. */
  act: (() => void) | null;
}

/**
 * One run of a program: its waits and the messages on their way to it belong to it. A run that has ended does nothing more,
 * whatever it was doing; a stopped run continues later with everything that came meanwhile.
 */
export class Life {
  readonly name: string;
  #ended = false;
  #stopped = false;
  /** Calls that came due while it was stopped, in order. */
  readonly held: Due[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  end(): void {
    this.#ended = true;
    this.held.length = 0;
  }

  stop(): void {
    this.#stopped = true;
  }

  goOn(): readonly Due[] {
    this.#stopped = false;
    return this.held.splice(0);
  }
}

/**
 * Virtual time. All events are calls, one at a time; between two calls every promise that can settle does. Nothing else
 * determines the order, so the same seed gives the same course of events.
 */
export class World {
  readonly random: Seeded;
  #nowMs = 0;
  #turn = 0;
  readonly #heap: Due[] = [];
  #calls = 0;

  constructor(seed: number) {
    this.random = new Seeded(seed);
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of calls so far. */
  get calls(): number {
    return this.#calls;
  }

  /** A random whole number of milliseconds from `from` to `to`. */
  between(from: number, to: number): number {
    return from + this.random.below(to - from + 1);
  }

  /** True with a probability of `percent`. */
  chance(percent: number): boolean {
    return percent > 0 && this.random.below(100) < percent;
  }

  /** Calls `act` after `delayMs` unless the life has ended by then; the returned function cancels the call. */
  after(delayMs: number, life: Life | null, act: () => void): () => void {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), turn: this.#turn++, life, act };
    this.#push(due);
    return () => (due.act = null);
  }

  /** Resolves after `delayMs`; never, if the life ends before. */
  sleep(delayMs: number, life: Life | null): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, life, resolve));
  }

  /** Continues a stopped life: the calls that it missed are made now, in order. */
  goOn(life: Life): void {
    for (const due of life.goOn()) if (due.act) this.#push({ ...due, atMs: this.#nowMs, turn: this.#turn++, act: () => due.act?.() });
  }

  /** Lets time pass until `done`, which is asked after every call, returns true, or until `untilMs`. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= untilMs) {
      const due = this.#pop();
      if (due.act === null || due.life?.ended) continue;
      if (due.life?.stopped) {
        due.life.held.push(due);
        continue;
      }
      this.#nowMs = due.atMs;
      this.#calls++;
      const { act } = due;
      due.act = null;
      act();
      await settled();
      if (done()) return;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): Due {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn);

/** Resolves when every promise that can settle has settled: the next turn of the real event loop comes after all of them. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
