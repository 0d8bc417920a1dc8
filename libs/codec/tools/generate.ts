/**
 * Writes src/generated/ from the schemas in schemas/: TypeScript types of every event and record, and the schemas
 * themselves as constants, each self-contained, so that the library needs no file at run time.
 * `npm run generate` writes; a test compares what it would write with what is there.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Field {
  name: string;
  type: Schema;
  doc?: string;
  default?: unknown;
}
type Schema =
  | string
  | Schema[]
  | {
      type: Schema;
      name?: string;
      namespace?: string;
      doc?: string;
      fields?: Field[];
      items?: Schema;
      values?: Schema | string[];
      symbols?: string[];
    };
type Named = Extract<Schema, { type: Schema }> & { name: string; namespace: string };

const root = join(import.meta.dirname, '../../..');
const load = (folder: string): Named[] =>
  readdirSync(join(root, 'schemas', folder))
    .filter((file) => file.endsWith('.avsc'))
    .toSorted()
    .map((file) => JSON.parse(readFileSync(join(root, 'schemas', folder, file), 'utf8')) as Named);

const shared = load('types');
const snapshots = load('snapshots');
/** What a schema may name: in a snapshot its entries too, of which some are parts of others. */
const types = new Map([...shared, ...snapshots].map((schema) => [schema.name, schema]));

/** The schema with every shared type written out where it first occurs, as Avro wants it. */
function inline(schema: Schema, seen: Set<string>): Schema {
  if (typeof schema === 'string') {
    const named = types.get(schema);
    if (!named) return schema;
    const fullName = `${named.namespace}.${named.name}`;
    if (seen.has(fullName)) return fullName;
    seen.add(fullName);
    return inline(named, seen);
  }
  if (Array.isArray(schema)) return schema.map((branch) => inline(branch, seen));
  const out = { ...schema };
  if (out.fields) out.fields = out.fields.map((field) => ({ ...field, type: inline(field.type, seen) }));
  if (out.items) out.items = inline(out.items, seen);
  if (out.type === 'map' && out.values) out.values = inline(out.values as Schema, seen);
  return out;
}

function tsType(schema: Schema): string {
  if (typeof schema === 'string') {
    const primitive: Record<string, string> = { int: 'number', long: 'number', string: 'string', boolean: 'boolean', null: 'null' };
    const known = primitive[schema] ?? (types.has(schema) ? schema : undefined);
    if (!known) throw new Error(`no TypeScript type for Avro type «${schema}»`);
    return known;
  }
  if (Array.isArray(schema))
    return schema
      .map(tsType)
      .toSorted((a, b) => Number(a === 'null') - Number(b === 'null'))
      .join(' | ');
  if (schema.type === 'array') return `readonly ${parenthesised(tsType(schema.items!))}[]`;
  if (schema.type === 'map') return `Readonly<Record<string, ${tsType(schema.values as Schema)}>>`;
  if (schema.type === 'string' && Array.isArray(schema.values)) return schema.values.map((v) => `'${String(v)}'`).join(' | ');
  throw new Error(`no TypeScript type for ${JSON.stringify(schema)}`);
}
const parenthesised = (type: string): string => (type.includes(' ') ? `(${type})` : type);

function declaration(schema: Named): string {
  if (schema.type === 'enum')
    return `/** ${schema.doc} */\nexport type ${schema.name} = ${schema.symbols!.map((s) => `'${s}'`).join(' | ')};\n`;
  const fields = schema.fields!.map((field) => `  /** ${field.doc} */\n  readonly ${field.name}: ${tsType(field.type)};`);
  return `/** ${schema.doc} */\nexport interface ${schema.name} {\n${fields.join('\n')}\n}\n`;
}

function schemaConstants(name: string, schemas: Named[]): string {
  const entries = schemas.map(
    (schema) => `  ${schema.name}: ${JSON.stringify(inline(schema, new Set()), null, 2).replaceAll('\n', '\n  ')},`,
  );
  return `export const ${name} = {\n${entries.join('\n')}\n} as const;\n`;
}

function union(name: string, doc: string, schemas: Named[]): string {
  return `/** ${doc} */\nexport type ${name} =\n${schemas.map((s) => `  | { readonly type: '${s.name}'; readonly data: ${s.name} }`).join('\n')};\n`;
}

export function generate(): Record<string, string> {
  const events = load('events');
  const records = load('records');
  const commands = load('commands');
  const header = '// Generated from schemas/ by `npm run generate`. Do not edit.\n\n';
  const body = [
    header + [...shared, ...events, ...records, ...commands, ...snapshots].map(declaration).join('\n'),
    union('NvaEvent', 'Every event of the log.', events),
    union('FeedValue', 'Every value of a feed record.', records),
    union('CommandMessage', 'What NVEs and the NVA tell each other of commands on Kafka.', commands),
  ].join('\n');
  return {
    'types.ts': body,
    'schemas.ts':
      header +
      schemaConstants('eventSchemas', events) +
      '\n' +
      schemaConstants('recordSchemas', records) +
      '\n' +
      schemaConstants('snapshotSchemas', snapshots) +
      '\n' +
      schemaConstants('commandSchemas', commands),
  };
}

const target = join(import.meta.dirname, '../src/generated');
export const generatedPath = (file: string): string => join(target, file);

if (process.argv[1] === import.meta.filename) {
  for (const [file, text] of Object.entries(generate())) writeFileSync(generatedPath(file), text);
}
