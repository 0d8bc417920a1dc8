import type { Audit, NvaEvent } from '@nva/codec';
import type { Quotas } from '@nva/domain';
import { foldedOf, type Network, type RecordChange } from '@nva/fold';
import { Refusal } from '@nva/identifiers';
import { NO_STREAM, type Position } from '@nva/ports';
import { actorOf } from './access.ts';
import { answerFor, answerForPassing, type Answer } from './answer.ts';
import { Decisions, type Target } from './decisions.ts';
import { Overlay } from './overlay.ts';
import { QuotaKeeper } from './quota-keeper.ts';
import type { Outcome, Request } from './request.ts';

/** An event that would be recorded, and what it would change. */
export interface RehearsedEvent {
  readonly stream: string;
  readonly revision: number;
  /** In the order of the rehearsal, after the position of the network that it began with; no position of the log. */
  readonly position: Position;
  readonly event: NvaEvent;
  readonly changes: readonly RecordChange[];
}

export interface Rehearsed {
  readonly outcome: Outcome;
  readonly events: readonly RehearsedEvent[];
}

export interface RehearsalOptions {
  readonly quotas: Quotas | null;
  /** When the commands are supposed to be given: milliseconds since the epoch. */
  readonly wallMs: number;
}

/**
 * Decides commands as a registrar does, one after the other, and folds each event at once. Nothing is recorded. It changes the network
 * that it is given: a fork. Idempotency-Keys are not looked at.
 */
export class Rehearsal {
  readonly network: Network;
  readonly #wallMs: number;
  readonly #overlay: Overlay;
  readonly #decisions: Decisions;

  constructor(network: Network, { quotas, wallMs }: RehearsalOptions) {
    this.network = network;
    this.#wallMs = wallMs;
    // It stays empty, since nothing is decided that is not folded.
    this.#overlay = new Overlay(network);
    this.#decisions = new Decisions(network, this.#overlay, quotas && new QuotaKeeper(quotas, network, this.#overlay));
  }

  give(request: Request): Rehearsed {
    const { caller, correlationId } = request;
    const audit = this.audit(actorOf(caller), correlationId);
    try {
      const target = this.#decisions.target(request);
      const events = this.#decided(request, target, audit);
      return { outcome: { answer: this.#answer(target, events.length > 0) }, events };
    } catch (error) {
      if (error instanceof Refusal) return { outcome: { refusal: error }, events: [] };
      throw error;
    }
  }

  /** Supposes that an event is recorded that no command asks for. */
  happen(stream: string, event: NvaEvent): RehearsedEvent {
    const revision = (foldedOf(this.network, stream)?.revision ?? NO_STREAM) + 1;
    const position = this.network.position + 1;
    return { stream, revision, position, event, changes: this.network.apply({ position, stream, revision, event }) };
  }

  audit(actor: string, correlationId: string): Audit {
    return { recordedAt: this.#wallMs, actor, correlationId, idempotencyKey: null, requestDigest: null };
  }

  #decided(request: Request, { stream, toStream }: Target, audit: Audit): readonly RehearsedEvent[] {
    if (toStream === null) {
      const event = this.#decisions.event(request, stream, audit);
      return event ? [this.happen(stream, event)] : [];
    }
    const passing = this.#decisions.passing(request, stream, toStream, audit);
    return passing ? [this.happen(toStream, passing.awaited), this.happen(stream, passing.passed)] : [];
  }

  #answer({ stream, toStream }: Target, recorded: boolean): Answer {
    if (toStream === null) return answerFor(this.network, stream, recorded);
    return { ...answerForPassing(this.network, stream, toStream), recorded };
  }
}
