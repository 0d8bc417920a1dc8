import { standingOf, type FoldedTs, type FoldedVn, type Network } from '@nva/fold';
import type { PageQuery, PageText } from './paging.ts';
import { walk, type Steps } from '../turns/sliced.ts';

/** How a tenant system may stand. */
export const STATES = ['associated', 'activated', 'failed', 'conflicted', 'orphaned', 'unbound'] as const;
export type State = (typeof STATES)[number];

/** Which tenant systems a list is of. */
export interface Wanted {
  readonly tenantId?: string | undefined;
  /** Attached there. */
  readonly nveId?: string | undefined;
  /** In the VN as it now lives. */
  readonly vnid?: number | undefined;
  readonly state?: State | undefined;
}

/** Tenant systems looked at for one page at most: what a list is not of is passed over, and of a million there may be many. */
const LOOKED_AT_PER_PAGE = 16_384;
const STEP = 64;

/** Where a tenant system stands in a list: by id, then by tenant. `!` comes before every character of an id. */
export const placeOf = ({ state: { tsId, tenantId } }: FoldedTs): string => `${tsId}!${tenantId}`;
/** In the order of a VN's mappings, of one tenant. */
export const placeInVn = ({ state: { tsId } }: FoldedTs): string => `${tsId}/`;

/** What is attached at an NVE, in order, and `undefined` where a step ends. One that has left meanwhile may still be met. */
export function* attachedAt({ whereabouts }: Network, nveId: string, after = ''): Generator<FoldedTs | undefined, void> {
  while (!whereabouts.prepare(STEP)) yield undefined;
  yield* walk(whereabouts.at(nveId), (ts) => placeOf(ts) <= after);
}

/** Who is in a VN, in order, and `undefined` where a step ends. One that has left meanwhile may still be met. */
export function* inVn(vn: FoldedVn, after = ''): Generator<FoldedTs | undefined, void> {
  yield* walk(vn.macs.order, (ts) => placeInVn(ts) <= after);
}

/** The first few of either, as they stand now. */
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
 * A page of tenant systems that are attached anywhere. It goes by the NVE, if one is wanted, else by the VN, else through all of
 * them, and ends when it is full or has looked at so many: so it may have fewer items than asked for, even none, and a `next`.
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

function matches(ts: FoldedTs, { tenantId, nveId, vnid, state }: Wanted, vn: FoldedVn | undefined): boolean {
  if (ts.state.attachments.length === 0) return false;
  if (tenantId !== undefined && ts.state.tenantId !== tenantId) return false;
  if (nveId !== undefined && !isAt(ts, nveId)) return false;
  if (vnid !== undefined && !(vn && isIn(ts, vn))) return false;
  return state === undefined || stands(ts, state, nveId, vnid);
}

/** Whether it stands so; where an NVE or a VN is named, there. */
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
