import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { cut, Refusal } from '@nva/identifiers';
import { StoreUnavailable, type Logger } from '@nva/ports';
import type { Caller } from '@nva/registrar';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, problemOf, refusalOf } from '../refusals/problem.ts';
import { entityOf, type Attempt, type RefusedAttempts } from '../refusals/refused-attempts.ts';
import { contextOf, correlationIdOf } from '../access/request-context.ts';

/** Streams stay open for a long time, so an early retry is useless. */
const STREAMS_RETRY_AFTER_S = '15';

/** Answers every error with a problem. A fault of this process is logged, and its problem says nothing more. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #refused: RefusedAttempts;

  constructor(logger: Logger, refused: RefusedAttempts) {
    this.#logger = logger;
    this.#refused = refused;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const correlationId = correlationIdOf(request);
    const known = refusalOf(error);
    if (!known || error instanceof StoreUnavailable)
      this.#logger.error('a request failed', { err: error, method: request.method, url: cut(request.url), correlationId });
    if (known) this.#refused.note(attemptOf(request, reply, known), !READS.has(request.method));
    const problem = problemOf(known ?? new Refusal('internal', 'the request failed; the server\u2019s log has the reason'), correlationId);
    if (problem.code === 'too-many-streams') void reply.header('retry-after', STREAMS_RETRY_AFTER_S);
    if (problem.status === 503 || problem.code === 'too-many-waiting') void reply.header('retry-after', '1');
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  }
}

/** Methods that change nothing. */
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Takes from the URL only its route and the entity that the route names: the rest may be anything. */
function attemptOf(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): Attempt {
  const { method, ip: address, routeOptions, params } = request;
  const correlationId = reply.getHeader('x-correlation-id');
  return {
    caller: callerOf(request),
    address,
    command: `${method} ${routeOptions.url ?? '(no such path)'}`,
    entity: entityOf((params ?? {}) as Readonly<Record<string, unknown>>),
    correlationId: typeof correlationId === 'string' ? correlationId : null,
    refusal,
  };
}

/** null if the request has no caller, or its token was withdrawn. */
function callerOf(request: FastifyRequest): Caller | null {
  try {
    return contextOf(request).caller;
  } catch {
    return null;
  }
}
