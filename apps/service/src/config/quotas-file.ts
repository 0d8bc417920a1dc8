import { readFileSync } from 'node:fs';
import { isObject } from '@nva/commands';
import { COUNTED, EVERYONE, type Limits, type Quotas } from '@nva/domain';
import { parseNveId, parseTenantId, Refusal } from '@nva/identifiers';
import { ConfigError } from './environment.ts';

const MAX_LIMIT = 1_000_000_000;

/**
 * How much tenants and NVEs may have, from a file that all registrars of a log share:
 *
 *     { "tenants": { "*": { "tenantSystems": 1000, "bindings": 4000, "vns": 50 }, "red": { "vns": 500 } },
 *       "nves": { "*": { "tenantSystems": 256, "bindings": 1024, "vns": 64 } } }
 *
 * `*` is everyone who has no limit of their own for a thing; what is nowhere named is not bounded. Throws ConfigError.
 */
export function readQuotas(file: string): Quotas {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`QUOTAS_FILE: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(content)) throw new ConfigError('QUOTAS_FILE: expected an object with tenants and nves');
  for (const field in content)
    if (field !== 'tenants' && field !== 'nves') throw new ConfigError(`QUOTAS_FILE: the file has tenants and nves, got «${field}»`);
  return { tenant: limitsIn(content, 'tenants', parseTenantId), nve: limitsIn(content, 'nves', parseNveId) };
}

function limitsIn(
  content: Readonly<Record<string, unknown>>,
  field: 'tenants' | 'nves',
  parse: (id: string) => string,
): ReadonlyMap<string, Limits> {
  const entries = content[field] ?? {};
  if (!isObject(entries)) throw new ConfigError(`QUOTAS_FILE: ${field} is an object of limits by id`);
  return new Map(Object.entries(entries).map(([id, limits]) => [checkedId(id, parse), limitsOf(limits, `${field}.${id}`)]));
}

function checkedId(id: string, parse: (id: string) => string): string {
  try {
    return id === EVERYONE ? id : parse(id);
  } catch (error) {
    throw error instanceof Refusal ? new ConfigError(`QUOTAS_FILE: ${error.message}, or ${EVERYONE} for everyone; got «${id}»`) : error;
  }
}

function limitsOf(limits: unknown, where: string): Limits {
  if (!isObject(limits)) throw new ConfigError(`QUOTAS_FILE: ${where} is an object with ${COUNTED.join(', ')}`);
  for (const [name, limit] of Object.entries(limits)) {
    if (!COUNTED.some((counted) => counted === name))
      throw new ConfigError(`QUOTAS_FILE: ${where} has ${COUNTED.join(', ')}, got «${name}»`);
    if (!Number.isInteger(limit) || (limit as number) < 0 || (limit as number) > MAX_LIMIT)
      throw new ConfigError(`QUOTAS_FILE: ${where}.${name} is a whole number of 0 to ${MAX_LIMIT}, got «${String(limit)}»`);
  }
  return limits as Limits;
}
