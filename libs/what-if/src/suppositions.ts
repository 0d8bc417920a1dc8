import type { ParsedSweep } from '@nva/commands';
import { checkPresentLife, endingLines, MAX_SWEPT, WholeSet, type Command, type Sweep, type TenantSystem } from '@nva/domain';
import type { FoldedNve, FoldedTs, Network } from '@nva/fold';
import { nveStream, Refusal, type NveId, type TsId, type TenantId, type Vnid } from '@nva/identifiers';
import { actorOf, type Caller, type Rehearsal, type RehearsedEvent } from '@nva/registrar';
import type { Changes } from './changes.ts';
import type { Scenario, Step, StepOutcome, SweptCount } from './step.ts';
import type { Bound, WhatIfOptions } from './what-if.ts';

const CORRELATION_ID = 'what-if';
/** Events of one what-if: its steps end when there are so many. */
const MAX_EVENTS = 20_000;
/** Tenant systems that are looked at in one piece. */
const PER_PIECE = 256;
/** Tenant systems that all sweeps of one what-if look at: nothing is supposed any more after that. */
const MAX_SEARCHED = 2_000_000;
/** In a larger network, tenant systems at an NVE are looked for in its VNs only. */
const MAX_EVERYONE = 200_000;

type Pieces<T> = Generator<undefined, T, void>;

interface Target {
  readonly ts: FoldedTs;
  readonly place: string;
}

/** Supposes steps on a rehearsal. */
export class Suppositions {
  readonly #base: Network;
  readonly #rehearsal: Rehearsal;
  readonly #changes: Changes;
  readonly #caller: Caller;
  readonly #bounds: Set<Bound>;
  readonly #maxEvents: number;
  readonly #maxSearched: number;
  #events = 0;
  #searched = 0;

  /** `base` is what the rehearsal's network was forked from: it is read where much has to be looked at, since that copies nothing. */
  constructor(
    base: Network,
    rehearsal: Rehearsal,
    changes: Changes,
    bounds: Set<Bound>,
    { caller, maxEvents = MAX_EVENTS, maxSearched = MAX_SEARCHED }: WhatIfOptions,
  ) {
    this.#base = base;
    this.#rehearsal = rehearsal;
    this.#changes = changes;
    this.#caller = caller;
    this.#bounds = bounds;
    this.#maxEvents = maxEvents;
    this.#maxSearched = maxSearched;
  }

  /** The bound that is met, so that nothing is supposed any more; null if there is none. */
  get metBound(): Bound | null {
    if (this.#events >= this.#maxEvents) return 'events';
    return this.#searched >= this.#maxSearched ? 'searched' : null;
  }

  *suppose(step: Step, number: number): Pieces<StepOutcome> {
    const { name } = step;
    const events: RehearsedEvent[] = [];
    const take = (...happened: readonly RehearsedEvent[]): void => {
      for (const one of happened) {
        this.#changes.take(one, number);
        events.push(one);
        this.#events++;
      }
    };
    if ('command' in step) {
      const { command, ifRevision, correlationId = CORRELATION_ID } = step.command;
      const rehearsed = this.#give(command, ifRevision, correlationId);
      take(...rehearsed.events);
      return { name, outcome: rehearsed.outcome, swept: null, events, note: null };
    }
    try {
      if ('sweep' in step) return { name, outcome: null, swept: yield* this.#sweep(step.sweep, take), events, note: null };
      const { note, swept = null } = yield* this.#scenario(step.scenario, take);
      return { name, outcome: null, swept, events, note };
    } catch (error) {
      if (error instanceof Refusal) return { name, outcome: { refusal: error }, swept: null, events, note: null };
      throw error;
    }
  }

  get #network(): Network {
    return this.#rehearsal.network;
  }

  #give(command: Command, ifRevision?: number, correlationId = CORRELATION_ID) {
    return this.#rehearsal.give({ command, caller: this.#caller, correlationId, ...(ifRevision !== undefined && { ifRevision }) });
  }

  *#scenario(
    scenario: Scenario,
    take: (...events: RehearsedEvent[]) => void,
  ): Pieces<{ readonly note: string | null; readonly swept?: SweptCount }> {
    switch (scenario.type) {
      case 'nve-fails':
        return { note: this.#fail(this.#nve(scenario.nveId), take) };
      case 'site-fails': {
        // Earlier steps may have connected more of them.
        const there = [...new Set([...this.#base.nves.keys(), ...this.#changes.nveIds])]
          .map((nveId) => this.#network.nves.get(nveId))
          .filter((nve) => nve?.known && nve.state!.siteId === scenario.siteId) as readonly FoldedNve[];
        if (there.length === 0)
          throw new Refusal('nve-unknown', `no NVE of site ${scenario.siteId} has connected`, {
            field: 'siteId',
            received: scenario.siteId,
          });
        const notes: string[] = [];
        for (const nve of there) {
          const note = this.#fail(nve, take);
          if (note !== null) notes.push(note);
          yield;
        }
        return { note: notes.length === 0 ? null : notes.join('; ') };
      }
      case 'vn-deleted': {
        const { vnid } = scenario;
        const swept = yield* this.#sweep({ sweep: { type: 'emptyVn', vnid: vnid as Vnid } }, take, Number.POSITIVE_INFINITY);
        if (this.metBound === 'events') return { note: 'it is not told to its end, for a bound was met', swept };
        const { outcome, events } = this.#give({ type: 'deleteVn', vnid: vnid as Vnid });
        take(...events);
        if ('refusal' in outcome) throw outcome.refusal;
        const systems = swept.done === 1 ? 'tenant system' : 'tenant systems';
        return { note: `${swept.done} ${systems} would have to leave it first`, swept };
      }
      case 'distributor-stops': {
        this.#changes.stop(scenario.shards);
        let [vns, looked] = [0, 0];
        for (const vnid of new Set([...this.#base.vns.keys(), ...this.#changes.vnids])) {
          if (!this.#changes.isTold(vnid) && this.#network.vns.get(vnid)?.alive) vns++;
          if (++looked % PER_PIECE === 0) yield;
        }
        return {
          note: `nothing of ${vns} ${vns === 1 ? 'VN' : 'VNs'} would be published; their NVEs go on with the tables that they have (X6)`,
        };
      }
    }
  }

  #nve(nveId: string): FoldedNve {
    const nve = this.#network.nves.get(nveId);
    if (nve?.known) return nve;
    throw new Refusal('nve-unknown', `NVE ${nveId} has not connected`, { field: 'nveId', received: nveId });
  }

  /** A note where the NVA would not notice by itself. */
  #fail({ nveId, state }: FoldedNve, take: (...events: RehearsedEvent[]) => void): string | null {
    const { status, incarnation, leaseS } = state!;
    if (status !== 'reachable') return `NVE ${nveId} is unreachable already`;
    const audit = this.#rehearsal.audit(actorOf({ kind: 'system', part: 'terms' }), CORRELATION_ID);
    if (leaseS !== null) {
      const data = { audit, nveId, incarnation, group: null, owner: null };
      take(this.#rehearsal.happen(nveStream(nveId), { type: 'NveLeaseLapsed', data }));
      return null;
    }
    take(this.#rehearsal.happen(nveStream(nveId), { type: 'NveDisconnected', data: { audit, nveId } }));
    return `NVE ${nveId} has no lease: the NVA would notice only when somebody disconnects it`;
  }

  /** As `apps/service` carries a sweep out: an ordinary command for each tenant system. */
  *#sweep({ sweep }: ParsedSweep, take: (...events: RehearsedEvent[]) => void, most = sweep.limit ?? MAX_SWEPT): Pieces<SweptCount> {
    this.#check(sweep);
    const targets = yield* this.#targets(sweep);
    let [done, met]: [number, number] = [0, 0];
    let refused: SweptCount['refused'] = null;
    for (const { ts, place } of targets) {
      if (sweep.after !== undefined && place <= sweep.after) continue;
      if (met >= most) break;
      if (this.#events >= this.#maxEvents) {
        this.#bounds.add('events');
        break;
      }
      met++;
      if (sweep.dryRun) continue;
      const { outcome, events } = this.#give(commandFor(sweep, ts));
      take(...events);
      if ('refusal' in outcome) refused ??= { tsId: ts.state.tsId, tenantId: ts.state.tenantId, refusal: outcome.refusal };
      else done++;
      yield;
    }
    return { done, remaining: targets.length - done, refused };
  }

  #check(sweep: Sweep): void {
    if (sweep.type === 'keepOnly') checkPresentLife(sweep, this.#network.nves.get(sweep.nveId)?.state ?? null);
    else if (sweep.type === 'evacuateNve') this.#nve(sweep.nveId);
    else if (!this.#network.vns.get(sweep.vnid)?.alive)
      throw new Refusal('vn-unknown', `there is no VN ${sweep.vnid}`, { field: 'vnid', received: sweep.vnid });
  }

  /** The tenant systems that a sweep is about, in its order. */
  *#targets(sweep: Sweep): Pieces<readonly Target[]> {
    const kept = sweep.type === 'keepOnly' ? new WholeSet(sweep.tenantSystems) : null;
    const isMeant = ({ state }: FoldedTs): boolean =>
      sweep.type === 'emptyVn'
        ? state.bindings.some(({ vn, vnid }) => vn && vnid === sweep.vnid)
        : state.attachments.some(({ nveId }) => nveId === sweep.nveId) && !kept?.has(state);
    const names = new Set<string>();
    let looked = 0;
    for (const ts of this.#candidates(sweep)) {
      if (isMeant(ts)) names.add(this.#base.namesakes.nameOf(ts));
      if (++looked % PER_PIECE === 0) yield;
    }
    this.#searched += looked;
    for (const name of this.#changes.tsNames) names.add(name);
    const targets: Target[] = [];
    for (const name of names) {
      const ts = this.#network.tenantSystems.get(name);
      if (ts && isMeant(ts)) targets.push({ ts, place: placeOf(sweep, ts.state) });
      if (targets.length % PER_PIECE === 0) yield;
    }
    return targets.toSorted((a, b) => (a.place < b.place ? -1 : 1));
  }

  /** Those of the network that the what-if began with. */
  *#candidates(sweep: Sweep): Generator<FoldedTs, void> {
    if (sweep.type === 'emptyVn') return yield* this.#base.vns.get(sweep.vnid)?.macs.everyone() ?? [];
    if (this.#base.tenantSystems.size <= MAX_EVERYONE) return yield* this.#base.tenantSystems.values();
    this.#bounds.add('unbound');
    for (const { vn } of this.#base.nves.get(sweep.nveId)?.memberships.values() ?? []) yield* vn.macs.everyone();
  }
}

/** The order of a sweep: that of the lists of tenant systems at an NVE, or in a VN. */
const placeOf = ({ type }: Sweep, { tsId, tenantId }: TenantSystem): string => (type === 'emptyVn' ? `${tsId}/` : `${tsId}!${tenantId}`);

function commandFor(sweep: Sweep, { state }: FoldedTs): Command {
  const whose = { tsId: state.tsId as TsId, tenantId: state.tenantId as TenantId };
  return sweep.type === 'emptyVn'
    ? { type: 'registerBindings', ...whose, bindings: endingLines(state.bindings, sweep.vnid) }
    : { type: 'detach', ...whose, nveId: sweep.nveId as NveId };
}
