import { createHash } from 'node:crypto';
import { parseLine, type ParsedCommand, type ParsedSweep } from '@nva/commands';
import { checkPresentLife, endingLines, MAX_SWEPT, WholeSet, type Nve, type Sweep, type TenantSystem } from '@nva/domain';
import type { FoldedTs, Network } from '@nva/fold';
import { nveStream, Refusal } from '@nva/identifiers';
import { refusalForSweep, type Caller, type Registrar } from '@nva/registrar';
import { COMMANDS_PER_TURN } from './command-pieces.ts';
import type { Reads } from '../reads/reads.ts';
import type { Line, Result, SweepAnswer, SweepLine, SweptItem } from './lines.ts';
import { problemOf } from '../refusals/problem.ts';
import type { Steps } from '../turns/sliced.ts';
import { attachedAt, inVn, isAt, isIn, placeInVn, placeOf } from '../reads/tenant-system-lists.ts';

/** The caller of a sweep, and how a piece of the sweep is decided in the caller's turn; `make` is called when the turn comes. */
export interface Asking {
  readonly caller: Caller;
  decide(commands: number, make: () => readonly Line[]): Promise<readonly Result[]>;
}

interface Target {
  readonly tsId: string;
  readonly tenantId: string;
  readonly stream: string;
  /** The revision when the tenant system was found. */
  readonly revision: number;
}

/** Statuses that say nothing about the command itself, or only that this is the wrong place: a repeat will tell. */
const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 421;

/**
 * Carries out sweeps. It finds the tenant systems in the caller's turns, and gives an ordinary command for each, in pieces of one
 * turn, all under one correlation id. Every piece is decided on the state at that time. A refusal of a tenant system's command
 * concerns only that tenant system. A refusal that says nothing about the command, for example because the log does not answer,
 * ends the sweep; a repeat continues it.
 */
export class Sweeper {
  readonly #reads: Reads;
  readonly #registrar: Registrar;

  constructor(reads: Reads, registrar: Registrar) {
    this.#reads = reads;
    this.#registrar = registrar;
  }

  /** Throws Refusal. */
  async run({ parsed }: SweepLine, asking: Asking): Promise<SweepAnswer> {
    const { sweep } = parsed;
    const refusal = refusalForSweep(asking.caller, sweep);
    if (refusal) throw refusal;
    this.#check(sweep);
    const { targets, next } = await this.#reads.inTurns(asking.caller, this.#targets(sweep));
    const items: SweptItem[] = [];
    if (sweep.dryRun) items.push(...targets.map(({ tsId, tenantId, revision }) => ({ tsId, tenantId, revision })));
    else
      for (let from = 0; from < targets.length; from += COMMANDS_PER_TURN)
        items.push(...(await this.#piece(parsed, targets.slice(from, from + COMMANDS_PER_TURN), asking)));
    const done = sweep.dryRun ? 0 : items.filter(({ status = 0 }) => status < 300).length;
    return {
      done,
      remaining: await this.#reads.inTurns(asking.caller, this.#remaining(sweep)),
      items,
      ...(next !== undefined && { next }),
    };
  }

  get #network(): Network {
    return this.#reads.network;
  }

  #check(sweep: Sweep): void {
    if (sweep.type === 'keepOnly') checkPresentLife(sweep, this.#registrar.standing(nveStream(sweep.nveId)).state as Nve | null);
    else if (sweep.type === 'evacuateNve') {
      if (!this.#network.nves.has(sweep.nveId))
        throw new Refusal('nve-unknown', `NVE ${sweep.nveId} has not connected`, { field: 'nveId', received: sweep.nveId });
    } else if (!this.#network.vns.get(sweep.vnid)?.alive)
      throw new Refusal('vn-unknown', `there is no VN ${sweep.vnid}`, { field: 'vnid', received: sweep.vnid });
  }

  *#targets(sweep: Sweep): Steps<{ readonly targets: readonly Target[]; readonly next?: string }> {
    const { limit = MAX_SWEPT, after } = sweep;
    const kept = sweep.type === 'keepOnly' ? new WholeSet(sweep.tenantSystems) : null;
    // Tenant systems whose earlier commands are decided but not folded yet are included.
    const targets = kept && after === undefined ? this.#pending(sweep as Sweep & { readonly type: 'keepOnly' }, kept).slice(0, limit) : [];
    const met = new Set(targets.map(({ stream }) => stream));
    const vn = sweep.type === 'emptyVn' ? this.#network.vns.get(sweep.vnid) : undefined;
    const [source, place] =
      sweep.type === 'emptyVn' ? [vn ? inVn(vn, after) : [], placeInVn] : [attachedAt(this.#network, sweep.nveId, after), placeOf];
    let last = after;
    for (const ts of source) {
      if (!ts) {
        yield;
        continue;
      }
      if (targets.length >= limit) return { targets, next: last ?? '' };
      last = place(ts);
      const there = sweep.type === 'emptyVn' ? isIn(ts, vn!) : isAt(ts, sweep.nveId) && !kept?.has(ts.state);
      const target = there ? this.#target(ts.state, ts.revision) : undefined;
      if (target && !met.has(target.stream)) targets.push(target);
    }
    return { targets };
  }

  #pending({ nveId }: { readonly nveId: string }, kept: WholeSet): Target[] {
    const here = this.#registrar
      .pendingTenantSystems()
      .filter((ts) => ts.attachments.some((attachment) => attachment.nveId === nveId) && !kept.has(ts));
    return here.map((ts) => this.#target(ts, this.#registrar.standing(this.#registrar.streamOf(ts.tsId, ts.tenantId)).revision));
  }

  #target({ tsId, tenantId }: Pick<TenantSystem, 'tsId' | 'tenantId'>, revision: number): Target {
    return { tsId, tenantId, stream: this.#registrar.streamOf(tsId, tenantId), revision };
  }

  async #piece(parsed: ParsedSweep, targets: readonly Target[], { decide }: Asking): Promise<readonly SweptItem[]> {
    let given: readonly Target[] = [];
    const results = await decide(targets.length, () => {
      // The NVE may have restarted since the previous piece, and have attached these tenant systems again.
      this.#check(parsed.sweep);
      const lines = targets.map((target) => ({ target, line: this.#line(parsed, target) })).filter(({ line }) => line !== null);
      given = lines.map(({ target }) => target);
      return lines.map(({ line }) => line!);
    });
    return results.map((result, i) => itemOf(given[i]!, result));
  }

  /** The command for a tenant system; null if there is nothing left to do. */
  #line({ sweep, idempotencyKey, correlationId }: ParsedSweep, { tsId, tenantId, stream, revision }: Target): Line | null {
    const standing = this.#registrar.standing(stream);
    const ts = standing.state as TenantSystem | null;
    const ids = {
      ...(idempotencyKey !== undefined && { idempotencyKey: keyOf(idempotencyKey, stream) }),
      ...(correlationId !== undefined && { correlationId }),
    };
    if (sweep.type === 'emptyVn') {
      const bindings = endingLines(ts?.bindings ?? [], sweep.vnid);
      return bindings.length === 0
        ? null
        : lineOf({ command: 'registerBindings', tsId, tenantId, bindings, ifRevision: standing.revision, ...ids });
    }
    if (!ts?.attachments.some(({ nveId }) => nveId === sweep.nveId)) return null;
    // The NVE may have attached the tenant system again since it sent its whole set: that attachment counts. An operator wants to
    // remove everything.
    const ifRevision = sweep.type === 'keepOnly' ? revision : standing.revision;
    return lineOf({ command: 'detach', nveId: sweep.nveId, tsId, tenantId, ifRevision, ...ids });
  }

  *#remaining(sweep: Sweep): Steps<number> {
    if (sweep.type === 'emptyVn') return this.#network.vns.get(sweep.vnid)?.macs.count ?? 0;
    const attached = this.#network.nves.get(sweep.nveId)?.attachments ?? 0;
    if (sweep.type === 'evacuateNve') return attached;
    const kept = new Set<FoldedTs>();
    for (const [i, { tsId, tenantId }] of sweep.tenantSystems.entries()) {
      if (i % COMMANDS_PER_TURN === 0) yield;
      for (const ts of this.#network.namesakes.all(tsId))
        if ((tenantId === undefined || ts.state.tenantId === tenantId) && isAt(ts, sweep.nveId)) kept.add(ts);
    }
    return Math.max(0, (this.#network.nves.get(sweep.nveId)?.attachments ?? 0) - kept.size);
  }
}

const lineOf = (json: Readonly<Record<string, unknown>>): Line => ({ parsed: parseLine(json) as ParsedCommand, json });

/** A key for each tenant system's command, so that no tenant system is changed twice under the caller's one key. */
const keyOf = (idempotencyKey: string, stream: string): string => createHash('sha256').update(`${idempotencyKey}\n${stream}`).digest('hex');

/** Throws Refusal if the result says nothing about the command. */
function itemOf({ tsId, tenantId }: Target, result: Result): SweptItem {
  if ('answer' in result)
    return { tsId, tenantId, status: 200, position: String(result.answer.position), revision: result.answer.revision };
  if ('refusal' in result) {
    const { status, code, detail } = problemOf(result.refusal);
    if (isPassing(status)) throw result.refusal;
    return { tsId, tenantId, status, code, detail };
  }
  const { status, code, detail, position, revision } = result.forwarded as {
    status: number;
    code?: string;
    detail?: string;
    position?: string;
    revision?: number;
  };
  if (isPassing(status))
    throw new Refusal(
      'outcome-unknown',
      `the registrar of another group answered ${code ?? status}: ${detail ?? ''}; sending it again goes on`,
    );
  return {
    tsId,
    tenantId,
    status,
    ...(position !== undefined && { position }),
    ...(revision !== undefined && { revision }),
    ...(code !== undefined && { code }),
    ...(detail !== undefined && { detail }),
  };
}
