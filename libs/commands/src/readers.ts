import { checkText, fieldIn, Refusal } from '@nva/identifiers';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Reads one JSON value: checks and normalises it, or throws a Refusal that names the field and the received value. */
export type Reader<T> = (received: unknown, field: string) => T;

/** A field of a request: how to read it, and how to describe it. */
export interface Field<T = unknown> {
  readonly read: Reader<T>;
  readonly required: boolean;
  readonly schema: JsonSchema;
  readonly doc: string;
}

export type Fields = Readonly<Record<string, Field>>;

export const required = <T>(read: Reader<T>, schema: JsonSchema, doc: string): Field<T> => ({ read, required: true, schema, doc });
export const optional = <T>(read: Reader<T>, schema: JsonSchema, doc: string): Field<T> => ({ read, required: false, schema, doc });

export function isObject(received: unknown): received is Readonly<Record<string, unknown>> {
  return typeof received === 'object' && received !== null && !Array.isArray(received);
}

/** Reads an object that may have only these fields. `path` is the object's own path, '' for the request itself. */
export function readObject(fields: Fields, received: unknown, path: string): Record<string, unknown> {
  if (!isObject(received)) throw new Refusal('wrong-type', `${path === '' ? 'the request' : path} is an object`, { field: path, received });
  const prefix = path === '' ? '' : `${path}.`;
  for (const name in received) {
    if (!Object.hasOwn(fields, name))
      throw new Refusal('unknown-field', `there is no field ${fieldIn(path, name)}`, {
        field: fieldIn(path, name),
        received: received[name],
      });
  }
  const result: Record<string, unknown> = {};
  for (const name in fields) {
    const field = fields[name]!;
    const value = received[name];
    if (value !== undefined) result[name] = field.read(value, `${prefix}${name}`);
    else if (field.required) throw new Refusal('missing-field', `${prefix}${name} is missing`, { field: `${prefix}${name}` });
  }
  return result;
}

export const object =
  <T>(fields: Fields): Reader<T> =>
  (received, field) =>
    readObject(fields, received, field) as T;

export function list<T>(read: Reader<T>, minItems: number, maxItems: number): Reader<readonly T[]> {
  return (received, field) => {
    if (!Array.isArray(received)) throw new Refusal('wrong-type', `${field} is a list`, { field, received });
    if (received.length < minItems || received.length > maxItems) {
      throw new Refusal('out-of-range', `${field} has ${minItems} to ${maxItems} items`, { field, received: received.length });
    }
    return received.map((item, i) => read(item, `${field}[${i}]`));
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Reader<T> {
  return (received, field) => {
    if (!values.includes(received as T))
      throw new Refusal(typeof received === 'string' ? 'out-of-range' : 'wrong-type', `${field} is one of ${values.join(', ')}`, {
        field,
        received,
      });
    return received as T;
  };
}

export function integer(min: number, max: number): Reader<number> {
  return (received, field) => {
    if (typeof received !== 'number' || !Number.isInteger(received))
      throw new Refusal('wrong-type', `${field} is an integer`, { field, received });
    if (received < min || received > max) throw new Refusal('out-of-range', `${field} is ${min} to ${max}`, { field, received });
    return received;
  };
}

export const boolean: Reader<boolean> = (received, field) => {
  if (typeof received !== 'boolean') throw new Refusal('wrong-type', `${field} is true or false`, { field, received });
  return received;
};

export function matching(form: RegExp, what: string): Reader<string> {
  return (received, field) => {
    if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is a string`, { field, received });
    if (!form.test(received)) throw new Refusal('out-of-range', `${field} is ${what}`, { field, received });
    return received;
  };
}

/** A log position as a decimal string. */
export const position: Reader<number> = (received, field) => {
  if (typeof received !== 'string' || !/^(?:0|[1-9]\d{0,15})$/.test(received) || !Number.isSafeInteger(Number(received))) {
    throw new Refusal('position-malformed', `${field} is a position: a decimal string`, { field, received });
  }
  return Number(received);
};

/** An object of short texts by name, at most `maxItems`; names and values are free text on one line (`checkText`). */
export function attributes(maxItems: number, maxLength: number): Reader<Readonly<Record<string, string>>> {
  return (received, field) => {
    if (!isObject(received)) throw new Refusal('wrong-type', `${field} is an object of strings`, { field, received });
    const entries = Object.entries(received);
    if (entries.length > maxItems)
      throw new Refusal('out-of-range', `${field} has at most ${maxItems} attributes`, { field, received: entries.length });
    for (const [name, value] of entries) {
      if (name === '' || name.length > maxLength || name === '__proto__')
        throw new Refusal('out-of-range', `an attribute's name is 1 to ${maxLength} characters`, { field, received: name });
      checkText(name, field);
      if (typeof value !== 'string')
        throw new Refusal('wrong-type', `${fieldIn(field, name)} is a string`, { field: fieldIn(field, name), received: value });
      if (value.length > maxLength)
        throw new Refusal('out-of-range', `${fieldIn(field, name)} has at most ${maxLength} characters`, {
          field: fieldIn(field, name),
          received: value,
        });
      checkText(value, fieldIn(field, name));
    }
    return Object.fromEntries(entries) as Readonly<Record<string, string>>;
  };
}
