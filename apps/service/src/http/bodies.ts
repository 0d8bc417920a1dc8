import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readJson } from './json-input.ts';

export const NDJSON = 'application/x-ndjson';
const JSON_TYPE = 'application/json';
const COMMANDS_ROUTE = '/v1/commands';

/**
 * How bodies are read: JSON, within the bounds of `readJson`, and NDJSON, which goes on as the stream that it is. Everything else
 * is refused. No body is no body, whatever its content type says: many clients send one with a DELETE that has none.
 */
export function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload));
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    try {
      // Chunked, a body may turn out to be none.
      done(null, body.length === 0 ? undefined : readJson(body, 'the body', true));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.url !== COMMANDS_ROUTE && !hasBody(request)) delete request.headers['content-type'];
    done();
  });
}

/** Whether a body follows the headers (RFC 9112, section 6.3). */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Whether the body is commands as NDJSON, which may go on for ever. */
export function isStream({ routeOptions, headers }: FastifyRequest): boolean {
  return routeOptions.url === COMMANDS_ROUTE && (headers['content-type']?.toLowerCase().startsWith(NDJSON) ?? false);
}
