import type { At } from '@nva/audit';
import { readPosition } from '@nva/commands';
import {
  numeral,
  parseIp,
  parseMac,
  parseNveId,
  parseTenantId,
  parseTsId,
  parseVnid,
  Refusal,
  type TenantId,
  type TsId,
} from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { pageQuery } from '../reads/paging.ts';
import { only } from '../reads/query-readers.ts';
import type { Address } from '../reads/queries.ts';
import { timeMs } from '../reads/audit-query.ts';

/** Reads an instant: a position in decimal, or a time as RFC 3339 has it. Throws Refusal. */
export function readAt(received: unknown, field = 'at'): At {
  if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is given once`, { field, received });
  return /^\d*$/.test(received) ? { position: readPosition(received, field) } : { timeMs: timeMs(received, field)! };
}

type Fields = Readonly<Record<string, string>>;

/** An interval of the log; null is its beginning, or its end. */
interface Interval {
  readonly from: At | null;
  readonly to: At | null;
}

/** What is different at `to` from what it was at `from`, of a VN or of what an NVE holds. */
export interface DiffQuestion {
  readonly kind: 'diff';
  readonly of: { readonly vnid: number } | { readonly nveId: string };
  readonly from: At;
  readonly to: At | null;
  readonly after: string;
  readonly limit: number;
  readonly head: Position;
}

/** Whose history is told. A tenant system is named by its stream, which the process knows that has the network. */
export type TimelineOf =
  | { readonly vnid: number }
  | { readonly nveId: string }
  | { readonly tsId: string; readonly tenantId?: string; readonly stream: string }
  | { readonly vnid: number; readonly address: Address };

/** What happened to something, in the order of the log. */
export interface TimelineQuestion extends Interval {
  readonly kind: 'timeline';
  readonly of: TimelineOf;
  readonly after: Position;
  readonly limit: number;
  readonly head: Position;
}

type StreamOf = (tsId: TsId, tenantId: TenantId | undefined) => string;

/** Throws Refusal. */
export function readDiff(query: Fields, head: Position): DiffQuestion {
  only(query, 'vnid', 'nveId', 'from', 'to', 'after', 'limit');
  const { vnid, nveId, from, to } = query;
  if ((vnid === undefined) === (nveId === undefined))
    throw new Refusal('missing-field', 'exactly one of vnid and nveId is needed', { field: 'vnid' });
  if (from === undefined) throw new Refusal('missing-field', 'from is missing', { field: 'from' });
  const { after = '', limit } = pageQuery(query);
  return {
    kind: 'diff',
    of: nveId === undefined ? { vnid: parseVnid(numeral(vnid)) } : { nveId: parseNveId(nveId) },
    from: readAt(from, 'from'),
    to: to === undefined ? null : readAt(to, 'to'),
    after,
    limit,
    head,
  };
}

/** `streamOf`: the stream of a tenant system. Throws Refusal. */
export function readTimeline(query: Fields, head: Position, streamOf: StreamOf): TimelineQuestion {
  only(query, 'vnid', 'nveId', 'tsId', 'tenantId', 'ip', 'mac', 'from', 'to', 'after', 'limit');
  const { from, to, after } = query;
  return {
    kind: 'timeline',
    of: timelineOf(query, streamOf),
    from: from === undefined ? null : readAt(from, 'from'),
    to: to === undefined ? null : readAt(to, 'to'),
    after: after === undefined ? 0 : readPosition(after, 'after'),
    limit: pageQuery(query).limit,
    head,
  };
}

function timelineOf(query: Fields, streamOf: StreamOf): TimelineOf {
  const { vnid, nveId, tsId, tenantId, ip, mac } = query;
  if ([vnid, nveId, tsId].filter((one) => one !== undefined).length !== 1)
    throw new Refusal('missing-field', 'exactly one of vnid, nveId and tsId is needed', { field: 'vnid' });
  if (tsId === undefined && tenantId !== undefined) throw new Refusal('missing-field', 'tenantId goes with tsId', { field: 'tsId' });
  if (vnid === undefined && (ip !== undefined || mac !== undefined))
    throw new Refusal('missing-field', 'an address goes with its VN', { field: 'vnid' });
  if (nveId !== undefined) return { nveId: parseNveId(nveId) };
  if (tsId !== undefined) {
    const id = parseTsId(tsId);
    return { tsId: id, ...tenantIn(query), stream: streamOf(id, tenantId === undefined ? undefined : parseTenantId(tenantId)) };
  }
  const id = parseVnid(numeral(vnid));
  return ip === undefined && mac === undefined ? { vnid: id } : { vnid: id, address: readAddress(query) };
}

/** Why an address is in a VN, or is not: at the NVA, or at an NVE. */
export interface ExplainQuestion {
  readonly kind: 'explain';
  readonly vnid: number;
  readonly address: Address;
  readonly nveId: string | null;
  readonly at: At | null;
  readonly head: Position;
}

/** Throws Refusal. */
export function readExplain(query: Fields, head: Position): ExplainQuestion {
  only(query, 'vnid', 'ip', 'mac', 'nveId', 'at');
  const { vnid, nveId, at } = query;
  if (vnid === undefined) throw new Refusal('missing-field', 'vnid is missing', { field: 'vnid' });
  return {
    kind: 'explain',
    vnid: parseVnid(numeral(vnid)),
    address: readAddress(query),
    nveId: nveId === undefined ? null : parseNveId(nveId),
    at: at === undefined ? null : readAt(at),
    head,
  };
}

/** A packet's way from a tenant system to an address. */
export interface TraceQuestion {
  readonly kind: 'trace';
  readonly from: string;
  readonly tenantId?: string;
  readonly stream: string;
  readonly to: Address;
  readonly vnid: number | null;
  /** Without `vnid`: the address is looked for in VNs of these shards; in all, unless given. */
  readonly shards?: readonly number[];
  readonly at: At | null;
  readonly head: Position;
}

const MAC = /^[\da-f]{2}(?:[:-][\da-f]{2}){5}$/i;

/** `streamOf`: the stream of a tenant system. Throws Refusal. */
export function readTrace(query: Fields, head: Position, streamOf: StreamOf): TraceQuestion {
  only(query, 'from', 'tenantId', 'to', 'vnid', 'at');
  const { from, tenantId, to, vnid, at } = query;
  if (from === undefined) throw new Refusal('missing-field', 'from is missing: the tenant system that sends', { field: 'from' });
  if (to === undefined) throw new Refusal('missing-field', 'to is missing: an IP or a MAC', { field: 'to' });
  const tsId = parseTsId(from);
  return {
    kind: 'trace',
    from: tsId,
    ...tenantIn(query),
    stream: streamOf(tsId, tenantId === undefined ? undefined : parseTenantId(tenantId)),
    to: MAC.test(to) ? { mac: parseMac(to) } : { ip: parseIp(to) },
    vnid: vnid === undefined ? null : parseVnid(numeral(vnid)),
    at: at === undefined ? null : readAt(at),
    head,
  };
}

/** When two tenant systems could reach each other. */
export interface ReachabilityQuestion extends Interval {
  readonly kind: 'reachability';
  readonly a: { readonly tsId: string; readonly stream: string };
  readonly b: { readonly tsId: string; readonly stream: string };
  readonly tenantId?: string;
  readonly head: Position;
}

/** `streamOf`: the stream of a tenant system. Throws Refusal. */
export function readReachability(query: Fields, head: Position, streamOf: StreamOf): ReachabilityQuestion {
  only(query, 'a', 'b', 'tenantId', 'from', 'to');
  const { tenantId, from, to } = query;
  const named = (field: 'a' | 'b'): ReachabilityQuestion['a'] => {
    if (query[field] === undefined) throw new Refusal('missing-field', `${field} is missing: a tenant system`, { field });
    const tsId = parseTsId(query[field]);
    return { tsId, stream: streamOf(tsId, tenantId === undefined ? undefined : parseTenantId(tenantId)) };
  };
  return {
    kind: 'reachability',
    a: named('a'),
    b: named('b'),
    ...tenantIn(query),
    from: from === undefined ? null : readAt(from, 'from'),
    to: to === undefined ? null : readAt(to, 'to'),
    head,
  };
}

/** The tenant as it was given, for an admin to which the question is passed on. */
const tenantIn = ({ tenantId }: Fields): { readonly tenantId?: string } => (tenantId === undefined ? {} : { tenantId });

/** Throws Refusal. */
export function readAddress({ ip, mac }: Fields): Address {
  if ((ip === undefined) === (mac === undefined))
    throw new Refusal('missing-field', 'exactly one of ip and mac is needed', { field: 'ip' });
  return ip === undefined ? { mac: parseMac(mac) } : { ip: parseIp(ip) };
}
