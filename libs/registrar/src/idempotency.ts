import type { Audit } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import type { Answer } from './answer.ts';

/** How long a key names one request (contract, «Idempotency-Key»). */
export const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000;
/** Keys remembered at most, over all callers; the oldest go first. */
export const MAX_IDEMPOTENCY_KEYS = 200_000;

interface Remembered {
  readonly requestDigest: string;
  readonly recordedAt: number;
  readonly answer: Promise<Answer>;
  /** Known from an event of the log, not from a command that may still fail. */
  readonly recorded: boolean;
}

/**
 * The answers given under an Idempotency-Key. Keys of recorded commands are in their events, so the registrar fills this again from
 * the log when it starts. A command that was refused leaves nothing: trying it again is deciding it again. One that changed nothing is
 * remembered for as long as the process lives.
 */
export class IdempotencyIndex {
  /** In order of arrival, which a Map keeps. */
  readonly #remembered = new Map<string, Remembered>();

  /** `onlyRecorded` leaves out what this process itself has on its way. */
  find(actor: string, key: string, requestDigest: string, now: number, onlyRecorded = false): Promise<Answer> | undefined {
    const remembered = this.#remembered.get(`${actor} ${key}`);
    if (!remembered || (onlyRecorded && !remembered.recorded) || remembered.recordedAt < now - IDEMPOTENCY_WINDOW_MS) return undefined;
    if (remembered.requestDigest !== requestDigest) {
      throw new Refusal('idempotency-key-reused', 'this Idempotency-Key came with another request before', { field: 'Idempotency-Key', received: key });
    }
    return remembered.answer;
  }

  remember(audit: Audit, answer: Promise<Answer>, recorded = false): void {
    const { actor, idempotencyKey, requestDigest, recordedAt } = audit;
    if (idempotencyKey === null || requestDigest === null) return;
    const name = `${actor} ${idempotencyKey}`;
    this.#remembered.delete(name);
    this.#remembered.set(name, { requestDigest, recordedAt, answer, recorded });
    answer.catch(() => this.#forget(name, answer));
    this.#evict(recordedAt);
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
