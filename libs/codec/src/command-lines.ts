import { CodecError } from './codec-error.ts';
import { commandSchemas } from './generated/schemas.ts';
import type { CommandMessage } from './generated/types.ts';

/** A command as an NVE sends it on Kafka. */
export type NveCommand = Exclude<CommandMessage, { readonly type: 'CommandOutcome' }>;

/** A command as a line of NDJSON: its name, and the fields that are given. */
export type CommandLine = Readonly<Record<string, unknown>> & { readonly command: string };

interface RecordSchema {
  readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}

const SUFFIX = 'Command';
const SCHEMAS: ReadonlyMap<string, RecordSchema> = new Map(
  Object.entries(commandSchemas)
    .filter(([type]) => type.endsWith(SUFFIX))
    .map(([type, schema]) => [nameOf(type), schema]),
);

/** The commands that may be sent over Kafka, by their names in NDJSON. */
export const kafkaCommandNames: readonly string[] = [...SCHEMAS.keys()];

/**
 * The equivalent line of NDJSON, so that commands from both ways are read, digested and decided alike. No field of a command may
 * be null in JSON: null in Avro means absent.
 */
export function lineOf({ type, data }: NveCommand): CommandLine {
  return { command: nameOf(type), ...(given(data) as object) };
}

/**
 * The reverse of `lineOf`. Throws CodecError for a command that does not go over Kafka, for an unknown field, and for null.
 * Encoding checks whether the values fit.
 */
export function commandOf({ command, ...fields }: CommandLine): NveCommand {
  const schema = SCHEMAS.get(command);
  if (!schema) throw new CodecError(`«${command}» does not go over Kafka; ${kafkaCommandNames.join(', ')} do`);
  return { type: typeOf(command), data: complete(schema, fields, command) } as unknown as NveCommand;
}

/**
 * The key of a command's record: commands with the same key are decided in the order sent. A passing has the taker's key, because
 * the sending NVE acts for the taker.
 */
export function commandKey(line: CommandLine, nveId: string): string {
  const about = line.command === 'passAddress' ? line['to'] : line['tsId'];
  return typeof about === 'string' ? about : `nve/${nveId}`;
}

function given(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(given);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, field]) => (field === null ? [] : [[name, given(field)]])));
}

function complete({ fields }: RecordSchema, values: Readonly<Record<string, unknown>>, path: string): Record<string, unknown> {
  for (const name in values) {
    if (!fields.some((field) => field.name === name)) throw new CodecError(`${path} has no field ${name}`);
    if (values[name] === null) throw new CodecError(`${path}.${name} is null; leave it out`);
  }
  return Object.fromEntries(
    fields.map(({ name, type }) => [name, values[name] === undefined ? null : completeValue(type, values[name], `${path}.${name}`)]),
  );
}

function completeValue(type: unknown, value: unknown, path: string): unknown {
  if (!Array.isArray(value)) return value;
  const branches = (Array.isArray(type) ? type : [type]) as { readonly type?: string; readonly items?: unknown }[];
  const items = branches.find((branch) => branch.type === 'array')?.items as Partial<RecordSchema> | undefined;
  if (!items?.fields) return value;
  return value.map((item, i) =>
    typeof item === 'object' && item !== null ? complete(items as RecordSchema, item as Record<string, unknown>, `${path}[${i}]`) : item,
  );
}

function nameOf(type: string): string {
  return type.charAt(0).toLowerCase() + type.slice(1, -SUFFIX.length);
}

const typeOf = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1) + SUFFIX;
