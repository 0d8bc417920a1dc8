import { createHash } from 'node:crypto';

/** Prefixes of the stream names of each aggregate. */
export const STREAM_PREFIX = { ts: 'ts-', vn: 'vn-', nve: 'nve-' } as const;

/** Names of the log's streams: one per aggregate (ARCHITECTURE, «The way of a change»). */
export const tsStream = (name: string): string => `${STREAM_PREFIX.ts}${name}`;
export const vnStream = (vnid: number): string => `${STREAM_PREFIX.vn}${vnid}`;
/** The stream that says which registrar owns the deadlines of a group (R34). */
export const oracleStream = (group: string): string => `oracle-${group}`;
export const nveStream = (nveId: string): string => `${STREAM_PREFIX.nve}${nveId}`;

/** No id contains this character. */
const OF = '@';
/** Event stores take stream names of up to 255 bytes. */
const MAX_TS_NAME_LENGTH = 255 - STREAM_PREFIX.ts.length;

/** The part of the stream's name after the prefix, if it is the stream of a tenant system; undefined for any other stream. */
export const tsNameOf = (stream: string): string | undefined =>
  stream.startsWith(STREAM_PREFIX.ts) ? stream.slice(STREAM_PREFIX.ts.length) : undefined;

/**
 * The name of a tenant system whose id another tenant used first: `<tsId>@<tenantId>`, or a digest of the tenant if both are too
 * long to fit. Ids of tenant systems belong to their tenants: the first tenant to use an id has the stream named by the id alone,
 * and every further tenant has this name.
 */
export function tenantsOwnTsName(tsId: string, tenantId: string): string {
  const name = `${tsId}${OF}${tenantId}`;
  return name.length <= MAX_TS_NAME_LENGTH ? name : `${tsId}${OF}_${createHash('sha256').update(tenantId).digest('hex')}`;
}

export const isTenantsOwnName = (name: string): boolean => name.includes(OF);

/** Tells which tenants own the known tenant systems. */
export interface TsOwners {
  /** The tenant of the tenant system with this name; undefined if there has been none. */
  tenantOf(name: string): string | undefined;
  /** Whether any tenant system has a name of id and tenant for this id. Hardly any id has one. */
  hasNamesakes(tsId: string): boolean;
}

/** The name of a tenant's tenant system. */
export function tsNameFor(tsId: string, tenantId: string, owners: TsOwners): string {
  const first = owners.tenantOf(tsId);
  if (first === tenantId || (first === undefined && !owners.hasNamesakes(tsId))) return tsId;
  const own = tenantsOwnTsName(tsId, tenantId);
  return first !== undefined || owners.tenantOf(own) !== undefined ? own : tsId;
}
