import type { Audit, SnapshotKey } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import type { Clock } from '@nva/ports';
import type { Answer } from './answer.ts';
import { CallersKeys, type Remembered } from './callers-keys.ts';
import { Ranking } from './ranking.ts';

/** How long a key stands for one request (contract, «How many keys are kept»). */
export const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000;
/** Keys kept for all callers together. Beyond this, the caller with the most loses one. */
export const MAX_IDEMPOTENCY_KEYS = 200_000;
/** Keys kept for one caller. Beyond this, that caller loses one. */
export const MAX_KEYS_PER_CALLER = 50_000;
/** How often expired keys are looked for, in the time of `KeyTime`. */
const SWEEP_EVERY_MS = 60_000;

export interface KeyBounds {
  readonly inAll: number;
  readonly perCaller: number;
}

const BOUNDS: KeyBounds = { inAll: MAX_IDEMPOTENCY_KEYS, perCaller: MAX_KEYS_PER_CALLER };

/**
 * The time by which keys expire: the wall time when the process started, and from then on the monotonic clock. So a jump of the
 * wall clock ends no key, and a command that is repeated across the jump is not done twice.
 */
export class KeyTime {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #startMs: number;

  constructor(clock: Pick<Clock, 'wallMs' | 'monotonicMs'>) {
    this.#clock = clock;
    this.#startMs = clock.wallMs() - clock.monotonicMs();
  }

  nowMs(): number {
    return this.#startMs + this.#clock.monotonicMs();
  }

  /** When an event was heard of: now, if it is new; else the time in its audit fields, but never later than now. */
  heardMs({ recordedAt }: Audit, isNews: boolean): number {
    return isNews ? this.nowMs() : Math.min(recordedAt, this.nowMs());
  }
}

/**
 * The answers given under each Idempotency-Key. The keys of recorded commands are in their events, so a registrar fills this
 * index at its start from the log, or from a snapshot. A refused command leaves nothing here: a repeat is decided again. A
 * command that changed nothing is remembered for the life of the process.
 *
 * Callers share the memory fairly. A caller is full at its own bound; if the whole memory is full, the caller with the most keys
 * loses one. So with n callers, each keeps its newest `inAll / n` keys whatever the others send. Why not evict the oldest of all:
 * one caller could then end everybody's keys in seconds.
 */
export class IdempotencyIndex {
  readonly #bounds: KeyBounds;
  readonly #callers = new Map<string, CallersKeys>();
  readonly #ranking = new Ranking();
  #size = 0;
  #evicted = 0;
  #sweptAt = 0;

  constructor(bounds: KeyBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Number of keys held now. */
  get size(): number {
    return this.#size;
  }

  /** Number of keys evicted before their time, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** `onlyRecorded` leaves out commands of this process that are still on their way. */
  find(actor: string, key: string, requestDigest: string, nowMs: number, onlyRecorded = false): Promise<Answer> | undefined {
    const remembered = this.#callers.get(actor)?.get(key);
    if (!remembered || (onlyRecorded && remembered.folded === null) || remembered.heardMs < nowMs - IDEMPOTENCY_WINDOW_MS) return undefined;
    if (remembered.requestDigest !== requestDigest) {
      throw new Refusal('idempotency-key-reused', 'this Idempotency-Key came with another request before', {
        field: 'Idempotency-Key',
        received: key,
      });
    }
    return remembered.answer;
  }

  /** `recorded`: the command has an event, or will have one. `heardMs` is in the time of `KeyTime`. */
  remember(audit: Audit, answer: Promise<Answer>, recorded: boolean, heardMs: number): void {
    const { actor, idempotencyKey: key, requestDigest, recordedAt } = audit;
    if (key === null || requestDigest === null) return;
    this.#sweep(heardMs);
    this.#put(actor, { key, requestDigest, recordedAt, heardMs, answer, folded: null }, recorded);
    answer.catch(() => {
      if (this.#callers.get(actor)?.get(key)?.answer === answer) this.#drop(actor, key);
    });
  }

  /** The event that carries the key is folded. From here on a snapshot, and not the rest of the log, must contain the key. */
  folded({ actor, idempotencyKey, requestDigest }: Audit, answer: Answer): void {
    const remembered = this.#callers.get(actor)?.get(idempotencyKey ?? '');
    if (remembered?.requestDigest === requestDigest) remembered.folded = answer;
  }

  /** The keys of folded events, of each caller in order of arrival; produced lazily. */
  keys(): Iterable<SnapshotKey> {
    return snapshotKeys([...this.#callers].map(([actor, keys]) => [actor, keys.all().filter(({ folded }) => folded !== null)] as const));
  }

  /** Adds the keys of a snapshot that are still valid at `nowMs` of `KeyTime`. */
  restore(keys: Iterable<SnapshotKey>, nowMs: number): void {
    for (const { actor, key, requestDigest, recordedAt, position, revision, effective, conflicts, memberships } of keys) {
      const heardMs = Math.min(recordedAt, nowMs);
      if (heardMs < nowMs - IDEMPOTENCY_WINDOW_MS) continue;
      const answer: Answer = {
        recorded: true,
        position,
        revision,
        effective,
        conflicts: conflicts.map((conflict) => ({ ...conflict })),
        memberships,
      };
      this.#put(actor, { key, requestDigest, recordedAt, heardMs, answer: Promise.resolve(answer), folded: answer }, true);
    }
  }

  #put(actor: string, remembered: Remembered, recorded: boolean): void {
    this.#drop(actor, remembered.key);
    let keys = this.#callers.get(actor);
    if (!keys) this.#callers.set(actor, (keys = new CallersKeys()));
    keys.put(remembered, recorded);
    this.#size++;
    this.#ranking.step(actor, 1);
    if (this.#ranking.of(actor) > this.#bounds.perCaller) this.#evictOf(actor);
    if (this.#size > this.#bounds.inAll) this.#evictOf(this.#ranking.first!);
  }

  #evictOf(actor: string): void {
    this.#evicted++;
    this.#drop(actor, this.#callers.get(actor)!.next!.key);
  }

  #drop(actor: string, key: string): void {
    const keys = this.#callers.get(actor);
    if (!keys?.delete(key)) return;
    this.#size--;
    this.#ranking.step(actor, -1);
    if (keys.next === undefined) this.#callers.delete(actor);
  }

  /** Removes expired keys of all callers: otherwise the keys of a caller that sends no more would burden the others. */
  #sweep(now: number): void {
    if (now < this.#sweptAt + SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    const since = now - IDEMPOTENCY_WINDOW_MS;
    for (const [actor, keys] of this.#callers)
      for (let over = keys.before(since); over; over = keys.before(since)) this.#drop(actor, over.key);
  }
}

function* snapshotKeys(callers: readonly (readonly [actor: string, keys: readonly Remembered[]])[]): Generator<SnapshotKey, void> {
  for (const [actor, keys] of callers) {
    for (const { key, requestDigest, recordedAt, folded } of keys) {
      const { recorded: _, ...answer } = folded!;
      yield { actor, key, requestDigest, recordedAt, ...answer };
    }
  }
}
