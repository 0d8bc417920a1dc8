import { command } from '@nva/domain/testing';
import type { Caller as NvaCaller } from '@nva/registrar';
import { Link } from './link.ts';
import { nveName, type CommandStep } from './plan.ts';
import type { Scene } from './scene.ts';
import { Life } from './world.ts';

const ANSWER_LIMIT_MS = 3_000;
const RETRY_MS = 250;
/** Longer than any fault and its consequences last. */
const GIVE_UP_MS = 90_000;
/** Refusals after which a repeat may have another result. */
const RETRIED: ReadonlySet<string> = new Set(['outcome-unknown', 'overloaded', 'oracle-unreachable', 'contention']);

/** Gives its commands one after the other. It repeats each command under the same Idempotency-Key until its result is known. */
export class Caller {
  readonly #scene: Scene;
  readonly #link: Link;
  readonly #life: Life;
  readonly #queue: CommandStep[] = [];
  readonly #name: string;
  #count = 0;
  #busy = false;

  constructor(scene: Scene, caller: number) {
    this.#scene = scene;
    this.#name = `caller-${caller}`;
    this.#life = new Life(this.#name);
    this.#link = scene.link();
  }

  get idle(): boolean {
    return !this.#busy && this.#queue.length === 0;
  }

  give(step: CommandStep): void {
    this.#queue.push(step);
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let step = this.#queue.shift(); step; step = this.#queue.shift()) await this.#do(step);
    this.#busy = false;
  }

  async #do({ command: { type, ...fields }, nve }: CommandStep): Promise<void> {
    const { world, judge } = this.#scene;
    const caller: NvaCaller = nve === null ? { kind: 'operator', name: this.#name } : { kind: 'nve', nveId: nveName(nve), tenants: null };
    const key = `${this.#name}-${++this.#count}`;
    const request = {
      command: command(type as Parameters<typeof command>[0], fields),
      caller,
      correlationId: key,
      idempotency: { key, requestDigest: key },
    };
    let untroubled = true;
    for (const giveUpMs = world.nowMs + GIVE_UP_MS; world.nowMs < giveUpMs;) {
      const outcome = await this.#scene.askAny(this.#life, this.#link, request, ANSWER_LIMIT_MS);
      if (outcome && 'answer' in outcome) return judge.told({ key, answer: outcome.answer, refusal: null, untroubled });
      if (outcome && !RETRIED.has(outcome.refusal.code)) {
        if (outcome.refusal.code === 'internal') judge.breaks(`command ${key} (${type}) had an internal error`);
        return judge.told({ key, answer: null, refusal: outcome.refusal.code, untroubled });
      }
      untroubled = false;
      await world.sleep(RETRY_MS, this.#life);
    }
    judge.breaks(`command ${key} (${type}) had no answer within ${GIVE_UP_MS} ms`);
  }
}
