import { StoreUnavailable, type Clock, type Logger } from '@nva/ports';
import type { Connection } from './connection.ts';
import { isBreak, portError } from './errors.ts';
import type { EventStoreDbLimits } from './limits.ts';
import { closedError } from './link.ts';
import { wait } from './waiting.ts';

/**
 * The attempts of one call while connections break under it. The waits between them grow; together they take no longer than they
 * may, counted anew with all that was won.
 */
export class Attempts {
  readonly #parts: AttemptsParts;
  readonly #limitMs: number;
  #giveUpAtMs: number;
  #failures = 0;

  constructor(parts: AttemptsParts, limitMs: number) {
    this.#parts = parts;
    this.#limitMs = limitMs;
    this.#giveUpAtMs = parts.clock.monotonicMs() + limitMs;
  }

  /** Milliseconds that are left of them; never below 0. */
  get leftMs(): number {
    return Math.max(0, this.#giveUpAtMs - this.#parts.clock.monotonicMs());
  }

  won(): void {
    this.#failures = 0;
    this.#giveUpAtMs = this.#parts.clock.monotonicMs() + this.#limitMs;
  }

  /** Waits before the next attempt; throws what cannot be mended, and what was tried for long enough. */
  async again(error: unknown, what: string): Promise<void> {
    const { connection, limits, log } = this.#parts;
    if (connection.closed) throw closedError();
    const waitMs = Math.min(limits.firstDelayMs * 2 ** this.#failures++, limits.largestDelayMs);
    if (!(isBreak(error) || error instanceof StoreUnavailable) || this.leftMs <= waitMs) throw portError(error, what);
    log.debug(`${what}: it goes again`, { failures: this.#failures, err: error });
    await wait(waitMs, connection.signal);
  }
}

interface AttemptsParts {
  readonly connection: Pick<Connection, 'closed' | 'signal'>;
  readonly limits: Pick<EventStoreDbLimits, 'firstDelayMs' | 'largestDelayMs'>;
  readonly clock: Clock;
  readonly log: Logger;
}
