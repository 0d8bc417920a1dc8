import { isNveEvent, isTenantSystemEvent, type BindingLine, type Command, type Nve } from '@nva/domain';
import type { NveId, TsId } from '@nva/identifiers';
import type { Clock, Logger, RecordedEvent } from '@nva/ports';
import type { Replica } from '@nva/replica';
import type { Registrar, Request } from './registrar.ts';
import { Terms, TICK_MS } from './terms.ts';

/** Lapses submitted in one tick at most; the rest follow in the next ones. */
const MAX_LAPSES_PER_TICK = 1_024;

const CALLER = { kind: 'system', part: 'terms' } as const;

/**
 * The one owner of leases (NVEs) and lifetimes (bindings, R24a) in a process. Terms are soft state: they begin with the event that grants
 * them, are renewed by commands that record nothing, and all start anew when the process does, so that a restart or an outage of the NVA
 * withdraws nothing by itself (X6). When one runs out the owner submits the lapse, for the exact revision that it saw.
 */
export class TermKeeper {
  readonly #registrar: Registrar;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #terms: Terms;
  #timer: NodeJS.Timeout | null = null;
  #lapsing: Promise<void> = Promise.resolve();

  /** Before the replica starts. */
  constructor(registrar: Registrar, replica: Replica, clock: Clock, logger: Logger) {
    this.#registrar = registrar;
    this.#replica = replica;
    this.#clock = clock;
    this.#logger = logger;
    this.#terms = new Terms(clock.monotonicMs());
    replica.onFolded((recorded) => this.#folded(recorded));
    registrar.onRenewal((command) => this.#renew(command));
  }

  get size(): number {
    return this.#terms.size;
  }

  /** Once the replica has caught up: every term starts now. */
  start(): void {
    const { network } = this.#replica;
    for (const { state } of network.nves.values()) if (state) this.#startLease(state);
    for (const { state } of network.tenantSystems.values()) for (const binding of state.bindings) this.#startLifetime(state.tsId, binding.bid, binding.lifetimeS);
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    await this.#lapsing;
  }

  /** Submits what has run out. Called by the timer; by tests with a clock of their own. */
  tick(): void {
    const due = this.#terms.due(this.#clock.monotonicMs(), MAX_LAPSES_PER_TICK);
    if (due.length > 0) this.#lapsing = this.#lapse(due);
  }

  async #lapse(names: readonly string[]): Promise<void> {
    const requests = names.map((name) => this.#lapseRequest(name)).filter((request) => request !== null);
    const outcomes = await this.#registrar.submit(requests);
    outcomes.forEach((outcome, i) => {
      const { command } = requests[i]!;
      if (!('refusal' in outcome)) return;
      // A refusal for the revision means that something happened to it meanwhile, which is as good as a renewal.
      if (outcome.refusal.code !== 'revision-mismatch') this.#logger.warn('a lapse was not recorded', { err: outcome.refusal, command });
      this.#startAgain(command);
    });
  }

  #lapseRequest(name: string): Request | null {
    const { network } = this.#replica;
    const [kind, id, bid] = name.split(' ') as [string, string, string?];
    if (kind === 'nve') {
      const nve = network.nves.get(id);
      if (nve?.state?.status !== 'reachable' || nve.state.leaseS === null) return null;
      return this.#request({ type: 'lapseNve', nveId: id as NveId, incarnation: nve.state.incarnation }, nve.revision);
    }
    const ts = network.tenantSystems.get(id);
    const binding = ts?.state.bindings.find((b) => (b.bid ?? 0) === Number(bid));
    if (!ts || !binding || binding.lifetimeS === null) return null;
    return this.#request({ type: 'lapseBindings', tsId: id as TsId, bids: [Number(bid)] }, ts.revision);
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
      for (const binding of network.tenantSystems.get(command.tsId)?.state.bindings ?? []) this.#startLifetime(command.tsId, binding.bid, binding.lifetimeS);
    }
  }

  #folded({ event }: RecordedEvent): void {
    if (!this.#timer) return;
    if (isNveEvent(event)) {
      const state = this.#replica.network.nves.get(event.data.nveId)?.state;
      if (state) this.#startLease(state);
    } else if (isTenantSystemEvent(event) && 'bindings' in event.data) {
      for (const binding of event.data.bindings ?? []) this.#startLifetime(event.data.tsId, binding.bid, binding.lifetimeS);
    }
  }

  #startLease(nve: Nve): void {
    const name = `nve ${nve.nveId}`;
    if (nve.status === 'reachable' && nve.leaseS !== null) this.#terms.start(name, nve.leaseS * 1_000, this.#clock.monotonicMs());
    else this.#terms.end(name);
  }

  #startLifetime(tsId: string, bid: number | null, lifetimeS: number | null): void {
    const name = `ts ${tsId} ${bid ?? 0}`;
    if (lifetimeS !== null) this.#terms.start(name, lifetimeS * 1_000, this.#clock.monotonicMs());
    else this.#terms.end(name);
  }

  #renew(command: Command): void {
    const now = this.#clock.monotonicMs();
    switch (command.type) {
      case 'heartbeat':
      case 'connectNve':
        return this.#terms.renew(`nve ${command.nveId}`, now);
      case 'registerBinding':
        return this.#terms.renew(`ts ${command.tsId} ${command.bid}`, now);
      case 'registerBindings':
      case 'attach':
        for (const line of command.bindings ?? []) this.#terms.renew(`ts ${command.tsId} ${this.#bidOf(command.tsId, line)}`, now);
    }
  }

  #bidOf(tsId: string, line: BindingLine): number {
    if (line.bid !== undefined) return line.bid;
    const { bindings } = this.#replica.network.tenantSystems.get(tsId)?.state ?? { bindings: [] };
    return bindings.find((b) => b.vnid === line.vnid && (line.ip ?? null) === b.ip && (line.vlan ?? null) === b.vlan)?.bid ?? 0;
  }
}
