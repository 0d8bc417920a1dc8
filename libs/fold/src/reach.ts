import type { PublishedAttachment } from '@nva/codec';
import type { TenantSystem } from '@nva/domain';
import type { FoldedNve } from './model.ts';

/** The attachments through which a tenant system reaches a VN: the NVE is known, and the connection has not failed there (R56). */
export function reachedAt(
  nves: ReadonlyMap<string, FoldedNve>,
  { attachments, failures }: TenantSystem,
  vnid: number,
): readonly PublishedAttachment[] {
  if (attachments.length === 1 && failures.length === 0) {
    const nve = nves.get(attachments[0]!.nveId)!;
    return nve.known ? nve.alone[attachments[0]!.state] : [];
  }
  return attachments
    .filter((a) => nves.get(a.nveId)!.known && !failures.some((f) => f.nveId === a.nveId && (f.vnid === null || f.vnid === vnid)))
    .map((a) => ({ nveId: a.nveId, state: a.state }));
}
