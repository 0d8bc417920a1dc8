import type { Answer } from './answer.ts';

export interface Remembered {
  readonly key: string;
  readonly requestDigest: string;
  /** Milliseconds since the epoch. */
  readonly recordedAt: number;
  readonly answer: Promise<Answer>;
  /** The answer, once the event that it was given for is in the fold: until then the command may still fail. */
  folded: Answer | null;
}

/**
 * The Idempotency-Keys of one caller, in order of arrival, which a Map keeps. Those of commands that recorded nothing stand apart and are given
 * up first: sending what is so already costs a caller no log, and would else end its keys that count.
 */
export class CallersKeys {
  readonly #recorded = new Map<string, Remembered>();
  readonly #unrecorded = new Map<string, Remembered>();

  get(key: string): Remembered | undefined {
    return this.#recorded.get(key) ?? this.#unrecorded.get(key);
  }

  /** One that is not there yet. */
  put(remembered: Remembered, recorded: boolean): void {
    (recorded ? this.#recorded : this.#unrecorded).set(remembered.key, remembered);
  }

  delete(key: string): boolean {
    return this.#recorded.delete(key) || this.#unrecorded.delete(key);
  }

  /** The one to give up next; undefined where there is none. */
  get next(): Remembered | undefined {
    return first(this.#unrecorded) ?? first(this.#recorded);
  }

  all(): Remembered[] {
    return [...this.#recorded.values(), ...this.#unrecorded.values()];
  }

  /** Those from before a time, as far as they are in order of time; meanwhile they may be deleted. */
  *before(time: number): Generator<Remembered, void> {
    for (const keys of [this.#unrecorded, this.#recorded]) {
      for (const remembered of keys.values()) {
        if (remembered.recordedAt >= time) break;
        yield remembered;
      }
    }
  }
}

const first = (keys: ReadonlyMap<string, Remembered>): Remembered | undefined => keys.values().next().value;
