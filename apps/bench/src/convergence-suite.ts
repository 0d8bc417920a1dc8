import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { KafkaFeedTransport } from '@nva/kafka';
import { NveClient } from '@nva/nve';
import { cost, median, percentile, type Figure, type Suite } from './figure.ts';
import { NvaProcess } from './nva-process.ts';
import { RawFanOut } from './raw-fan-out.ts';
import { attachBody, foundationLines, nveIdOf, tsIdOf } from './workload.ts';
import { sendAll } from './ndjson-client.ts';

const NVES = 10;
const WORKLOAD = { vns: 1, nves: NVES };
const IDLE_ATTACHES = 200;
const IDLE_GAP_MS = 40;
const LOADED_PER_S = 500;
const LOADED_ATTACHES = 4_000;
/** Number of results left out at the beginning of each part. */
const WARM_UP = 50;
const LIMIT_MS = 60_000;

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One request; resolves when the answer is read. */
function call(method: string, url: string, body?: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(
      url,
      {
        method,
        agent,
        headers: text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        if (response.statusCode !== 200) reject(new Error(`${method} ${url}: ${response.statusCode}`));
        response.resume();
        response.on('end', resolve);
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/** Measures the time from the start of an action until the last of ten NVEs has seen it. */
class LastOfTen {
  readonly latenciesMs: number[] = [];
  readonly #started = new Map<string, { readonly at: number; left: number }>();
  #done: () => void = () => {};
  #expected = 0;

  start(name: string): void {
    this.#started.set(name, { at: performance.now(), left: NVES });
  }

  seen(name: string): void {
    const entry = this.#started.get(name);
    if (!entry || --entry.left > 0) return;
    this.#started.delete(name);
    this.latenciesMs.push(performance.now() - entry.at);
    if (this.latenciesMs.length === this.#expected) this.#done();
  }

  all(count: number): Promise<void> {
    this.#expected = count;
    if (this.latenciesMs.length === count) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`only ${this.latenciesMs.length} of ${count} converged in time`)), LIMIT_MS);
      this.#done = () => {
        clearTimeout(limit);
        resolve();
      };
    });
  }
}

/** Starts `count` actions, one every `gapMs`, without waiting for earlier ones. */
async function paced(count: number, gapMs: number, act: (i: number) => Promise<void>): Promise<void> {
  const begin = performance.now();
  const acts: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const wait = begin + i * gapMs - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    acts.push(act(i));
  }
  await Promise.all(acts);
}

interface Latencies {
  readonly idle: readonly number[];
  readonly loaded: readonly number[];
}

/** Measures both parts, for the actions that `act` starts and `watch` reports as seen. */
async function measure(watch: (timer: LastOfTen) => void, act: (name: number, timer: LastOfTen) => Promise<void>): Promise<Latencies> {
  const part = async (from: number, count: number, gapMs: number): Promise<readonly number[]> => {
    const timer = new LastOfTen();
    watch(timer);
    const all = timer.all(count);
    await paced(count, gapMs, (i) => act(from + i, timer));
    await all;
    return timer.latenciesMs.slice(WARM_UP);
  };
  return { idle: await part(1_000, IDLE_ATTACHES, IDLE_GAP_MS), loaded: await part(100_000, LOADED_ATTACHES, 1_000 / LOADED_PER_S) };
}

async function ours(
  directory: string,
  brokers: readonly string[],
  say: (line: string) => void,
): Promise<Latencies & { readonly roundTripMs: number }> {
  const prefix = `bench-${randomUUID().slice(0, 8)}`;
  const nva = await NvaProcess.start(directory, { KAFKA_BROKERS: brokers.join(','), FEED_PREFIX: prefix });
  const transports: KafkaFeedTransport[] = [];
  let timer = new LastOfTen();
  try {
    await sendAll(nva.url, foundationLines(WORKLOAD));
    await nva.ready();
    const joined = Array.from({ length: NVES }, (_, n) => {
      const transport = new KafkaFeedTransport({ brokers, prefix, nveId: nveIdOf(n) });
      transports.push(transport);
      const client = new NveClient({ nveId: nveIdOf(n), transport });
      client.on('change', ({ changes }) => {
        for (const { kind, key } of changes) if (kind === 'mapping') timer.seen(key.split('/')[1]!);
      });
      const live = new Promise<void>((resolve) => client.on('complete', ({ feed }) => feed.kind === 'vn' && resolve()));
      client.start();
      return live;
    });
    for (let n = 0; n < NVES; n++)
      await call('PUT', `${nva.url}/v1/nves/${nveIdOf(n)}/tenant-systems/${tsIdOf(n)}`, attachBody(WORKLOAD, n));
    await Promise.all(joined);
    const trips: number[] = [];
    for (let i = 0; i < 300; i++) {
      const start = performance.now();
      await call('GET', `${nva.url}/healthz`);
      trips.push(performance.now() - start);
    }
    const latencies = await measure(
      (next) => (timer = next),
      (i, at) => {
        at.start(tsIdOf(i));
        return call('PUT', `${nva.url}/v1/nves/${nveIdOf(i % NVES)}/tenant-systems/${tsIdOf(i)}`, attachBody(WORKLOAD, i));
      },
    );
    return { ...latencies, roundTripMs: median(trips) };
  } finally {
    for (const transport of transports) await transport.close();
    await nva.stop();
    say(`prefix ${prefix}`);
  }
}

async function raw(brokers: readonly string[]): Promise<Latencies> {
  let timer = new LastOfTen();
  const fanOut = await RawFanOut.start(brokers, NVES, (key) => timer.seen(key));
  try {
    return await measure(
      (next) => (timer = next),
      (i, at) => {
        at.start(String(i));
        return fanOut.send(String(i), Buffer.alloc(90));
      },
    );
  } finally {
    await fanOut.stop();
  }
}

async function fsyncMs(directory: string): Promise<number> {
  const file = await open(join(directory, 'fsync'), 'w');
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    await file.write(Buffer.alloc(4_096));
    await file.datasync();
    times.push(performance.now() - start);
  }
  await file.close();
  return median(times);
}

export const convergenceSuite: Suite = {
  title: `convergence: attach sent to entry applied at the last of ${NVES} NVEs over Kafka`,
  figures: ['convergence_idle_p50_ms', 'convergence_idle_p99_ms', 'convergence_loaded_p50_ms', 'convergence_loaded_p99_ms'],
  async run({ directory, brokers, say }) {
    const addresses = await brokers();
    const limit = await raw(addresses);
    const measured = await ours(directory, addresses, say);
    const fsync = await fsyncMs(directory);
    say(
      `HTTP round trip ${measured.roundTripMs.toFixed(2)} ms, fsync ${fsync.toFixed(2)} ms (medians); the limit is one raw transactional kafkajs send to ${NVES} kafkajs consumers`,
    );
    const figures: Figure[] = [];
    for (const part of ['idle', 'loaded'] as const) {
      for (const [name, p] of [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const) {
        const bound = percentile(limit[part], p);
        figures.push(
          cost(`convergence_${part}_${name}_ms`, 'ms', percentile(measured[part], p), {
            target: 2 * bound + measured.roundTripMs + fsync,
            limit: bound,
          }),
        );
      }
    }
    return figures;
  },
};
