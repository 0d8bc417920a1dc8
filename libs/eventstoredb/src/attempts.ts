import { StoreUnavailable, type Clock, type Logger } from '@nva/ports';
import type { Connection } from './connection.ts';
import { isBreak, portError } from './errors.ts';
import type { EventStoreDbLimits } from './limits.ts';
import { closedError } from './link.ts';
import { wait } from './waiting.ts';

/**
 * The attempts of one call while connections break. The waits between them grow. Together they take no longer than the limit,
 * which starts anew whenever a part of the result was received.
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

  /** Milliseconds left for attempts; never below 0. */
  get leftMs(): number {
    return Math.max(0, this.#giveUpAtMs - this.#parts.clock.monotonicMs());
  }

  won(): void {
    this.#failures = 0;
    this.#giveUpAtMs = this.#parts.clock.monotonicMs() + this.#limitMs;
  }

  /** Waits before the next attempt. Throws errors that no retry can solve, and the last error when the time is over. */
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
