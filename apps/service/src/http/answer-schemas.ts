import { REASONS } from '@nva/audit';
import { COUNTED } from '@nva/domain';
import type { JsonSchema } from '@nva/commands';

/** JSON schemas of the answers to all calls that read; a test checks real answers against them. */

const text: JsonSchema = { type: 'string' };
const whole: JsonSchema = { type: 'integer' };
const flag: JsonSchema = { type: 'boolean' };
const position: JsonSchema = { type: 'string', pattern: '^\\d{1,16}$', description: 'A position in the log, decimal.' };
const uuid: JsonSchema = { type: 'string', format: 'uuid' };
const digest: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{16}$' };
const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] });
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items });
const oneOf = (...values: readonly string[]): JsonSchema => ({ type: 'string', enum: values });
const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const described = (schema: JsonSchema, description: string): JsonSchema => ({ ...schema, description });

/** An object with exactly these fields; those in `maybe` may be absent. */
const object = (properties: Readonly<Record<string, JsonSchema>>, maybe: Readonly<Record<string, JsonSchema>> = {}): JsonSchema => ({
  type: 'object',
  required: Object.keys(properties),
  additionalProperties: false,
  properties: { ...properties, ...maybe },
});
const time: JsonSchema = { type: 'string', format: 'date-time' };
/** An instant, as the event that was the last one then. */
const instant = object({ position, recordedAt: time });
/** In an answer about the past. */
const past = { at: described(instant, 'The last event that the answer is of; absent in an answer about the present.') };
const attributes: JsonSchema = { type: 'object', additionalProperties: text };
const attachment = object({ nveId: text, state: oneOf('associated', 'activated') });
const conflict = object({ vnid: whole, address: text, heldBy: text });
const ownConflict = object({ tsId: text, vnid: whole, address: text, heldBy: text });
const pair = object({ vnid: whole, a: text, b: text });
const address = { bid: nullable(whole), mac: text, ip: nullable(text), vlan: nullable(whole) };
const mapping = {
  tsId: text,
  ...address,
  attachments: list(attachment),
  mobility: described(whole, 'Moves so far; never decreases.'),
  via: nullable(described(text, 'The interconnect that it was imported by.')),
};
const member = { nveId: text, mac: text, addresses: list(text), reachable: flag };
const applied = { log: uuid, position, digest, verdict: ref('Verdict') };
const next = { next: described(text, 'Give it as `after` for the next page; absent on the last.') };
const page = (items: JsonSchema): JsonSchema => object({ items: list(items) }, next);
/** A page of a query that is answered for the past too. */
const pageThen = (items: JsonSchema): JsonSchema => object({ items: list(items) }, { ...next, ...past });
const happened = {
  position,
  recordedAt: time,
  type: text,
  entity: described(text, 'The stream of the event.'),
  actor: text,
  correlationId: text,
  what: described(text, 'What was done, as the rest of a sentence that begins with who did it.'),
};
/** A record of a feed: its fields and its position. */
const record: JsonSchema = nullable({ type: 'object', required: ['position'] });
const used = object({ used: whole, limit: nullable(whole) });
const usage = Object.fromEntries(COUNTED.map((counted) => [counted, used]));

/** By name in the document's components. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Verdict: described(text, 'What comes of comparing a digest with the fold: see «Digest of a VN» in the contract.'),
  Vn: object(
    {
      vnid: whole,
      tenantId: text,
      name: text,
      service: oneOf('l2', 'l3'),
      encapsulation: oneOf('vxlan', 'nvgre', 'mpls-gre'),
      context: object({ access: attributes, tunnel: attributes }),
      incarnation: described(position, 'Position of the event that created it, this time.'),
      members: whole,
      tenantSystems: whole,
      digest: described(digest, 'Digest of its table as it now is.'),
      digestPosition: described(position, 'Position of the last change of its table, which the digest is of.'),
      revision: whole,
      position,
    },
    past,
  ),
  Member: object({ ...member, tenantSystems: whole, since: position, position }),
  Mapping: object({ ...mapping, position }),
  WithheldMapping: object({ tsId: text, ...address, attachments: list(attachment), conflicts: list(conflict) }),
  TableEntry: object({ vnid: whole, ...mapping, position }),
  Nve: object(
    {
      nveId: text,
      siteId: text,
      mac: text,
      addresses: list(text),
      incarnation: described(whole, 'As it connected with; 0 where it never gave one.'),
      leaseS: nullable(whole),
      status: oneOf('reachable', 'lapsed', 'disconnected', 'forgotten'),
      reachable: flag,
      tenantSystems: whole,
      identityAlarm: described(
        flag,
        'It told another site, MAC or addresses more than NVE_CHANGES_ALARM times within NVE_CHANGES_ALARM_S without a greater incarnation: two hosts may have its id.',
      ),
      memberships: list(object({ vnid: whole, since: position, applied: nullable(object(applied)) })),
      revision: whole,
      position,
    },
    past,
  ),
  TenantSystem: object(
    {
      tsId: text,
      tenantId: text,
      vmId: text,
      mac: text,
      attachments: list(object({ nveId: text, logicalInterface: nullable(text), state: oneOf('associated', 'activated') })),
      bindings: list(object({ bid: nullable(whole), vnid: whole, vlan: nullable(whole), ip: nullable(text), lifetimeS: nullable(whole) })),
      failures: list(object({ nveId: text, vnid: nullable(whole) })),
      mobility: whole,
      effective: flag,
      conflicts: list(conflict),
      orphaned: described(list(whole), 'VNs whose incarnation it was registered in is gone.'),
      memberships: list(whole),
      moveAlarm: described(flag, 'It moved more than 5 times within 180 s.'),
      revision: whole,
      position,
    },
    past,
  ),
  Event: object({
    position,
    stream: text,
    revision: whole,
    id: uuid,
    type: text,
    recordedAt: { type: 'string', format: 'date-time' },
    actor: text,
    correlationId: text,
    idempotencyKey: nullable(text),
    data: described({ type: 'object' }, 'The fields of the event; docs/schemas.md has them. Positions among them are decimal.'),
  }),
  RefusedAttempt: object({
    id: described(text, 'Grows, over a restart too; give it as `after`.'),
    at: { type: 'string', format: 'date-time' },
    caller: nullable(described(text, 'operator:<name> or nve:<nveId>; null for who has not shown who it is.')),
    claims: nullable(described(text, 'The NVE that a record on Kafka names, and that has not signed it.')),
    address: nullable(described(text, 'Remote address; null for what came over Kafka.')),
    record: nullable(object({ topic: text, partition: whole, offset: text })),
    command: nullable(described(text, 'The name of the command, or method and route; null where it was not read.')),
    entity: nullable(described(text, 'The stream that it was about, as far as it says.')),
    code: text,
    detail: text,
    correlationId: nullable(text),
    leftOut: described(
      whole,
      'Attempts of the same caller, or address, before this one and after the one before it here, of which only the number is kept.',
    ),
  }),
};

const group = object({
  group: text,
  urls: list(text),
  nves: list(text),
  sites: list(text),
  tenants: list(text),
  rest: flag,
  owner: nullable(object({ oracleId: text, url: text, since: position })),
});

const verifierKey = described(text, 'A verifier key of a signed note: name+id+base64.');
const hash = described(text, 'SHA-256, base64.');

/** The answer of each GET, by its path. A path that is missing here does not answer with JSON. */
export const ANSWERS: Readonly<Record<string, JsonSchema>> = {
  '/v1/vns': pageThen(ref('Vn')),
  '/v1/vns/{vnid}': ref('Vn'),
  '/v1/vns/{vnid}/members': pageThen(ref('Member')),
  '/v1/vns/{vnid}/mappings': pageThen({ anyOf: [ref('Mapping'), ref('WithheldMapping')] }),
  '/v1/nves': pageThen(ref('Nve')),
  '/v1/nves/{nveId}': ref('Nve'),
  '/v1/nves/{nveId}/table': pageThen(ref('TableEntry')),
  '/v1/nves/{nveId}/applied': object({ items: list(object({ vnid: whole, ...applied })) }),
  '/v1/applied': page(object({ nveId: text, applied: list(object({ vnid: whole, ...applied })) })),
  '/v1/tenant-systems/{tsId}': ref('TenantSystem'),
  '/v1/tenant-systems': pageThen(ref('TenantSystem')),
  '/v1/nves/{nveId}/tenant-systems': pageThen(ref('TenantSystem')),
  '/v1/vns/{vnid}/tenant-systems': pageThen(ref('TenantSystem')),
  '/v1/usage': { anyOf: [object({ tenantId: text, ...usage }, past), object({ nveId: text, ...usage }, past)] },
  '/v1/resolve': {
    anyOf: [
      object({ mode: oneOf('direct'), mappings: list(ref('Mapping')), members: list(object(member)) }, past),
      object({ mode: oneOf('redirect'), members: list(ref('Member')) }, past),
    ],
  },
  '/v1/events': page(ref('Event')),
  '/v1/diff': object(
    {
      items: list(
        object({
          vnid: whole,
          key: described(text, 'The key of the record on the VN’s feed.'),
          change: oneOf('added', 'changed', 'removed'),
          before: record,
          after: record,
          event: described(object(happened), 'The event that did it: the last one, where there were several.'),
        }),
      ),
      from: instant,
      to: instant,
    },
    next,
  ),
  '/v1/timeline': object(
    {
      items: list(
        object({
          ...happened,
          changes: described(
            list({ anyOf: [object({ vnid: whole, key: text, value: record }), object({ nveId: text, key: text, value: record })] }),
            'Records that it changed; a value of null is a removal.',
          ),
        }),
      ),
      to: instant,
    },
    { ...next, from: instant },
  ),
  '/v1/explain': object(
    {
      vnid: whole,
      nveId: nullable(text),
      there: flag,
      reason: oneOf(...REASONS),
      tsId: nullable(described(text, 'The tenant system that has, had or wants the address.')),
      conflict: nullable(object({ address: text, heldBy: text })),
      entries: list(ref('Mapping')),
      chain: list(object({ ...happened, contributed: list(text) })),
      partial: described(flag, 'More has happened than was looked at.'),
      sentences: list(text),
      at: instant,
    },
    {
      ip: text,
      mac: text,
      proof: described(
        nullable(
          object({
            proven: list(object({ nveId: text, position, digest })),
            unproven: list(object({ nveId: text, since: nullable(time), why: text, applied: nullable(object(applied)) })),
          }),
        ),
        'Which NVEs of the VN have proven to hold it; of the present only, and of what is told to them.',
      ),
    },
  ),
  '/v1/trace': object({
    from: text,
    to: text,
    vnid: nullable(whole),
    outcome: oneOf('delivered', 'flooded', 'dropped'),
    steps: list({
      anyOf: [
        object({ step: oneOf('source'), tsId: text, nveId: nullable(text), decision: oneOf('sent', 'dropped'), why: text }),
        object({
          step: oneOf('lookup'),
          nveId: text,
          decision: oneOf('local', 'tunnel', 'flooded', 'dropped'),
          why: text,
          entry: nullable(ref('Mapping')),
        }),
        object({
          step: oneOf('tunnel'),
          fromNve: text,
          toNve: text,
          source: nullable(text),
          destination: nullable(text),
          vnid: whole,
          encapsulation: text,
          reachable: flag,
        }),
        object({ step: oneOf('delivery'), nveId: text, tsId: text }),
      ],
    }),
    sentences: list(text),
    at: instant,
  }),
  '/v1/reachability': object(
    {
      a: text,
      b: text,
      reachable: described(flag, 'They could at the end of the interval that was asked for.'),
      intervals: list(object({ vnid: whole, began: nullable(object(happened)), ended: nullable(object(happened)) })),
      partial: described(flag, 'More has happened than was looked at.'),
      sentences: list(text),
      to: instant,
    },
    { from: instant },
  ),
  '/v1/tlog/keys': object({
    origin: described(text, 'Name of the log, and of the keys that sign for it.'),
    log: nullable(described(text, 'UUID of the log; null before the first checkpoint.')),
    current: list(verifierKey),
    former: described(
      list(object({ key: verifierKey, untilSize: whole })),
      'Keys that were replaced; each is good for checkpoints of at most this size.',
    ),
    cosigner: described(text, 'The key with which this process cosigns for others.'),
    witnesses: list(object({ name: text, key: verifierKey })),
  }),
  '/v1/tlog/tables': object(
    {
      checkpoint: described(text, 'The signed note that names the root over these lines.'),
      items: described(list(object({ vnid: whole, digest })), 'By VNID; a leaf is `vn/<vnid> <digest>`.'),
    },
    { proof: object({ index: whole, size: whole, hashes: list(hash) }) },
  ),
  '/v1/tlog/inclusion': object({
    size: whole,
    root: hash,
    index: described(whole, 'Number of the leaf, from 0 on.'),
    position,
    entry: described(text, 'The entry of the leaf, base64.'),
    leaf: hash,
    proof: list(hash),
  }),
  '/v1/tlog/consistency': object({
    from: object({ size: whole, root: hash }),
    to: object({ size: whole, root: hash }),
    proof: list(hash),
  }),
  '/v1/what-if': object({
    steps: list(
      object(
        {
          step: whole,
          status: whole,
          recorded: described(flag, 'There would be an event of it.'),
          events: list(object({ type: text, stream: text })),
        },
        {
          command: text,
          scenario: text,
          effective: flag,
          conflicts: list(conflict),
          memberships: list(whole),
          code: text,
          detail: text,
          field: text,
          done: whole,
          remaining: whole,
          refused: described(
            object({ tsId: text, tenantId: text, code: text, detail: text }),
            'The first command of a sweep that would be.',
          ),
          note: text,
        },
      ),
    ),
    feeds: list(
      object({
        feed: text,
        told: described(flag, 'All of it would be published.'),
        added: whole,
        changed: whole,
        removed: whole,
        changes: list(object({ key: text, before: nullable({ type: 'object' }), after: nullable({ type: 'object' }), step: whole })),
      }),
    ),
    nves: list(object({ nveId: text, gained: whole, lost: whole, changed: whole, joined: list(whole), left: list(whole) })),
    reachability: object({ lost: whole, gained: whole, lostPairs: list(pair), gainedPairs: list(pair) }),
    conflicts: object({ appeared: list(ownConflict), ended: list(ownConflict) }),
    partial: described(list(text), 'Bounds that were met: what is behind them is missing.'),
    sentences: list(text),
    at: instant,
  }),
  '/v1/refused': object(
    {
      items: list(ref('RefusedAttempt')),
      forgotten: described(whole, 'Attempts since the start of which nothing is kept, and which no `leftOut` counts.'),
    },
    { next: described(text, 'Give it as `after` for the next page; absent on the last.') },
  ),
  '/v1/oracles': object({ items: list(group) }),
  '/v1/schemas/{fingerprint}': described({ type: 'object' }, 'The Avro schema.'),
  '/healthz': object({ status: oneOf('ok') }, { oracleId: text }),
  '/readyz': object(
    { ready: flag, log: uuid, foldPosition: position },
    { publishedPosition: position, eventStore: object({ leader: flag, forS: { type: 'integer', minimum: 0 } }) },
  ),
};
