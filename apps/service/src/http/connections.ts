import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { Refusal } from '@nva/identifiers';
import type { Logger } from '@nva/ports';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpLimits } from '../config/http-limits.ts';
import { PROBLEM_TYPE, problemOf } from '../refusals/problem.ts';

/** How often Node checks for connections whose headers are late. */
const CHECKING_INTERVAL_MS = 1_000;

/**
 * The connections of the server: their number, which of them are authenticated, and how long each may take. Node bounds the
 * headers and the time between requests. Its bound for a whole request would end a stream of commands, so bodies are bounded
 * here.
 *
 * A connection counts as unauthenticated until a request on it has a caller. Beyond the bound, the oldest unauthenticated
 * connection of the address with the most of them is closed. So a client that sends a token at once is not shut out by clients
 * without one, and not at all by clients at another address.
 */
export class Connections {
  readonly counters = { evicted: 0, timedOut: 0 };
  readonly #limits: HttpLimits;
  readonly #logger: Logger;
  /** The connection that was used longest ago comes first. */
  readonly #all = new Set<Socket>();
  /** By remote address, in order of arrival. */
  readonly #unauthenticated = new Map<string, Set<Socket>>();
  /** Connections with an unanswered request. */
  readonly #busy = new Set<Socket>();
  #unauthenticatedCount = 0;

  constructor(limits: HttpLimits, logger: Logger) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get count(): number {
    return this.#all.size;
  }

  get unauthenticated(): number {
    return this.#unauthenticatedCount;
  }

  /** The options for Fastify and Node. */
  get serverOptions(): object {
    const { headersTimeoutS, idleTimeoutS, keepAliveS } = this.#limits;
    return {
      http: { headersTimeout: 1_000 * headersTimeoutS, connectionsCheckingInterval: CHECKING_INTERVAL_MS, requestTimeout: 0 },
      keepAliveTimeout: 1_000 * keepAliveS,
      connectionTimeout: 1_000 * idleTimeoutS,
      clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => this.#refuse(error, socket),
    };
  }

  watch(server: Server): void {
    server.on('connection', (socket) => this.#opened(socket));
    server.on('request', ({ socket }, response) => {
      this.#busy.add(socket);
      response.once('close', () => {
        this.#busy.delete(socket);
        if (this.#all.delete(socket)) this.#all.add(socket);
      });
    });
    server.on('timeout', (socket) => {
      if (this.#busy.has(socket)) this.counters.timedOut++;
      socket.destroy();
    });
    // If the server cannot listen, the caller of `listen` learns why. Later errors are of a connection that was not accepted; the
    // next one may be accepted. libuv does not report EMFILE: connections wait in the backlog until there are descriptors again.
    server.on('error', (error) => server.listening && this.#logger.warn('a connection could not be accepted', { err: error }));
  }

  /** Tells that a request on the connection has a caller. */
  authenticated(socket: Socket): void {
    this.#unmark(socket);
  }

  /** Bounds the time until the body of a request has arrived; the returned function removes the bound. */
  limitBody({ raw }: FastifyRequest, reply: FastifyReply): () => void {
    const { bodyTimeoutS } = this.#limits;
    const timer = setTimeout(() => {
      if (raw.socket.destroyed) return;
      this.counters.timedOut++;
      // Nothing waits for the body: the request was answered before its end.
      if (reply.sent || raw.listenerCount('error') === 0) return void raw.socket.destroy();
      void reply.header('connection', 'close');
      raw.emit('error', new Refusal('request-timeout', `the body did not come within ${bodyTimeoutS} s`, { field: '' }));
    }, 1_000 * bodyTimeoutS);
    // A refused body may never be read to its end, and no event tells so; the timer must not delay a stop.
    timer.unref();
    const release = (): void => clearTimeout(timer);
    onEnd(raw, release);
    return release;
  }

  #opened(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    this.#all.add(socket);
    this.#unauthenticatedCount++;
    const known = this.#unauthenticated.get(address);
    if (known) known.add(socket);
    else this.#unauthenticated.set(address, new Set([socket]));
    socket.once('close', () => {
      this.#all.delete(socket);
      this.#busy.delete(socket);
      this.#unmark(socket, address);
    });
    if (this.#unauthenticatedCount > this.#limits.maxUnauthenticated) this.#close(this.#oldestUnauthenticated());
    if (this.#all.size > this.#limits.maxConnections)
      this.#close(this.#unauthenticatedCount > 1 ? this.#oldestUnauthenticated() : (this.#longestUnused(socket) ?? socket));
  }

  #unmark(socket: Socket, address = socket.remoteAddress ?? ''): void {
    const known = this.#unauthenticated.get(address);
    if (!known?.delete(socket)) return;
    this.#unauthenticatedCount--;
    if (known.size === 0) this.#unauthenticated.delete(address);
  }

  /** There always is one: the newest connection is not authenticated yet. */
  #oldestUnauthenticated(): Socket {
    const [, sockets] = [...this.#unauthenticated].reduce((most, one) => (one[1].size > most[1].size ? one : most));
    return sockets.values().next().value!;
  }

  /** A connection between two requests; its client opens another one when it needs it. */
  #longestUnused(besides: Socket): Socket | undefined {
    for (const socket of this.#all) if (socket !== besides && !this.#busy.has(socket)) return socket;
    return undefined;
  }

  #close(socket: Socket): void {
    this.counters.evicted++;
    this.#all.delete(socket);
    this.#unmark(socket);
    socket.destroy();
  }

  /** Answers input that is not HTTP, or that is too late, before there is a request. */
  #refuse({ code }: NodeJS.ErrnoException, socket: Socket): void {
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') this.counters.timedOut++;
    if (code === 'ECONNRESET' || socket.destroyed) return;
    if (socket.writable) socket.write(answerTo(refusalOf(code, this.#limits)));
    socket.destroy();
  }
}

function onEnd(request: IncomingMessage, act: () => void): void {
  request.once('end', act);
  request.once('close', act);
}

function refusalOf(code: string | undefined, { headersTimeoutS }: HttpLimits): Refusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Refusal('request-timeout', `the headers did not come within ${headersTimeoutS} s`);
  if (code === 'HPE_HEADER_OVERFLOW') return new Refusal('headers-too-large', 'the headers are larger than this server takes');
  return new Refusal('malformed-body', 'the request is not HTTP/1.1');
}

function answerTo(refusal: Refusal): string {
  const problem = problemOf(refusal);
  const body = JSON.stringify(problem);
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
