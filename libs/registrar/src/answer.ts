import { standingOf, type Conflict, type FoldedTs } from '@nva/fold';
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

export function answerForTenantSystem(ts: FoldedTs | undefined, recorded: boolean): Answer {
  if (!ts) return plainAnswer(0, -1, recorded);
  const { effective, conflicts, memberships } = standingOf(ts);
  return { recorded, position: ts.position, revision: ts.revision, effective, conflicts, memberships };
}

/** The holder's answer; effective only if the result is effective for both. */
export function answerForPassing(holder: FoldedTs | undefined, taker: FoldedTs | undefined): Answer {
  const [own, takers] = [answerForTenantSystem(holder, true), answerForTenantSystem(taker, true)];
  return { ...own, effective: own.effective && takers.effective, conflicts: [...own.conflicts, ...takers.conflicts] };
}

export const plainAnswer = (position: Position, revision: number, recorded: boolean): Answer => ({
  recorded,
  position,
  revision,
  effective: true,
  conflicts: [],
  memberships: [],
});
