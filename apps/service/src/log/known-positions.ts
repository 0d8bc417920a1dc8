import type { Position } from '@nva/ports';

/** Number of events between two kept positions: the most that a reader must skip to reach the requested event. */
const EVERY_EVENTS = 512;
/** Maximum number of kept positions, 16 MiB; beyond it, every second one is dropped. */
const MAX_POSITIONS = 2_097_152;

/**
 * Some positions of events, in ascending order. A store can start reading only at a position that it gave out. A request may name
 * any number; it is served from the last known position before that number (`EventStore.checkpointAt`).
 */
export class KnownPositions {
  #positions: Position[] = [];
  #every = EVERY_EVENTS;
  #since = 0;

  /** Tells that an event has this position. Calls come in the order of the log; repeated calls do no harm. */
  met(position: Position): void {
    if (position <= (this.#positions.at(-1) ?? 0) || ++this.#since < this.#every) return;
    this.#since = 0;
    this.#positions.push(position);
    if (this.#positions.length < MAX_POSITIONS) return;
    this.#positions = this.#positions.filter((_, i) => i % 2 === 1);
    this.#every *= 2;
  }

  /** The lowest known position; Infinity if there is none. */
  get first(): Position {
    return this.#positions[0] ?? Infinity;
  }

  /** The last known position at or before a number; if there is none, 0, which is before every event. */
  atOrBefore(number: number): Position {
    let low = 0;
    let high = this.#positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#positions[middle]! <= number) low = middle + 1;
      else high = middle;
    }
    return this.#positions[low - 1] ?? 0;
  }
}
