import type { Timers } from './timers.ts';

/** How often a VN whose feed is denied is checked, while its membership is in doubt. */
export const DENIED_LOOK_MS = 10_000;
/**
 * The NVE leaves after this many checks in a row that find the VN's feed denied: 10 min. Checks are counted, instead of comparing
 * two readings of a clock, so that time in which the process slept does not count.
 */
export const DENIED_LOOKS = 60;

/**
 * What the VN's own feed says about a membership in doubt. `member`: it names this NVE, so the two feeds disagree. `reading`: its
 * table is being read, or is not whole. `unreachable`: it is missing, or cannot be reached. `denied`: this NVE may not read it.
 */
export type DoubtReason = 'member' | 'reading' | 'unreachable' | 'denied';

/**
 * A membership in doubt. Either this NVE's own feed, read anew, no longer holds it although no record ended it; or the record
 * that ended it is older than what the VN's own feed says about this NVE.
 */
export interface MembershipDoubt {
  readonly vnid: number;
  readonly reason: DoubtReason;
}

export interface DoubtsOptions {
  readonly timers: Timers;
  /** What the VN's own feed says now; `ended`: this NVE is no longer in the VN. */
  readonly ask: (vnid: number) => DoubtReason | 'ended';
  /** The NVE is to leave the VN. */
  readonly leave: (vnid: number) => void;
  /** Called when the reason has changed; null: the doubt is over. */
  readonly tell: (vnid: number, reason: DoubtReason | null) => void;
  /** Whether this NVE's own feed is followed now. While it is not, a denied VN says little: the brokers may deny everything. */
  readonly isHeard: () => boolean;
}

interface Held {
  reason: DoubtReason;
  deniedLooks: number;
}

/**
 * The memberships in doubt. The VN's own feed decides each: this NVE stays as long as that feed names it or says nothing, and
 * leaves when that feed says otherwise, or is denied for DENIED_LOOKS checks. So an NVE's feed that was lost, or is being filled
 * in parts, ends no membership (X6).
 */
export class MembershipDoubts {
  readonly #options: DoubtsOptions;
  readonly #held = new Map<number, Held>();
  #callOff: (() => void) | null = null;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  /** By VNID. */
  all(): MembershipDoubt[] {
    return [...this.#held].map(([vnid, { reason }]) => ({ vnid, reason })).sort((a, b) => a.vnid - b.vnid);
  }

  /** Exactly these memberships are in doubt. */
  set(vnids: readonly number[]): void {
    const doubtful = new Set(vnids);
    for (const vnid of this.#held.keys()) if (!doubtful.has(vnid)) this.settle(vnid);
    for (const vnid of doubtful) this.#look(vnid);
  }

  /** This membership is in doubt too. */
  add(vnid: number): void {
    this.#look(vnid);
  }

  /** The doubt is over. */
  settle(vnid: number): void {
    if (this.#held.delete(vnid)) this.#options.tell(vnid, null);
  }

  /** The VN's own feed, or its table, has changed. */
  review(vnid: number): void {
    if (this.#held.has(vnid)) this.#look(vnid);
  }

  close(): void {
    this.#callOff?.();
    this.#callOff = null;
  }

  #look(vnid: number): void {
    const found = this.#options.ask(vnid);
    if (found === 'ended') return this.#end(vnid);
    const before = this.#held.get(vnid);
    if (before?.reason === found) return;
    this.#held.set(vnid, { reason: found, deniedLooks: 0 });
    if (found === 'denied') this.#callOff ??= this.#options.timers.after(DENIED_LOOK_MS, () => this.#lookAtDenied());
    this.#options.tell(vnid, found);
  }

  #lookAtDenied(): void {
    this.#callOff = null;
    const denied = [...this.#held].filter(([, { reason }]) => reason === 'denied');
    if (denied.length === 0) return;
    this.#callOff = this.#options.timers.after(DENIED_LOOK_MS, () => this.#lookAtDenied());
    if (!this.#options.isHeard()) return;
    for (const [vnid, held] of denied) if (++held.deniedLooks >= DENIED_LOOKS) this.#end(vnid);
  }

  #end(vnid: number): void {
    this.settle(vnid);
    this.#options.leave(vnid);
  }
}
