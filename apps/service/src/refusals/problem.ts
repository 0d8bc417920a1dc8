import { Refusal, type InUseBy, type RefusalCode, type RuleCode } from '@nva/identifiers';
import { StoreUnavailable } from '@nva/ports';

/** Statuses of codes that do not belong to a rule. */
type OtherStatus = 400 | 401 | 403 | 404 | 408 | 409 | 413 | 421 | 429 | 431 | 500 | 503;

/**
 * The HTTP status of every refusal code. The type is exhaustive: a new code without a status does not compile, and only codes
 * with a row in ROW_OF can be 422.
 */
export const STATUS: { readonly [Code in RefusalCode]: Code extends RuleCode ? 422 : OtherStatus } = {
  'malformed-json': 400,
  'too-deep': 400,
  'malformed-body': 400,
  'unknown-command': 400,
  'unknown-field': 400,
  'missing-field': 400,
  'wrong-type': 400,
  'out-of-range': 400,
  'body-too-large': 413,
  'headers-too-large': 431,
  'request-timeout': 408,
  'text-encoding': 400,
  'text-surrogate': 400,
  'text-control': 400,
  'text-bidi': 400,
  'text-invisible': 400,
  'id-malformed': 400,
  'mac-malformed': 400,
  'mac-multicast': 422,
  'mac-zero': 422,
  'ip-malformed': 400,
  'ip-unspecified': 422,
  'ip-multicast': 422,
  'ip-loopback': 422,
  'ip-broadcast': 422,
  'ip-link-local': 422,
  'vnid-out-of-range': 400,
  'vlan-out-of-range': 400,
  'bid-out-of-range': 400,
  'position-malformed': 400,
  'unauthenticated': 401,
  'forbidden': 403,
  'rate-limited': 429,
  'too-many-streams': 429,
  'too-many-waiting': 429,
  'not-found': 404,
  'vn-unknown': 404,
  'nve-unknown': 404,
  'ts-unknown': 404,
  'schema-unknown': 404,
  'vn-of-another-tenant': 403,
  'vn-in-use': 409,
  'vn-immutable': 409,
  'vn-not-deleted': 409,
  'vnid-reserved': 409,
  'nve-incarnation': 409,
  'nve-disconnected': 409,
  'nve-in-use': 409,
  'nve-id-collides': 409,
  'tunnel-address-held': 409,
  'nve-id-case': 409,
  'ts-immutable': 409,
  'ts-ambiguous': 409,
  'ts-not-at-nve': 409,
  'ts-not-attached': 409,
  'duplicate-mac': 409,
  'duplicate-ip': 409,
  'address-registered': 409,
  'address-not-held': 409,
  'revision-mismatch': 409,
  'ahead-of-log': 409,
  'quota-exceeded': 409,
  'contention': 503,
  'bid-required': 422,
  'bid-unknown': 422,
  'bid-duplicate': 422,
  'bid-taken-back': 422,
  'bid-vn-mismatch': 422,
  'address-required': 422,
  'address-duplicate': 422,
  'ip-required': 422,
  'vlan-of-another-vn': 422,
  'vlan-not-allowed': 422,
  'too-many-bindings': 422,
  'vn-not-joined': 422,
  'command-expired': 422,
  'rest-only': 422,
  'idempotency-key-reused': 422,
  'nothing-then': 422,
  'proof-refused': 422,
  'outcome-unknown': 503,
  'log-unavailable': 503,
  'overloaded': 503,
  'starting': 503,
  'behind': 503,
  'log-forked': 500,
  'misdirected': 421,
  'oracle-unreachable': 503,
  'internal': 500,
};

export const PROBLEM_TYPE = 'application/problem+json';

/**
 * A refusal as a problem of RFC 9457. `received` helps the caller to recognise its value and is not a full echo: the refusal has
 * truncated it.
 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: RefusalCode;
  readonly field?: string;
  readonly received?: unknown;
  readonly row?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;
  readonly inUseBy?: InUseBy;
  readonly correlationId?: string;
}

export function problemOf(refusal: Refusal, correlationId?: string): Problem {
  const { field, received, row, expected, actual, inUseBy } = refusal.detail;
  return {
    type: `urn:nvo3:problem:${refusal.code}`,
    title: refusal.code.replaceAll('-', ' '),
    status: STATUS[refusal.code],
    detail: refusal.message,
    code: refusal.code,
    ...(field === undefined ? {} : { field }),
    ...(received === undefined ? {} : { received }),
    ...(row === undefined ? {} : { row }),
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    ...(inUseBy === undefined ? {} : { inUseBy }),
    ...(correlationId === undefined ? {} : { correlationId }),
  };
}

interface ForeignError {
  readonly code?: string;
  readonly statusCode?: number;
  readonly status?: number;
  readonly message?: string;
}

/**
 * Translates errors of the framework about a request, and a log that cannot be read now, into a refusal; null for every other
 * error, which is a fault of this process.
 */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  if (error instanceof StoreUnavailable) return new Refusal('log-unavailable', 'the event log cannot be read now; asking again may do');
  const { cause } = error as { cause?: ForeignError };
  const { code, statusCode, status, message } = cause?.code?.startsWith('FST_') ? cause : (error as ForeignError);
  switch (code) {
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Refusal('id-malformed', 'the path names nothing that could exist', { field: 'path' });
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Refusal('body-too-large', 'the body is larger than this server takes', { field: '' });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Refusal('malformed-body', 'the body is application/json, or application/x-ndjson for /v1/commands', {
        field: 'Content-Type',
      });
  }
  const http = statusCode ?? status;
  if (http === 404) return new Refusal('not-found', 'there is no such resource');
  if (http === 413) return new Refusal('body-too-large', 'the request is larger than this server takes');
  if (http !== undefined && http >= 400 && http < 500) return new Refusal('malformed-body', message ?? 'the request is malformed');
  return null;
}
