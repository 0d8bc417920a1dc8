import type { RateLimitPluginOptions } from '@fastify/rate-limit';
import { Refusal } from '@nva/identifiers';
import type { Clock } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { contextOf } from '../access/request-context.ts';

/** What a caller may bring at once after it was quiet, as the time in which its rate allows as much. */
const BURST_MS = 1_000;
/** Callers remembered before those that were quiet for a burst are forgotten. */
const MAX_REMEMBERED = 1_024;

/**
 * Requests a second, by caller, and by address where nobody need say who calls: beyond it they are refused, `rate-limited`. One of
 * many lines is one.
 */
export const requestRate = (perS: number, isPublic: (url: string) => boolean): RateLimitPluginOptions => ({
  max: perS,
  timeWindow: 1_000,
  hook: 'preHandler',
  keyGenerator: (request: FastifyRequest) => (isPublic(request.url) ? request.ip : actorOf(contextOf(request).caller)),
  errorResponseBuilder: () => new Refusal('rate-limited', `more than ${perS} requests a second`),
});

/** Lines of NDJSON a second and caller, over all its requests: those beyond it wait, and so, by the socket, does whoever sends them. */
export class LineRate {
  readonly #perS: number;
  readonly #clock: Clock;
  readonly #pause: (ms: number) => Promise<unknown>;
  /** By caller, when it has brought no more than it may; in the past for one that was quiet. Monotonic milliseconds. */
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
