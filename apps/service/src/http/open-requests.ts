import type { FastifyReply, FastifyRequest } from 'fastify';
import { contextOf } from '../access/request-context.ts';

/** What an open stream is asked whenever tokens have changed. */
type Entitled = () => boolean;

/**
 * Requests that are not answered to their end yet. A stream may be open for months: when tokens change it is ended if its caller is
 * nobody any more, or may no longer have what it brings. What is on its way in a stream of commands is answered nowhere then; its
 * caller asks again.
 */
export class OpenRequests {
  readonly #open = new Map<FastifyRequest, FastifyReply>();
  readonly #entitled = new WeakMap<FastifyRequest, Entitled>();

  add(request: FastifyRequest, reply: FastifyReply): void {
    this.#open.set(request, reply);
    reply.raw.once('close', () => this.#open.delete(request));
  }

  /** Beside having a caller, what a stream takes to go on. */
  requires(request: FastifyRequest, entitled: Entitled): void {
    this.#entitled.set(request, entitled);
  }

  /** Ends the streams that may not go on. What is not answered yet asks for its caller itself, when it is decided. */
  recheck(): void {
    for (const [request, reply] of this.#open) if (reply.sent && !this.#mayGoOn(request)) reply.raw.destroy();
  }

  #mayGoOn(request: FastifyRequest): boolean {
    try {
      void contextOf(request).caller;
      return this.#entitled.get(request)?.() ?? true;
    } catch {
      return false;
    }
  }
}
