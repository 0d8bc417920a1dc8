import { cut, type Refusal } from '@nva/identifiers';
import type { Clock, Logger } from '@nva/ports';
import { actorOf, type Caller } from '@nva/registrar';
import { STATUS } from './problem.ts';

/** Maximum number of attempts kept for known callers together, and also for unknown callers together. */
export const KEPT_ATTEMPTS = 1_024;
/** Maximum number of attempts kept for one caller: its newest ones. */
export const KEPT_PER_CALLER = 128;
/**
 * Log lines that the attempts of one caller may take at once, and the time after which one more is allowed: a flood of one day
 * takes 9,000 lines.
 */
export const LINES_PER_CALLER = 32;
export const LINE_PER_CALLER_MS = 10_000;
/** The same bounds for all known callers together, and for all unknown callers together: 90,000 lines a day, some 50 MB. */
const LINES = 256;
const LINE_MS = 1_000;
/** Delay until the log says how many lines were left out. */
const TELL_LEFT_OUT_MS = 60_000;

/** What a caller tried, as far as it may be written down: no token, no signature, no body. */
export interface Attempt {
  /** null for a caller that has not proven its identity. */
  readonly caller: Caller | null;
  /** The NVE that a record on Kafka names, if the signature is not that NVE's. */
  readonly claims?: string;
  /** Remote address; null for a command over Kafka. */
  readonly address: string | null;
  readonly record?: { readonly topic: string; readonly partition: number; readonly offset: string };
  /** The command's name, or method and route; null if it was not read. */
  readonly command: string | null;
  /** The stream that the attempt was about, as far as the request names it. */
  readonly entity: string | null;
  readonly correlationId: string | null;
  readonly refusal: Refusal;
}

/** An attempt as it is kept. */
export interface KeptAttempt {
  /** Grows, also across a restart; for paging. */
  readonly id: number;
  readonly told: Readonly<Record<string, unknown>>;
  /** Number of attempts of the same caller between the previous kept one and this one, of which only the number is kept. */
  leftOut: number;
}

/** A token bucket: at most `most` at once, one more every `everyMs`. */
class Allowance {
  readonly #most: number;
  readonly #everyMs: number;
  #left: number;
  #atMs: number;

  constructor(most: number, everyMs: number, nowMs: number) {
    this.#most = most;
    this.#everyMs = everyMs;
    this.#left = most;
    this.#atMs = nowMs;
  }

  has(nowMs: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (nowMs - this.#atMs) / this.#everyMs);
    this.#atMs = nowMs;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }
}

interface Share {
  readonly kept: KeptAttempt[];
  readonly lines: Allowance;
  /** Attempts without a log line since the caller's last log line. */
  unlogged: number;
}

/**
 * The kept attempts of one kind of callers. Each caller has a share, and the largest share gives way. So a flood does not push
 * out the attempts of other callers.
 */
class Pool {
  readonly #shares = new Map<string, Share>();
  readonly #lines: Allowance;
  #size = 0;
  /** Attempts of callers of whom nothing is kept any more. */
  forgotten = 0;

  constructor(nowMs: number) {
    this.#lines = new Allowance(LINES, LINE_MS, nowMs);
  }

  /**
   * Keeps an attempt. Returns how many attempts of the caller had no log line since its last one; null if this attempt is to have
   * no log line.
   */
  add(key: string, kept: KeptAttempt, nowMs: number): number | null {
    let share = this.#shares.get(key);
    if (!share)
      this.#shares.set(key, (share = { kept: [], lines: new Allowance(LINES_PER_CALLER, LINE_PER_CALLER_MS, nowMs), unlogged: 0 }));
    share.kept.push(kept);
    if (share.kept.length > KEPT_PER_CALLER) dropOldest(share);
    else if (++this.#size > KEPT_ATTEMPTS) this.#makeRoom();
    if (!share.lines.has(nowMs) || !this.#lines.has(nowMs)) {
      share.unlogged++;
      return null;
    }
    share.lines.take();
    this.#lines.take();
    const { unlogged } = share;
    share.unlogged = 0;
    return unlogged;
  }

  *all(): Generator<KeptAttempt, void> {
    for (const { kept } of this.#shares.values()) yield* kept;
  }

  /** The largest share drops its oldest attempt; among equal shares, the share that has existed longest. */
  #makeRoom(): void {
    let most: [string, Share] | undefined;
    for (const one of this.#shares) if (!most || one[1].kept.length > most[1].kept.length) most = one;
    const [key, share] = most!;
    this.#size--;
    if (share.kept.length > 1) return dropOldest(share);
    this.forgotten += 1 + share.kept[0]!.leftOut;
    this.#shares.delete(key);
  }
}

function dropOldest({ kept }: Share): void {
  const { leftOut } = kept.shift()!;
  kept[0]!.leftOut += leftOut + 1;
}

/**
 * Callers that tried to change something and were refused with 401 or 403, for an auditor. The newest attempts of each caller are
 * kept in memory, within bounds; a log line reports each attempt at once, at a bounded rate. What is left out is counted in both
 * cases. Callers that have not proven their identity share by address, apart from those that have. So strangers cannot hide the
 * attempts that are made with a stolen token.
 */
export class RefusedAttempts {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #known: Pool;
  readonly #strangers: Pool;
  #lastId: number;
  #unlogged = 0;
  #telling: NodeJS.Timeout | undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    const nowMs = clock.monotonicMs();
    this.#known = new Pool(nowMs);
    this.#strangers = new Pool(nowMs);
    // A thousand ids per millisecond, so that ids after a restart are greater.
    this.#lastId = clock.wallMs() * 1_000;
  }

  /** Attempts of which nothing is kept, and which no kept attempt counts. */
  get forgotten(): number {
    return this.#known.forgotten + this.#strangers.forgotten;
  }

  /**
   * Records an attempt if it was refused because of its caller. `changes`: the request would have changed something. Attempts of
   * unknown callers are recorded in any case.
   */
  note(attempt: Attempt, changes = true): void {
    const { refusal, caller } = attempt;
    const status = STATUS[refusal.code];
    if (status !== 401 && !(status === 403 && (changes || caller === null))) return;
    const kept: KeptAttempt = { id: ++this.#lastId, told: toldOf(attempt, this.#clock.wallMs()), leftOut: 0 };
    const pool = caller ? this.#known : this.#strangers;
    const before = pool.add(shareOf(attempt), kept, this.#clock.monotonicMs());
    if (before === null) return this.#leaveOut();
    this.#unlogged = Math.max(0, this.#unlogged - before);
    this.#logger.warn('an attempt was refused', { ...attemptBody(kept), ...attempt.record, leftOut: before });
  }

  /** The attempts after an id, oldest first. */
  after(id: number, limit: number): readonly KeptAttempt[] {
    const later = [...this.#known.all(), ...this.#strangers.all()].filter((kept) => kept.id > id);
    return later.toSorted((a, b) => a.id - b.id).slice(0, limit);
  }

  /** Reports the log lines that were left out and not yet reported. */
  close(): void {
    clearTimeout(this.#telling);
    this.#tell();
  }

  #leaveOut(): void {
    this.#unlogged++;
    if (this.#telling) return;
    this.#telling = setTimeout(() => this.#tell(), TELL_LEFT_OUT_MS);
    this.#telling.unref();
  }

  #tell(): void {
    this.#telling = undefined;
    if (this.#unlogged > 0)
      this.#logger.warn('refused attempts were left out of this log; GET /v1/refused has the newest of each caller', {
        attempts: this.#unlogged,
      });
    this.#unlogged = 0;
  }
}

/** An attempt as it is shown in a log line and to an auditor. */
export const attemptBody = ({ id, told, leftOut }: KeptAttempt): Readonly<Record<string, unknown>> => ({
  id: String(id),
  ...told,
  leftOut,
});

const toldOf = (
  { caller, claims, address, record, command, entity, correlationId, refusal }: Attempt,
  atMs: number,
): KeptAttempt['told'] => ({
  at: new Date(atMs).toISOString(),
  caller: caller && actorOf(caller),
  claims: claims === undefined ? null : cut(claims),
  address,
  record: record ?? null,
  command,
  entity,
  code: refusal.code,
  detail: cut(refusal.message),
  correlationId,
});

/** The stream that a command is about, according to its fields, which may be unchecked. */
export function entityOf(fields: Readonly<Record<string, unknown>>): string | null {
  const { tsId, nveId, vnid } = fields;
  if (typeof tsId === 'string') return cut(`ts-${tsId}`);
  if (typeof nveId === 'string') return cut(`nve-${nveId}`);
  return typeof vnid === 'number' || typeof vnid === 'string' ? cut(`vn-${vnid}`) : null;
}

/**
 * The key of a share: the caller; else the address, for IPv6 its /64, because one host may have all of it; else the name that a
 * record claims.
 */
function shareOf({ caller, address, claims = '' }: Attempt): string {
  if (caller) return actorOf(caller);
  if (address === null) return `claims ${cut(claims)}`;
  return address.includes('.') || !address.includes(':') ? address : network64(address);
}

function network64(address: string): string {
  const [before = '', after] = address.split('%')[0]!.split('::');
  const groups = before === '' ? [] : before.split(':');
  if (after === undefined) return groups.slice(0, 4).join(':');
  const tail = after === '' ? [] : after.split(':');
  return [...groups, ...Array.from<string>({ length: 8 - groups.length - tail.length }).fill('0'), ...tail].slice(0, 4).join(':');
}
