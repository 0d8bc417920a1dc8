import type { Clock, Ids, Timers } from '@nva/ports';
import type { Life, World } from './world.ts';

/** The wall time at the beginning of every world. */
export const EPOCH_MS = 1_790_000_000_000;

/** The time of one process: the world's time, with its own wall clock, which may jump. */
export class ProcessClock implements Clock {
  readonly #world: World;
  readonly #life: Life;
  readonly #wall: WallOffset;

  constructor(world: World, life: Life, wall: WallOffset) {
    this.#world = world;
    this.#life = life;
    this.#wall = wall;
  }

  wallMs(): number {
    return EPOCH_MS + this.#world.nowMs + this.#wall.ms;
  }

  monotonicMs(): number {
    return 1_000 + this.#world.nowMs;
  }

  readonly after: Timers['after'] = (delayMs, act) => this.#world.after(delayMs, this.#life, act);

  readonly every: Timers['every'] = (periodMs, act) => {
    let callOff = (): void => undefined;
    let ended = false;
    const next = (): void => {
      callOff = this.#world.after(periodMs, this.#life, () => {
        act();
        if (!ended) next();
      });
    };
    next();
    return () => {
      ended = true;
      callOff();
    };
  };

  readonly turn: Timers['turn'] = () => this.#world.sleep(0, this.#life);
}

/** The offset of a machine's wall clock from the right time. */
export interface WallOffset {
  ms: number;
}

/** UUIDs that follow from the seed. */
export class SeededIds implements Ids {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.#world.random.below(0x1_0000_0000).toString(16).padStart(8, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
