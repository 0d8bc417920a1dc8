import { cut, type Refusal } from '@nva/identifiers';
import type { Clock, Logger } from '@nva/ports';
import { actorOf, type Caller } from '@nva/registrar';
import { STATUS } from './problem.ts';

/** Attempts kept of callers that are known, and as many of those that are not. */
export const KEPT_ATTEMPTS = 1_024;
/** Attempts kept of one caller at most: its newest. */
export const KEPT_PER_CALLER = 128;
/** Lines of the log that one caller's attempts may take at once, and how soon there may be another: a flood of a day takes 9,000 lines. */
export const LINES_PER_CALLER = 32;
export const LINE_PER_CALLER_MS = 10_000;
/** The same of all callers that are known together, and of all that are not: 90,000 lines a day, some 50 MB. */
const LINES = 256;
const LINE_MS = 1_000;
/** How soon the log says how many lines were left out. */
const TELL_LEFT_OUT_MS = 60_000;

/** What somebody tried, as far as it may be written down: no token, no signature, no body. */
export interface Attempt {
  /** null for who has not shown who it is. */
  readonly caller: Caller | null;
  /** Of a record on Kafka whose signature is not that of the NVE that it names: that name. */
  readonly claims?: string;
  /** Remote address; null for what came over Kafka. */
  readonly address: string | null;
  readonly record?: { readonly topic: string; readonly partition: number; readonly offset: string };
  /** The command's name, or method and route; null where it was not read. */
  readonly command: string | null;
  /** The stream that it was about, as far as it says. */
  readonly entity: string | null;
  readonly correlationId: string | null;
  readonly refusal: Refusal;
}

/** An attempt as it is kept. */
export interface KeptAttempt {
  /** Grows, over a restart too; for paging. */
  readonly id: number;
  readonly told: Readonly<Record<string, unknown>>;
  /** Attempts of the same caller before it, and after the one kept before it, of which nothing is kept but their number. */
  leftOut: number;
}

/** How much there may be at once, refilled with time. */
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
  /** Since the caller's last line of the log. */
  unlogged: number;
}

/** What is kept of one kind of callers, each of whom has a share: whoever has most gives way, so no flood pushes out what others tried. */
class Pool {
  readonly #shares = new Map<string, Share>();
  readonly #lines: Allowance;
  #size = 0;
  /** Attempts of callers of whom nothing is kept any more. */
  forgotten = 0;

  constructor(nowMs: number) {
    this.#lines = new Allowance(LINES, LINE_MS, nowMs);
  }

  /** Keeps it. Returns how many of the caller had no line since its last one, or null if this one is to have none. */
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

  /** The share with the most gives up its oldest; of several, the one that has been there longest. */
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
 * Who tried to change something and was refused, for an auditor: 401 and 403. The newest of each caller are kept in memory,
 * bounded; a line of the log says it at once, at a bounded rate. What is left out of either is counted. Callers that have not shown
 * who they are share by address, apart from those that have, so that strangers cannot hide what a stolen token is tried for.
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
    // A thousand a millisecond, so that ids of after a restart are greater.
    this.#lastId = clock.wallMs() * 1_000;
  }

  /** Attempts of which nothing is kept, and which no kept one counts. */
  get forgotten(): number {
    return this.#known.forgotten + this.#strangers.forgotten;
  }

  /**
   * Puts an attempt on record if it was refused for who made it. `changes`: it would have changed something; who is nobody known is
   * on record whatever was tried.
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

  /** Those after an id, oldest first. */
  after(id: number, limit: number): readonly KeptAttempt[] {
    const later = [...this.#known.all(), ...this.#strangers.all()].filter((kept) => kept.id > id);
    return later.toSorted((a, b) => a.id - b.id).slice(0, limit);
  }

  /** Says what was left out of the log and is not said yet. */
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

/** As it is told: in a line of the log, and to an auditor. */
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

/** The stream that a command is about, by its fields, which nobody may have looked at yet. */
export function entityOf(fields: Readonly<Record<string, unknown>>): string | null {
  const { tsId, nveId, vnid } = fields;
  if (typeof tsId === 'string') return cut(`ts-${tsId}`);
  if (typeof nveId === 'string') return cut(`nve-${nveId}`);
  return typeof vnid === 'number' || typeof vnid === 'string' ? cut(`vn-${vnid}`) : null;
}

/** Who shares: a caller; else an address, of IPv6 the /64 that one host may have all of; else the name that a record claims. */
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
