/**
 * Why something was refused: the closed list of codes. A code never changes its meaning; what HTTP status it gets is the
 * business of the applications.
 */
export const REFUSAL_CODES = [
  // The request is not well formed.
  'malformed-json',
  'malformed-body',
  'unknown-command',
  'unknown-field',
  'missing-field',
  'wrong-type',
  'out-of-range',
  'body-too-large',
  'id-malformed',
  'mac-malformed',
  'mac-multicast',
  'mac-zero',
  'ip-malformed',
  'ip-unspecified',
  'ip-multicast',
  'ip-loopback',
  'ip-broadcast',
  'vnid-out-of-range',
  'vlan-out-of-range',
  'bid-out-of-range',
  'position-malformed',
  // The caller may not.
  'unauthenticated',
  'forbidden',
  'rate-limited',
  // What it speaks of is not there.
  'not-found',
  'vn-unknown',
  'nve-unknown',
  'ts-unknown',
  'schema-unknown',
  // It contradicts the state of things.
  'vn-of-another-tenant',
  'vn-in-use',
  'vn-immutable',
  'vnid-reserved',
  'nve-incarnation',
  'nve-disconnected',
  'nve-in-use',
  'nve-id-collides',
  'ts-immutable',
  'ts-ambiguous',
  'ts-not-at-nve',
  'ts-not-attached',
  'duplicate-mac',
  'duplicate-ip',
  'address-registered',
  'revision-mismatch',
  'ahead-of-log',
  'contention',
  'quota-exceeded',
  // A rule of the draft refuses it.
  'bid-required',
  'bid-unknown',
  'bid-duplicate',
  'bid-taken-back',
  'bid-vn-mismatch',
  'address-required',
  'address-duplicate',
  'ip-required',
  'vlan-required',
  'vlan-not-allowed',
  'too-many-bindings',
  'vn-not-joined',
  'command-expired',
  'rest-only',
  'idempotency-key-reused',
  // It cannot be answered now.
  'outcome-unknown',
  'log-unavailable',
  'overloaded',
  'starting',
  'behind',
  // Another NVA serves it.
  'misdirected',
  'oracle-unreachable',
  'internal',
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

export interface RefusalDetail {
  /** The field at fault, as the caller names it: `bindings[1].ip`. */
  readonly field?: string;
  /** The value received, as received. */
  readonly received?: unknown;
  /** The row of the requirements that refuses it: `R19`. */
  readonly row?: string;
  /** What would have been in order, where that is a value: the actual revision, the expected incarnation. */
  readonly expected?: unknown;
  /** What was found instead. */
  readonly actual?: unknown;
}

/** A clear no. Whoever throws it has changed nothing. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly detail: RefusalDetail;

  constructor(code: RefusalCode, message: string, detail: RefusalDetail = {}) {
    super(message);
    this.code = code;
    this.detail = detail;
  }

  /** The same refusal, seen from outside: `ip` becomes `bindings[1].ip`. */
  within(parent: string): Refusal {
    const field = this.detail.field === undefined || this.detail.field === '' ? parent : `${parent}.${this.detail.field}`;
    return new Refusal(this.code, this.message, { ...this.detail, field });
  }
}
