import type { Answer } from './answer.ts';

export interface Remembered {
  readonly key: string;
  readonly requestDigest: string;
  /** By the wall clock of whoever recorded it, milliseconds since the epoch. */
  readonly recordedAt: number;
  /** By `KeyTime`: what its time is reckoned from. */
  readonly heardMs: number;
  readonly answer: Promise<Answer>;
  /** The answer, once the event that it was given for is in the fold: until then the command may still fail. */
  folded: Answer | null;
}

/** Places of keys that are gone, beyond as many as there are keys, before the queue is written anew. */
const MAX_GONE = 64;

/**
 * Keys in order of arrival. Why not a Map alone, which keeps that order: finding its first entry passes over every one that was
 * deleted before it, which costs 0.1 ms where keys come and go at the bound.
 */
class KeyQueue {
  readonly #byKey = new Map<string, Remembered>();
  #order: Remembered[] = [];
  #head = 0;

  get(key: string): Remembered | undefined {
    return this.#byKey.get(key);
  }

  push(remembered: Remembered): void {
    this.#byKey.set(remembered.key, remembered);
    this.#order.push(remembered);
  }

  delete(key: string): boolean {
    if (!this.#byKey.delete(key)) return false;
    while (this.#head < this.#order.length && !this.#isHeld(this.#order[this.#head]!)) this.#head++;
    if (this.#order.length > 2 * this.#byKey.size + MAX_GONE) {
      this.#order = this.all();
      this.#head = 0;
    }
    return true;
  }

  get first(): Remembered | undefined {
    return this.#order[this.#head];
  }

  all(): Remembered[] {
    return this.#order.slice(this.#head).filter((remembered) => this.#isHeld(remembered));
  }

  #isHeld(remembered: Remembered): boolean {
    return this.#byKey.get(remembered.key) === remembered;
  }
}

/**
 * The Idempotency-Keys of one caller. Those of commands that recorded nothing stand apart and are given up first: sending what is
 * so already costs a caller no log, and would else end its keys that count.
 */
export class CallersKeys {
  readonly #recorded = new KeyQueue();
  readonly #unrecorded = new KeyQueue();

  get(key: string): Remembered | undefined {
    return this.#recorded.get(key) ?? this.#unrecorded.get(key);
  }

  /** One that is not there yet. */
  put(remembered: Remembered, recorded: boolean): void {
    (recorded ? this.#recorded : this.#unrecorded).push(remembered);
  }

  delete(key: string): boolean {
    return this.#recorded.delete(key) || this.#unrecorded.delete(key);
  }

  /** The one to give up next; undefined where there is none. */
  get next(): Remembered | undefined {
    return this.#unrecorded.first ?? this.#recorded.first;
  }

  all(): Remembered[] {
    return [...this.#recorded.all(), ...this.#unrecorded.all()];
  }

  /** One from before a time, if the oldest of either kind is. */
  before(time: number): Remembered | undefined {
    return [this.#unrecorded.first, this.#recorded.first].find((oldest) => oldest !== undefined && oldest.heardMs < time);
  }
}
