import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readJson } from './json-input.ts';

export const NDJSON = 'application/x-ndjson';
const JSON_TYPE = 'application/json';
const COMMANDS_ROUTE = '/v1/commands';
/** Its body is text, whatever the sender calls it: the protocol names no type. */
const TEXT_ROUTE = '/v1/tlog/add-checkpoint';
const TEXT_TYPE = 'text/x.tlog.add-checkpoint';

/**
 * How bodies are read: JSON within the bounds of `readJson`; NDJSON is passed on as a stream; checkpoints are text. Everything else is
 * refused. An empty body counts as no body, whatever its content type: many clients send a content type with a DELETE that has no body.
 */
export function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload));
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    try {
      // A chunked body may turn out to be empty.
      done(null, body.length === 0 ? undefined : readJson(body, 'the body', true));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addContentTypeParser(TEXT_TYPE, { parseAs: 'string' }, (request, body, done) => {
    if (request.routeOptions.url === TEXT_ROUTE) return done(null, body);
    done(Object.assign(new Error('unsupported media type'), { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 }));
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.url === TEXT_ROUTE) request.headers['content-type'] = TEXT_TYPE;
    if (request.routeOptions.url !== COMMANDS_ROUTE && !hasBody(request)) delete request.headers['content-type'];
    done();
  });
}

/** Whether a body follows the headers (RFC 9112, section 6.3). */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Whether the body is commands as NDJSON, which may continue without end. */
export function isStream({ routeOptions, headers }: FastifyRequest): boolean {
  return routeOptions.url === COMMANDS_ROUTE && (headers['content-type']?.toLowerCase().startsWith(NDJSON) ?? false);
}
