import { createHash, randomUUID } from 'node:crypto';
import { Refusal } from '@nva/identifiers';
import type { Caller } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import type { Credentials } from './credentials.ts';

/**
 * The header of a forwarded request. It names the group that the sender assumed for this registrar; such a request is not
 * forwarded again.
 */
export const FORWARDED_GROUP = 'x-forwarded-group';

/** What is known of a request before its handler runs. */
export interface RequestContext {
  /**
   * The caller according to the present tokens, which may change while the request is being handled. Throws Refusal
   * `unauthenticated` if the caller's token was withdrawn.
   */
  readonly caller: Caller;
  readonly correlationId: string;
  /** The header as received, for a registrar to which the request is forwarded. */
  readonly authorization: string | undefined;
  /** The group that a forwarding registrar assumed for this one; undefined if the request was not forwarded. */
  readonly forwardedGroup: string | undefined;
}

/** The context of a request with valid credentials. Throws what `Credentials.callerOf` throws. */
export function readContext(request: FastifyRequest, credentials: Credentials, correlationId: string): RequestContext {
  const { authorization, host } = request.headers;
  let caller = credentials.callerOf(authorization, host);
  let { version } = credentials;
  return {
    get caller() {
      if (version !== credentials.version) {
        caller = credentials.callerOf(authorization, host);
        ({ version } = credentials);
      }
      return caller;
    },
    correlationId,
    authorization,
    forwardedGroup: readForwardedGroup(request),
  };
}

const contexts = new WeakMap<FastifyRequest, RequestContext>();
const HEADER_VALUE = /^[\x21-\x7e]{1,128}$/;

export function setContext(request: FastifyRequest, context: RequestContext): void {
  contexts.set(request, context);
}

export function contextOf(request: FastifyRequest): RequestContext {
  const context = contexts.get(request);
  if (!context) throw new Refusal('unauthenticated', 'the request has no caller');
  return context;
}

/** For problems of requests that ended before they had a context. */
export const correlationIdOf = (request: FastifyRequest): string | undefined => contexts.get(request)?.correlationId;

/**
 * The request's own X-Correlation-Id; else the id of the trace that the request is part of (W3C Trace Context, section 3.2.2);
 * else a new id.
 */
export function readCorrelationId(request: FastifyRequest): string {
  return header(request, 'x-correlation-id', 'X-Correlation-Id') ?? traceIn(request.headers['traceparent']) ?? randomUUID();
}

const traceIn = (traceparent: unknown): string | undefined =>
  typeof traceparent === 'string' ? /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(traceparent)?.[1] : undefined;

export const readIdempotencyKey = (request: FastifyRequest): string | undefined => header(request, 'idempotency-key', 'Idempotency-Key');

/** The group that a forwarding registrar assumed for this one. */
const readForwardedGroup = (request: FastifyRequest): string | undefined => header(request, FORWARDED_GROUP, 'X-Forwarded-Group');

/** SHA-256 in hex. The order of fields in objects does not matter. */
export function digestOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts, sorted)).digest('hex');
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function header(request: FastifyRequest, name: string, shown: string): string | undefined {
  const value = request.headers[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !HEADER_VALUE.test(value))
    throw new Refusal('out-of-range', `${shown} is 1 to 128 printable characters without spaces`, { field: shown, received: value });
  return value;
}
