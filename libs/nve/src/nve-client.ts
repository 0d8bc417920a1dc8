import type { Membership } from '@nva/codec';
import type { FeedName, FeedTransport, Position } from '@nva/ports';
import { MembershipDoubts, type DoubtReason, type MembershipDoubt } from './doubts.ts';
import { Emitter } from './emitter.ts';
import { sameValue, type MembershipChange, type TableChange } from './feed-change.ts';
import { Follower, type FollowerState, type TableReport } from './follower.ts';
import { LocalAttachments, type Disagreement, type LocalAttachment } from './local-attachments.ts';
import { MembershipTable } from './membership-table.ts';
import type { Resolution } from './resolution.ts';
import { systemTimers, type Timers } from './timers.ts';
import { VnTable, type Address, type Stay } from './vn-table.ts';
import { sayWholeSet, wholeSetLine, type SendWholeSet } from './whole-set.ts';

export interface NveEvents {
  /** A VN's table changed: by one whole change, by the difference of a swap, or by losing everything because the NVE left the VN. */
  change: TableReport<TableChange> & { readonly vnid: number };
  /** The NVA put this NVE into a VN, whose table is now being read. */
  joined: { readonly vnid: number; readonly membership: Membership };
  /** The NVA took this NVE out of a VN; its table is gone. */
  left: { readonly vnid: number; readonly membership: Membership };
  /**
   * The NVA took this NVE out of a VN and put it in again, possibly into another VN with the same VNID, and the VN's table
   * already belongs to the new stay. The `change` events report all differences; equal entries stay.
   */
  rejoined: { readonly vnid: number; readonly before: Membership; readonly membership: Membership };
  /** The table read from a feed is whole: after the first read, and after every further one. */
  complete: { readonly feed: FeedName };
  /**
   * A feed was read to its end and is not whole: it has lost its records, is being filled, or was read where it lags behind this
   * NVE. Nothing is withdrawn (X6); `complete` follows.
   */
  incomplete: { readonly feed: FeedName };
  /**
   * A membership is in doubt: this NVE's own feed, read anew, no longer holds it although no record ended it; or a record ended
   * it that is older than what the VN's own feed says. The NVE stays in the VN. `reason` is what the VN's own feed says now;
   * null: the doubt is over, possibly because the NVE has left.
   */
  doubtful: { readonly vnid: number; readonly reason: DoubtReason | null };
  /** The keys of a feed that cannot be understood have changed to these; empty means that all is well again. */
  degraded: { readonly feed: FeedName; readonly keys: readonly string[] };
  /** A feed cannot be followed now. Nothing is withdrawn (X6). */
  interrupted: { readonly feed: FeedName; readonly cause: Error };
  resumed: { readonly feed: FeedName };
  /** What the NVA says about this NVE's own attachments in a VN differs in this way from what it hosts (X7); empty: no longer. */
  disagreements: { readonly vnid: number; readonly disagreements: readonly Disagreement[] };
}

/** The state of a feed. For a VN that is `live`, a heartbeat reports `log`, `position` and `digest` as applied. */
export interface FeedStatus {
  readonly state: FollowerState;
  readonly log: string | null;
  readonly position: Position | null;
  /** null while catching up. */
  readonly digest: string | null;
  /** Keys that could not be understood; `?@<place>` for a record without a readable key. */
  readonly degraded: readonly string[];
}

/** One line of a heartbeat's `applied` (contract, «REST»). */
export interface Applied {
  readonly vnid: number;
  readonly log: string;
  /** Decimal. */
  readonly position: string;
  readonly digest: string;
}

/** The address belongs to a tenant system that this NVE itself hosts, whatever the NVA says (X7). */
export interface Hosted {
  readonly outcome: 'hosted';
  readonly attachment: LocalAttachment;
}

export interface NveClientOptions {
  readonly nveId: string;
  readonly transport: FeedTransport;
  /**
   * What this NVE hosts at the start; empty if nothing. If absent, the client does not know, and does not compare it with the
   * NVA's word until the first `attachLocal`.
   */
  readonly localAttachments?: Iterable<LocalAttachment>;
  /** For the only wait in this class: how long the NVE stays in a VN that is denied (`DENIED_LOOKS`). */
  readonly timers?: Timers;
}

type VnFollower = Follower<TableChange, VnTable>;

/**
 * The NVE's side of the NVA. It follows its own feed, which says which VNs it is in (X8), and each VN's feed while it is in the
 * VN. It holds a table of each, and knows what the NVE itself hosts. Trouble of one feed does not affect another.
 *
 * The class has no clock: leases, heartbeats and retries belong to the transport and the agent. Everything happens within the
 * calls of the transport, except the waits of `MembershipDoubts`. When a listener is called, the tables already show the change.
 */
export class NveClient {
  readonly nveId: string;
  readonly #transport: FeedTransport;
  readonly #memberships: Follower<MembershipChange, MembershipTable>;
  readonly #vns = new Map<number, { readonly follower: VnFollower; membership: Membership }>();
  readonly #local = new LocalAttachments();
  /** By VNID, the disagreements last reported; absent: none. */
  readonly #disagreements = new Map<number, readonly Disagreement[]>();
  readonly #doubts: MembershipDoubts;
  readonly #events = new Emitter<NveEvents>();
  #knowsWhatItHosts: boolean;
  #closing: Promise<unknown> = Promise.resolve();

  constructor({ nveId, transport, localAttachments, timers = systemTimers }: NveClientOptions) {
    this.nveId = nveId;
    this.#transport = transport;
    this.#knowsWhatItHosts = localAttachments !== undefined;
    for (const attachment of localAttachments ?? []) this.#local.set(attachment);
    const feed: FeedName = { kind: 'nve', nveId };
    this.#doubts = new MembershipDoubts({
      timers,
      ask: (vnid) => this.#standingIn(vnid),
      leave: (vnid) => {
        this.#memberships.table?.end(vnid);
        this.#leave(vnid);
      },
      tell: (vnid, reason) => this.#events.emit('doubtful', { vnid, reason }),
      isHeard: () => this.#memberships.state !== 'interrupted',
    });
    this.#memberships = new Follower(transport, feed, () => this.#newMembershipTable(), {
      ...this.#observer(feed),
      changed: (report) => this.#membershipsChanged(report),
      complete: () => {
        this.#doubts.set(this.#memberships.table?.doubtful ?? []);
        this.#events.emit('complete', { feed });
        for (const vnid of this.#local.vnids()) this.#compare(vnid);
      },
    });
  }

  /** Starts following. Called once. */
  start(): void {
    this.#memberships.follow();
  }

  /**
   * Stops following and keeps the tables. Resolves when the transport has released the subscriptions; the transport itself is not
   * closed.
   */
  async close(): Promise<void> {
    this.#doubts.close();
    await Promise.all([this.#memberships.close(), ...[...this.#vns.values()].map(({ follower }) => follower.close()), this.#closing]);
  }

  /** Returns a function that removes the listener. Listeners must not throw: their errors become uncaught ones. */
  on<K extends keyof NveEvents>(event: K, listener: (argument: NveEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** The VNs that this NVE is in, by VNID. */
  get memberships(): ReadonlyMap<number, Membership> {
    return new Map([...this.#vns].map(([vnid, { membership }]) => [vnid, membership]));
  }

  /**
   * The memberships in doubt: this NVE's own feed does not hold them, although no record ended them, or only one that is older
   * than what the VN's own feed says. The NVE stays in these VNs, and their feeds decide (README).
   */
  doubts(): MembershipDoubt[] {
    return this.#doubts.all();
  }

  /** The VN's forwarding table; null if this NVE is not in the VN, or has not read the table once. */
  table(vnid: number): VnTable | null {
    return this.#vns.get(vnid)?.follower.table ?? null;
  }

  /** Where the address is reached: at a tenant system hosted here (X7), else as the VN's table says; null if neither knows it. */
  resolve(vnid: number, address: Address): Hosted | Resolution | null {
    const attachment = this.#local.owner(vnid, address);
    return attachment ? { outcome: 'hosted', attachment } : (this.table(vnid)?.resolve(address) ?? null);
  }

  /** This NVE hosts a tenant system, or the tenant system has changed. Only this NVE itself ever states this. */
  attachLocal(attachment: LocalAttachment): void {
    const before = this.#local.get(attachment.tsId, attachment.tenantId);
    this.#knowsWhatItHosts = true;
    this.#local.set(attachment);
    this.#compareAll([before, attachment]);
  }

  detachLocal(tsId: string, tenantId?: string): void {
    const before = this.#local.get(tsId, tenantId);
    this.#local.delete(tsId, tenantId);
    this.#compareAll([before]);
  }

  /**
   * States to the NVA at a restart that the tenant systems that this NVE hosts now are all that it has. The NVA detaches every
   * other tenant system that it still has at this NVE; attachments at other NVEs stay, and nothing is attached. Call it after the
   * connect notification with this `incarnation` was answered and every tenant system that survived is known here, and before any
   * other command about tenant systems: an attach that is answered meanwhile could be undone. The NVA refuses any other
   * incarnation than the present one (`nve-incarnation`), so a late statement from a former incarnation changes nothing.
   *
   * `send` takes the command to the NVA. Resolves with the number of detached tenant systems. Rejects with WholeSetRefused, with
   * what `send` rejects with, and with RangeError if this client was never told what it hosts (`localAttachments`,
   * `attachLocal`): not knowing is not the same as hosting nothing.
   */
  async keepOnlyHosted(incarnation: number, send: SendWholeSet): Promise<number> {
    if (!this.#knowsWhatItHosts)
      throw new RangeError(`NVE ${this.nveId} does not know what it hosts: give localAttachments, empty if that is nothing`);
    return sayWholeSet(wholeSetLine(this.nveId, incarnation, this.#local.all.values()), send);
  }

  get localAttachments(): ReadonlyMap<string, LocalAttachment> {
    return this.#local.all;
  }

  /** The present differences between the NVA's word and what this NVE hosts (X7). */
  disagreements(): Disagreement[] {
    return [...this.#disagreements.values()].flat();
  }

  /** The state of each VN's feed, by VNID. */
  status(): ({ readonly vnid: number } & FeedStatus)[] {
    return [...this.#vns].sort(([a], [b]) => a - b).map(([vnid, { follower }]) => ({ vnid, ...statusOf(follower) }));
  }

  /** The state of this NVE's own feed. */
  membershipStatus(): FeedStatus {
    return statusOf(this.#memberships);
  }

  /**
   * The content of a heartbeat's `applied`: the VNs whose table is whole. A VN that is catching up is left out (contract, «Digest
   * of a VN»).
   */
  applied(): Applied[] {
    return this.status().flatMap(({ vnid, log, position, digest }) =>
      log === null || position === null || digest === null ? [] : [{ vnid, log, position: String(position), digest }],
    );
  }

  #newMembershipTable(): MembershipTable {
    const table: MembershipTable = new MembershipTable({
      isIn: (vnid, position, log) => this.#isInSince(vnid, position + 1, log),
      doubtful: (vnid) => table === this.#memberships.table && this.#doubts.add(vnid),
      certain: (vnid) => this.#doubts.settle(vnid),
    });
    return table;
  }

  /**
   * Whether the VN's table has this NVE in the VN by a record of `log` at `position` or later. The whole table is then at least
   * that new.
   */
  #isInSince(vnid: number, position: Position, log: string | null): boolean {
    const table = this.#vns.get(vnid)?.follower.table;
    return table?.log === log && (table?.ownPosition ?? 0) >= position;
  }

  #membershipsChanged({ changes, otherLog }: TableReport<MembershipChange>): void {
    for (const { before, after } of changes) {
      if (after === null) this.#leave(before!.vnid);
      else if (before === null) this.#join(after);
      else if (before.since === after.since || otherLog) this.#refollow(after);
      else if (this.#isInSince(after.vnid, after.since, this.#memberships.table!.log)) this.#rejoin(after);
      else {
        // Out and in again between two looks: nothing of the former VN, which may be another tenant's, may stay.
        this.#leave(before.vnid);
        this.#join(after);
      }
    }
  }

  #join(membership: Membership): void {
    const { vnid } = membership;
    const feed: FeedName = { kind: 'vn', vnid };
    const review = (): void => this.#doubts.review(vnid);
    const follower: VnFollower = new Follower(this.#transport, feed, () => new VnTable(vnid, this.nveId, this.#stayIn(vnid)), {
      ...this.#observer(feed, review),
      degraded: () => this.#events.emit('degraded', { feed, keys: follower.degraded }),
      changed: (report) => {
        this.#events.emit('change', { vnid, ...report });
        if (report.changes.some((change) => this.#concernsUs(change))) this.#compare(vnid);
        if (report.cause !== 'left') review();
      },
      complete: () => {
        this.#events.emit('complete', { feed });
        this.#compare(vnid);
        review();
      },
    });
    this.#vns.set(vnid, { follower, membership });
    this.#events.emit('joined', { vnid, membership });
    follower.follow(membership);
  }

  #stayIn(vnid: number): Stay {
    return { since: this.#vns.get(vnid)!.membership.since, log: this.#memberships.table?.log ?? null };
  }

  /** The VN's table arrived first: it is read anew only if the membership now names another topic or other brokers. */
  #rejoin(membership: Membership): void {
    const vn = this.#vns.get(membership.vnid)!;
    const before = vn.membership;
    vn.membership = membership;
    this.#events.emit('rejoined', { vnid: membership.vnid, before, membership });
    if (!sameValue({ ...before, since: membership.since }, membership)) this.#refollow(membership);
  }

  #leave(vnid: number): void {
    const { follower, membership } = this.#vns.get(vnid)!;
    this.#vns.delete(vnid);
    this.#doubts.settle(vnid);
    follower.leave();
    this.#closing = Promise.allSettled([this.#closing, follower.close()]);
    this.#events.emit('left', { vnid, membership });
    this.#compare(vnid);
  }

  /** The VN's feed is at another place, or of another log: it is read anew while the present table forwards. */
  #refollow(membership: Membership): void {
    const vn = this.#vns.get(membership.vnid)!;
    vn.membership = membership;
    vn.follower.follow(membership);
  }

  /** What the VN's own feed says about this NVE. Only a table that is up to date can say that the NVE is not in the VN. */
  #standingIn(vnid: number): DoubtReason | 'ended' {
    const { state, denied, table, held } = this.#vns.get(vnid)!.follower;
    if (state === 'interrupted') return denied ? 'denied' : 'unreachable';
    if (held?.leavesOut) return 'ended';
    if (state !== 'live' || !table) return 'reading';
    return table.members.has(this.nveId) && !table.isDeleted ? 'member' : 'ended';
  }

  /** `then` is called after each report. */
  #observer(feed: FeedName, then: () => void = () => undefined) {
    return {
      degraded: () => this.#events.emit('degraded', { feed, keys: this.#memberships.degraded }),
      interrupted: (cause: Error) => (this.#events.emit('interrupted', { feed, cause }), then()),
      resumed: () => (this.#events.emit('resumed', { feed }), then()),
      incomplete: () => (this.#events.emit('incomplete', { feed }), then()),
      filled: then,
    };
  }

  /** Whether the change is about a tenant system that is here, according to this NVE or to the NVA. */
  #concernsUs({ kind, before, after }: TableChange): boolean {
    if (kind !== 'mapping') return false;
    return [before, after].some(
      (mapping) => mapping && (this.#local.hosts(mapping.tsId) || mapping.attachments.some(({ nveId }) => nveId === this.nveId)),
    );
  }

  #compareAll(attachments: readonly (LocalAttachment | undefined)[]): void {
    const vnids = attachments.flatMap((attachment) => attachment?.bindings.map(({ vnid }) => vnid) ?? []);
    for (const vnid of new Set(vnids)) this.#compare(vnid);
  }

  /** Compares a VN's table with what is hosted, if both are known, and reports the result if it has changed. */
  #compare(vnid: number): void {
    const vn = this.#vns.get(vnid);
    const told = vn ? vn.follower.table !== null : this.#memberships.table !== null;
    if (!this.#knowsWhatItHosts || !told) return;
    const before = this.#disagreements.get(vnid) ?? [];
    const disagreements = this.#local.compare(vnid, vn?.follower.table ?? null);
    if (disagreements.length > 0) this.#disagreements.set(vnid, disagreements);
    else this.#disagreements.delete(vnid);
    if (JSON.stringify(before) !== JSON.stringify(disagreements)) this.#events.emit('disagreements', { vnid, disagreements });
  }
}

function statusOf(follower: Follower<TableChange, VnTable> | Follower<MembershipChange, MembershipTable>): FeedStatus {
  const { table, state, degraded, catchingUp } = follower;
  const digest = catchingUp || !table || table.log === null ? null : table.digest();
  return { state, log: table?.log ?? null, position: table?.position ?? null, digest, degraded };
}
