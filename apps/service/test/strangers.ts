import { isObject } from '@nva/commands';
import { sweepNames, type CommandName, type SweepName } from '@nva/commands';
import { macOf, nveBody, vnBody } from './support.ts';

/** What a request names. Ids of one kind are of one length, so that answers which differ in nothing else have one length too. */
export interface Names {
  readonly vnid: number;
  readonly nveId: string;
  readonly tsId: string;
  readonly tenantId: string;
  readonly bid: number;
}

/** The numbers in the ids of what is there. The caller is nve-111111, of tenant red, which ts-111111 is attached to in VN 111111. */
export const OWN: Names = { vnid: 111_111, nveId: 'nve-111111', tsId: 'ts-111111', tenantId: 'red', bid: 0 };
/** Nothing has it. */
const NOWHERE = 777_777;
/** Of tenant blue: VN, NVE, and a tenant system that is attached there. */
export const BLUE = 999_999;
/** Of tenant blue: a VN that was deleted, and a tenant system that is detached. */
const BLUE_GONE = 888_888;
/** Of tenant red, as the caller's own, but not the caller's: VN, NVE, and a tenant system at it. */
export const ELSEWHERE = 333_333;
/** Tenant systems of tenant red that were attached to the caller: one that has moved away, and one that is detached. */
const MOVED = 444_444;
const LEFT = 555_555;

const VNS = [NOWHERE, BLUE, BLUE_GONE, ELSEWHERE];
const TENANT_SYSTEMS = [NOWHERE, BLUE, BLUE_GONE, ELSEWHERE, MOVED, LEFT].map((n) => `ts-${n}`);
const NVES = [NOWHERE, BLUE, ELSEWHERE].map((n) => `nve-${n}`);
/** A VN of its own tenant the caller may register tenant systems in. */
const VNS_FOR_BINDINGS = [NOWHERE, BLUE, BLUE_GONE];

type Varied = Partial<Record<keyof Names, readonly (string | number)[]>>;
export type Method = 'get' | 'put' | 'post' | 'delete';
type Refused = readonly [status: number, code: string];

const FORBIDDEN: Refused = [403, 'forbidden'];

export interface Write {
  readonly command: CommandName | SweepName;
  readonly method: Method;
  readonly path: string;
  readonly fields: (names: Names) => object;
  /** For each name that the request has: what is not there, or not the caller's, all of which is to be answered alike. */
  readonly varied: Varied;
  readonly refused: Partial<Record<keyof Names, Refused | ((fields: Readonly<Record<string, unknown>>) => Refused)>>;
}

const attachFields = ({ tenantId, vnid }: Names): object => ({
  tenantId,
  vmId: 'vm-1',
  mac: macOf(77),
  bindings: [{ vnid, ip: '10.0.0.77' }],
});
const write = (
  command: CommandName | SweepName,
  method: Method,
  path: string,
  fields: (names: Names) => object,
  varied: Varied,
  refused: Write['refused'] = {},
): Write => ({ command, method, path, fields, varied, refused });

/** Every command. An attach may bring any tenant system of its tenants, so its `tsId` is not varied here. */
export const WRITES: readonly Write[] = [
  write('putVn', 'put', '/v1/vns/{vnid}', () => vnBody(), { vnid: VNS }),
  write('deleteVn', 'delete', '/v1/vns/{vnid}', () => ({}), { vnid: VNS }),
  write('releaseVn', 'post', '/v1/vns/{vnid}/release', () => ({ reason: 'r' }), { vnid: VNS }),
  write('connectNve', 'put', '/v1/nves/{nveId}', () => nveBody(2), { nveId: NVES }),
  write('disconnectNve', 'delete', '/v1/nves/{nveId}', () => ({}), { nveId: NVES }),
  write('heartbeat', 'post', '/v1/nves/{nveId}/heartbeat', () => ({ incarnation: 1 }), { nveId: NVES }),
  write(
    'attach',
    'put',
    '/v1/nves/{nveId}/tenant-systems/{tsId}',
    attachFields,
    { nveId: NVES, vnid: VNS_FOR_BINDINGS, tenantId: ['lime', 'blue'] },
    { vnid: [404, 'vn-unknown'] },
  ),
  write(
    'detach',
    'delete',
    '/v1/nves/{nveId}/tenant-systems/{tsId}',
    () => ({}),
    { nveId: NVES, tsId: TENANT_SYSTEMS },
    { tsId: [409, 'ts-not-at-nve'] },
  ),
  write('remove', 'delete', '/v1/tenant-systems/{tsId}', () => ({}), { tsId: TENANT_SYSTEMS }),
  write(
    'registerBindings',
    'post',
    '/v1/tenant-systems/{tsId}/bindings',
    ({ vnid }) => ({
      bindings: [
        { bid: 1, vnid: OWN.vnid, ip: '10.0.0.1' },
        { bid: 2, vnid, ip: '10.0.0.77' },
      ],
    }),
    { tsId: TENANT_SYSTEMS, vnid: VNS_FOR_BINDINGS },
    { vnid: [404, 'vn-unknown'] },
  ),
  write(
    'registerBinding',
    'put',
    '/v1/tenant-systems/{tsId}/bindings/{bid}',
    ({ vnid }) => ({ vnid, ip: '10.0.0.1' }),
    { tsId: TENANT_SYSTEMS, vnid: VNS_FOR_BINDINGS },
    { vnid: [422, 'bid-vn-mismatch'] },
  ),
  write('deregisterBinding', 'delete', '/v1/tenant-systems/{tsId}/bindings/{bid}', () => ({}), { tsId: TENANT_SYSTEMS }),
  write('changeMac', 'put', '/v1/tenant-systems/{tsId}/mac', () => ({ mac: macOf(77) }), { tsId: TENANT_SYSTEMS }),
  write(
    'connectionFailure',
    'post',
    '/v1/tenant-systems/{tsId}/connection-failure',
    ({ nveId, vnid }) => ({ nveId, vnid }),
    { tsId: TENANT_SYSTEMS, nveId: NVES, vnid: VNS },
    { vnid: [422, 'vn-not-joined'] },
  ),
  // Whoever takes an address over names who has it, of its tenant, wherever that is.
  write(
    'passAddress',
    'post',
    '/v1/tenant-systems/{tsId}/pass',
    () => ({ to: OWN.tsId, vnid: OWN.vnid, ip: '10.0.0.77' }),
    { tsId: [NOWHERE, BLUE, BLUE_GONE].map((n) => `ts-${n}`) },
    {
      tsId: ({ tenantId, ifRevision = -1 }) =>
        tenantId === 'blue' ? FORBIDDEN : ifRevision === -1 ? [404, 'ts-unknown'] : [409, 'revision-mismatch'],
    },
  ),
  write('keepOnly', 'put', '/v1/nves/{nveId}/tenant-systems', ({ tsId }) => ({ incarnation: 1, tenantSystems: [{ tsId }] }), {
    nveId: NVES,
  }),
  write('evacuateNve', 'post', '/v1/nves/{nveId}/evacuate', () => ({}), { nveId: NVES }),
  write('emptyVn', 'post', '/v1/vns/{vnid}/empty', () => ({}), { vnid: VNS }),
];

/** Every call that reads something of a VN, an NVE or a tenant system. */
export const READS: readonly (readonly [path: string, varied: Varied])[] = [
  ['/v1/vns/{vnid}', { vnid: VNS }],
  ['/v1/vns/{vnid}/members', { vnid: VNS }],
  ['/v1/vns/{vnid}/mappings', { vnid: VNS }],
  ['/v1/vns/{vnid}/mappings?conflicted=true', { vnid: VNS }],
  ['/v1/vns/{vnid}/mappings?limit=none', { vnid: VNS }],
  ['/v1/vns/{vnid}/feed', { vnid: VNS }],
  ['/v1/nves/{nveId}', { nveId: NVES }],
  ['/v1/nves/{nveId}/table', { nveId: NVES }],
  ['/v1/nves/{nveId}/applied', { nveId: NVES }],
  ['/v1/nves/{nveId}/feed', { nveId: NVES }],
  ['/v1/vns/{vnid}/tenant-systems', { vnid: VNS }],
  ['/v1/vns/{vnid}/tenant-systems?state=odd', { vnid: VNS }],
  ['/v1/nves/{nveId}/tenant-systems', { nveId: NVES }],
  ['/v1/tenant-systems?nveId={nveId}', { nveId: NVES }],
  ['/v1/tenant-systems?vnid={vnid}&state=conflicted', { vnid: VNS }],
  ['/v1/tenant-systems/{tsId}', { tsId: TENANT_SYSTEMS }],
  ['/v1/tenant-systems/{tsId}?tenantId=red', { tsId: TENANT_SYSTEMS }],
  ['/v1/tenant-systems/{tsId}?tenantId=blue', { tsId: TENANT_SYSTEMS }],
  ['/v1/usage?nveId={nveId}', { nveId: NVES }],
  ['/v1/usage?tenantId={tenantId}', { tenantId: ['lime', 'blue'] }],
  ['/v1/resolve?vnid={vnid}&ip=10.0.0.99', { vnid: VNS }],
  ['/v1/resolve?vnid={vnid}&mac=02:00:00:00:00:63', { vnid: VNS }],
  ['/v1/resolve?vnid={vnid}&ip=10.0.0.99&mode=redirect', { vnid: VNS }],
  ['/v1/resolve?vnid={vnid}&mode=sideways', { vnid: VNS }],
  ['/v1/events?entity=vn-{vnid}', { vnid: VNS }],
  // The end of the log, as an instant.
  ['/v1/vns/{vnid}?at=9007199254740991', { vnid: VNS }],
  ['/v1/vns/{vnid}/members?at=9007199254740991', { vnid: VNS }],
  ['/v1/vns/{vnid}/mappings?at=9007199254740991', { vnid: VNS }],
  ['/v1/vns/{vnid}/mappings?conflicted=true&at=9007199254740991', { vnid: VNS }],
  ['/v1/nves/{nveId}?at=9007199254740991', { nveId: NVES }],
  ['/v1/nves/{nveId}/table?at=9007199254740991', { nveId: NVES }],
  ['/v1/tenant-systems/{tsId}?at=9007199254740991', { tsId: TENANT_SYSTEMS }],
  ['/v1/resolve?vnid={vnid}&ip=10.0.0.99&at=9007199254740991', { vnid: VNS }],
  ['/v1/diff?vnid={vnid}&from=1', { vnid: VNS }],
  ['/v1/diff?nveId={nveId}&from=1', { nveId: NVES }],
  ['/v1/timeline?tsId={tsId}', { tsId: TENANT_SYSTEMS }],
  ['/v1/explain?vnid={vnid}&ip=10.0.0.99', { vnid: VNS }],
  ['/v1/trace?from={tsId}&to=10.0.0.99', { tsId: TENANT_SYSTEMS }],
  ['/v1/reachability?a={tsId}&b={tsId}', { tsId: TENANT_SYSTEMS }],
];

/** With what may come beside: what an answer would tell of a state, and what the caller has sent before. */
const BESIDE: readonly (readonly [what: string, fields: object, of?: keyof Names])[] = [
  ['plain', {}],
  ['said to be of tenant red', { tenantId: 'red' }, 'tsId'],
  ['said to be of tenant blue', { tenantId: 'blue' }, 'tsId'],
  ['for a stream that is not there', { ifRevision: -1 }],
  ['for its first revision', { ifRevision: 0 }],
  ['for a later one', { ifRevision: 5 }],
];

export interface Case {
  readonly what: string;
  readonly write: Write;
  /** One for each of what is to be answered alike. */
  readonly asked: readonly { readonly names: Names; readonly named: string; readonly fields: object }[];
  readonly refused: Refused;
}

const refusedAs = (refused: Write['refused'][keyof Names], fields: object): Refused =>
  typeof refused === 'function' ? refused(fields as Record<string, unknown>) : (refused ?? FORBIDDEN);

/** Every write with every name that it has. */
export const CASES: readonly Case[] = WRITES.flatMap((one) =>
  (Object.keys(one.varied) as (keyof Names)[]).flatMap((name) =>
    // Of many streams at once, so that none has a revision for it.
    BESIDE.filter(
      ([what, , of = name]) => of === name && (what === 'plain' || !(sweepNames as readonly string[]).includes(one.command)),
    ).map(([beside, fields]) => ({
      what: `${one.command}, ${name}, ${beside}`,
      write: one,
      // A revision is checked before what is in the body, and is the caller's own thing there.
      refused:
        'ifRevision' in fields && fields.ifRevision !== 0 && name === 'vnid' && one.refused.vnid
          ? ([409, 'revision-mismatch'] as const)
          : refusedAs(one.refused[name], fields),
      asked: one.varied[name]!.map((value) => {
        const names = { ...OWN, [name]: value };
        return { names, named: String(value), fields: { ...one.fields(names), ...fields } };
      }),
    })),
  ),
);

export const pathOf = (template: string, names: Names): string =>
  template.replaceAll(/\{(\w+)\}/g, (_, name: keyof Names) => String(names[name]));

/** The command as a line of NDJSON. */
export const lineOf = (
  { command, path }: Write,
  names: Names,
  fields: object,
): Record<string, unknown> & { readonly command: CommandName | SweepName } => ({
  command,
  ...Object.fromEntries([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, names[name as keyof Names]])),
  ...fields,
});

/** What an answer says, without the id that the caller had given itself. */
export const withoutName = (answer: unknown, named: string): string =>
  (isObject(answer) || Array.isArray(answer) ? JSON.stringify(answer) : String(answer)).replaceAll(named, '<named>');

const ts = (n: number, vnid: number, fields: object = {}): object => ({
  tenantId: 'red',
  vmId: `vm-${n}`,
  mac: macOf(n),
  bindings: [{ vnid, ip: `10.0.0.${n}` }],
  ...fields,
});

/** What an operator does to make what the cases name, in order. */
export const WORLD: readonly (readonly [method: Method, path: string, body?: object])[] = [
  ['put', '/v1/vns/111111', vnBody()],
  ['put', '/v1/vns/333333', vnBody()],
  ['put', '/v1/vns/999999', vnBody({ tenantId: 'blue' })],
  ['put', '/v1/vns/888888', vnBody({ tenantId: 'blue' })],
  ['delete', '/v1/vns/888888'],
  ['put', '/v1/nves/nve-111111', nveBody(1)],
  ['put', '/v1/nves/nve-333333', nveBody(3)],
  ['put', '/v1/nves/nve-999999', nveBody(9)],
  ['put', '/v1/nves/nve-111111/tenant-systems/ts-111111', ts(1, 111_111, { vmId: 'vm-1' })],
  ['put', '/v1/nves/nve-333333/tenant-systems/ts-333333', ts(33, 333_333)],
  ['put', '/v1/nves/nve-999999/tenant-systems/ts-999999', ts(99, 999_999, { tenantId: 'blue' })],
  ['put', '/v1/nves/nve-999999/tenant-systems/ts-888888', ts(88, 999_999, { tenantId: 'blue' })],
  ['delete', '/v1/tenant-systems/ts-888888'],
  ['put', '/v1/nves/nve-111111/tenant-systems/ts-444444', ts(44, 111_111)],
  ['put', '/v1/nves/nve-333333/tenant-systems/ts-444444', ts(44, 111_111)],
  ['put', '/v1/nves/nve-111111/tenant-systems/ts-555555', ts(55, 111_111)],
  ['delete', '/v1/nves/nve-111111/tenant-systems/ts-555555'],
];
