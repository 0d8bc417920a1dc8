import type { RateLimitPluginOptions } from '@fastify/rate-limit';
import { Refusal } from '@nva/identifiers';
import type { Clock } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { contextOf } from '../access/request-context.ts';

/** The burst of a caller that was quiet, expressed as the time in which its rate allows that much. */
const BURST_MS = 1_000;
/** Number of callers that are remembered before those that were quiet for a burst are forgotten. */
const MAX_REMEMBERED = 1_024;

/**
 * Requests per second, by caller; by address on public paths, where no caller is known. More requests are refused,
 * `rate-limited`. A request with many lines counts as one.
 */
export const requestRate = (perS: number, isPublic: (url: string) => boolean): RateLimitPluginOptions => ({
  max: perS,
  timeWindow: 1_000,
  hook: 'preHandler',
  keyGenerator: (request: FastifyRequest) => (isPublic(request.url) ? request.ip : actorOf(contextOf(request).caller)),
  errorResponseBuilder: () => new Refusal('rate-limited', `more than ${perS} requests a second`),
});

/**
 * Lines of NDJSON per second and caller, over all its requests. Lines beyond the rate wait, and through the socket their sender
 * waits too.
 */
export class LineRate {
  readonly #perS: number;
  readonly #clock: Clock;
  readonly #pause: (ms: number) => Promise<unknown>;
  /**
   * By caller, when it will have brought no more lines than its rate allows; in the past for a caller that was quiet. Monotonic
   * milliseconds.
   */
  readonly #even = new Map<string, number>();

  /** `perS` 0: no bound. */
  constructor(perS: number, clock: Clock, pause: (ms: number) => Promise<unknown> = sleep) {
    this.#perS = perS;
    this.#clock = clock;
    this.#pause = pause;
  }

  /** Resolves when the caller may bring the next lines. */
  async allowed(caller: string, lines: number): Promise<void> {
    if (this.#perS === 0) return;
    const now = this.#clock.monotonicMs();
    if (this.#even.size > MAX_REMEMBERED) this.#forget(now);
    const even = Math.max(this.#even.get(caller) ?? 0, now - BURST_MS) + (lines * 1_000) / this.#perS;
    this.#even.set(caller, even);
    if (even > now) await this.#pause(even - now);
  }

  #forget(now: number): void {
    for (const [caller, even] of this.#even) if (even <= now - BURST_MS) this.#even.delete(caller);
  }
}
