import { LogRefused, type Logger } from '@nva/ports';
import type { Outcome } from '@nva/registrar';
import { LOG_STREAM } from '@nva/replica';
import { Caller } from './caller.ts';
import { Judge } from './judge.ts';
import { Link } from './link.ts';
import { CALLERS, isFault, nveName, type Fault, type Plan, type Setting } from './plan.ts';
import { EPOCH_MS, SeededIds } from './process-clock.ts';
import { SIM_SHARDS, SimBrokers } from './sim-brokers.ts';
import { SimLog } from './sim-log.ts';
import { SimNva, type Asked } from './sim-nva.ts';
import { SimNve } from './sim-nve.ts';
import { World, type Life } from './world.ts';

/** Percentage of messages that are delivered twice. */
const TWICE_PERCENT = 2;
const ACCEPT_LOSS_AFTER_MS = 1_000;
const RESTART_MS = 300;

/** All participants of one history, and the links between them. */
export class Scene {
  readonly setting: Setting;
  readonly world: World;
  readonly log: SimLog;
  readonly brokers: SimBrokers;
  readonly judge: Judge;
  readonly nvas: SimNva[] = [];
  readonly nves: SimNve[];
  readonly callers: Caller[];
  readonly #ids: SeededIds;
  readonly #links: Link[] = [];
  readonly #trace: ((line: string) => void) | null;
  /** Number of losses of the log's end that were accepted. */
  renewals = 0;
  #accepting = false;
  #restoredOnce = false;

  constructor(plan: Plan, trace: ((line: string) => void) | null = null) {
    this.setting = plan.setting;
    this.#trace = trace;
    this.world = new World(plan.seed);
    this.#ids = new SeededIds(this.world);
    this.log = new SimLog(this.world, plan.setting.log, this.#ids.uuid());
    this.brokers = new SimBrokers(this.world, plan.setting.rights);
    this.judge = new Judge(this.log, this.brokers, this.world, !plan.steps.some((step) => isFault(step) && step.fault === 'clock'));
    const { registrars, distributors, nves } = plan.setting;
    const all = Array.from({ length: SIM_SHARDS }, (_, shard) => shard);
    if (plan.setting.log === 'embedded') this.nvas.push(new SimNva(this, { name: 'nva', registers: true, shards: all }));
    else {
      for (let i = 0; i < registrars; i++) this.nvas.push(new SimNva(this, { name: `registrar-${i}`, registers: true, shards: null }));
      for (let i = 0; i < distributors; i++)
        this.nvas.push(
          new SimNva(this, { name: `distributor-${i}`, registers: false, shards: all.filter((shard) => shard % distributors === i) }),
        );
    }
    this.nves = Array.from({ length: nves }, (_, nve) => new SimNve(this, nveName(nve)));
    this.callers = Array.from({ length: CALLERS }, (_, caller) => new Caller(this, caller));
    for (const step of plan.steps) {
      this.world.after(step.atMs, null, () => {
        if (!isFault(step)) return this.callers[step.caller]!.give(step);
        this.say('fault', step.fault, { ...step });
        this.#happens(step);
      });
    }
    if (this.#trace)
      this.log.onDurable(({ position, stream, event }) =>
        this.say('log', event.type, { position, stream, data: event.data as unknown as Record<string, unknown> }),
      );
  }

  start(): void {
    for (const one of [...this.nvas, ...this.nves]) one.start();
  }

  link(): Link {
    const link = new Link(this.world, this.setting.maxDelayMs);
    link.lossPercent = this.setting.lossPercent;
    this.#links.push(link);
    return link;
  }

  service(name: string): SimNva | null {
    return this.nvas.find(({ roles }) => roles.name === name) ?? null;
  }

  logger(name: string): Logger {
    const tell = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
      this.say(name, `${level} ${message}`, fields);
    return { debug: () => undefined, info: tell('info'), warn: tell('warn'), error: tell('error') };
  }

  say(who: string, what: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (!this.#trace) return;
    this.#trace(
      `${String(this.world.nowMs).padStart(6)} ${who}: ${what} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
  }

  /** Asks any registrar; null if there was no answer in time. */
  askAny(life: Life, link: Link, request: Asked, limitMs: number): Promise<Outcome | null> {
    const registrars = this.nvas.filter(({ roles }) => roles.registers);
    return this.ask(life, link, registrars[this.world.random.below(registrars.length)]!, request, limitMs);
  }

  async ask(life: Life, link: Link, nva: SimNva, request: Asked, limitMs: number): Promise<Outcome | null> {
    const { world } = this;
    const { promise, resolve } = Promise.withResolvers<Outcome | null>();
    const callOff = world.after(limitMs, life, () => resolve(null));
    const arrive = (): void => {
      // The process does not listen.
      if (!nva.serves) return void world.after(link.delayMs(), life, () => (callOff(), resolve(null)));
      void nva.handle(request).then((outcome) => {
        this.say(nva.roles.name, 'answers', {
          command: request.command,
          key: request.idempotency?.key,
          ...('answer' in outcome ? { answer: outcome.answer } : { refusal: outcome.refusal.code, detail: outcome.refusal.message }),
        });
        if (!link.passes()) return;
        world.after(link.delayMs(), life, () => (callOff(), resolve(outcome)));
      });
    };
    const twice = world.chance(TWICE_PERCENT);
    if (twice && request.idempotency) this.judge.askedAgain(request.idempotency.key);
    for (let times = twice ? 2 : 1; times > 0; times--) {
      if (link.passes()) world.after(link.delayMs(), nva.life.ended ? null : nva.life, arrive);
    }
    return promise;
  }

  /**
   * The log ends before a position that was seen. The operator accepts the loss: all processes end, and start on the renewed log.
   */
  lostEnd(by: SimNva): void {
    this.say(by.roles.name, 'the log has lost its end');
    if (this.#accepting) return;
    this.#accepting = true;
    this.world.after(ACCEPT_LOSS_AFTER_MS, null, () => {
      this.#accepting = false;
      this.#acceptLoss();
    });
  }

  /**
   * A distributor was superseded. The operator wanted its successor instead of the former distributor. If the former one came
   * last, it is ended for good, and the successor starts again.
   */
  fenced(nva: SimNva, cause: Error): void {
    if (nva.retired) return;
    const former = this.service(nva.roles.name.replace(/-next$/, ''));
    if (!former?.retired || former === nva)
      return this.judge.breaks(`${nva.roles.name} was fenced, and nobody took over from it: ${cause.message}`);
    if (!former.life.ended) former.crash(0);
    this.world.after(RESTART_MS, null, () => nva.start());
  }

  /** Ends the loss of messages on every link. Other faults end after their own time. */
  heal(): void {
    for (const link of this.#links) link.lossPercent = 0;
  }

  #acceptLoss(): void {
    for (const nva of this.nvas) nva.crash(10);
    const log = this.#ids.uuid();
    const audit = {
      recordedAt: EPOCH_MS + this.world.nowMs,
      actor: 'operator:sim',
      correlationId: 'accept-loss',
      idempotencyKey: null,
      requestDigest: null,
    };
    const stream = this.log.stream(LOG_STREAM);
    const data = { audit, log, previousLog: this.log.logId, head: this.log.head, lostTo: null, reason: 'put back' };
    const result = this.log.append({
      stream: LOG_STREAM,
      expectedRevision: stream.length - 1,
      events: [{ id: this.#ids.uuid(), event: { type: 'LogRenewed', data } }],
    });
    if (result.outcome !== 'appended') throw new LogRefused('nobody else accepts a loss');
    this.log.renew(log);
    this.log.sync();
    this.renewals++;
  }

  #happens(fault: Fault): void {
    const { world } = this;
    const during = (forMs: number, ...cut: readonly Link[]): void => {
      const ends = cut.map((link) => link.cut());
      world.after(forMs, null, () => ends.forEach((end) => end()));
    };
    switch (fault.fault) {
      case 'crash':
        return this.nvas[fault.process]!.crash(fault.forMs);
      case 'stop':
        return this.#stopped(this.nvas[fault.process]!, fault.forMs);
      case 'takeover':
        return this.#takenOver(fault.process);
      case 'cut-from-log':
        return during(fault.forMs, this.nvas[fault.process]!.toLog);
      case 'cut-from-brokers':
        return during(fault.forMs, this.nvas[fault.process]!.toBrokers);
      case 'log-down':
        return during(fault.forMs, ...this.nvas.map(({ toLog }) => toLog));
      case 'brokers-down':
        return during(fault.forMs, ...[...this.nvas, ...this.nves].map(({ toBrokers }) => toBrokers));
      case 'storm':
        for (const link of this.#links) link.lossPercent = fault.lossPercent;
        world.after(fault.forMs, null, () => this.#links.forEach((link) => (link.lossPercent = this.setting.lossPercent)));
        return;
      case 'delete-topic': {
        const names = [...this.brokers.topics.keys()];
        if (names.length > 0) this.brokers.delete(names[fault.topic % names.length]!);
        return;
      }
      case 'empty-brokers':
        return this.brokers.forget();
      case 'empty-topics':
        return this.brokers.empty();
      case 'compact':
        return this.brokers.compact(fault.keep);
      case 'clock':
        this.nvas[fault.process]!.wall.ms += fault.byMs;
        return;
      case 'restore':
        return this.#restored(fault.events);
      case 'crash-nve':
        return this.nves[fault.nve]!.crash(fault.forMs);
      case 'stop-nve':
        return this.#stopped(this.nves[fault.nve]!, fault.forMs);
      case 'cut-nve-from-brokers':
        return during(fault.forMs, this.nves[fault.nve]!.toBrokers);
      case 'cut-nve-from-nva':
        return during(fault.forMs, this.nves[fault.nve]!.toNva);
    }
  }

  #stopped({ life }: SimNva | SimNve, forMs: number): void {
    if (life.ended || life.stopped) return;
    life.stop();
    this.world.after(forMs, null, () => this.world.goOn(life));
  }

  /** Only a distributor can be taken over, and only once. */
  #takenOver(process: number): void {
    const former = this.nvas[process]!;
    if (former.roles.shards === null || former.retired) return;
    former.retire();
    const next = new SimNva(this, { ...former.roles, name: `${former.roles.name}-next` });
    this.nvas.push(next);
    next.start();
  }

  #restored(events: number): void {
    // One restore is enough, and a second one could remove the renewal from the log.
    if (this.log.kind !== 'embedded' || this.#restoredOnce) return;
    this.#restoredOnce = true;
    for (const nva of this.nvas) nva.crash(500);
    this.log.cutTo(Math.max(0, this.log.size - events));
    this.judge.restored();
  }
}
