import { assertCheckpointsWithin, Distributor } from '@nva/distributor';
import { Refusal } from '@nva/identifiers';
import { FeedFenced, LogEndLost, LogRefused, silentLogger, StoreUnavailable, type Position } from '@nva/ports';
import {
  Arrivals,
  Election,
  RegistrarGroups,
  Registrar,
  SOLE,
  DeadlineKeeper,
  upgradeFold,
  type Outcome,
  type Request,
} from '@nva/registrar';
import { readLineage, Replica } from '@nva/replica';
import { Link } from './link.ts';
import { ProcessClock, SeededIds, type WallOffset } from './process-clock.ts';
import type { Scene } from './scene.ts';
import { SimEventStore } from './sim-event-store.ts';
import { SimFeedAccess } from './sim-feed-access.ts';
import { SimFeedWriter } from './sim-feed-writer.ts';
import { Life } from './world.ts';

const PATIENCE_MS = 500;
/** How long a start waits for the brokers to tell the positions of the feeds. */
const CHECKPOINTS_WITHIN_MS = 5_000;
const PROBE_LIMIT_MS = 800;
const FORWARD_LIMIT_MS = 2_000;
const RIGHTS_GRACE_MS = 2_000;
const PURGE_AFTER_MS = 6_000;
const LOOK_AT_FEEDS_MS = 2_000;
const RESTART_MS = 300;

/** What an NVE reports to have applied of a VN. */
export interface AppliedLine {
  readonly vnid: number;
  readonly log: string;
  readonly position: Position;
  readonly digest: string;
}

export interface Asked extends Request {
  readonly applied?: readonly AppliedLine[];
  /** Another registrar has forwarded the request. */
  readonly forwarded?: boolean;
}

export interface NvaRoles {
  readonly name: string;
  readonly registers: boolean;
  /** The shards that the process distributes; null if it distributes none. */
  readonly shards: readonly number[] | null;
}

interface Running {
  readonly store: SimEventStore;
  readonly replica: Replica;
  readonly registrar: Registrar | null;
  readonly election: Election | null;
  readonly arrivals: Arrivals;
  distributor: Distributor | null;
}

/** One service of the NVA on its machine: it runs one process at a time, and a new process starts when one has ended. */
export class SimNva {
  readonly roles: NvaRoles;
  readonly wall: WallOffset = { ms: 0 };
  readonly toLog: Link;
  readonly toBrokers: Link;
  readonly #scene: Scene;
  #life: Life;
  #running: Running | null = null;
  /** Another service has its shards: it is not started again. */
  #retired = false;

  constructor(scene: Scene, roles: NvaRoles) {
    this.#scene = scene;
    this.roles = roles;
    this.toLog = scene.link();
    this.toBrokers = scene.link();
    this.#life = new Life(roles.name);
    this.#life.end();
  }

  get life(): Life {
    return this.#life;
  }

  /** Whether it answers requests. */
  get serves(): boolean {
    return this.#running?.registrar != null && !this.#life.ended;
  }

  get retired(): boolean {
    return this.#retired;
  }

  start(): void {
    if (this.#retired || !this.#life.ended) return;
    const life = new Life(this.roles.name);
    this.#life = life;
    this.#boot(life).catch((cause: unknown) => this.#failed(life, cause));
  }

  /** Ends as by SIGKILL; starts again after `forMs`. */
  crash(forMs: number): void {
    this.#end();
    this.#scene.world.after(forMs, null, () => this.start());
  }

  retire(): void {
    this.#retired = true;
  }

  /** Handles a request to this life; never rejects. */
  async handle(request: Asked): Promise<Outcome> {
    const running = this.#running;
    if (!running?.registrar) return { refusal: new Refusal('oracle-unreachable', 'not there yet') };
    const [outcome] = await running.arrivals.until(running.registrar.submit([request]));
    if ('answer' in outcome! && request.applied) void this.#applied(running, request);
    return this.#renewed(running, request, outcome!);
  }

  #end(): void {
    this.#life.end();
    this.#running = null;
    // The only process of an embedded log takes its events that are not durable with it.
    if (this.#scene.log.kind === 'embedded') this.#scene.log.loseUnsynced();
  }

  #failed(life: Life, cause: unknown): void {
    if (life.ended) return;
    this.#end();
    if (cause instanceof LogEndLost) return this.#scene.lostEnd(this);
    if (cause instanceof FeedFenced) {
      return this.#scene.fenced(this, cause);
    }
    const expected = cause instanceof StoreUnavailable || (cause instanceof LogRefused && this.#scene.renewals > 0);
    if (!expected) this.#scene.judge.breaks(`${this.roles.name} has failed: ${(cause as Error)?.stack ?? String(cause)}`);
    this.#scene.world.after(RESTART_MS, null, () => this.start());
  }

  async #boot(life: Life): Promise<void> {
    const { world, log, brokers, setting } = this.#scene;
    const clock = new ProcessClock(world, life, this.wall);
    const ids = new SeededIds(world);
    const store = new SimEventStore(log, world, life, this.toLog);
    const logger = this.#scene.logger(this.roles.name);
    const failed = (cause: unknown): void => this.#failed(life, cause);
    const lineage = await this.#patiently(life, () => readLineage(store));
    const replica = new Replica(store, silentLogger, {}, clock);
    replica.onFolded(({ event, revision }) => {
      if (event.type === 'LogRenewed' && revision > lineage.revision) failed(new LogRefused('the log was renewed'));
    });
    const arrivals = new Arrivals(clock);
    const registrar = this.roles.registers ? new Registrar(store, replica, clock, logger, { ids }) : null;
    const group = { name: 'all', urls: [], nves: [], sites: [], tenants: [], rest: true };
    const election =
      registrar && log.kind === 'shared'
        ? new Election(store, replica, clock, logger, {
            groups: new RegistrarGroups([group]),
            group,
            url: this.roles.name,
            probe: (url, id) => this.#probe(life, url, id),
            ids,
          })
        : null;
    // Groups are compared by identity.
    const deadlines = registrar && new DeadlineKeeper(registrar, replica, clock, logger, election ?? SOLE, arrivals);
    const writer = this.roles.shards && new SimFeedWriter(brokers, world, life, this.toBrokers, this.roles.shards);
    if (writer) await this.#withinInTime(life, () => assertCheckpointsWithin(store, writer));
    const access = setting.rights
      ? { access: new SimFeedAccess(brokers, world, life, this.toBrokers), clock, graceMs: RIGHTS_GRACE_MS, lookEveryMs: 3_000 }
      : null;
    const endedAt = log.head;
    await replica.start(failed);
    if (registrar) await this.#patiently(life, () => upgradeFold(store, replica, clock, logger, ids));
    await election?.start();
    deadlines?.start();
    const running: Running = { store, replica, registrar, election, arrivals, distributor: null };
    this.#running = running;
    if (!writer) return;
    const options = {
      adopt: false,
      purge: { afterMs: PURGE_AFTER_MS, clock },
      owns: (vnid: number) => writer.owns(vnid),
      clock,
      ids,
      lookEveryMs: LOOK_AT_FEEDS_MS,
      verify: log.kind === 'shared',
      ...(log.kind === 'embedded' && { endedAt }),
      ...(access && { access }),
    };
    running.distributor = new Distributor(writer, replica, store, logger, options);
    running.distributor.start(failed).catch(failed);
  }

  /** A renewal of a term that another registrar owns is forwarded to that registrar. */
  async #renewed({ registrar, election, replica }: Running, request: Asked, outcome: Outcome): Promise<Outcome> {
    const { command } = request;
    if (!election || election.owner() !== null || !('answer' in outcome) || outcome.answer.recorded || !renews(command.type))
      return outcome;
    const owner = replica.network.oracles.get('all')?.url;
    const elsewhere = owner === undefined || request.forwarded ? null : this.#scene.service(owner);
    const answer =
      elsewhere && registrar
        ? await this.#scene.ask(this.#life, this.toLog, elsewhere, { ...request, forwarded: true }, FORWARD_LIMIT_MS)
        : null;
    return answer ?? { refusal: new Refusal('oracle-unreachable', 'another registrar is taking the terms over') };
  }

  /** Like `AppliedReports`: a table that seems to differ is judged again when the fold has passed everything in the log. */
  async #applied({ store, replica, distributor }: Running, { applied = [], command }: Asked): Promise<void> {
    for (const { vnid, log, position, digest } of applied) {
      if (log !== this.#scene.log.logId || position > replica.network.position) continue;
      const nveId = (command as { readonly nveId: string }).nveId;
      if (!replica.network.nves.get(nveId)?.memberships.has(vnid)) continue;
      if (replica.digests.judge(`vn/${vnid}`, position, digest) !== 'differs') continue;
      if (
        !(await store
          .head()
          .then((head) => replica.passedWithin(head.position, FORWARD_LIMIT_MS))
          .catch(() => false)) ||
        !replica.network.nves.get(nveId)?.memberships.has(vnid)
      )
        continue;
      const verdict = replica.digests.judge(`vn/${vnid}`, position, digest);
      this.#scene.judge.verdict(nveId, vnid, verdict);
      if (verdict === 'differs') distributor?.doubt(vnid);
    }
  }

  /** Another registrar probes this one. */
  answers(oracleId: string): boolean {
    return this.#running?.election?.oracleId === oracleId;
  }

  #probe(life: Life, url: string, oracleId: string): Promise<boolean> {
    const { world } = this.#scene;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const callOff = world.after(PROBE_LIMIT_MS, life, () => resolve(false));
    const other = this.#scene.service(url);
    if (other && this.toLog.passes()) {
      world.after(this.toLog.delayMs(), other.life, () => {
        const there = other.answers(oracleId);
        world.after(this.toLog.delayMs(), life, () => (callOff(), resolve(there)));
      });
    }
    return promise;
  }

  async #patiently<T>(life: Life, step: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.#scene.world.sleep(PATIENCE_MS, life);
      }
    }
  }

  /** A start without the brokers continues: the distributor checks when they answer. */
  async #withinInTime(life: Life, look: () => Promise<void>): Promise<void> {
    const looked = look().catch((error: unknown) => {
      if (error instanceof LogEndLost) throw error;
    });
    await Promise.race([looked, this.#scene.world.sleep(CHECKPOINTS_WITHIN_MS, life)]);
  }
}

const renews = (type: string): boolean =>
  type === 'heartbeat' || type === 'connectNve' || type === 'attach' || type === 'registerBinding' || type === 'registerBindings';
