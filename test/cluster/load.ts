import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Seeded } from '../../libs/event-log/src/testing/seeded.ts';

const WORKERS = 6;
const TS_PER_WORKER = 12;
/** Loads that follow each other have tenant systems of their own: a restore undoes what the one before did. */
const MAX_LOADS = 3;
const ANSWER_LIMIT_MS = 15_000;
const RETRY_PAUSE_MS = 100;
/** Longer than any fault lasts, with all that follows from it. */
const GIVE_UP_MS = 120_000;

export interface LoadOptions {
  readonly registrars: readonly string[];
  readonly nves: readonly string[];
  readonly vnids: readonly number[];
  readonly seed: number;
  /** Which load of a run it is, from 0; below MAX_LOADS. */
  readonly load?: number;
}

/** A write that was answered with 2xx: its key, and the position it was told. */
export interface Acknowledged {
  readonly key: string;
  readonly position: number;
}

interface Write {
  readonly method: 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  /** The last one that its writer was answered. */
  readonly position: string;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly position?: string; readonly code?: string; readonly detail?: string };
}

/**
 * NVE agents at work: each attaches, moves and detaches tenant systems of its own and exchanges their MACs, one write after the
 * other, any registrar asked. A write without an answer is asked again with its Idempotency-Key, of any registrar, until there is
 * one. Every write changes something, so that each acknowledged one is one event that counts.
 */
export class Load {
  readonly acknowledged: Acknowledged[] = [];
  readonly unexpected: string[] = [];
  readonly #options: LoadOptions;
  readonly #workers: Promise<void>[];
  readonly #awaiting = new Set<{ readonly sinceMs: number; readonly resolve: () => void }>();
  #stopping = false;
  #retries = 0;

  constructor(options: LoadOptions) {
    if ((options.load ?? 0) >= MAX_LOADS) throw new RangeError(`a run has ${MAX_LOADS} loads, got ${options.load}`);
    this.#options = options;
    this.#workers = Array.from({ length: WORKERS }, (_, worker) => this.#work(worker, new Seeded(options.seed + worker)));
  }

  /** Writes that had to be asked again. */
  get retries(): number {
    return this.#retries;
  }

  /** Resolves when a write is acknowledged that was sent after this call. */
  nextAcknowledged(): Promise<void> {
    const sinceMs = performance.now();
    return new Promise((resolve) => this.#awaiting.add({ sinceMs, resolve }));
  }

  /** Resolves when every write under way is answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
  }

  #tell(sentMs: number): void {
    for (const one of this.#awaiting) {
      if (one.sinceMs > sentMs) continue;
      this.#awaiting.delete(one);
      one.resolve();
    }
  }

  async #work(worker: number, random: Seeded): Promise<void> {
    /** Where each tenant system is; absent: attached nowhere. */
    const at = new Map<number, string>();
    /** What this worker was answered last: a registrar that is behind it must not decide its next write. */
    let position = '0';
    const macs = new Map<number, string>();
    const macOf = (n: number): string => macs.get(n) ?? `02:00:00:00:01:${n.toString(16).padStart(2, '0')}`;
    const write = async (method: Write['method'], path: string, body?: object): Promise<boolean> => {
      const answered = await this.#write(random, { method, path, position, ...(body && { body }) });
      position = answered ?? position;
      return answered !== null;
    };
    while (!this.#stopping) {
      const n = ((this.#options.load ?? 0) * WORKERS + worker) * TS_PER_WORKER + random.below(TS_PER_WORKER);
      const here = at.get(n);
      if (here !== undefined && random.below(4) === 0) {
        if (await write('DELETE', `/v1/nves/${here}/tenant-systems/chaos-${n}`)) at.delete(n);
        continue;
      }
      const partner = [...at.keys()].find((other) => other !== n);
      if (here !== undefined && partner !== undefined && random.below(4) === 0) {
        const [mac, forMac] = [macOf(n), macOf(partner)];
        if (await write('POST', `/v1/tenant-systems/chaos-${n}/pass`, { to: `chaos-${partner}`, mac, forMac }))
          macs.set(n, forMac).set(partner, mac);
        continue;
      }
      const others = this.#options.nves.filter((nve) => nve !== here);
      const there = others[random.below(others.length)]!;
      const vnid = this.#options.vnids[n % this.#options.vnids.length]!;
      const body = { tenantId: 'red', vmId: `vm-${n}`, mac: macOf(n), bindings: [{ vnid, ip: `10.1.0.${n + 1}` }] };
      if (await write('PUT', `/v1/nves/${there}/tenant-systems/chaos-${n}`, body)) at.set(n, there);
    }
  }

  /** The position that it was answered with; null if it was refused. */
  async #write(random: Seeded, write: Write): Promise<string | null> {
    const { registrars } = this.#options;
    const { method, path } = write;
    const key = randomUUID();
    for (const giveUpAt = performance.now() + GIVE_UP_MS; performance.now() < giveUpAt;) {
      const sentMs = performance.now();
      const answer = await ask(registrars[random.below(registrars.length)]!, key, write);
      if (answer && answer.status < 300) {
        this.acknowledged.push({ key, position: Number(answer.body.position) });
        this.#tell(sentMs);
        return answer.body.position!;
      }
      if (answer && answer.status < 500) {
        this.unexpected.push(`${method} ${path}: ${answer.status} ${answer.body.code}: ${answer.body.detail}`);
        return null;
      }
      this.#retries++;
      await sleep(RETRY_PAUSE_MS);
    }
    this.unexpected.push(`${method} ${path}: no answer within ${GIVE_UP_MS} ms`);
    return null;
  }
}

/** null if there was no answer. */
async function ask(url: string, key: string, { method, path, position, body }: Write): Promise<Answer | null> {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'idempotency-key': key, 'x-min-position': position, ...(body && { 'content-type': 'application/json' }) },
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  } catch {
    return null;
  }
}
