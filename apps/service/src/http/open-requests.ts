import type { FastifyReply, FastifyRequest } from 'fastify';
import { contextOf } from '../access/request-context.ts';

/** Asked for an open stream whenever tokens have changed. */
type Entitled = () => boolean;

/**
 * Requests whose answer is not complete. A stream may be open for months: when tokens change, it is ended if its caller is no
 * longer known, or may no longer receive its content. Commands of such a stream that are under way are then not answered; their
 * caller repeats them.
 */
export class OpenRequests {
  readonly #open = new Map<FastifyRequest, FastifyReply>();
  readonly #entitled = new WeakMap<FastifyRequest, Entitled>();

  add(request: FastifyRequest, reply: FastifyReply): void {
    this.#open.set(request, reply);
    reply.raw.once('close', () => this.#open.delete(request));
  }

  /** Sets the condition under which a stream may continue, besides having a caller. */
  requires(request: FastifyRequest, entitled: Entitled): void {
    this.#entitled.set(request, entitled);
  }

  /** Ends the streams that may not continue. A request without an answer so far checks its caller itself when it is decided. */
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
