import type { FoldedTs, Network } from '@nva/fold';
import { Refusal } from '@nva/identifiers';
import type { Caller, Outcome } from '@nva/registrar';
import type { Steps } from '../turns/sliced.ts';
import type { Reads } from '../reads/reads.ts';
import { attachedAt, first, inVn, isAt, isIn } from '../reads/tenant-system-lists.ts';

/** Maximum number of tenant systems that a refusal names. */
const NAMED = 5;

/**
 * Adds to a refusal for a VN or NVE in use which tenant systems use it: the first few, as the fold then knows them, and the call
 * that lists all. Only operators delete VNs and forget NVEs, so they may know all of this. The search is made here in the
 * caller's turns and not at the decision, because the first search reads every tenant system.
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
    // Too many reads wait: the refusal can then name only the call that lists them.
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
