import { MAX_SWEPT, MAX_WHOLE_SET, type Held, type Sweep } from '@nva/domain';
import { parseNveId, parseTenantId, parseTsId, parseVnid, MAX_VNID } from '@nva/identifiers';
import { boolean, integer, list, matching, object, optional, readObject, required, type Fields, type JsonSchema } from './readers.ts';

const id: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]*$', maxLength: 128 };
const nveId = required(parseNveId, { ...id, maxLength: 100 }, 'The NVE.');

/** A place in a list of tenant systems: two ids and a separator. */
const MAX_PLACE_LENGTH = 257;

const bounds: Fields = {
  dryRun: optional(boolean, { type: 'boolean' }, 'true: say what would be done, and do nothing.'),
  limit: optional(
    integer(1, MAX_SWEPT),
    { type: 'integer', minimum: 1, maximum: MAX_SWEPT },
    `Tenant systems at most; ${MAX_SWEPT} unless given.`,
  ),
  after: optional(
    matching(new RegExp(`^[!-~]{0,${MAX_PLACE_LENGTH}}$`), 'the next of an earlier answer'),
    { type: 'string', maxLength: MAX_PLACE_LENGTH },
    'Where an earlier one ended: its `next`. Passes over what could not be done before it.',
  ),
};

const heldFields: Fields = {
  tsId: required(parseTsId, id, 'A tenant system that it has.'),
  tenantId: optional(parseTenantId, id, 'Its tenant; absent is every tenant\u2019s of that id.'),
};
const heldSchema: JsonSchema = { type: 'object', additionalProperties: false, required: ['tsId'], properties: { tsId: id, tenantId: id } };

export interface SweepSpec {
  readonly doc: string;
  readonly fields: Fields;
}

/** The sweeps, by their names in NDJSON. */
export const SWEEPS = {
  evacuateNve: {
    doc: 'Detach everything at an NVE, one ordinary detach each (operators). A repeat goes on where it stood.',
    fields: { nveId, ...bounds },
  },
  emptyVn: {
    doc: 'End every binding in a VN, one ordinary registration for each tenant system, which stays attached (operators). A repeat goes on where it stood.',
    fields: { vnid: required(parseVnid, { type: 'integer', minimum: 1, maximum: MAX_VNID }, 'Virtual network identifier.'), ...bounds },
  },
  keepOnly: {
    doc: 'These are all that the NVE has: detach from it what is not among them, one ordinary detach each.',
    fields: {
      nveId,
      incarnation: required(
        integer(0, Number.MAX_SAFE_INTEGER),
        { type: 'integer', minimum: 0 },
        'The incarnation that it connected with, 0 where it gave none; another one is refused.',
      ),
      tenantSystems: required(
        list(object<Held>(heldFields), 0, MAX_WHOLE_SET),
        { type: 'array', items: heldSchema, maxItems: MAX_WHOLE_SET },
        'All that it has.',
      ),
      ...bounds,
    },
  },
} as const satisfies Record<Sweep['type'], SweepSpec>;

export type SweepName = keyof typeof SWEEPS;

export const sweepNames = Object.keys(SWEEPS) as SweepName[];
export const isSweepName = (name: unknown): name is SweepName => typeof name === 'string' && Object.hasOwn(SWEEPS, name);

/** A parsed sweep of a caller. */
export interface ParsedSweep {
  readonly sweep: Sweep;
  readonly idempotencyKey?: string;
  readonly correlationId?: string;
}

/** `envelope`: fields that may accompany its own. Throws Refusal. */
export function parsedSweep(name: SweepName, envelope: Fields, body: unknown): ParsedSweep {
  const { idempotencyKey, correlationId, ...fields } = readObject({ ...SWEEPS[name].fields, ...envelope }, body, '');
  const ids = { ...(idempotencyKey !== undefined && { idempotencyKey }), ...(correlationId !== undefined && { correlationId }) };
  return { sweep: { type: name, ...fields } as unknown as Sweep, ...ids } as ParsedSweep;
}

/** JSON schema of the body, without the fields that come from the path. */
export function sweepSchema(name: SweepName, without: readonly string[]): JsonSchema {
  const fields = Object.entries(SWEEPS[name].fields as Fields).filter(([field]) => !without.includes(field));
  return {
    type: 'object',
    additionalProperties: false,
    required: fields.filter(([, field]) => field.required).map(([field]) => field),
    properties: Object.fromEntries(fields.map(([field, { schema, doc }]) => [field, { ...schema, description: doc }])),
  };
}
