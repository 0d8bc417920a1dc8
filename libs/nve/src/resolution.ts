import type { AttachmentState, Mapping, VnContext, VnMember } from '@nva/codec';

/** An attachment of a tenant system, joined with the member record of its NVE. */
export interface ResolvedAttachment {
  readonly nveId: string;
  /** Only an activated attachment forwards; an associated one is shown and waits (X5). */
  readonly state: AttachmentState;
  /** At this very NVE (R52). */
  readonly local: boolean;
  /** null: the NVE's member record has not come. */
  readonly member: VnMember | null;
  /** What the member record says of the NVE; true for this NVE itself, whatever it says. */
  readonly reachable: boolean;
}

interface Resolved {
  readonly key: string;
  readonly mapping: Mapping;
  /** Every attachment, in the order of the record. */
  readonly attachments: readonly ResolvedAttachment[];
}

/** Here: delivered over the access link, without a tunnel (R52). */
export interface LocalResolution extends Resolved {
  readonly outcome: 'local';
  readonly via: ResolvedAttachment;
}

/** Behind another NVE: through a tunnel of the VN's encapsulation to it. */
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

/** The mapping is there, but nothing can be sent by it now; it is kept and resolves when the rest comes. */
export interface Unresolved extends Resolved {
  readonly outcome: 'unresolved';
  readonly reason: 'not-activated' | 'member-missing' | 'context-missing';
}

export type Resolution = LocalResolution | RemoteResolution | Unresolved;

/** What resolving needs of a VN's table. */
export interface VnView {
  /** The NVE whose table it is. */
  readonly nveId: string;
  readonly context: VnContext | null;
  readonly members: ReadonlyMap<string, VnMember>;
}

/**
 * Where a frame or packet for this mapping goes. This NVE itself before others (R52); a reachable NVE before one that is not,
 * and of equals the first in the record. An unreachable NVE is chosen, and flagged, when there is no other: it may well be cut off
 * from the NVA only, and then still forwards (X6).
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
