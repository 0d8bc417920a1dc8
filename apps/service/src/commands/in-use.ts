import type { FoldedTs, Network } from '@nva/fold';
import { Refusal } from '@nva/identifiers';
import type { Caller, Outcome } from '@nva/registrar';
import type { Steps } from '../turns/sliced.ts';
import type { Reads } from '../reads/reads.ts';
import { attachedAt, first, inVn, isAt, isIn } from '../reads/tenant-system-lists.ts';

/** Tenant systems that a refusal names. */
const NAMED = 5;

/**
 * The same outcomes, in which a refusal for what is in use says by what: the first few, as the fold has them by then, and the call
 * that lists all. Only operators delete VNs and forget NVEs, so all of it is theirs to know. It is looked for here and not where it
 * is decided, since the first look takes in every tenant system, in the caller's turns.
 */
export async function sayingByWhat(reads: Reads, caller: Caller, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
  if (!outcomes.some((outcome) => 'refusal' in outcome && isInUse(outcome.refusal))) return outcomes;
  const said: Outcome[] = [];
  for (const outcome of outcomes)
    said.push('refusal' in outcome && isInUse(outcome.refusal) ? { refusal: await byWhat(reads, caller, outcome.refusal) } : outcome);
  return said;
}

const isInUse = ({ code, detail }: Refusal): boolean => (code === 'vn-in-use' || code === 'nve-in-use') && detail.received !== undefined;

async function byWhat(reads: Reads, caller: Caller, refusal: Refusal): Promise<Refusal> {
  const { code, message, detail } = refusal;
  const query = code === 'vn-in-use' ? `/v1/vns/${detail.received}/tenant-systems` : `/v1/nves/${detail.received}/tenant-systems`;
  const named = await reads.inTurns(caller, users(reads.network, refusal)).catch((error: unknown) => {
    // Too many reads wait: the call that lists them is all that can be said now.
    if (error instanceof Refusal) return [];
    throw error;
  });
  const names = named.map(({ state: { tsId, tenantId } }) => ({ tsId, tenantId }));
  const text = names.length === 0 ? '' : `, first of all ${names.map(({ tsId, tenantId }) => `${tsId} of tenant ${tenantId}`).join(', ')}`;
  return new Refusal(code, `${message}; GET ${query} lists them${text}`, { ...detail, inUseBy: { first: names, query } });
}

function users(network: Network, { code, detail: { received } }: Refusal): Steps<readonly FoldedTs[]> {
  if (code === 'nve-in-use') return first(attachedAt(network, String(received)), (ts) => isAt(ts, String(received)), NAMED);
  const vn = network.vns.get(Number(received));
  return first(vn ? inVn(vn) : [], (ts) => isIn(ts, vn!), NAMED);
}
