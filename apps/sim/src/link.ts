import type { World } from './world.ts';

/** The way between a program and something that it asks: how long messages take, how many are lost, and whether there is any. */
export class Link {
  readonly #world: World;
  #cuts = 0;
  /** Messages lost, of a hundred. */
  lossPercent = 0;
  /** The most that a message takes. */
  maxDelayMs: number;

  constructor(world: World, maxDelayMs = 8) {
    this.#world = world;
    this.maxDelayMs = maxDelayMs;
  }

  get isUp(): boolean {
    return this.#cuts === 0;
  }

  /** Cuts it until what is returned is called. */
  cut(): () => void {
    this.#cuts++;
    return () => this.#cuts--;
  }

  /** Whether the next message arrives. */
  passes(): boolean {
    return this.isUp && !this.#world.chance(this.lossPercent);
  }

  delayMs(): number {
    return this.#world.between(1, this.maxDelayMs);
  }
}
