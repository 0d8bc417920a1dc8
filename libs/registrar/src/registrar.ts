import type { Audit, NvaEvent, SnapshotKey } from '@nva/codec';
import { takersName, tsNameOfCommand, type AddressPassed, type Command, type TenantSystem, type TenantSystemCommand } from '@nva/domain';
import { Refusal, tsNameFor, tsNameOf, tsStream, vnStream } from '@nva/identifiers';
import { randomIds, type Clock, type EventStore, type Ids, type Logger, type RecordedEvent } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { actorOf, type Caller } from './access.ts';
import { answerFor, answerForPassing, type Answer } from './answer.ts';
import { AppendQueue } from './append-queue.ts';
import { Decisions } from './decisions.ts';
import { Holding } from './holding.ts';
import { IDEMPOTENCY_WINDOW_MS, IdempotencyIndex, KeyTime } from './idempotency.ts';
import { Overlay, type StreamState } from './overlay.ts';
import { QuotaKeeper } from './quota-keeper.ts';
import { outcomeUnknown, overloaded } from './refusals.ts';
import type { Outcome, RegistrarOptions, RenewalListener, Request } from './request.ts';
import { TransientMap } from './transient-map.ts';
import { Waits } from './waits.ts';
import { answerOrThrow, eventsOf, type Decided, type Undecided, type Written } from './written.ts';

/** Commands on their way at once; beyond this, new ones are refused as `overloaded`. */
export const MAX_COMMANDS_IN_FLIGHT = 16_384;
/** Decisions on one command if other writers of its stream come first. */
export const MAX_DECISIONS = 8;
/** How long a command may take before its outcome is reported as unknown. */
export const OUTCOME_DEADLINE_MS = 10_000;

/**
 * Decides commands and appends their events. A decision is made at once, in the order of arrival, on the fold and everything
 * decided before. The append follows, and the answer is given when this process's own fold has passed the event. So an answer
 * tells the real result, and commands of different streams wait for one group commit at most. On a conflict with another writer
 * of the stream, the registrar takes in what that writer wrote and decides again; commands that arrive meanwhile are decided
 * after that.
 */
export class Registrar {
  readonly #store: EventStore;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #logger: Logger;
  readonly #overlay: Overlay;
  readonly #decisions: Decisions;
  readonly #waits: Waits;
  /** null if there are no quotas. */
  readonly quotas: QuotaKeeper | null;
  readonly #idempotency: IdempotencyIndex;
  readonly #keyTime: KeyTime;
  readonly #inFlight = new TransientMap<Written>();
  /** The last command on its way to each stream. */
  readonly #last = new TransientMap<Promise<Outcome>>();
  readonly #appends: AppendQueue<Written>;
  readonly #renewalListeners: RenewalListener[] = [];
  #conflicts = 0;
  readonly #holding = new Holding();
  /** Commands that wait because their tenant systems do, and the streams of these tenant systems. */
  readonly #delayed: Undecided[] = [];
  readonly #endings = new Set<string>();

  /** To be created before the replica starts, since the registrar learns Idempotency-Keys from the log. */
  constructor(
    store: EventStore,
    replica: Replica,
    clock: Clock,
    logger: Logger,
    { keys = [], quotas = null, keyBounds, ids = randomIds }: RegistrarOptions = {},
  ) {
    this.#ids = ids;
    this.#idempotency = new IdempotencyIndex(keyBounds);
    this.#store = store;
    this.#replica = replica;
    this.#clock = clock;
    this.#logger = logger;
    this.#overlay = new Overlay(replica.network, quotas !== null);
    this.quotas = quotas && new QuotaKeeper(quotas, replica.network, this.#overlay);
    this.#decisions = new Decisions(replica.network, this.#overlay, this.quotas);
    this.#waits = new Waits(store, this.#overlay, { clock, ids, logger });
    this.#appends = new AppendQueue<Written>(store, {
      wanted: ({ eventId }) => this.#inFlight.has(eventId),
      overtaken: (writes, sent) => this.#overtaken(writes, sent),
      lost: (writes, cause) => this.#lost(writes, cause),
    });
    this.#keyTime = new KeyTime(clock);
    this.#idempotency.restore(keys, this.#keyTime.nowMs());
    replica.onFolded((recorded) => this.#folded(recorded));
  }

  /** Number of Idempotency-Keys held, and number of those evicted before their time. */
  get keys(): Pick<IdempotencyIndex, 'size' | 'evicted'> {
    return this.#idempotency;
  }

  /** The Idempotency-Keys of everything that is folded, with the answers given, for a snapshot. */
  idempotencyKeys(): Iterable<SnapshotKey> {
    return this.#idempotency.keys();
  }

  get commandsInFlight(): number {
    return this.#inFlight.size + this.#holding.commands;
  }

  /** Number of appends that met another writer of their stream. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /**
   * The pending or present tenant system that a command is about (for a passing, the taker); null if there is none, or if several
   * could be meant.
   */
  tenantSystemOf(command: TenantSystemCommand, caller: Caller): TenantSystem | null {
    try {
      return this.#overlay.tenantSystem(
        command.type === 'passAddress'
          ? takersName(command, this.#overlay, nveOf(caller))
          : tsNameOfCommand(command, this.#overlay, nveOf(caller)),
      );
    } catch (error) {
      if (error instanceof Refusal) return null;
      throw error;
    }
  }

  /** State and revision of a stream, including everything that is on its way into the log. */
  standing(stream: string): StreamState {
    return this.#overlay.stream(stream);
  }

  /** Tenant systems with commands on their way. */
  pendingTenantSystems(): readonly TenantSystem[] {
    return this.#overlay.pendingTenantSystems();
  }

  /** The stream of a tenant system, existing or to be created. */
  streamOf(tsId: string, tenantId: string): string {
    return tsStream(tsNameFor(tsId, tenantId, this.#overlay));
  }

  onRenewal(listener: RenewalListener): void {
    this.#renewalListeners.push(listener);
  }

  /** Decides in order, and appends in that order. Never rejects: every request gets its outcome. */
  submit(requests: readonly Request[]): Promise<Outcome[]> {
    if (!this.#holding.isOn) return this.#submit(requests);
    if (this.commandsInFlight + requests.length > MAX_COMMANDS_IN_FLIGHT)
      return Promise.resolve(requests.map(() => ({ refusal: overloaded() })));
    return this.#holding.hold(requests.length, () => this.#submit(requests));
  }

  async #submit(requests: readonly Request[]): Promise<Outcome[]> {
    const batch: Written[] = [];
    const outcomes = requests.map((request) => this.#decide(request, 0, batch));
    return this.#settled(batch, outcomes);
  }

  async #settled(batch: readonly Written[], outcomes: readonly (Promise<Outcome> | Outcome)[]): Promise<Outcome[]> {
    if (batch.length === 0) return Promise.all(outcomes);
    const callOff = this.#clock.after(OUTCOME_DEADLINE_MS, () => this.#expire(batch));
    this.#appends.send(batch);
    const settled = await Promise.all(outcomes);
    callOff();
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
    const { command, idempotency } = request;
    const audit = this.#audit(request);
    if (idempotency) {
      // The other writer may have recorded this very command, if the command was given to another registrar as well.
      const earlier = this.#idempotency.find(audit.actor, idempotency.key, idempotency.requestDigest, this.#keyTime.nowMs(), decisions > 0);
      if (earlier) return earlier.then(answered, refused);
    }
    if (this.#inFlight.size >= MAX_COMMANDS_IN_FLIGHT || this.#appends.size >= MAX_COMMANDS_IN_FLIGHT) throw overloaded();
    // A command behind one that waits is decided after it.
    const { outcome, recorded } =
      this.#delayed.length > 0
        ? { outcome: this.#afterWaits(request, decisions, []), recorded: true }
        : this.#decideNow(request, decisions, audit, batch);
    if (idempotency && decisions === 0 && needsKey(command))
      this.#idempotency.remember(audit, outcome.then(answerOrThrow), recorded, this.#keyTime.nowMs());
    return outcome;
  }

  #decideNow(
    request: Request,
    decisions: number,
    audit: Audit,
    batch: Written[],
  ): { readonly outcome: Promise<Outcome>; readonly recorded: boolean } {
    const { command } = request;
    const { stream, toStream } = this.#decisions.target(request);
    if (this.#waits.has(stream) || (toStream !== null && this.#waits.has(toStream)))
      return { outcome: this.#afterWaits(request, decisions, [stream, toStream ?? stream]), recorded: true };
    if (command.type === 'attach' && this.#overlay.isNamedOnTrust(stream, command.tsId))
      return { outcome: this.#afterWaits(request, decisions, [tsStream(command.tsId)]), recorded: true };
    const vns = this.#vnsOnTheirWay(command, batch);
    if (vns.length > 0) return { outcome: this.#afterWaits(request, decisions, vns), recorded: true };
    const decided = { request, stream, decisions };
    const written = toStream === null ? this.#decideOne(decided, audit, batch) : this.#decidePassing(decided, toStream, audit, batch);
    return { outcome: written ?? this.#unchanged(command, stream, toStream), recorded: written !== null };
  }

  /**
   * The streams of VNs that the bindings of a command are in, and of which an event is on its way into a log that keeps no order. A
   * binding whose event came to stand before its VN's would be orphaned.
   */
  #vnsOnTheirWay(command: Command, batch: readonly Written[]): readonly string[] {
    if (this.#store.keepsOrder) return [];
    const lines = 'bindings' in command ? (command.bindings ?? []) : command.type === 'registerBinding' ? [command] : [];
    const streams = new Set(lines.flatMap(({ vnid }) => (vnid === undefined ? [] : [vnStream(vnid)])));
    return [...streams].filter(
      (stream) => this.#overlay.isPending(stream) && (batch.some((written) => written.stream === stream) || !this.#appends.isIdle(stream)),
    );
  }

  /** null if there is nothing to record. */
  #decideOne(decided: Decided, audit: Audit, batch: Written[]): Promise<Outcome> | null {
    const { request, stream } = decided;
    const event = this.#decisions.event(request, stream, audit);
    if (!event) return null;
    const { revision } = this.#overlay.stream(stream);
    this.#overlay.expect(stream, event);
    return this.#write(decided, revision, event, batch);
  }

  /**
   * A passing is two events, of which the second counts. If another registrar comes between, the fold passes over it, and it is
   * decided again.
   */
  #decidePassing(decided: Decided, toStream: string, audit: Audit, batch: Written[]): Promise<Outcome> | null {
    const { stream, request } = decided;
    const passing = this.#decisions.passing(request, stream, toStream, audit);
    if (!passing) return null;
    const [own, takers] = [this.#overlay.stream(stream).revision, this.#overlay.stream(toStream).revision];
    this.#overlay.expectPassing(stream, toStream, passing);
    const eventId = this.#ids.uuid();
    const second = { stream, expectedRevision: own, eventId, toAppend: { id: eventId, event: passing.passed } };
    const outcome = this.#write({ ...decided, stream: toStream, second }, takers, passing.awaited, batch);
    this.#last.set(stream, outcome);
    this.#last.set(
      toStream,
      outcome.then((known) => ('refusal' in known ? known : { answer: this.#answer(toStream, true) })),
    );
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

  /** Answers a command with nothing to record. If something of its streams is still on its way, the answer waits for that. */
  async #unchanged(command: Command, stream: string, toStream: string | null): Promise<Outcome> {
    for (const listener of this.#renewalListeners) listener(command, tsNameOf(stream));
    const [before, beforeThere] = await Promise.all([this.#last.get(stream), toStream === null ? undefined : this.#last.get(toStream)]);
    if (before && 'refusal' in before) return before;
    if (beforeThere && 'refusal' in beforeThere) return beforeThere;
    if (toStream !== null) return { answer: { ...this.#answerOf(stream, toStream), recorded: false } };
    return { answer: before ? { ...before.answer, recorded: false } : this.#answer(stream, false) };
  }

  #write(decided: Decided, expectedRevision: number, event: NvaEvent, batch: Written[]): Promise<Outcome> {
    const { stream } = decided;
    const eventId = this.#ids.uuid();
    const outcome = new Promise<Outcome>((settle) => {
      const written: Written = { ...decided, eventId, expectedRevision, toAppend: { id: eventId, event }, settle };
      for (const one of eventsOf(written)) this.#inFlight.set(one.eventId, written);
      batch.push(written);
    });
    this.#last.set(stream, outcome);
    return outcome;
  }

  #lost(writes: readonly Written[], cause: unknown): void {
    this.#logger.error('the event log did not take an append', { err: cause, commands: writes.length });
    for (const written of writes) {
      this.#forget(written);
      written.settle({ refusal: outcomeUnknown(this.#store) });
    }
    // Decisions behind a passing may have appends of other streams on their way, and the next decisions must know the result.
    if (writes.some(({ second }) => second))
      void this.#holding.during(() => this.#appends.idle(writes.flatMap((written) => eventsOf(written).map(({ stream }) => stream))));
  }

  /**
   * Other writers of the streams came first. Takes in what they wrote, then decides again in the same order, and after that the
   * held commands.
   */
  #overtaken(writes: readonly Written[], sent: number): void {
    this.#conflicts += sent;
    for (const written of writes) this.#forget(written);
    void this.#holding.during(async () => {
      // Decisions behind a passing may have appends of other streams on their way.
      const streams = writes.flatMap((written) => eventsOf(written).map(({ stream }) => stream));
      await this.#appends.idle(streams);
      // Ends the waiting for a passing whose first event is in the log and whose second is not.
      await this.#waits.end(streams);
      await this.#decideAgain(writes);
    });
  }

  /**
   * Delays a request whose tenant system waits, or has a command on its way; it is decided when that is over. Requests delayed at
   * the same time go together.
   */
  #afterWaits(request: Request, decisions: number, streams: readonly string[]): Promise<Outcome> {
    return new Promise((settle) => {
      this.#delayed.push({ request, decisions, settle });
      for (const stream of streams) this.#endings.add(stream);
      if (this.#delayed.length > 1) return;
      void this.#holding.during(async () => {
        await Promise.resolve();
        const endings = [...this.#endings];
        this.#endings.clear();
        await this.#appends.idle(endings);
        await this.#waits.end(endings);
        await this.#decideAgain(this.#delayed.splice(0));
      });
    });
  }

  async #catchUp(): Promise<boolean> {
    try {
      return await this.#replica.passedWithin((await this.#store.head()).position, OUTCOME_DEADLINE_MS);
    } catch (error) {
      this.#logger.error('the event log did not tell its head', { err: error });
      return false;
    }
  }

  /** Decides again on everything that is in the log by now. */
  async #decideAgain(decided: readonly Undecided[]): Promise<void> {
    if (!(await this.#catchUp())) return decided.forEach(({ settle }) => settle({ refusal: outcomeUnknown(this.#store) }));
    const batch: Written[] = [];
    const outcomes = decided.map(({ request, decisions, settle }) => {
      const outcome =
        decisions + 1 < MAX_DECISIONS
          ? this.#decide(request, decisions + 1, batch)
          : { refusal: new Refusal('contention', 'other writers kept coming first; try again') };
      void Promise.resolve(outcome).then(settle);
      return outcome;
    });
    void this.#settled(batch, outcomes);
  }

  #folded(recorded: RecordedEvent): void {
    const { stream, revision, event } = recorded;
    if (this.#overlay.folded(stream, revision)) this.#last.delete(stream);
    const { audit } = event.data;
    const isTooLate = event.type === 'AddressPassed' && this.#replica.network.passedOver;
    if (event.type === 'AddressPassed') {
      this.#foldedPassing(event, recorded);
      this.#appends.told(recorded.id, !isTooLate);
    }
    if (this.#inFlight.size > 0) {
      const written = this.#inFlight.get(recorded.id);
      if (written) {
        this.#inFlight.delete(recorded.id);
        // The first of two events: the second tells the result.
        if (written.second && written.eventId === recorded.id) return;
        const answer = this.#answerTo(recorded);
        written.settle({ answer });
        if (audit.idempotencyKey !== null) this.#idempotency.folded(audit, answer);
        return;
      }
    }
    if (audit.idempotencyKey === null || isTooLate || event.type === HEARTBEATS_EVENT) return;
    const heardMs = this.#keyTime.heardMs(audit, this.#replica.caughtUp);
    if (heardMs >= this.#keyTime.nowMs() - IDEMPOTENCY_WINDOW_MS) {
      const answer = this.#answerTo(recorded);
      this.#idempotency.remember(audit, Promise.resolve(answer), true, heardMs);
      this.#idempotency.folded(audit, answer);
    }
  }

  #foldedPassing(event: AddressPassed, { stream, revision }: RecordedEvent): void {
    const taker = this.#replica.network.takerOf(event, stream);
    const toStream = taker && tsStream(this.#replica.network.namesakes.nameOf(taker));
    if (toStream !== undefined && this.#overlay.passed(toStream, stream, revision)) this.#last.delete(toStream);
  }

  #answerTo({ stream, event }: RecordedEvent): Answer {
    if (event.type !== 'AddressPassed') return this.#answer(stream, true);
    const { network } = this.#replica;
    return this.#answerOf(stream, tsStream(network.namesakes.nameOf(network.takerOf(event, stream)!)));
  }

  /** The answer to a passing. */
  #answerOf(stream: string, toStream: string): Answer {
    return answerForPassing(this.#replica.network, stream, toStream);
  }

  #answer(stream: string, recorded: boolean): Answer {
    return answerFor(this.#replica.network, stream, recorded);
  }

  #expire(written: readonly Written[]): void {
    for (const one of written) {
      if (eventsOf(one).filter(({ eventId }) => this.#inFlight.delete(eventId)).length > 0)
        one.settle({ refusal: outcomeUnknown(this.#store) });
    }
  }

  #forget(written: Written): void {
    for (const { eventId, stream } of eventsOf(written)) {
      this.#inFlight.delete(eventId);
      this.#overlay.forget(stream);
      this.#last.delete(stream);
    }
  }
}

/** A repeated heartbeat has the same result, so its key takes no memory. */
const needsKey = ({ type }: Command): boolean => type !== 'heartbeat';
/** The event that a heartbeat may record. */
const HEARTBEATS_EVENT: NvaEvent['type'] = 'NveRestored';

const nveOf = (caller: Caller): string | undefined => (caller.kind === 'nve' ? caller.nveId : undefined);

const answered = (answer: Answer): Outcome => ({ answer });

function refused(error: unknown): Outcome {
  if (error instanceof Refusal) return { refusal: error };
  throw error;
}
