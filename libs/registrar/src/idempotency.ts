import type { Audit, SnapshotKey } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import type { Answer } from './answer.ts';

/** How long a key names one request (contract, «Idempotency-Key»). */
export const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000;
/** Keys remembered at most, over all callers; the oldest go first. */
export const MAX_IDEMPOTENCY_KEYS = 200_000;

interface Remembered {
  readonly actor: string;
  readonly key: string;
  readonly requestDigest: string;
  readonly recordedAt: number;
  readonly answer: Promise<Answer>;
  /** The answer, once an event is in the fold that it was given for. */
  folded: Answer | null;
}

/**
 * The answers given under an Idempotency-Key. Keys of recorded commands are in their events, so the registrar fills this again from
 * the log, or a snapshot of it, when it starts. A command that was refused leaves nothing: trying it again is deciding it again. One that changed nothing is
 * remembered for as long as the process lives.
 */
export class IdempotencyIndex {
  /** In order of arrival, which a Map keeps. */
  readonly #remembered = new Map<string, Remembered>();

  find(actor: string, key: string, requestDigest: string, now: number): Promise<Answer> | undefined {
    const remembered = this.#remembered.get(`${actor} ${key}`);
    if (!remembered || remembered.recordedAt < now - IDEMPOTENCY_WINDOW_MS) return undefined;
    if (remembered.requestDigest !== requestDigest) {
      throw new Refusal('idempotency-key-reused', 'this Idempotency-Key came with another request before', { field: 'Idempotency-Key', received: key });
    }
    return remembered.answer;
  }

  remember(audit: Audit, answer: Promise<Answer>): void {
    const { actor, idempotencyKey, requestDigest, recordedAt } = audit;
    if (idempotencyKey === null || requestDigest === null) return;
    const name = `${actor} ${idempotencyKey}`;
    this.#remembered.delete(name);
    this.#remembered.set(name, { actor, key: idempotencyKey, requestDigest, recordedAt, answer, folded: null });
    answer.catch(() => this.#forget(name, answer));
    this.#evict(recordedAt);
  }

  /** The event that carries the key is folded: from here on the key is in no tail of the log any more, but in snapshots. */
  folded({ actor, idempotencyKey, requestDigest }: Audit, answer: Answer): void {
    const remembered = this.#remembered.get(`${actor} ${idempotencyKey}`);
    if (remembered?.requestDigest === requestDigest) remembered.folded = answer;
  }

  /** Those of events that are folded now, in order of arrival; made as they are asked for. */
  keys(): Iterable<SnapshotKey> {
    return snapshotKeys([...this.#remembered.values()].filter(({ folded }) => folded !== null));
  }

  /** Takes in keys of a snapshot, those that are still good at `now`. */
  restore(keys: readonly SnapshotKey[], now: number): void {
    for (const { actor, key, requestDigest, recordedAt, position, revision, effective, conflicts, memberships } of keys) {
      if (recordedAt < now - IDEMPOTENCY_WINDOW_MS) continue;
      const answer: Answer = { recorded: true, position, revision, effective, conflicts: conflicts.map((conflict) => ({ ...conflict })), memberships };
      this.#remembered.set(`${actor} ${key}`, { actor, key, requestDigest, recordedAt, answer: Promise.resolve(answer), folded: answer });
    }
  }

  #forget(name: string, answer: Promise<Answer>): void {
    if (this.#remembered.get(name)?.answer === answer) this.#remembered.delete(name);
  }

  #evict(now: number): void {
    for (const [name, { recordedAt }] of this.#remembered) {
      if (this.#remembered.size <= MAX_IDEMPOTENCY_KEYS && recordedAt >= now - IDEMPOTENCY_WINDOW_MS) return;
      this.#remembered.delete(name);
    }
  }
}

function* snapshotKeys(all: readonly Remembered[]): Generator<SnapshotKey, void> {
  for (const { actor, key, requestDigest, recordedAt, folded } of all) {
    const { recorded: _, ...answer } = folded!;
    yield { actor, key, requestDigest, recordedAt, ...answer };
  }
}
