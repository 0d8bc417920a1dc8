import { createHash } from 'node:crypto';

/** What the names of an aggregate's streams begin with. */
export const STREAM_PREFIX = { ts: 'ts-', vn: 'vn-', nve: 'nve-' } as const;

/** Names of the log's streams: one per aggregate (ARCHITECTURE, «The way of a change»). */
export const tsStream = (name: string): string => `${STREAM_PREFIX.ts}${name}`;
export const vnStream = (vnid: number): string => `${STREAM_PREFIX.vn}${vnid}`;
/** Who owns the terms of a group (R34). */
export const oracleStream = (group: string): string => `oracle-${group}`;
export const nveStream = (nveId: string): string => `${STREAM_PREFIX.nve}${nveId}`;

/** In no id. */
const OF = '@';
/** Event stores take stream names of up to 255 bytes. */
const MAX_TS_NAME_LENGTH = 255 - STREAM_PREFIX.ts.length;

/** The name that a tenant system's stream ends in; undefined for a stream of something else. */
export const tsNameOf = (stream: string): string | undefined =>
  stream.startsWith(STREAM_PREFIX.ts) ? stream.slice(STREAM_PREFIX.ts.length) : undefined;

/**
 * Ids of tenant systems are their tenants' own. The stream of the first tenant to have an id is named by the id alone, and that of every
 * further one by this: `<tsId>@<tenantId>`, or a digest of the tenant where both are so long that it would not fit.
 */
export function tenantsOwnTsName(tsId: string, tenantId: string): string {
  const name = `${tsId}${OF}${tenantId}`;
  return name.length <= MAX_TS_NAME_LENGTH ? name : `${tsId}${OF}_${createHash('sha256').update(tenantId).digest('hex')}`;
}

export const isTenantsOwnName = (name: string): boolean => name.includes(OF);

/** Whose tenant systems there are. */
export interface TsOwners {
  /** Whose the one is that stands under a name; undefined if there has been none. */
  tenantOf(name: string): string | undefined;
  /** Whether any stands under its id and its tenant's: hardly an id has such. */
  hasNamesakes(tsId: string): boolean;
}

/** The name of a tenant's tenant system. */
export function tsNameFor(tsId: string, tenantId: string, owners: TsOwners): string {
  const first = owners.tenantOf(tsId);
  if (first === tenantId || (first === undefined && !owners.hasNamesakes(tsId))) return tsId;
  const own = tenantsOwnTsName(tsId, tenantId);
  return first !== undefined || owners.tenantOf(own) !== undefined ? own : tsId;
}
