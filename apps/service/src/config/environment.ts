import { resolve } from 'node:path';
import { Refusal } from '@nva/identifiers';
import { expectedOf, VARIABLES, type NameOf, type VariableName } from './variables.ts';

/** A value that the process cannot start with; the message names it and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The value as it was given. It may be a secret: for errors there is `refused`. */
export const given = (env: Environment, name: VariableName): string | undefined => env[name];

/** That the value of a variable is not what it must be. `why` follows what is expected, `got` is what was given. */
export const refused = (name: VariableName, { why = '', got, cause }: { why?: string; got?: string; cause?: unknown } = {}): ConfigError =>
  new ConfigError(
    `${name}: expected ${expectedOf(name)}${why}${got === undefined ? '' : `, got «${got}»`}`,
    cause === undefined ? {} : { cause },
  );

/** A connection string as it may be shown. */
export const withoutCredentials = (connection: string): string => connection.replace(/\/\/[^/@]*@/, '//…@');

// The readers below throw ConfigError.

export function text(env: Environment, name: NameOf<'text'>): string {
  const { form, fallback } = VARIABLES[name];
  const value = env[name] ?? fallback;
  if (!form.test(value)) throw refused(name, { got: withoutCredentials(value) });
  return value;
}

/** `bounds` are for a variable whose default, or greatest value, depends on the process. */
export function integer(env: Environment, name: NameOf<'integer'>, bounds?: { readonly fallback: number; readonly max?: number }): number {
  const { min, max: declared, fallback } = VARIABLES[name];
  const value = env[name];
  if (value === undefined) return (bounds?.fallback ?? fallback)!;
  const max = bounds?.max ?? declared;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) throw new ConfigError(`${name}: expected ${expectedOf(name, max)}, got «${value}»`);
  return number;
}

export function flag(env: Environment, name: NameOf<'flag'>): boolean {
  const value = env[name] ?? VARIABLES[name].fallback;
  if (value !== 'true' && value !== 'false') throw refused(name, { got: value });
  return value === 'true';
}

export function share(env: Environment, name: NameOf<'share'>): number {
  const value = env[name] ?? VARIABLES[name].fallback;
  const number = /^(?:0|1|0?\.\d{1,9})$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw refused(name, { got: value });
  return number;
}

/** null where there is none. */
export function url(env: Environment, name: NameOf<'url'>): string | null {
  const value = env[name];
  if (!value) return null;
  try {
    return parseUrl(value, name);
  } catch (cause) {
    throw refused(name, { got: value, cause });
  }
}

/** The absolute path; null where none is given. */
export function file(env: Environment, name: NameOf<'file'>): string | null {
  const path = env[name];
  return path ? resolve(path) : null;
}

/** `http://host[:port]` or https, without path. Throws Refusal. */
export function parseUrl(value: unknown, field: string): string {
  const parsed = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.pathname !== '/' || parsed.search !== '' || parsed.username !== '')
    throw new Refusal('out-of-range', `${field} is http://host[:port]`, { field, received: value });
  return parsed.origin;
}
