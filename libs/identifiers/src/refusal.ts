import { cut, shown } from './received.ts';

/**
 * The closed list of codes that say why something was refused. A code never changes its meaning. The applications choose the HTTP
 * status of each code.
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
  // The caller has no right to do this.
  'unauthenticated',
  'forbidden',
  'rate-limited',
  'too-many-streams',
  'too-many-waiting',
  // The request names something that does not exist.
  'not-found',
  'vn-unknown',
  'nve-unknown',
  'ts-unknown',
  'schema-unknown',
  // The request contradicts the present state.
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
  'nothing-then',
  'proof-refused',
  // The NVA cannot answer now.
  'outcome-unknown',
  'log-unavailable',
  'overloaded',
  'starting',
  'behind',
  'log-forked',
  // Another registrar serves it.
  'misdirected',
  'oracle-unreachable',
  'internal',
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

/**
 * The row of the requirements for each code of a rule, unless the throwing code names another row. Every code of a rule is
 * listed here, so no rule can refuse without its row.
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
  'nothing-then': 'X10',
  'proof-refused': 'X17',
} as const satisfies Partial<Record<RefusalCode, string>>;

/** The codes of refusals by a rule. */
export type RuleCode = keyof typeof ROW_OF;

export interface RefusalDetail {
  /** The field at fault, as the caller names it: `bindings[1].ip`. */
  readonly field?: string;
  /** The received value; if it is long, its beginning as text. */
  readonly received?: unknown;
  /** The row of the requirements that refuses it: `R19`. */
  readonly row?: string;
  /** What would have been accepted, if that is a value: the actual revision, the expected incarnation. */
  readonly expected?: unknown;
  /** What was found instead. */
  readonly actual?: unknown;
  /** For a refusal because something is in use. */
  readonly inUseBy?: InUseBy;
}

/** The tenant systems that use something: the first few, and the query that lists all of them. */
export interface InUseBy {
  readonly first: readonly { readonly tsId: string; readonly tenantId: string }[];
  readonly query: string;
}

const PLAIN_NAME = /^[A-Za-z_][\w-]*$/;

/**
 * The path of a field below `path` ('' is the request itself) in an error. A name that is not plain, because a caller made it up,
 * stands in brackets, so that it cannot look like a path.
 */
export const fieldIn = (path: string, name: string): string =>
  !PLAIN_NAME.test(name) ? `${path}[${JSON.stringify(cut(name))}]` : path === '' ? name : `${path}.${name}`;

/** Length of a refusal's message, in UTF-16 code units; a received name may be part of it. */
const MAX_MESSAGE_CHARACTERS = 1_024;

/**
 * A refusal of a request. Nothing was changed before it is thrown. Received values are cut here, before they can be written
 * anywhere.
 */
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

  /** The same refusal with the path seen from the enclosing object: `ip` becomes `bindings[1].ip`. */
  within(parent: string): Refusal {
    const { field: own = '' } = this.detail;
    const field = own === '' || parent === '' ? parent + own : `${parent}.${own}`;
    return new Refusal(this.code, this.message, { ...this.detail, field });
  }
}

const rowOf = (code: RefusalCode): string | undefined => (ROW_OF as Partial<Record<RefusalCode, string>>)[code];
