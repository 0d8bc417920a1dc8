import { foldedOf, standingOf, type Conflict, type FoldedTs, type Network } from '@nva/fold';
import { tsNameOf } from '@nva/identifiers';
import type { Position } from '@nva/ports';

/** The result of an accepted command (contract, «Answers»). */
export interface Answer {
  /** False if the state was so already, and nothing was recorded. */
  readonly recorded: boolean;
  /** Position and revision of the last event of the command's aggregate; 0 and -1 if there is none. */
  readonly position: Position;
  readonly revision: number;
  /** False if the command is recorded but does not count: it lost a race for an address, or its VN went away. */
  readonly effective: boolean;
  readonly conflicts: readonly Conflict[];
  /** VNs that the tenant system is in. */
  readonly memberships: readonly number[];
}

/** The answer to a command about a stream, when the network has folded its event, or where there was nothing to record. */
export function answerFor(network: Network, stream: string, recorded: boolean): Answer {
  const tsName = tsNameOf(stream);
  if (tsName !== undefined) return forTenantSystem(network.tenantSystems.get(tsName), recorded);
  const folded = foldedOf(network, stream);
  return plainAnswer(folded?.position ?? 0, folded?.revision ?? -1, recorded);
}

/** The answer to a passing: that of the holder; effective only if the result is effective for both. */
export function answerForPassing({ tenantSystems }: Network, stream: string, toStream: string): Answer {
  const [own, takers] = [stream, toStream].map((one) => forTenantSystem(tenantSystems.get(tsNameOf(one)!), true)) as [Answer, Answer];
  return { ...own, effective: own.effective && takers.effective, conflicts: [...own.conflicts, ...takers.conflicts] };
}

function forTenantSystem(ts: FoldedTs | undefined, recorded: boolean): Answer {
  if (!ts) return plainAnswer(0, -1, recorded);
  const { effective, conflicts, memberships } = standingOf(ts);
  return { recorded, position: ts.position, revision: ts.revision, effective, conflicts, memberships };
}

export const plainAnswer = (position: Position, revision: number, recorded: boolean): Answer => ({
  recorded,
  position,
  revision,
  effective: true,
  conflicts: [],
  memberships: [],
});
