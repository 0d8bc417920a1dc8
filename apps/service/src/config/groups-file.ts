import { readFileSync } from 'node:fs';
import { isObject } from '@nva/commands';
import { parseNveId, parseSiteId, parseTenantId, Refusal } from '@nva/identifiers';
import type { RegistrarGroup } from '@nva/registrar';
import { ConfigError, parseUrl } from './environment.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const FIELDS = ['name', 'urls', 'nves', 'sites', 'tenants', 'rest'];
const MAX_GROUPS = 256;

/**
 * Which registrars serve which tenant systems (R34), from a file that all of them share:
 *
 *     { "groups": [{ "name": "east", "urls": ["http://10.0.0.1:3000"], "sites": ["east-1"], "tenants": ["red"] },
 *                  { "name": "others", "urls": ["http://10.0.0.2:3000"], "rest": true }] }
 *
 * Throws ConfigError.
 */
export function readGroups(file: string): readonly RegistrarGroup[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`GROUPS_FILE: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  const list = isObject(content) && Object.keys(content).every((field) => field === 'groups') ? content['groups'] : undefined;
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_GROUPS)
    throw new ConfigError(`GROUPS_FILE: expected {"groups": [1 to ${MAX_GROUPS} groups]}`);
  const groups = list.map(groupOf);
  unique(
    'name',
    groups.map((group) => group.name),
  );
  for (const field of ['nves', 'sites', 'tenants', 'urls'] as const)
    unique(
      field,
      groups.flatMap((group) => group[field]),
    );
  const rest = groups.filter((group) => group.rest);
  if (rest.length !== 1)
    throw new ConfigError(`GROUPS_FILE: exactly one group has "rest": true, for what no other names; got ${rest.length}`);
  return groups;
}

function groupOf(entry: unknown): RegistrarGroup {
  if (!isObject(entry)) throw new ConfigError('GROUPS_FILE: a group is an object');
  for (const field in entry)
    if (!FIELDS.includes(field)) throw new ConfigError(`GROUPS_FILE: a group has ${FIELDS.join(', ')}, got «${field}»`);
  const { name, rest = false } = entry;
  if (typeof name !== 'string' || !NAME.test(name))
    throw new ConfigError(`GROUPS_FILE: a name is 1 to 64 letters, digits and . _ -, got «${String(name)}»`);
  if (typeof rest !== 'boolean') throw new ConfigError(`GROUPS_FILE: rest is true or false, got «${String(rest)}»`);
  const group = {
    name,
    rest,
    urls: names(entry, 'urls', parseUrl),
    nves: names(entry, 'nves', parseNveId),
    sites: names(entry, 'sites', parseSiteId),
    tenants: names(entry, 'tenants', parseTenantId),
  };
  if (group.urls.length === 0) throw new ConfigError(`GROUPS_FILE: group ${name} has no urls: nobody could reach it`);
  return group;
}

function names(
  entry: Readonly<Record<string, unknown>>,
  field: string,
  parse: (value: unknown, field: string) => string,
): readonly string[] {
  const list = entry[field] ?? [];
  if (!Array.isArray(list)) throw new ConfigError(`GROUPS_FILE: ${field} is a list`);
  try {
    return list.map((value) => parse(value, field));
  } catch (error) {
    throw error instanceof Refusal ? new ConfigError(`GROUPS_FILE: ${error.message}, got «${String(error.detail.received)}»`) : error;
  }
}

function unique(what: string, values: readonly string[]): void {
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new ConfigError(`GROUPS_FILE: ${what}: «${twice}» stands in it twice`);
}
