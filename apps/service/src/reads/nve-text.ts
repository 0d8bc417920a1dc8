import type { FoldedNve } from '@nva/fold';
import { walk, type Steps } from '../turns/sliced.ts';
import type { AppliedBody } from '../core/applied-reports.ts';
import { nveBody } from './views.ts';

/** Memberships that are converted to JSON in one step. */
const MEMBERSHIPS_PER_STEP = 256;

/**
 * An NVE as JSON, with all VNs that it is in; these may be all VNs that exist. `alarm`: the NVE changes its identity too often.
 * `applied`: what it last reported for a VN.
 */
export function* nveText(nve: FoldedNve, alarm: boolean, applied: (vnid: number) => AppliedBody | null): Steps<string> {
  const memberships: string[] = [];
  for (const vnid of walk(nve.memberships.order, () => false, MEMBERSHIPS_PER_STEP)) {
    const member = vnid === undefined ? undefined : nve.memberships.get(vnid);
    if (member) memberships.push(JSON.stringify({ vnid, since: String(member.since), applied: applied(vnid!) }));
    else yield;
  }
  return `${JSON.stringify(nveBody(nve, alarm)).slice(0, -1)},"memberships":[${memberships.join(',')}]}`;
}
