import { CodecError } from './codec-error.ts';

/** How values of one schema look in JSON. Both directions check their input and name the path to the error. */
export interface JsonShape {
  /** Whether a value could be of this schema, without looking inside it: selects the branch of a union. */
  holds(value: unknown): boolean;
  write(value: unknown, path: string): unknown;
  read(json: unknown, path: string): unknown;
}

type Schema = string | readonly Schema[] | ComplexSchema;

interface ComplexSchema {
  readonly type: Schema;
  readonly name?: string;
  readonly namespace?: string;
  readonly fields?: readonly { readonly name: string; readonly type: Schema }[];
  readonly symbols?: readonly string[];
  readonly items?: Schema;
  readonly values?: Schema;
  readonly size?: number;
}

const MAX_LATIN_1 = 0xff;

/** For values that JSON holds unchanged, both directions are the same. */
function plain(what: string, holds: (value: unknown) => boolean): JsonShape {
  const check = (value: unknown, path: string): unknown => {
    if (!holds(value)) throw new CodecError(`${path} must be ${what}, got ${shown(value)}`);
    return value;
  };
  return { holds, write: check, read: check };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** Bytes are a text with one character for each byte (Avro specification, «JSON Encoding»). */
function bytesShape(size?: number): JsonShape {
  const fits = (length: number): boolean => size === undefined || length === size;
  return {
    holds: (value) => value instanceof Uint8Array && fits(value.length),
    write(value, path) {
      if (!this.holds(value)) throw new CodecError(`${path} must be bytes, got ${shown(value)}`);
      return Buffer.from(value as Uint8Array).toString('latin1');
    },
    read(json, path) {
      if (typeof json !== 'string' || !fits(json.length) || [...json].some((char) => char.codePointAt(0)! > MAX_LATIN_1))
        throw new CodecError(`${path} must be bytes as text, got ${shown(json)}`);
      return Buffer.from(json, 'latin1');
    },
  };
}

/** `long` has 64 bits and a JavaScript number 53: a value that does not fit is refused, not rounded. */
const PRIMITIVES: Readonly<Record<string, JsonShape>> = {
  null: plain('null', (value) => value === null),
  boolean: plain('true or false', (value) => typeof value === 'boolean'),
  int: plain('a whole number of 32 bits', (value) => typeof value === 'number' && value === (value | 0)),
  long: plain('a whole number below 2^53', (value) => Number.isSafeInteger(value)),
  float: plain('a finite number', (value) => Number.isFinite(value)),
  double: plain('a finite number', (value) => Number.isFinite(value)),
  string: plain('text', (value) => typeof value === 'string'),
  bytes: bytesShape(),
};

/** The shape of a self-contained schema. Throws CodecError if it refers to a type that it does not define. */
export const jsonShapeOf = (schema: unknown): JsonShape => new Shapes().of(schema as Schema, '');

class Shapes {
  readonly #named = new Map<string, JsonShape>();

  of(schema: Schema, namespace: string): JsonShape {
    if (typeof schema === 'string') {
      const shape = PRIMITIVES[schema] ?? this.#named.get(qualified(schema, namespace));
      if (!shape) throw new CodecError(`no schema is named «${schema}»`);
      return shape;
    }
    if (isUnion(schema)) return this.#union(schema, namespace);
    switch (schema.type) {
      case 'record':
        return this.#record(schema, namespace);
      case 'enum':
        return this.#name(
          schema,
          namespace,
          plain(`one of ${schema.symbols!.join(', ')}`, (value) => typeof value === 'string' && schema.symbols!.includes(value)),
        );
      case 'fixed':
        return this.#name(schema, namespace, bytesShape(schema.size!));
      case 'array':
        return arrayOf(this.of(schema.items!, namespace));
      case 'map':
        return mapOf(this.of(schema.values!, namespace));
      default:
        return this.of(schema.type, namespace);
    }
  }

  #name(schema: ComplexSchema, namespace: string, shape: JsonShape): JsonShape {
    this.#named.set(nameOf(schema, namespace), shape);
    return shape;
  }

  #record(schema: ComplexSchema, outer: string): JsonShape {
    const name = nameOf(schema, outer);
    const fields: { readonly name: string; readonly shape: JsonShape }[] = [];
    const each = (value: unknown, path: string, convert: (shape: JsonShape, value: unknown, path: string) => unknown): unknown => {
      if (!isObject(value)) throw new CodecError(`${path} must be a ${name}, got ${shown(value)}`);
      const result: Record<string, unknown> = {};
      for (const field of fields) result[field.name] = convert(field.shape, value[field.name], `${path}.${field.name}`);
      return result;
    };
    const shape: JsonShape = {
      holds: isObject,
      write: (value, path) => each(value, path, (field, inner, at) => field.write(inner, at)),
      read(json, path) {
        const value = each(json, path, (field, inner, at) => field.read(inner, at));
        const extra = Object.keys(json as object).find((key) => !fields.some((field) => field.name === key));
        if (extra !== undefined) throw new CodecError(`${path} has no field «${extra}»`);
        return value;
      },
    };
    // Registered before its fields, which may refer to it.
    this.#named.set(name, shape);
    const namespace = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '';
    for (const field of schema.fields!) fields.push({ name: field.name, shape: this.of(field.type, namespace) });
    return shape;
  }

  /** null is null; any other branch is an object with one key, the branch's full name (Avro specification, «JSON Encoding»). */
  #union(schema: readonly Schema[], namespace: string): JsonShape {
    const branches = schema.map((branch) => ({ tag: tagOf(branch, namespace), shape: this.of(branch, namespace) }));
    const branchOf = (value: unknown) => branches.find(({ shape }) => shape.holds(value));
    return {
      holds: (value) => branchOf(value) !== undefined,
      write(value, path) {
        const branch = branchOf(value);
        if (!branch) throw new CodecError(`${path} must be ${branches.map(({ tag }) => tag).join(' or ')}, got ${shown(value)}`);
        return value === null ? null : { [branch.tag]: branch.shape.write(value, path) };
      },
      read(json, path) {
        const [tag, ...more] = json === null ? ['null'] : isObject(json) ? Object.keys(json) : [];
        const branch = more.length === 0 ? branches.find((candidate) => candidate.tag === tag) : undefined;
        if (!branch)
          throw new CodecError(
            `${path} must be null or tagged with one of ${branches.map((candidate) => candidate.tag).join(', ')}, got ${shown(json)}`,
          );
        return json === null ? null : branch.shape.read((json as Record<string, unknown>)[tag!], path);
      },
    };
  }
}

function arrayOf(items: JsonShape): JsonShape {
  const each = (value: unknown, path: string, convert: (value: unknown, path: string) => unknown): unknown => {
    if (!Array.isArray(value)) throw new CodecError(`${path} must be a list, got ${shown(value)}`);
    return value.map((item, index) => convert(item, `${path}.${index}`));
  };
  return {
    holds: (value) => Array.isArray(value),
    write: (value, path) => each(value, path, (item, at) => items.write(item, at)),
    read: (json, path) => each(json, path, (item, at) => items.read(item, at)),
  };
}

function mapOf(values: JsonShape): JsonShape {
  const each = (value: unknown, path: string, convert: (value: unknown, path: string) => unknown): unknown => {
    if (!isObject(value)) throw new CodecError(`${path} must be a map, got ${shown(value)}`);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item, `${path}.${key}`)]));
  };
  return {
    holds: isObject,
    write: (value, path) => each(value, path, (item, at) => values.write(item, at)),
    read: (json, path) => each(json, path, (item, at) => values.read(item, at)),
  };
}

const isUnion = (schema: Schema): schema is readonly Schema[] => Array.isArray(schema);
const qualified = (name: string, namespace: string): string => (name.includes('.') || namespace === '' ? name : `${namespace}.${name}`);
const nameOf = ({ name, namespace }: ComplexSchema, outer: string): string => qualified(name!, namespace ?? outer);

/** The name that tags a branch. A type without a name of its own is tagged with its type. */
function tagOf(schema: Schema, namespace: string): string {
  if (typeof schema === 'string')
    return schema in PRIMITIVES || schema === 'array' || schema === 'map' ? schema : qualified(schema, namespace);
  if (isUnion(schema)) throw new CodecError('a union may not hold a union');
  return schema.name === undefined ? tagOf(schema.type, namespace) : nameOf(schema, namespace);
}

const MAX_SHOWN_CHARS = 80;
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, MAX_SHOWN_CHARS);
