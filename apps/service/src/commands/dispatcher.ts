import { isTenantSystemCommand, type Command } from '@nva/domain';
import { Refusal } from '@nva/identifiers';
import {
  actorOf,
  refusalFor,
  type Arrivals,
  type Caller,
  type RegistrarGroup,
  type RegistrarGroups,
  type Outcome,
  type Request,
} from '@nva/registrar';
import type { Replica } from '@nva/replica';
import { requestOf } from './command-answers.ts';
import { waves, type Piece } from './command-pieces.ts';
import type { AppliedReports } from '../core/applied-reports.ts';
import type { RegistrarRole } from '../core/core.ts';
import { sayingByWhat } from './in-use.ts';
import { forward } from '../core/peers.ts';
import type { LossWatch } from '../log/loss-watch.ts';
import type { Reads } from '../reads/reads.ts';
import type { CallerTurns } from '../turns/caller-turns.ts';
import { refusalOf } from '../refusals/problem.ts';
import { digestOf, type RequestContext } from '../access/request-context.ts';
import type { CallersLine, CallersSweep, Line, Result, SweepLine, Swept } from './lines.ts';
import { Sweeper } from './sweeper.ts';

const isSweep = <L extends Line, S extends SweepLine>(line: L | S): line is S => 'sweep' in line.parsed;

/** Fields that identify the request, but not its content. */
const NOT_DIGESTED = new Set(['idempotencyKey', 'correlationId']);

export interface DispatcherOptions {
  readonly registrarRole: RegistrarRole;
  readonly turns: CallerTurns;
  readonly arrivals: Arrivals;
  readonly replica: Replica;
  readonly reads: Reads;
  readonly applied: AppliedReports;
  readonly losses: LossWatch;
  /** Whether a command of another group is forwarded to that group; otherwise it is refused with the URLs of that group. */
  readonly forwards: boolean;
}

/**
 * Determines where a command is decided: by this registrar, or, if the command belongs to another group (R34), by a registrar of
 * that group. A renewal, which records nothing, must reach the owner of the group's deadlines; another registrar forwards it.
 */
export class Dispatcher {
  readonly #turns: CallerTurns;
  readonly #arrivals: Arrivals;
  readonly #replica: Replica;
  readonly #reads: Reads;
  readonly #applied: AppliedReports;
  readonly #losses: LossWatch;
  readonly #forwards: boolean;
  readonly #registrarRole: RegistrarRole;
  readonly #groups: RegistrarGroups | null;
  readonly #sweeper: Sweeper;
  /** By request, a promise that resolves when all its lines up to its last sweep are done. */
  readonly #sweeping = new WeakMap<RequestContext, Promise<unknown>>();

  constructor({ registrarRole, turns, arrivals, replica, reads, applied, losses, forwards }: DispatcherOptions) {
    this.#turns = turns;
    this.#arrivals = arrivals;
    this.#replica = replica;
    this.#reads = reads;
    this.#applied = applied;
    this.#losses = losses;
    this.#forwards = forwards;
    this.#registrarRole = registrarRole;
    this.#groups = registrarRole.groups;
    this.#sweeper = new Sweeper(reads, registrarRole.registrar);
  }

  /** Resolves when the line rate of the caller allows that many more lines. */
  paced({ caller }: Pick<RequestContext, 'caller'>, lines: number): Promise<void> {
    return this.#turns.lineRate.allowed(actorOf(caller), lines);
  }

  /**
   * Starts the work, for example reading and submitting some lines, when it is the caller's turn. Urgent work comes before all
   * other work of all callers. Rejects with a Refusal if too much work waits already.
   */
  inTurn<T>({ caller }: Pick<RequestContext, 'caller'>, commands: number, work: () => T | Promise<T>, urgent = false): Promise<T> {
    return this.#arrivals.until(this.#turns.commands.run(actorOf(caller), commands, work, urgent));
  }

  /**
   * Decides in order, appends in one call; never rejects. A sweep is finished before the lines after it in its request are
   * decided.
   */
  submit(lines: readonly Line[], context: RequestContext): Promise<readonly Result[]>;
  submit(lines: readonly (Line | SweepLine)[], context: RequestContext): Promise<readonly (Result | Swept)[]>;
  submit(lines: readonly (Line | SweepLine)[], context: RequestContext): Promise<readonly (Result | Swept)[]> {
    return this.#arrivals.until(this.#inOrder(lines, context));
  }

  #inOrder(lines: readonly (Line | SweepLine)[], context: RequestContext): Promise<readonly (Result | Swept)[]> {
    const before = this.#sweeping.get(context);
    if (!before && !lines.some(isSweep)) return this.#dispatch(lines as readonly Line[], context);
    const { caller } = context;
    const decide = (commands: number, make: () => readonly Line[]): Promise<readonly Result[]> =>
      this.inTurn(context, commands, () => this.#dispatch(make(), context));
    const run = (): Promise<readonly (Result | Swept)[]> =>
      inSegments(
        lines,
        (some: readonly Line[]) => this.#dispatch(some, context),
        (sweep: SweepLine) => this.#sweep(sweep, { caller, decide }),
      );
    const done = before ? before.then(run, run) : run();
    this.#sweeping.set(context, done);
    const settled = (): void => void (this.#sweeping.get(context) === done && this.#sweeping.delete(context));
    done.then(settled, settled);
    return done;
  }

  async #sweep(line: SweepLine, asking: Parameters<Sweeper['run']>[1]): Promise<Swept | { readonly refusal: Refusal }> {
    try {
      return { swept: await this.#sweeper.run(line, asking) };
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      return { refusal };
    }
  }

  async #dispatch(lines: readonly Line[], context: RequestContext): Promise<readonly Result[]> {
    if (!this.#groups) return this.#decide(lines, context);
    const places = lines.map((line) => this.#place(line, context));
    const results: Result[] = [];
    const own = places.flatMap((place, i) => (place === 'here' ? [i] : []));
    const elsewhere = new Map<RegistrarGroup, number[]>();
    places.forEach((place, i) => {
      if (place instanceof Refusal) results[i] = { refusal: place };
      else if (place !== 'here') elsewhere.set(place, [...(elsewhere.get(place) ?? []), i]);
    });
    const take = async (indexes: readonly number[], decided: Promise<readonly Result[]>): Promise<void> =>
      (await decided).forEach((result, n) => void (results[indexes[n]!] = result));
    await Promise.all([
      take(
        own,
        this.#decide(
          own.map((i) => lines[i]!),
          context,
        ),
      ),
      ...[...elsewhere].map(([group, indexes]) =>
        take(
          indexes,
          this.#forward(
            group,
            indexes.map((i) => lines[i]!),
            context,
          ),
        ),
      ),
    ]);
    return results;
  }

  /**
   * Decides commands of many callers, each in its caller's turn; commands about one tenant system are decided in the order of
   * their arrival. Never rejects. Nothing is forwarded, because these callers have no token that another registrar would accept;
   * the revisions of the log keep a decision safe wherever it is made. A renewal records nothing and so must reach the owner of
   * the deadline; if that is another process, the renewal is refused.
   */
  decideHere(lines: readonly CallersLine[]): Promise<readonly Outcome[]>;
  decideHere(lines: readonly (CallersLine | CallersSweep)[]): Promise<readonly (Outcome | Swept)[]>;
  decideHere(lines: readonly (CallersLine | CallersSweep)[]): Promise<readonly (Outcome | Swept)[]> {
    if (!lines.some(isSweep)) return this.#decideAllHere(lines as readonly CallersLine[]);
    return this.#arrivals.until(
      inSegments(
        lines,
        (some: readonly CallersLine[]) => this.#decideAllHere(some),
        (sweep: CallersSweep) => this.#sweepHere(sweep),
      ),
    );
  }

  #sweepHere(line: CallersSweep): Promise<Swept | { readonly refusal: Refusal }> {
    const decide = (commands: number, make: () => readonly Line[]): Promise<readonly Outcome[]> =>
      this.#turns.commands.run(actorOf(line.caller), commands, () => this.#submit(make().map((one) => this.#request(one, line))));
    return this.#sweep(line, { caller: line.caller, decide });
  }

  async #decideAllHere(lines: readonly CallersLine[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const take = async (piece: Piece): Promise<void> => {
      const decided = await this.#inItsTurn(piece, lines);
      piece.places.forEach((place, i) => (outcomes[place] = decided[i]!));
    };
    await this.#arrivals.until(this.#inWaves(lines, take));
    return outcomes.map((outcome, i) =>
      'answer' in outcome && !outcome.answer.recorded && this.#renewsElsewhere(lines[i]!.parsed.command, lines[i]!.caller)
        ? { refusal: notOverKafka() }
        : outcome,
    );
  }

  async #inWaves(lines: readonly CallersLine[], take: (piece: Piece) => Promise<void>): Promise<void> {
    for (const wave of waves(lines)) await Promise.all(wave.map(take));
  }

  async #inItsTurn({ caller, places }: Piece, lines: readonly CallersLine[]): Promise<readonly Outcome[]> {
    try {
      return await this.#turns.commands.run(caller, places.length, () =>
        this.#submit(places.map((place) => this.#request(lines[place]!, lines[place]!))),
      );
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      return places.map(() => ({ refusal }));
    }
  }

  #submit(requests: readonly Request[]): Promise<Outcome[]> {
    return this.#turns.commands.counted(requests.length, this.#registrarRole.registrar.submit(requests));
  }

  #renewsElsewhere(command: Command, caller: Caller): boolean {
    const { election } = this.#registrarRole;
    if (!election || !this.#renews(command, caller)) return false;
    const group = this.#groupOf(command, caller);
    return election.owner() === null || (group !== null && group !== election.group);
  }

  /** Whether the command renews a lease or a lifetime if it changes nothing. A heartbeat also reports what the NVE has applied. */
  #renews(command: Command, caller: Caller): boolean {
    const { network } = this.#replica;
    switch (command.type) {
      case 'heartbeat':
        return true;
      case 'connectNve':
        return (network.nves.get(command.nveId)?.state?.leaseS ?? null) !== null;
      case 'attach':
      case 'registerBinding':
      case 'registerBindings':
        return this.#registrarRole.registrar.tenantSystemOf(command, caller)?.bindings.some(({ lifetimeS }) => lifetimeS !== null) ?? false;
      default:
        return false;
    }
  }

  #groupOf(command: Command, caller: Caller): RegistrarGroup | null {
    return this.#groups!.ofCommand(command, this.#replica.network, (about) => this.#registrarRole.registrar.tenantSystemOf(about, caller));
  }

  #place({ parsed: { command } }: Line, { caller, forwardedGroup }: RequestContext): 'here' | RegistrarGroup | Refusal {
    const ts = isTenantSystemCommand(command) ? this.#registrarRole.registrar.tenantSystemOf(command, caller) : null;
    // A forbidden command is refused here. The caller must not learn which group it would belong to.
    if (refusalFor(caller, command, ts)) return 'here';
    const group = this.#groupOf(command, caller);
    const own = this.#registrarRole.election!.group;
    if (group === null || group === own) return 'here';
    if (forwardedGroup === undefined && this.#forwards) return group;
    return new Refusal('misdirected', `the command belongs to group ${group.name}, this registrar serves ${own.name}`, {
      expected: group.urls,
      actual: own.name,
      row: 'R34',
    });
  }

  async #decide(lines: readonly Line[], context: RequestContext): Promise<readonly Result[]> {
    const outcomes: readonly Result[] = await sayingByWhat(
      this.#reads,
      context.caller,
      await this.#submit(lines.map((line) => this.#request(line, context))),
    );
    const { election } = this.#registrarRole;
    const owns = !election || election.owner() !== null;
    /** By index among the lines, the index among the forwarded lines. */
    const renewals = new Map<number, number>();
    for (const [i, outcome] of outcomes.entries()) {
      if (!('answer' in outcome)) continue;
      const { command, applied } = lines[i]!.parsed;
      if (owns && command.type === 'heartbeat' && applied)
        this.#applied.take(command.nveId, applied, await this.#losses.aheadIn(context.caller, command.nveId, applied));
      if (!owns && !outcome.answer.recorded && this.#renews(command, context.caller)) renewals.set(i, renewals.size);
    }
    if (renewals.size === 0) return outcomes;
    const renewed =
      context.forwardedGroup === undefined
        ? await this.#forward(
            election!.group,
            [...renewals.keys()].map((i) => lines[i]!),
            context,
          )
        : [...renewals].map(() => ({ refusal: notOwner(election!.group) }));
    return outcomes.map((outcome, i) => (renewals.has(i) ? renewed[renewals.get(i)!]! : outcome));
  }

  #request({ parsed, json }: Line, { caller, correlationId }: Pick<RequestContext, 'caller' | 'correlationId'>): Request {
    const key = parsed.idempotencyKey;
    return requestOf(
      parsed,
      caller,
      correlationId,
      key === undefined
        ? undefined
        : { key, requestDigest: digestOf(Object.fromEntries(Object.entries(json).filter(([name]) => !NOT_DIGESTED.has(name)))) },
    );
  }

  /** Tries the owner of the group first. */
  async #forward(
    group: RegistrarGroup,
    lines: readonly Line[],
    { authorization, correlationId }: RequestContext,
  ): Promise<readonly Result[]> {
    const owner = this.#replica.network.oracles.get(group.name)?.url;
    const urls = owner === undefined ? group.urls : [owner, ...group.urls.filter((url) => url !== owner)];
    try {
      const answers = await forward({ group: group.name, urls, lines: lines.map(({ json }) => json), authorization, correlationId });
      return answers.map((answer) => ({ forwarded: withoutLine(answer as ForwardedAnswer) }));
    } catch (error) {
      const refusal =
        refusalOf(error) ??
        new Refusal('outcome-unknown', `the answer of group ${group.name} could not be read: ${(error as Error).message}`);
      return lines.map(() => ({ refusal }));
    }
  }
}

type ForwardedAnswer = { readonly status: number } & Readonly<Record<string, unknown>>;

/** Removes the line number: it counts the lines of the forwarded request, not of the caller. */
function withoutLine(answer: ForwardedAnswer): ForwardedAnswer {
  const { line: _line, ...forwarded } = answer;
  return forwarded as ForwardedAnswer;
}

const notOverKafka = (): Refusal =>
  new Refusal('rest-only', 'nothing changed, and the lifetime or lease is kept by another registrar: renew it over REST', { row: 'R34' });
const notOwner = (group: RegistrarGroup): Refusal =>
  new Refusal('oracle-unreachable', `another registrar is taking the terms of group ${group.name} over; try again in a moment`, {
    actual: group.name,
  });

/** Handles lines in order: the lines between two sweeps together, each sweep alone. */
async function inSegments<L extends Line, S extends SweepLine, R, T>(
  lines: readonly (L | S)[],
  decide: (lines: readonly L[]) => Promise<readonly R[]>,
  sweep: (line: S) => Promise<T>,
): Promise<readonly (R | T)[]> {
  const results: (R | T)[] = [];
  for (let from = 0; from < lines.length;) {
    const at = lines.findIndex((line, i) => i >= from && isSweep(line));
    const end = at === -1 ? lines.length : at;
    if (end > from) results.push(...(await decide(lines.slice(from, end) as readonly (L | S)[] as readonly L[])));
    if (at !== -1) results.push(await sweep(lines[at] as S));
    from = end + 1;
  }
  return results;
}
