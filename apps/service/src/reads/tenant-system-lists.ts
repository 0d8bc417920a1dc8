import { standingOf, type FoldedTs, type FoldedVn, type Network } from '@nva/fold';
import { parseTenantId, Refusal } from '@nva/identifiers';
import type { Caller } from '@nva/registrar';
import { Visibility } from '../access/visibility.ts';
import { movesTooOften } from '../config/alarms.ts';
import { pageQuery, type PageQuery, type PageText } from './paging.ts';
import { walk, type Steps } from '../turns/sliced.ts';
import { tenantSystemBody } from './views.ts';
import type { World } from './world.ts';

/** The states by which tenant systems can be listed. */
export const STATES = ['associated', 'activated', 'failed', 'conflicted', 'orphaned', 'unbound'] as const;
export type State = (typeof STATES)[number];

/** The filter of a list of tenant systems. */
export interface Wanted {
  readonly tenantId?: string | undefined;
  /** Attached at this NVE. */
  readonly nveId?: string | undefined;
  /** In the present incarnation of this VN. */
  readonly vnid?: number | undefined;
  readonly state?: State | undefined;
}

/**
 * Maximum number of tenant systems that are read for one page. Those that do not match are skipped, and among a million there may
 * be many.
 */
const LOOKED_AT_PER_PAGE = 16_384;
const STEP = 64;

/** The place of a tenant system in a list: by id, then by tenant. `!` sorts before every character of an id. */
export const placeOf = ({ state: { tsId, tenantId } }: FoldedTs): string => `${tsId}!${tenantId}`;
/** The place in a VN's list, which has the order of the VN's mappings and contains one tenant only. */
export const placeInVn = ({ state: { tsId } }: FoldedTs): string => `${tsId}/`;

/**
 * The tenant systems attached at an NVE, in order, with `undefined` where a step ends. One that has left meanwhile may still be
 * returned.
 */
export function* attachedAt({ whereabouts }: Network, nveId: string, after = ''): Generator<FoldedTs | undefined, void> {
  while (!whereabouts.prepare(STEP)) yield undefined;
  yield* walk(whereabouts.at(nveId), (ts) => placeOf(ts) <= after);
}

/** The tenant systems in a VN, in order, with `undefined` where a step ends. One that has left meanwhile may still be returned. */
export function* inVn(vn: FoldedVn, after = ''): Generator<FoldedTs | undefined, void> {
  yield* walk(vn.macs.order, (ts) => placeInVn(ts) <= after);
}

/** The first tenant systems of such a list that are still there. */
export function* first(
  source: Iterable<FoldedTs | undefined>,
  stillThere: (ts: FoldedTs) => boolean,
  max: number,
): Steps<readonly FoldedTs[]> {
  const found: FoldedTs[] = [];
  for (const ts of source) {
    if (!ts) yield;
    else if (stillThere(ts)) found.push(ts);
    if (found.length === max) break;
  }
  return found;
}

export const isAt = ({ state }: FoldedTs, nveId: string): boolean => state.attachments.some((attachment) => attachment.nveId === nveId);
export const isIn = ({ state }: FoldedTs, vn: FoldedVn): boolean => state.bindings.some((binding) => binding.vn === vn);

/**
 * A page of tenant systems that are attached to an NVE. The search uses the list of the NVE if one is named, else the list of the
 * VN, else all tenant systems. It ends when the page is full or LOOKED_AT_PER_PAGE were read. So a page may have fewer items than
 * requested, or none, and still a `next`.
 */
export function* tenantSystemsPage(
  network: Network,
  wanted: Wanted,
  { after, limit }: PageQuery,
  body: (ts: FoldedTs) => unknown,
): Steps<PageText> {
  const { nveId, vnid } = wanted;
  const vn = vnid === undefined ? undefined : network.vns.get(vnid);
  const byVn = nveId === undefined && vn !== undefined;
  const source =
    nveId !== undefined
      ? attachedAt(network, nveId, after)
      : vn
        ? inVn(vn, after)
        : walk(network.whereabouts.everyone, (ts) => placeOf(ts) <= (after ?? ''));
  const items: string[] = [];
  let last = '';
  let looked = 0;
  for (const ts of source) {
    if (!ts) {
      yield;
      continue;
    }
    if (items.length === limit || looked === LOOKED_AT_PER_PAGE) return `{"items":[${items.join(',')}],"next":${JSON.stringify(last)}}`;
    looked++;
    last = byVn ? placeInVn(ts) : placeOf(ts);
    if (matches(ts, wanted, vn)) items.push(JSON.stringify(body(ts)));
  }
  return `{"items":[${items.join(',')}]}`;
}

/** A page of tenant systems at a place, of a tenant and in a state if the query says so; to an NVE, of those attached to it. */
export function listed(world: World, place: Wanted, query: Readonly<Record<string, string>>, caller: Caller): Steps<PageText> {
  const tenantId = query['tenantId'] === undefined ? undefined : parseTenantId(query['tenantId']);
  // An NVE's own list is also the shortest.
  const wanted = { ...place, tenantId, state: stateIn(query['state']), ...(caller.kind === 'nve' && { nveId: caller.nveId }) };
  const visible = new Visibility(world.network, caller);
  const body = (ts: FoldedTs): object => tenantSystemBody(ts, visible.attachments(ts), movesTooOften(ts.state, world));
  return tenantSystemsPage(world.network, wanted, pageQuery(query), body);
}

function stateIn(received: string | undefined): State | undefined {
  if (received === undefined || STATES.includes(received as State)) return received as State | undefined;
  throw new Refusal('out-of-range', `state is one of ${STATES.join(', ')}`, { field: 'state', received });
}

function matches(ts: FoldedTs, { tenantId, nveId, vnid, state }: Wanted, vn: FoldedVn | undefined): boolean {
  if (ts.state.attachments.length === 0) return false;
  if (tenantId !== undefined && ts.state.tenantId !== tenantId) return false;
  if (nveId !== undefined && !isAt(ts, nveId)) return false;
  if (vnid !== undefined && !(vn && isIn(ts, vn))) return false;
  return state === undefined || stands(ts, state, nveId, vnid);
}

/** Whether the tenant system is in the state; if an NVE or a VN is named, at that NVE or in that VN. */
function stands(ts: FoldedTs, state: State, nveId: string | undefined, vnid: number | undefined): boolean {
  const { attachments, bindings, failures } = ts.state;
  const here = (other: string): boolean => nveId === undefined || other === nveId;
  switch (state) {
    case 'associated':
    case 'activated':
      return attachments.some((attachment) => attachment.state === state && here(attachment.nveId));
    case 'failed':
      return failures.some((failure) => here(failure.nveId) && (vnid === undefined || failure.vnid === null || failure.vnid === vnid));
    case 'conflicted':
      return standingOf(ts).conflicts.some((conflict) => vnid === undefined || conflict.vnid === vnid);
    case 'orphaned':
      return bindings.some(({ vn }) => vn === null);
    case 'unbound':
      return bindings.length === 0;
  }
}
