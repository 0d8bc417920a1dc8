import { NveClient } from '@nva/nve';
import { command, underlayOf } from '@nva/domain/testing';
import { feedKey, type FeedName, type FeedRecord } from '@nva/ports';
import { Link } from './link.ts';
import type { NveView } from './judge.ts';
import { ProcessClock } from './process-clock.ts';
import type { Scene } from './scene.ts';
import { SimFeedTransport } from './sim-feed-transport.ts';
import type { AppliedLine } from './sim-nva.ts';
import { Life } from './world.ts';

const RETRY_MS = 400;
const ANSWER_LIMIT_MS = 1_500;

/** An NVE: connects to the NVA, sends heartbeats, and follows its feeds. */
export class SimNve {
  readonly nveId: string;
  readonly toNva: Link;
  readonly toBrokers: Link;
  readonly #scene: Scene;
  #life: Life;
  #incarnation = 0;
  #client: NveClient | null = null;
  #beats = 0;

  constructor(scene: Scene, nveId: string) {
    this.#scene = scene;
    this.nveId = nveId;
    this.toNva = scene.link();
    this.toBrokers = scene.link();
    this.#life = new Life(nveId);
    this.#life.end();
  }

  get life(): Life {
    return this.#life;
  }

  start(): void {
    if (!this.#life.ended) return;
    this.#life = new Life(this.nveId);
    this.#incarnation++;
    void this.#run(this.#life, this.#incarnation);
  }

  crash(forMs: number): void {
    this.#life.end();
    this.#client = null;
    this.#scene.world.after(forMs, null, () => this.start());
  }

  view(): NveView {
    const status = this.#client?.status() ?? [];
    return {
      nveId: this.nveId,
      memberships: status.map(({ vnid }) => vnid),
      doubted: this.#client?.doubts().map(({ vnid }) => vnid) ?? [],
      unread: status.flatMap(({ vnid }) => (this.#client!.table(vnid) ? [] : [vnid])),
      tables: status.map(({ vnid, digest, state }) => [vnid, state === 'live' ? digest : null] as const),
    };
  }

  async #run(life: Life, incarnation: number): Promise<void> {
    const { world, setting } = this.#scene;
    await this.#connect(life, incarnation);
    this.#follow(life);
    for (;;) {
      await world.sleep((setting.leaseS * 1_000) / 4, life);
      if (!(await this.#beat(life, incarnation))) await this.#connect(life, incarnation);
    }
  }

  async #connect(life: Life, incarnation: number): Promise<void> {
    const { setting, world } = this.#scene;
    const connect = command('connectNve', {
      nveId: this.nveId,
      siteId: 'site',
      mac: `02:00:00:00:ff:0${this.nveId.slice(-1)}`,
      addresses: [underlayOf(this.nveId)],
      incarnation,
      leaseS: setting.leaseS,
    });
    for (;;) {
      const outcome = await this.#scene.askAny(
        life,
        this.toNva,
        { command: connect, caller: { kind: 'nve', nveId: this.nveId, tenants: null }, correlationId: 'connect' },
        ANSWER_LIMIT_MS,
      );
      if (outcome && 'answer' in outcome) return;
      await world.sleep(RETRY_MS, life);
    }
  }

  #delivered(feed: FeedName, record: FeedRecord): void {
    this.#scene.say(this.nveId, 'reads', { feed: feedKey(feed), ...record });
    this.#scene.judge.delivered(this.nveId, feed, record);
  }

  /** False if the NVE must connect again. */
  async #beat(life: Life, incarnation: number): Promise<boolean> {
    const answered = this.#scene.judge.beats(
      this.nveId,
      this.#scene.setting.registrars === 1 && this.toNva.isUp && this.toNva.lossPercent === 0,
    );
    const applied: AppliedLine[] = (this.#client?.applied() ?? []).map(({ vnid, log, position, digest }) => ({
      vnid,
      log,
      position: Number(position),
      digest,
    }));
    const beat = command('heartbeat', { nveId: this.nveId, incarnation });
    const outcome = await this.#scene.askAny(
      life,
      this.toNva,
      { command: beat, caller: { kind: 'nve', nveId: this.nveId, tenants: null }, correlationId: `beat-${++this.#beats}`, applied },
      ANSWER_LIMIT_MS,
    );
    this.#scene.say(this.nveId, 'beats', { applied });
    if (!outcome) return true;
    if ('answer' in outcome) {
      if (!outcome.answer.recorded) answered();
      return true;
    }
    const { code } = outcome.refusal;
    return code !== 'nve-unknown' && code !== 'nve-disconnected' && code !== 'nve-incarnation';
  }

  #follow(life: Life): void {
    const { world, brokers, judge } = this.#scene;
    const transport = new SimFeedTransport({
      brokers,
      world,
      life,
      link: this.toBrokers,
      nveId: this.nveId,
      delivered: (feed, record) => this.#delivered(feed, record),
    });
    const client = new NveClient({ nveId: this.nveId, transport, timers: new ProcessClock(world, life, { ms: 0 }) });
    client.on('change', ({ vnid, changes, cause }) => {
      if (cause === 'left') return;
      for (const { key, before, after } of changes) judge.shown(this.nveId, vnid, key, before, after);
    });
    for (const event of ['joined', 'complete', 'incomplete', 'doubtful', 'interrupted', 'resumed', 'rejoined'] as const)
      client.on(event, (told: object) => this.#scene.say(this.nveId, event, { ...told }));
    client.on('left', ({ vnid, membership }) => judge.left(this.nveId, vnid, membership.since));
    this.#client = client;
    client.start();
  }
}
