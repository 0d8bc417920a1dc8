import { cut, shown } from './received.ts';

/**
 * Why something was refused: the closed list of codes. A code never changes its meaning; what HTTP status it gets is the
 * business of the applications.
 */
export const REFUSAL_CODES = [
  // The request is not well formed.
  'malformed-json',
  'too-deep',
  'malformed-body',
  'unknown-command',
  'unknown-field',
  'missing-field',
  'wrong-type',
  'out-of-range',
  'body-too-large',
  'headers-too-large',
  'request-timeout',
  'text-encoding',
  'text-surrogate',
  'text-control',
  'text-bidi',
  'text-invisible',
  'id-malformed',
  'mac-malformed',
  'mac-multicast',
  'mac-zero',
  'ip-malformed',
  'ip-unspecified',
  'ip-multicast',
  'ip-loopback',
  'ip-broadcast',
  'ip-link-local',
  'vnid-out-of-range',
  'vlan-out-of-range',
  'bid-out-of-range',
  'position-malformed',
  // The caller may not.
  'unauthenticated',
  'forbidden',
  'rate-limited',
  'too-many-streams',
  'too-many-waiting',
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
  'vn-not-deleted',
  'vnid-reserved',
  'nve-incarnation',
  'nve-disconnected',
  'nve-in-use',
  'nve-id-collides',
  'tunnel-address-held',
  'nve-id-case',
  'ts-immutable',
  'ts-ambiguous',
  'ts-not-at-nve',
  'ts-not-attached',
  'duplicate-mac',
  'duplicate-ip',
  'address-registered',
  'address-not-held',
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
  'vlan-of-another-vn',
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

/**
 * The row of the requirements by which a rule refuses, unless whoever refuses names another one. What is refused by a rule stands here, so
 * that none of it is refused without its row.
 */
export const ROW_OF = {
  'mac-multicast': 'R13',
  'mac-zero': 'R13',
  'ip-unspecified': 'R16',
  'ip-multicast': 'R16',
  'ip-loopback': 'R16',
  'ip-broadcast': 'R16',
  'ip-link-local': 'R2',
  'bid-required': 'R19',
  'bid-unknown': 'R22',
  'bid-duplicate': 'R18',
  'bid-taken-back': 'R19',
  'bid-vn-mismatch': 'R22',
  'address-required': 'R21',
  'address-duplicate': 'R13',
  'ip-required': 'R16',
  'vlan-of-another-vn': 'R16',
  'vlan-not-allowed': 'R16',
  'too-many-bindings': 'R20',
  'vn-not-joined': 'R56',
  'command-expired': 'X9',
  'rest-only': 'R34',
  'idempotency-key-reused': 'X9',
} as const satisfies Partial<Record<RefusalCode, string>>;

/** Codes of what is refused by a rule. */
export type RuleCode = keyof typeof ROW_OF;

export interface RefusalDetail {
  /** The field at fault, as the caller names it: `bindings[1].ip`. */
  readonly field?: string;
  /** The value received; the beginning of it, as text, if it is long. */
  readonly received?: unknown;
  /** The row of the requirements that refuses it: `R19`. */
  readonly row?: string;
  /** What would have been in order, where that is a value: the actual revision, the expected incarnation. */
  readonly expected?: unknown;
  /** What was found instead. */
  readonly actual?: unknown;
  /** Of what is in use. */
  readonly inUseBy?: InUseBy;
}

/** The tenant systems that use something: the first few, and the call that lists all of them. */
export interface InUseBy {
  readonly first: readonly { readonly tsId: string; readonly tenantId: string }[];
  readonly query: string;
}

const PLAIN_NAME = /^[A-Za-z_][\w-]*$/;

/**
 * A field of what stands under `path`, '' being the request itself, as errors name it; a name that is not plain, as a caller may
 * make one up, in brackets, so that none looks like a path.
 */
export const fieldIn = (path: string, name: string): string =>
  !PLAIN_NAME.test(name) ? `${path}[${JSON.stringify(cut(name))}]` : path === '' ? name : `${path}.${name}`;

/** What can be said about a refusal, in UTF-16 code units; a name that was received may be part of it. */
const MAX_MESSAGE_CHARACTERS = 1_024;

/** A clear no. Whoever throws it has changed nothing. What was received is cut here, before it can be written anywhere. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly detail: RefusalDetail;

  constructor(code: RefusalCode, message: string, detail: RefusalDetail = {}) {
    super(cut(message, MAX_MESSAGE_CHARACTERS));
    this.code = code;
    const { field, received, row = rowOf(code) } = detail;
    this.detail = {
      ...detail,
      ...(row === undefined ? {} : { row }),
      ...(field === undefined ? {} : { field: cut(field) }),
      ...(received === undefined ? {} : { received: shown(received) }),
    };
  }

  /** The same refusal, seen from outside: `ip` becomes `bindings[1].ip`. */
  within(parent: string): Refusal {
    const { field: own = '' } = this.detail;
    const field = own === '' || parent === '' ? parent + own : `${parent}.${own}`;
    return new Refusal(this.code, this.message, { ...this.detail, field });
  }
}

const rowOf = (code: RefusalCode): string | undefined => (ROW_OF as Partial<Record<RefusalCode, string>>)[code];
