import 'reflect-metadata';
import rateLimit from '@fastify/rate-limit';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Refusal } from '@nva/identifiers';
import { systemClock, type Clock, type EventStore, type Logger } from '@nva/ports';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { hasBody, isStream, readBodies } from '../http/bodies.ts';
import type { CommandServer } from '../commands-over-kafka/command-server.ts';
import { ConfigError, type NvaConfig } from '../config/config.ts';
import { Connections } from '../http/connections.ts';
import { startAudit } from '../audit/start.ts';
import { Core } from '../core/core.ts';
import { Credentials } from '../access/credentials.ts';
import { Dispatcher } from '../commands/dispatcher.ts';
import { LastResort } from '../observability/last-resort.ts';
import { nestLogger } from '../observability/logging.ts';
import { Metrics } from '../observability/metrics.ts';
import { awaitMinPosition } from '../reads/min-position.ts';
import { serveDocument } from '../http/openapi.ts';
import { OpenRequests } from '../http/open-requests.ts';
import { ProblemFilter } from '../http/problem.filter.ts';
import { PROBLEM_TYPE, problemOf, refusalOf } from '../refusals/problem.ts';
import { requestRate } from '../turns/rates.ts';
import { Reads } from '../reads/reads.ts';
import { serviceModule } from './modules.ts';
import { RefusedAttempts } from '../refusals/refused-attempts.ts';
import { correlationIdOf, readContext, readCorrelationId, setContext } from '../access/request-context.ts';
import type { Role } from '../config/roles.ts';

/** Maximum bytes of a JSON body. NDJSON has no such bound: it is streamed, line by line. */
const MAX_BODY_BYTES = 1_048_576;
/** Paths that need no token: they tell nothing about the network. */
const PUBLIC = /^\/(?:healthz|readyz|openapi\.json|docs(?:\/.*)?)(?:\?.*)?$/;
const CLOSE_GRACE_MS = 5_000;
const CLOSE_SWEEP_MS = 50;

/** A running process. */
export interface Service {
  readonly url: string;
  readonly core: Core;
  /** Takes commands from Kafka; null if that is switched off. */
  readonly commands: CommandServer | null;
  readonly connections: Pick<Connections, 'count' | 'unauthenticated'>;
  /** Reads tokens and keys again, immediately. */
  reloadCredentials(): void;
  /** Finishes all accepted work, then releases everything. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** The one of the process, if it has one. */
  readonly lastResort?: LastResort;
  /**
   * Called when the process can no longer do its work: the fold threw, another writer took the feeds over, or the feeds are
   * refused.
   */
  readonly failed: (cause: unknown) => void;
  /** See CoreOptions. */
  readonly store?: EventStore;
  readonly signal?: AbortSignal;
}

/** Starts a process with the given roles. Throws ConfigError or LogRefused before anything is changed. */
export async function createService(
  config: NvaConfig,
  roles: readonly Role[],
  { logger, clock = systemClock, lastResort = new LastResort(logger), ...rest }: ServiceOptions,
): Promise<Service> {
  const credentials = new Credentials(config, clock, logger);
  const core = await Core.start(config, { roles, clock, logger, peerAuthorization: () => credentials.peerAuthorization, ...rest });
  const reads = new Reads(core.replica, core.turns.reads, clock);
  const { registrarRole, turns, arrivals, replica, applied, losses } = core;
  const dispatcher =
    registrarRole && new Dispatcher({ registrarRole, turns, arrivals, replica, reads, applied, losses, forwards: config.forward });
  const audit = startAudit(config, core, roles, logger);
  const refused = new RefusedAttempts(clock, logger);
  const overKafka = credentials.keys && dispatcher ? await import('../commands-over-kafka/index.ts') : null;
  const commands = overKafka && new overKafka.CommandServer({ config, credentials, clock, logger, refused, failed: rest.failed });
  if (commands) core.arrivals.comesBy(() => commands.consumer.hears);
  const open = new OpenRequests();
  const connections = new Connections(config.http, logger);
  const metrics = new Metrics(core, commands, logger, { connections, credentials, lastResort, audit });
  const adapter = new FastifyAdapter({
    ...connections.serverOptions,
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
    frameworkErrors,
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    serviceModule({ core, reads, audit, dispatcher, metrics, open, refused, roles }, overKafka ? [overKafka.KafkaCommandsModule] : []),
    adapter,
    { logger: nestLogger(logger), abortOnError: false, bodyParser: false },
  );
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  app.useGlobalFilters(new ProblemFilter(logger, refused));
  await prepare(fastify, { credentials, core, metrics, connections, open });
  credentials.onChange(() => open.recheck());
  connections.watch(fastify.server);
  const unused = unusedConnections(fastify);
  serveDocument(app);
  if (commands) app.connectMicroservice({ strategy: commands });
  try {
    await app.listen(config.port, config.host);
  } catch (cause) {
    await audit?.stop();
    await core.stop();
    throw new ConfigError(
      `HOST, PORT: expected an address to listen on, got «${config.host}» and «${config.port}»: ${(cause as Error).message}`,
      { cause },
    );
  }
  await app.startAllMicroservices();
  credentials.watch();
  return {
    url: await app.getUrl(),
    core,
    commands,
    connections,
    reloadCredentials: () => credentials.reload(),
    async close() {
      credentials.stop();
      const grace = setTimeout(() => fastify.server.closeAllConnections(), CLOSE_GRACE_MS);
      // A close checks for idle connections once at its start. A connection that becomes idle later would delay the close until its
      // timeout.
      const sweep = setInterval(() => fastify.server.closeIdleConnections(), CLOSE_SWEEP_MS);
      core.distributorRole?.inProcessFeed?.endFollowers();
      for (const socket of unused) socket.destroy();
      await app.close();
      clearInterval(sweep);
      clearTimeout(grace);
      refused.close();
      await audit?.stop();
      await core.stop();
    },
  };
}

interface Parts {
  readonly credentials: Credentials;
  readonly core: Core;
  readonly metrics: Metrics;
  readonly connections: Connections;
  readonly open: OpenRequests;
}

/** The steps of every request before its handler: correlation id, caller, rate; and the measurements after it. */
async function prepare(fastify: FastifyInstance, { credentials, core, metrics, connections, open }: Parts): Promise<void> {
  readBodies(fastify);
  fastify.addHook('onRequest', async (request, reply) => {
    const release = hasBody(request) ? connections.limitBody(request, reply) : null;
    const correlationId = readCorrelationId(request);
    void reply.header('x-correlation-id', correlationId);
    if (PUBLIC.test(request.url)) return;
    setContext(request, readContext(request, credentials, correlationId));
    open.add(request, reply);
    connections.authenticated(request.socket);
    if (isStream(request)) release?.();
  });
  fastify.server.on('connection', () => core.arrivals.connected());
  fastify.addHook('preValidation', async (request, reply) => {
    // An NDJSON request lasts as long as its caller likes; its lines arrive one by one.
    if (request.method !== 'GET' && !(request.body instanceof Readable)) reply.raw.once('close', core.arrivals.arrived());
  });
  fastify.addHook('preHandler', async (request) => {
    if (!PUBLIC.test(request.url)) await awaitMinPosition(request, core.replica);
  });
  fastify.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1_000);
    const correlationId = correlationIdOf(request);
    if (!core.tracing || correlationId === undefined) return;
    const endMs = core.clock.wallMs();
    core.tracing.root({
      name: `${request.method} ${route}`,
      correlationId,
      startMs: endMs - reply.elapsedTime,
      endMs,
      attributes: { 'http.response.status_code': reply.statusCode },
      ...(reply.statusCode >= 500 && { error: String(reply.statusCode) }),
    });
  });
  await fastify.register(
    rateLimit,
    requestRate(core.config.rateLimitPerS, (url) => PUBLIC.test(url)),
  );
}

/**
 * Connections that never brought a request, such as those that browsers and clients open in advance. The server counts them as
 * busy, and would wait for them when it stops.
 */
function unusedConnections(fastify: FastifyInstance): ReadonlySet<Socket> {
  const unused = new Set<Socket>();
  fastify.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  fastify.server.on('request', ({ socket }) => unused.delete(socket));
  return unused;
}

/** Answers errors that occur before there is a route. */
function frameworkErrors(error: Error, _request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(refusalOf(error) ?? new Refusal('malformed-body', error.message));
  void reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}
