import type { Command } from '@nva/domain';
import { Refusal } from '@nva/identifiers';
import { CATALOGUE, commandNames, ENVELOPE, type Applied, type CommandName, type CommandSpec } from './catalogue.ts';
import { isObject, readObject, type Fields } from './readers.ts';
import { isSweepName, parsedSweep, sweepNames, type ParsedSweep, type SweepName } from './sweeps.ts';

/** A parsed command of a caller. */
export interface ParsedCommand {
  readonly command: Command;
  readonly ifRevision?: number;
  readonly idempotencyKey?: string;
  readonly correlationId?: string;
  /** Only with a heartbeat. */
  readonly applied?: readonly Applied[];
}

const LINE_FIELDS = new Map<CommandName, Fields>(commandNames.map((name) => [name, { ...CATALOGUE[name].fields, ...ENVELOPE }]));
const REST_FIELDS = new Map<CommandName, Fields>(
  commandNames.map((name) => [name, { ...CATALOGUE[name].fields, ifRevision: ENVELOPE.ifRevision! }]),
);

/** A sweep concerns many streams, so it has no revision. */
const { ifRevision: _, ...SWEEP_ENVELOPE } = ENVELOPE;

/** A line of NDJSON: `{"command": "attach", "nveId": …}`. Throws Refusal. */
export function parseLine(line: unknown): ParsedCommand | ParsedSweep {
  if (!isObject(line)) throw new Refusal('wrong-type', 'a command is an object', { field: '', received: line });
  const { command: name, ...body } = line;
  if (isSweepName(name)) return parsedSweep(name, SWEEP_ENVELOPE, body);
  if (typeof name !== 'string' || !Object.hasOwn(CATALOGUE, name)) {
    throw new Refusal('unknown-command', `a command is one of ${[...commandNames, ...sweepNames].join(', ')}`, {
      field: 'command',
      received: name,
    });
  }
  return parsed(CATALOGUE[name as CommandName], readObject(LINE_FIELDS.get(name as CommandName)!, body, ''));
}

/** The body of a REST call together with the fields of its path. A field in both is refused: the path decides. Throws Refusal. */
export function parseBody(name: CommandName, path: Readonly<Record<string, unknown>>, body: unknown): ParsedCommand {
  return parsed(CATALOGUE[name], readObject(REST_FIELDS.get(name)!, joined(path, body), ''));
}

/** The same for a sweep. Throws Refusal. */
export function parseSweepBody(name: SweepName, path: Readonly<Record<string, unknown>>, body: unknown): ParsedSweep {
  return parsedSweep(name, {}, joined(path, body));
}

function joined(path: Readonly<Record<string, unknown>>, body: unknown): Readonly<Record<string, unknown>> {
  const given = body ?? {};
  if (!isObject(given)) throw new Refusal('wrong-type', 'the request is an object', { field: '', received: body });
  for (const field in path) {
    if (Object.hasOwn(given, field))
      throw new Refusal('unknown-field', `${field} is in the path already`, { field, received: given[field] });
  }
  return { ...given, ...path };
}

function parsed(spec: CommandSpec, fields: Record<string, unknown>): ParsedCommand {
  const { ifRevision, idempotencyKey, correlationId, applied, context, ...rest } = fields;
  const command = (context === undefined
    ? { type: spec.type, ...rest }
    : { type: spec.type, ...rest, policies: context }) as unknown as Command;
  const result: Record<string, unknown> = { command };
  if (ifRevision !== undefined) result['ifRevision'] = ifRevision;
  if (idempotencyKey !== undefined) result['idempotencyKey'] = idempotencyKey;
  if (correlationId !== undefined) result['correlationId'] = correlationId;
  if (applied !== undefined) result['applied'] = applied;
  return result as unknown as ParsedCommand;
}
