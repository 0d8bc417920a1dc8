import type { World } from './world.ts';

/**
 * The link between a program and a service that it uses: the delay of messages, the share that is lost, and whether the link is
 * up.
 */
export class Link {
  readonly #world: World;
  #cuts = 0;
  /** Percentage of lost messages. */
  lossPercent = 0;
  /** Maximum delay of a message. */
  maxDelayMs: number;

  constructor(world: World, maxDelayMs = 8) {
    this.#world = world;
    this.maxDelayMs = maxDelayMs;
  }

  get isUp(): boolean {
    return this.#cuts === 0;
  }

  /** Cuts the link until the returned function is called. */
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
