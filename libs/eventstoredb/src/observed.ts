import type { Position } from '@nva/ports';

/**
 * The furthest place of `$all` that this process knows to be used. The server answers a repeated append like a new one, but a new
 * event can only stand behind everything that was there before it was sent. `stale`: an attempt of this process may have landed
 * without an answer, so the place must be read again before the next append.
 */
export class Observed {
  #position: Position = 0;
  #ownPosition: Position = 0;
  stale = true;

  get position(): Position {
    return this.#position;
  }

  /** The furthest known event of this log. */
  get ownPosition(): Position {
    return this.#ownPosition;
  }

  any(position: Position): void {
    if (position > this.#position) this.#position = position;
  }

  own(position: Position): void {
    this.any(position);
    if (position > this.#ownPosition) this.#ownPosition = position;
  }
}
