import type { At } from '@nva/audit';
import { isObject, parseLine, readObject, type Fields } from '@nva/commands';
import { parseNveId, parseSiteId, parseVnid, MAX_VNID, Refusal } from '@nva/identifiers';
import { SHARDS } from '@nva/kafka';
import type { Position } from '@nva/ports';
import type { Caller } from '@nva/registrar';
import { MAX_STEPS, type Scenario, type Step } from '@nva/what-if';
import { readShards } from '../config/shards.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../reads/paging.ts';
import { readAt } from './questions.ts';

/** What would come of steps, at an instant or now. */
export interface WhatIfQuestion {
  readonly kind: 'what-if';
  readonly at: At | null;
  readonly steps: readonly Step[];
  readonly limit: number;
  readonly caller: Caller;
  readonly head: Position;
}

type Schema = Fields[string]['schema'];
const text: Schema = { type: 'string' };

const shards = (received: unknown, field: string): readonly number[] => {
  const expected = `shards of 0 to ${SHARDS - 1} such as 0-31 or 0,5,32-63`;
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is a string: ${expected}`, { field, received });
  const read = readShards(received);
  if ('wrong' in read) throw new Refusal('out-of-range', `${field} is ${expected}`, { field, received });
  return read.shards;
};

const field = <T>(read: (received: unknown, field: string) => T, schema: Schema, doc: string): Fields[string] => ({
  read,
  required: true,
  schema,
  doc,
});

/** The scenarios by their names, with their fields. */
export const SCENARIOS: Readonly<Record<Scenario['type'], { readonly doc: string; readonly fields: Fields }>> = {
  'nve-fails': { doc: 'An NVE stops forwarding.', fields: { nveId: field(parseNveId, text, 'The NVE.') } },
  'site-fails': { doc: 'All NVEs of a site stop forwarding.', fields: { siteId: field(parseSiteId, text, 'The site.') } },
  'vn-deleted': {
    doc: 'A VN is emptied and deleted.',
    fields: { vnid: field(parseVnid, { type: 'integer', minimum: 1, maximum: MAX_VNID }, 'The VN.') },
  },
  'distributor-stops': {
    doc: 'Nothing of these shards is published from then on.',
    fields: { shards: field(shards, text, 'As DISTRIBUTOR_SHARDS names them.') },
  },
};

/** Reads the body of a request. Throws Refusal. */
export function readWhatIf(body: unknown, caller: Caller, head: Position): WhatIfQuestion {
  if (!isObject(body)) throw new Refusal('wrong-type', 'the request is an object', { field: '', received: body });
  const { at, steps, limit = DEFAULT_LIMIT, ...others } = body;
  for (const name in others) throw new Refusal('unknown-field', `there is no field ${name}`, { field: name, received: others[name] });
  if (steps === undefined) throw new Refusal('missing-field', 'steps is missing', { field: 'steps' });
  if (!Array.isArray(steps)) throw new Refusal('wrong-type', 'steps is a list', { field: 'steps', received: steps });
  if (steps.length < 1 || steps.length > MAX_STEPS)
    throw new Refusal('out-of-range', `steps has 1 to ${MAX_STEPS} items`, { field: 'steps', received: steps.length });
  if (typeof limit !== 'number' || !Number.isInteger(limit))
    throw new Refusal('wrong-type', 'limit is an integer', { field: 'limit', received: limit });
  if (limit < 1 || limit > MAX_LIMIT) throw new Refusal('out-of-range', `limit is 1 to ${MAX_LIMIT}`, { field: 'limit', received: limit });
  return {
    kind: 'what-if',
    at: at === undefined ? null : readAt(at),
    steps: steps.map((step, i) => within(`steps[${i}]`, () => readStep(step))),
    limit,
    caller,
    head,
  };
}

function readStep(received: unknown): Step {
  if (!isObject(received)) throw new Refusal('wrong-type', 'a step is an object', { field: '', received });
  if (received['scenario'] !== undefined) return readScenario(received);
  if (received['command'] === undefined)
    throw new Refusal('missing-field', 'a step has a command or a scenario', { field: 'command', received });
  const parsed = parseLine(received);
  if (parsed.idempotencyKey !== undefined)
    throw new Refusal('unknown-field', 'a supposition has no idempotencyKey: nothing is recorded', {
      field: 'idempotencyKey',
      received: parsed.idempotencyKey,
    });
  const name = String(received['command']);
  return 'sweep' in parsed ? { name, sweep: parsed } : { name, command: parsed };
}

function readScenario({ scenario, ...fields }: Readonly<Record<string, unknown>>): Step {
  if (typeof scenario !== 'string' || !Object.hasOwn(SCENARIOS, scenario))
    throw new Refusal('out-of-range', `a scenario is one of ${Object.keys(SCENARIOS).join(', ')}`, {
      field: 'scenario',
      received: scenario,
    });
  const type = scenario as Scenario['type'];
  return { name: type, scenario: { type, ...readObject(SCENARIOS[type].fields, fields, '') } as unknown as Scenario };
}

/** A refusal of a part names its place in the whole. */
function within<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { field: inside = '', ...detail } = error.detail;
    throw new Refusal(error.code, `${place}: ${error.message}`, { ...detail, field: inside === '' ? place : `${place}.${inside}` });
  }
}
