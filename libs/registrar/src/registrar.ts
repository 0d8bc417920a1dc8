import { randomUUID } from 'node:crypto';
import type { Audit, NvaEvent, SnapshotKey } from '@nva/codec';
import {
  decideNve,
  decideTenantSystem,
  decideVn,
  isTenantSystemCommand,
  isVnCommand,
  streamOf,
  tsNameOfCommand,
  type Command,
  type Nve,
  type Quotas,
  type TenantSystem,
  type TenantSystemCommand,
  type Vn,
} from '@nva/domain';
import { Refusal, tsNameFor, tsNameOf, tsStream } from '@nva/identifiers';
import type { Clock, EventStore, Logger, RecordedEvent } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { actorOf, authorize, factsFor, toldTo, type Caller } from './access.ts';
import { answerForTenantSystem, plainAnswer, type Answer } from './answer.ts';
import { AppendQueue, type Write } from './append-queue.ts';
import { IDEMPOTENCY_WINDOW_MS, IdempotencyIndex, type KeyBounds } from './idempotency.ts';
import { evolved, Overlay, type StreamState } from './overlay.ts';
import { QuotaKeeper } from './quota-keeper.ts';
import { TransientMap } from './transient-map.ts';

/** A command and what came with it. */
export interface Request {
  readonly command: Command;
  readonly caller: Caller;
  readonly correlationId: string;
  /** Refused unless the stream is at this revision (X9). */
  readonly ifRevision?: number;
  readonly idempotency?: { readonly key: string; readonly requestDigest: string };
}

export type Outcome = { readonly answer: Answer } | { readonly refusal: Refusal };

/** Commands on their way at once; beyond it new ones are refused as `overloaded`. */
export const MAX_COMMANDS_IN_FLIGHT = 16_384;
/** Decisions on one command when other writers of its stream come first. */
export const MAX_DECISIONS = 8;
/** How long a command may take before its outcome is reported as unknown. */
export const OUTCOME_DEADLINE_MS = 10_000;

/** Called with every accepted command that needed no event: a renewal, a heartbeat; and with the name of the tenant system that it is about. */
export type RenewalListener = (command: Command, tsName: string | undefined) => void;

/**
 * Decides commands and appends their events. A decision is made at once, in the order of arrival, on the fold and everything decided
 * before; the append follows, and the answer is given when this process's own fold has passed the event. So an answer tells what really
 * came of it, and commands of different streams wait for no more than one group commit. On a conflict with another writer of the stream it
 * takes in what that one wrote and decides again; what comes meanwhile is decided after that.
 */
export class Registrar {
  readonly #store: EventStore;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #overlay: Overlay;
  /** null where nothing is bounded. */
  readonly quotas: QuotaKeeper | null;
  readonly #idempotency: IdempotencyIndex;
  readonly #inFlight = new TransientMap<Written>();
  /** The last command on its way to each stream that has one. */
  readonly #last = new TransientMap<Promise<Outcome>>();
  readonly #appends: AppendQueue<Written>;
  readonly #renewalListeners: RenewalListener[] = [];
  #conflicts = 0;
  /** Calls whose commands are being decided again, and what has come since, in order. */
  #decidingAgain = 0;
  #held: (() => void)[] = [];
  #heldCommands = 0;

  /** Before the replica starts: the registrar learns Idempotency-Keys from the log. `keys` are those of the part that the replica does not fold again. */
  constructor(store: EventStore, replica: Replica, clock: Clock, logger: Logger, keys: readonly SnapshotKey[] = [], quotas: Quotas | null = null, keyBounds?: KeyBounds) {
    this.#idempotency = new IdempotencyIndex(keyBounds);
    this.#store = store;
    this.#replica = replica;
    this.#clock = clock;
    this.#logger = logger;
    this.#overlay = new Overlay(replica.network, quotas !== null);
    this.quotas = quotas && new QuotaKeeper(quotas, replica.network, this.#overlay);
    this.#appends = new AppendQueue<Written>(store, {
      wanted: ({ eventId }) => this.#inFlight.has(eventId),
      overtaken: (writes, sent) => void this.#overtaken(writes, sent),
      lost: (writes, cause) => this.#lost(writes, cause),
    });
    this.#idempotency.restore(keys, clock.wallMs());
    replica.onFolded((recorded) => this.#folded(recorded));
  }

  /** Idempotency-Keys held, and how many were given up before their time. */
  get keys(): Pick<IdempotencyIndex, 'size' | 'evicted'> {
    return this.#idempotency;
  }

  /** The Idempotency-Keys of everything that is folded, with the answers given, for a snapshot. */
  idempotencyKeys(): Iterable<SnapshotKey> {
    return this.#idempotency.keys();
  }

  get commandsInFlight(): number {
    return this.#inFlight.size + this.#heldCommands;
  }

  /** Events that met another writer of their stream. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** The tenant system that a command is about, as it will stand; null if there is none, or several that it could mean. */
  tenantSystemOf(command: TenantSystemCommand, caller: Caller): TenantSystem | null {
    try {
      return this.#overlay.tenantSystem(tsNameOfCommand(command, this.#overlay, nveOf(caller)));
    } catch (error) {
      if (error instanceof Refusal) return null;
      throw error;
    }
  }

  /** State and revision of a stream with all that is on its way into the log. */
  standing(stream: string): StreamState {
    return this.#overlay.stream(stream);
  }

  /** Tenant systems that something is on its way for. */
  pendingTenantSystems(): readonly TenantSystem[] {
    return this.#overlay.pendingTenantSystems();
  }

  /** The name that a tenant system stands under, or will. */
  streamOf(tsId: string, tenantId: string): string {
    return tsStream(tsNameFor(tsId, tenantId, this.#overlay));
  }

  onRenewal(listener: RenewalListener): void {
    this.#renewalListeners.push(listener);
  }

  /** Decides in order, and appends in that order. Never rejects: every request has its outcome. */
  submit(requests: readonly Request[]): Promise<Outcome[]> {
    if (this.#decidingAgain === 0) return this.#submit(requests);
    if (this.commandsInFlight + requests.length > MAX_COMMANDS_IN_FLIGHT) return Promise.resolve(requests.map(() => ({ refusal: overloaded() })));
    this.#heldCommands += requests.length;
    return new Promise((resolve) =>
      this.#held.push(() => {
        this.#heldCommands -= requests.length;
        resolve(this.#submit(requests));
      }),
    );
  }

  async #submit(requests: readonly Request[]): Promise<Outcome[]> {
    const batch: Written[] = [];
    const outcomes = requests.map((request) => this.#decide(request, 0, batch));
    return this.#settled(batch, outcomes);
  }

  async #settled(batch: readonly Written[], outcomes: readonly (Promise<Outcome> | Outcome)[]): Promise<Outcome[]> {
    if (batch.length === 0) return Promise.all(outcomes);
    const deadline = setTimeout(() => this.#expire(batch), OUTCOME_DEADLINE_MS);
    this.#appends.send(batch);
    const settled = await Promise.all(outcomes);
    clearTimeout(deadline);
    return settled;
  }

  #decide(request: Request, decisions: number, batch: Written[]): Promise<Outcome> | Outcome {
    try {
      return this.#decideOrThrow(request, decisions, batch);
    } catch (error) {
      if (error instanceof Refusal) return { refusal: error };
      this.#logger.error('a decision failed', { err: error, command: request.command.type, correlationId: request.correlationId });
      return { refusal: new Refusal('internal', 'the decision failed; the NVA\u2019s own log has the error under the correlation id') };
    }
  }

  #decideOrThrow(request: Request, decisions: number, batch: Written[]): Promise<Outcome> | Outcome {
    const { command, caller, idempotency } = request;
    const audit = this.#audit(request);
    if (idempotency) {
      // Whoever came first may have recorded this very command: another registrar that it was given to as well.
      const earlier = this.#idempotency.find(audit.actor, idempotency.key, idempotency.requestDigest, audit.recordedAt, decisions > 0);
      if (earlier) return earlier.then(answered, refused);
    }
    if (this.#inFlight.size >= MAX_COMMANDS_IN_FLIGHT || this.#appends.size >= MAX_COMMANDS_IN_FLIGHT) throw overloaded();
    const stream = streamOf(command, this.#overlay, nveOf(caller));
    const { state, revision } = this.#overlay.stream(stream);
    authorize(caller, command, isTenantSystemCommand(command) ? (state as TenantSystem | null) : null);
    checkRevision(revision, request.ifRevision);
    const event = this.#told(caller, () => this.#allowed(request, state, audit));
    const outcome = event ? this.#write({ request, stream, decisions }, revision, event, batch) : this.#unchanged(command, stream);
    if (idempotency && decisions === 0 && needsKey(command)) this.#idempotency.remember(audit, outcome.then(answerOrThrow), event !== null);
    return outcome;
  }

  #audit({ caller, correlationId, idempotency }: Request): Audit {
    return {
      recordedAt: this.#clock.wallMs(),
      actor: actorOf(caller),
      correlationId,
      idempotencyKey: idempotency?.key ?? null,
      requestDigest: idempotency?.requestDigest ?? null,
    };
  }

  /** The event, if quotas allow it. */
  #allowed(request: Request, state: StreamState['state'], audit: Audit): NvaEvent | null {
    const event = this.#event(request, state, audit);
    if (event) this.quotas?.check(state, evolved(state, event));
    return event;
  }

  /** What another NVE is and has is nothing that an NVE is told. */
  #told<T>(caller: Caller, decide: () => T): T {
    try {
      return decide();
    } catch (error) {
      throw error instanceof Refusal ? toldTo(caller, error) : error;
    }
  }

  #event({ command, caller }: Request, state: StreamState['state'], audit: Audit): NvaEvent | null {
    const { facts } = this.#overlay;
    if (isTenantSystemCommand(command)) {
      const ts = state as TenantSystem | null;
      const tenantId = command.type === 'attach' ? command.tenantId : (ts?.tenantId ?? '');
      return decideTenantSystem(command, ts, factsFor(caller, tenantId, facts, this.#isIn), audit);
    }
    if (isVnCommand(command)) return decideVn(command, state as Vn | null, facts, audit);
    return decideNve(command, state as Nve | null, facts, audit);
  }

  /** Whether an NVE is in a VN. */
  readonly #isIn = (nveId: string, vnid: number): boolean => this.#replica.network.vns.get(vnid)?.members.has(nveId) ?? false;

  /** Nothing to record. If something of the stream is still on its way, the answer waits for that. */
  async #unchanged(command: Command, stream: string): Promise<Outcome> {
    for (const listener of this.#renewalListeners) listener(command, tsNameOf(stream));
    const before = await this.#last.get(stream);
    if (!before) return { answer: this.#answer(stream, false) };
    return 'refusal' in before ? before : { answer: { ...before.answer, recorded: false } };
  }

  #write(decided: Decided, expectedRevision: number, event: NvaEvent, batch: Written[]): Promise<Outcome> {
    const { stream } = decided;
    const eventId = randomUUID();
    const outcome = new Promise<Outcome>((settle) => {
      const written: Written = { ...decided, eventId, expectedRevision, toAppend: { id: eventId, event }, settle };
      this.#inFlight.set(eventId, written);
      batch.push(written);
    });
    this.#overlay.expect(stream, event);
    this.#last.set(stream, outcome);
    return outcome;
  }

  #lost(writes: readonly Written[], cause: unknown): void {
    this.#logger.error('the event log did not take an append', { err: cause, commands: writes.length });
    for (const written of writes) this.#lose(written);
  }

  /** Other writers of their streams came first: takes in what they wrote, then decides again in the same order, and after that what was held. */
  async #overtaken(writes: readonly Written[], sent: number): Promise<void> {
    this.#conflicts += sent;
    for (const { eventId, stream } of writes) {
      this.#inFlight.delete(eventId);
      this.#forget(stream);
    }
    this.#decidingAgain++;
    const caughtUp = await this.#catchUp();
    this.#decidingAgain--;
    if (caughtUp) this.#decideAgain(writes);
    else for (const written of writes) this.#lose(written);
    while (this.#decidingAgain === 0 && this.#held.length > 0) this.#held.shift()!();
  }

  async #catchUp(): Promise<boolean> {
    try {
      return await this.#replica.passedWithin((await this.#store.head()).position, OUTCOME_DEADLINE_MS);
    } catch (error) {
      this.#logger.error('the event log did not tell its head', { err: error });
      return false;
    }
  }

  #decideAgain(writes: readonly Written[]): void {
    const batch: Written[] = [];
    const outcomes = writes.map(({ request, decisions, settle }) => {
      const outcome = decisions + 1 < MAX_DECISIONS ? this.#decide(request, decisions + 1, batch) : { refusal: new Refusal('contention', 'other writers kept coming first; try again') };
      void Promise.resolve(outcome).then(settle);
      return outcome;
    });
    void this.#settled(batch, outcomes);
  }

  #folded(recorded: RecordedEvent): void {
    const { stream, revision, event } = recorded;
    if (this.#overlay.folded(stream, revision)) this.#last.delete(stream);
    const { audit } = event.data;
    if (this.#inFlight.size > 0) {
      const written = this.#inFlight.get(recorded.id);
      if (written) {
        this.#inFlight.delete(recorded.id);
        const answer = this.#answer(stream, true);
        written.settle({ answer });
        if (audit.idempotencyKey !== null) this.#idempotency.folded(audit, answer);
        return;
      }
    }
    if (audit.idempotencyKey !== null && event.type !== HEARTBEATS_EVENT && audit.recordedAt >= this.#clock.wallMs() - IDEMPOTENCY_WINDOW_MS) {
      const answer = this.#answer(stream, true);
      this.#idempotency.remember(audit, Promise.resolve(answer), true);
      this.#idempotency.folded(audit, answer);
    }
  }

  #answer(stream: string, recorded: boolean): Answer {
    const { network } = this.#replica;
    const tsName = tsNameOf(stream);
    if (tsName !== undefined) return answerForTenantSystem(network.tenantSystems.get(tsName), recorded);
    const folded = stream.startsWith('vn-') ? network.vns.get(Number(stream.slice(3))) : network.nves.get(stream.slice(4));
    return plainAnswer(folded?.position ?? 0, folded?.revision ?? -1, recorded);
  }

  #expire(written: readonly Written[]): void {
    for (const one of written) if (this.#inFlight.delete(one.eventId)) one.settle({ refusal: outcomeUnknown(this.#store) });
  }

  #lose(written: Written): void {
    this.#inFlight.delete(written.eventId);
    this.#forget(written.stream);
    written.settle({ refusal: outcomeUnknown(this.#store) });
  }

  #forget(stream: string): void {
    this.#overlay.forget(stream);
    this.#last.delete(stream);
  }
}

interface Decided {
  readonly request: Request;
  readonly stream: string;
  /** Decisions made on it before this one. */
  readonly decisions: number;
}

interface Written extends Decided, Write {
  readonly eventId: string;
  readonly settle: (outcome: Outcome) => void;
}

/** A heartbeat comes to the same however often it is given, so its key takes no memory. */
const needsKey = ({ type }: Command): boolean => type !== 'heartbeat';
/** What a heartbeat may record. */
const HEARTBEATS_EVENT: NvaEvent['type'] = 'NveRestored';

const nveOf = (caller: Caller): string | undefined => (caller.kind === 'nve' ? caller.nveId : undefined);

/** The stream is not named: its name may tell that another tenant had the id first. */
function checkRevision(revision: number, ifRevision: number | undefined): void {
  if (ifRevision === undefined || ifRevision === revision) return;
  const message = `the command is meant for revision ${ifRevision}, and what it is about is at ${revision}`;
  throw new Refusal('revision-mismatch', message, { field: 'ifRevision', received: ifRevision, expected: ifRevision, actual: revision, row: 'X9' });
}

const overloaded = (): Refusal => new Refusal('overloaded', 'too many commands are on their way');
/** What is known of it: that it may be there, and whether the event store has nobody to take it. */
function outcomeUnknown({ leader }: Pick<EventStore, 'leader'>): Refusal {
  const waits = leader?.node === null ? `: the event store has had no leader for ${Math.ceil(leader.forMs / 1_000)} s` : '';
  return new Refusal('outcome-unknown', `whether the command was recorded is not known yet${waits}; sending it again tells`);
}
const answered = (answer: Answer): Outcome => ({ answer });

function refused(error: unknown): Outcome {
  if (error instanceof Refusal) return { refusal: error };
  throw error;
}

function answerOrThrow(outcome: Outcome): Answer {
  if ('refusal' in outcome) throw outcome.refusal;
  return outcome.answer;
}
