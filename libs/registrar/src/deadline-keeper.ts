import {
  isNveEvent,
  isTenantSystemEvent,
  type AddressPassed,
  type BindingLine,
  type Command,
  type Nve,
  type TenantSystem,
  type DeadlineOwner,
} from '@nva/domain';
import { tsNameOf, type NveId, type TenantId, type TsId } from '@nva/identifiers';
import type { Clock, Logger, RecordedEvent } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { HeardTime, OUTAGE_MS, TICK_MS } from './heard-time.ts';
import { Arrivals, type Hearing } from './hearing.ts';
import type { Registrar } from './registrar.ts';
import type { Request } from './request.ts';
import { SOLE, type DeadlineScope } from './deadline-scope.ts';
import { Deadlines } from './deadlines.ts';

/** Lapses submitted in one tick; the rest follow in the next ticks. */
const MAX_LAPSES_PER_TICK = 1_024;

const CALLER = { kind: 'system', part: 'terms' } as const;

/**
 * The leases (of NVEs) and lifetimes (of bindings, R24a) that this process owns: all of them, or those of its group while it owns
 * the group's deadlines. Deadlines are soft state: a deadline begins with the event that grants it, commands that record nothing renew it,
 * and all deadlines start anew when the process does. So a restart or an outage of the NVA alone withdraws nothing (X6). When a deadline
 * runs out, the owner submits the lapse, for the exact revision that it saw.
 *
 * Deadlines run in heard time, so no deadline runs out because this process was busy. Before anything lapses, everything that has arrived
 * by then is handled. After an outage every deadline starts anew.
 */
export class DeadlineKeeper {
  readonly #registrar: Registrar;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #scope: DeadlineScope;
  readonly #hearing: Hearing;
  readonly #heard: HeardTime;
  #deadlines: Deadlines;
  /** null while no deadlines are kept: before the start, and after the stop. */
  #endTicks: (() => void) | null = null;
  #lapsing: Promise<void> | null = null;

  /** To be created before the replica starts. */
  constructor(
    registrar: Registrar,
    replica: Replica,
    clock: Clock,
    logger: Logger,
    scope: DeadlineScope = SOLE,
    hearing: Hearing = new Arrivals(clock),
  ) {
    this.#scope = scope;
    this.#hearing = hearing;
    this.#heard = new HeardTime(clock.monotonicMs());
    this.#registrar = registrar;
    this.#replica = replica;
    this.#clock = clock;
    this.#logger = logger;
    this.#deadlines = new Deadlines(this.#nowMs());
    replica.onFolded((recorded) => this.#folded(recorded));
    registrar.onRenewal((command, tsName) => this.#renew(command, tsName));
    scope.onChange(() => this.#begin());
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** Milliseconds in which this process could not hear, which counted for no deadline. */
  get unheardMs(): number {
    return this.#heard.unheardMs;
  }

  /** To be called once the replica has caught up: every deadline starts now. */
  start(): void {
    this.#heard.tick(this.#clock.monotonicMs());
    this.#endTicks = this.#clock.every(TICK_MS, () => void this.tick());
    this.#begin();
  }

  /** Starts every deadline of the scope now, or drops all deadlines if this process does not own them. */
  #begin(): void {
    if (!this.#endTicks) return;
    this.#deadlines = new Deadlines(this.#nowMs());
    if (this.#scope.owner() === null) return;
    const { network } = this.#replica;
    for (const { state } of network.nves.values()) if (state) this.#startLease(state);
    for (const [name, { state }] of network.tenantSystems) {
      for (const { bid, lifetimeS } of state.bindings) if (lifetimeS !== null) this.#startLifetime(name, state, bid, lifetimeS);
    }
  }

  async stop(): Promise<void> {
    this.#endTicks?.();
    this.#endTicks = null;
    await this.#lapsing;
  }

  /**
   * Submits lapses for deadlines that have run out by now and that nothing that has arrived renews; resolves when this is done.
   * Called by the timer, and by tests with a clock of their own.
   */
  tick(): Promise<void> {
    const clockMs = this.#clock.monotonicMs();
    const silenceMs = this.#heard.tick(clockMs, this.#hearing.deaf);
    const nowMs = this.#heard.at(clockMs);
    if (silenceMs > OUTAGE_MS) this.#deadlines.startAllAnew(nowMs);
    if (!this.#deadlines.mayBeDue(nowMs)) return this.#lapsing ?? Promise.resolve();
    this.#lapsing ??= this.#lapseAt(nowMs).finally(() => (this.#lapsing = null));
    return this.#lapsing;
  }

  /** The present heard time, in which deadlines are measured. */
  #nowMs(): number {
    return this.#heard.at(this.#clock.monotonicMs());
  }

  async #lapseAt(nowMs: number): Promise<void> {
    await this.#hearing.heard();
    const due = this.#deadlines.due(nowMs, MAX_LAPSES_PER_TICK);
    if (due.length > 0) await this.#lapse(due);
  }

  async #lapse(names: readonly string[]): Promise<void> {
    const owner = this.#scope.owner();
    if (owner === null) return;
    const requests = names.map((name) => this.#lapseRequest(name, owner)).filter((request) => request !== null);
    const outcomes = await this.#registrar.submit(requests);
    outcomes.forEach((outcome, i) => {
      const { command } = requests[i]!;
      if (!('refusal' in outcome)) return;
      // A refusal for the revision means that another event has changed the aggregate meanwhile, which counts as a renewal.
      if (outcome.refusal.code !== 'revision-mismatch') this.#logger.warn('a lapse was not recorded', { err: outcome.refusal, command });
      this.#startAgain(command);
    });
  }

  #lapseRequest(name: string, owner: DeadlineOwner): Request | null {
    const { network } = this.#replica;
    const [kind, id, bid] = name.split(' ') as [string, string, string?];
    if (kind === 'nve') {
      const nve = network.nves.get(id);
      if (nve?.state?.status !== 'reachable' || nve.state.leaseS === null || !this.#scope.nve(nve.state)) return null;
      return this.#request({ type: 'lapseNve', nveId: id as NveId, incarnation: nve.state.incarnation, ...owner }, nve.revision);
    }
    const ts = network.tenantSystems.get(id);
    const binding = ts?.state.bindings.find((b) => (b.bid ?? 0) === Number(bid));
    if (!ts || !binding || binding.lifetimeS === null || !this.#scope.tenantSystem(ts.state)) return null;
    return this.#request(
      { type: 'lapseBindings', tsId: ts.state.tsId as TsId, tenantId: ts.state.tenantId as TenantId, bids: [Number(bid)], ...owner },
      ts.revision,
    );
  }

  #request(command: Command, ifRevision: number): Request {
    return { command, caller: CALLER, correlationId: 'lapse', ifRevision };
  }

  #startAgain(command: Command): void {
    const { network } = this.#replica;
    if (command.type === 'lapseNve') {
      const state = network.nves.get(command.nveId)?.state;
      if (state) this.#startLease(state);
    } else if (command.type === 'lapseBindings') {
      const ts = network.namesakes.of(command.tsId, command.tenantId!);
      for (const binding of ts?.state.bindings ?? [])
        this.#startLifetime(network.namesakes.nameOf(ts!), ts!.state, binding.bid, binding.lifetimeS);
    }
  }

  #folded({ stream, event }: RecordedEvent): void {
    if (!this.#endTicks || this.#scope.owner() === null) return;
    if (isNveEvent(event)) {
      const state = this.#replica.network.nves.get(event.data.nveId)?.state;
      if (state) this.#startLease(state);
    } else if (isTenantSystemEvent(event) && !(event.type === 'AddressPassed' && this.#replica.network.passedOver)) {
      const name = tsNameOf(stream)!;
      const { state } = this.#replica.network.tenantSystems.get(name)!;
      for (const binding of ('bindings' in event.data && event.data.bindings) || [])
        this.#startLifetime(name, state, binding.bid, binding.lifetimeS);
      this.#regroup(name, state);
      if (event.type === 'AddressPassed') this.#taken(event, stream);
    }
  }

  /** The lifetime of a passed address begins anew for the taker. */
  #taken(event: AddressPassed, stream: string): void {
    const taker = this.#replica.network.takerOf(event, stream)!;
    const name = this.#replica.network.namesakes.nameOf(taker);
    for (const { bid, lifetimeS } of event.data.toBindings) this.#startLifetime(name, taker.state, bid, lifetimeS);
  }

  /** A tenant system that has moved may have left this group or come to it. */
  #regroup(name: string, ts: TenantSystem): void {
    if (this.#scope === SOLE) return;
    for (const { bid, lifetimeS } of ts.bindings)
      if (lifetimeS !== null && this.#deadlines.has(lifetime(name, bid)) !== this.#scope.tenantSystem(ts))
        this.#startLifetime(name, ts, bid, lifetimeS);
  }

  #startLease(nve: Nve): void {
    const name = `nve ${nve.nveId}`;
    if (nve.status === 'reachable' && nve.leaseS !== null && this.#scope.nve(nve))
      this.#deadlines.start(name, nve.leaseS * 1_000, this.#nowMs());
    else this.#deadlines.end(name);
  }

  #startLifetime(name: string, ts: TenantSystem, bid: number | null, lifetimeS: number | null): void {
    const deadline = lifetime(name, bid);
    if (lifetimeS !== null && this.#scope.tenantSystem(ts)) this.#deadlines.start(deadline, lifetimeS * 1_000, this.#nowMs());
    else this.#deadlines.end(deadline);
  }

  #renew(command: Command, tsName: string | undefined): void {
    const now = this.#nowMs();
    switch (command.type) {
      case 'heartbeat':
      case 'connectNve':
        return this.#deadlines.renew(`nve ${command.nveId}`, now);
      case 'registerBinding':
        return this.#deadlines.renew(lifetime(tsName!, command.bid), now);
      case 'registerBindings':
      case 'attach':
        for (const line of command.bindings ?? []) this.#deadlines.renew(lifetime(tsName!, this.#bidOf(tsName!, line)), now);
    }
  }

  #bidOf(tsName: string, line: BindingLine): number {
    if (line.bid !== undefined) return line.bid;
    const { bindings } = this.#replica.network.tenantSystems.get(tsName)?.state ?? { bindings: [] };
    return bindings.find((b) => b.vnid === line.vnid && (line.ip ?? null) === b.ip && (line.vlan ?? null) === b.vlan)?.bid ?? 0;
  }
}

/** The name of a binding's deadline, made from the name of its tenant system. */
const lifetime = (tsName: string, bid: number | null): string => `ts ${tsName} ${bid ?? 0}`;
