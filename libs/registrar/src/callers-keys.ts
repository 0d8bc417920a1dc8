import type { Answer } from './answer.ts';

export interface Remembered {
  readonly key: string;
  readonly requestDigest: string;
  /** Wall time of the process that recorded it, milliseconds since the epoch. */
  readonly recordedAt: number;
  /** In the time of `KeyTime`; the age of the key counts from here. */
  readonly heardMs: number;
  readonly answer: Promise<Answer>;
  /** The answer, once its event is in the fold; until then the command may still fail. */
  folded: Answer | null;
}

/** How many places of deleted keys the queue may have beyond the number of its keys, before it is compacted. */
const MAX_GONE = 64;

/**
 * Keys in order of arrival. Why not a Map alone, which keeps that order: finding its first entry passes over every entry that was
 * deleted before it, which costs 0.1 ms if keys come and go at the bound.
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
 * The Idempotency-Keys of one caller. Keys of commands that recorded nothing are kept apart and evicted first: such commands cost
 * their caller no event, and would otherwise evict its keys that matter.
 */
export class CallersKeys {
  readonly #recorded = new KeyQueue();
  readonly #unrecorded = new KeyQueue();

  get(key: string): Remembered | undefined {
    return this.#recorded.get(key) ?? this.#unrecorded.get(key);
  }

  /** Adds a key that is not there yet. */
  put(remembered: Remembered, recorded: boolean): void {
    (recorded ? this.#recorded : this.#unrecorded).push(remembered);
  }

  delete(key: string): boolean {
    return this.#recorded.delete(key) || this.#unrecorded.delete(key);
  }

  /** The key to evict next; undefined if there is none. */
  get next(): Remembered | undefined {
    return this.#unrecorded.first ?? this.#recorded.first;
  }

  all(): Remembered[] {
    return [...this.#recorded.all(), ...this.#unrecorded.all()];
  }

  /** A key from before the time, if the oldest recorded or the oldest unrecorded key is. */
  before(time: number): Remembered | undefined {
    return [this.#unrecorded.first, this.#recorded.first].find((oldest) => oldest !== undefined && oldest.heardMs < time);
  }
}
