import type { Position } from '@nva/ports';

/** Events between two positions that are kept: what a reader passes over at most to come to the one that it was asked for. */
const EVERY_EVENTS = 512;
/** Positions kept at most, 16 MiB; then every second one goes. */
const MAX_POSITIONS = 2_097_152;

/**
 * Positions at which events stand, some of them, ascending. A store can begin to read at a position that it gave out, and nowhere
 * else; whoever gives any number is served from the last one known before it (`EventStore.checkpointAt`).
 */
export class KnownPositions {
  #positions: Position[] = [];
  #every = EVERY_EVENTS;
  #since = 0;

  /** An event stands there. Told in the order of the log; again is no harm. */
  met(position: Position): void {
    if (position <= (this.#positions.at(-1) ?? 0) || ++this.#since < this.#every) return;
    this.#since = 0;
    this.#positions.push(position);
    if (this.#positions.length < MAX_POSITIONS) return;
    this.#positions = this.#positions.filter((_, i) => i % 2 === 1);
    this.#every *= 2;
  }

  /** The lowest one known; Infinity if none is. */
  get first(): Position {
    return this.#positions[0] ?? Infinity;
  }

  /** The last one known at or before a number; 0, which stands before every event, if there is none. */
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
