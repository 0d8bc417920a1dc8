import type { AttachmentState, Mapping, VnContext, VnMember } from '@nva/codec';

/** An attachment of a tenant system, joined with the member record of its NVE. */
export interface ResolvedAttachment {
  readonly nveId: string;
  /** Only an activated attachment forwards; an associated one is shown and waits (X5). */
  readonly state: AttachmentState;
  /** Whether it is at this very NVE (R52). */
  readonly local: boolean;
  /** null: the NVE's member record has not arrived. */
  readonly member: VnMember | null;
  /** The reachability in the NVE's member record; always true for this NVE itself. */
  readonly reachable: boolean;
}

interface Resolved {
  readonly key: string;
  readonly mapping: Mapping;
  /** Every attachment, in the order of the record. */
  readonly attachments: readonly ResolvedAttachment[];
}

/** The address is here: the frame is delivered over the access link, without a tunnel (R52). */
export interface LocalResolution extends Resolved {
  readonly outcome: 'local';
  readonly via: ResolvedAttachment;
}

/** The address is behind another NVE: the frame goes through a tunnel of the VN's encapsulation. */
export interface RemoteResolution extends Resolved {
  readonly outcome: 'remote';
  readonly via: ResolvedAttachment & { readonly member: VnMember };
  readonly tunnel: {
    readonly vnid: number;
    readonly encapsulation: VnContext['encapsulation'];
    /** Underlay IP addresses of the NVE, preferred first. */
    readonly addresses: readonly string[];
  };
}

/** The mapping exists, but nothing can be sent by it now; it is kept and resolves when the missing record comes. */
export interface Unresolved extends Resolved {
  readonly outcome: 'unresolved';
  readonly reason: 'not-activated' | 'member-missing' | 'context-missing';
}

export type Resolution = LocalResolution | RemoteResolution | Unresolved;

/** The parts of a VN's table that resolution needs. */
export interface VnView {
  /** The NVE whose table it is. */
  readonly nveId: string;
  readonly context: VnContext | null;
  readonly members: ReadonlyMap<string, VnMember>;
}

/**
 * Where to send a frame or packet for this mapping. This NVE itself comes before others (R52), and a reachable NVE before an
 * unreachable one; among equals the first in the record is chosen. An unreachable NVE is chosen, and flagged, if there is no
 * other: it may be cut off from the NVA only, and then still forwards (X6).
 */
export function resolveMapping(key: string, mapping: Mapping, vn: VnView): Resolution {
  const attachments = mapping.attachments.map(({ nveId, state }): ResolvedAttachment => {
    const member = vn.members.get(nveId) ?? null;
    const local = nveId === vn.nveId;
    return { nveId, state, local, member, reachable: local || (member?.reachable ?? false) };
  });
  const resolved = { key, mapping, attachments };
  const active = attachments.filter(({ state }) => state === 'activated');
  const local = active.find((attachment) => attachment.local);
  if (local) return { ...resolved, outcome: 'local', via: local };
  if (active.length === 0) return { ...resolved, outcome: 'unresolved', reason: 'not-activated' };
  const known = active.filter(hasMember);
  const via = known.find(({ reachable }) => reachable) ?? known[0];
  if (!via) return { ...resolved, outcome: 'unresolved', reason: 'member-missing' };
  if (!vn.context) return { ...resolved, outcome: 'unresolved', reason: 'context-missing' };
  const { vnid, encapsulation } = vn.context;
  return { ...resolved, outcome: 'remote', via, tunnel: { vnid, encapsulation, addresses: via.member.addresses } };
}

const hasMember = (attachment: ResolvedAttachment): attachment is ResolvedAttachment & { readonly member: VnMember } =>
  attachment.member !== null;
