import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { NO_STREAM, systemClock } from '@nva/ports';
import { cost, median, percentile, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { attached, attachLine, foundation, streamOf } from './workload.ts';

const MAPPINGS = 1_000_000;
const WORKLOAD = { vns: 5_000, nves: 500 };
const TAIL_EVENTS = 5_000;
const APPENDS_PER_CALL = 4_096;
const ROUNDS = 3;
const LIMIT_MS = 180_000;
const LOOK_EVERY_MS = 5;

type Line = Readonly<Record<string, unknown>>;

/** The real process on an existing directory. */
class Started {
  readonly child: ChildProcess;
  readonly lines: Line[] = [];
  readonly #waiting: { readonly msg: string; readonly resolve: (line: Line) => void }[] = [];
  readonly from = performance.now();

  constructor(dataDir: string) {
    const main = join(import.meta.dirname, '../../nva/dist/main.js');
    this.child = spawn(
      process.execPath,
      ['--import', join(import.meta.dirname, 'thread-cpu.ts'), '--max-semi-space-size=32', '--heap-growing-percent=200', main],
      { env: { ...process.env, PORT: '0', DATA_DIR: dataDir, RATE_LIMIT_PER_S: '1000000' }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    createInterface({ input: this.child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      this.lines.push(line);
      for (const { msg, resolve } of this.#waiting) if (msg === line['msg']) resolve(line);
    });
  }

  said(msg: string): Promise<Line> {
    const present = this.lines.find((line) => line['msg'] === msg);
    if (present) return Promise.resolve(present);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ msg, resolve });
      this.child.once('exit', (code) => reject(new Error(`the NVA ended with ${code} before it said «${msg}»`)));
      setTimeout(() => reject(new Error(`the NVA did not say «${msg}» in time`)), LIMIT_MS).unref();
    });
  }

  /** The address of the process, and the seconds from its start until /readyz reported ready. */
  async ready(): Promise<{ readonly url: string; readonly seconds: number }> {
    const url = String((await this.said('the NVA listens'))['url']);
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    return { url, seconds: (performance.now() - this.from) / 1_000 };
  }

  /** Processor time of its main thread in seconds. */
  async computed(): Promise<number> {
    this.child.kill('SIGUSR2');
    return Number((await this.said('main thread'))['seconds']);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

/** Answer times of a cheap request in ms, until `until` settles. */
async function answerTimes(url: string, until: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const over = new AbortController();
  const end = until.finally(() => over.abort());
  while (!over.signal.aborted) {
    const from = performance.now();
    await (await fetch(`${url}/healthz`)).text();
    times.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  await end;
  return times;
}

async function write(dataDir: string): Promise<void> {
  const store = await SqliteEventStore.open({ directory: join(dataDir, 'log'), codec: createEventCodec(), clock: systemClock });
  const append = async (events: ReturnType<typeof foundation>): Promise<unknown> =>
    store.append(
      events.map((event) => ({ stream: streamOf(event), expectedRevision: NO_STREAM, events: [{ id: crypto.randomUUID(), event }] })),
    );
  await append(foundation(WORKLOAD));
  for (let at = 0; at < MAPPINGS; at += APPENDS_PER_CALL)
    await append(Array.from({ length: Math.min(APPENDS_PER_CALL, MAPPINGS - at) }, (_, i) => attached(WORKLOAD, at + i)));
  await store.close();
}

export const restartSuite: Suite = {
  title: `restart of the NVA with ${MAPPINGS.toLocaleString('en')} mappings in ${WORKLOAD.vns.toLocaleString('en')} VNs, from a snapshot and a tail of ${TAIL_EVENTS.toLocaleString('en')} events`,
  figures: ['restart_s', 'snapshot_s', 'snapshot_pause_ms', 'snapshot_bytes_per_mapping'],
  async run({ directory, say }) {
    const dataDir = await mkdtemp(join(directory, 'restart-'));
    await write(dataDir);
    let nva = new Started(dataDir);
    try {
      const replayed = await nva.ready();
      // The start has folded more than SNAPSHOT_EVERY_EVENTS, so it takes a snapshot as soon as it serves.
      const taking = nva.said('a snapshot is written');
      const meanwhile = await answerTimes(replayed.url, taking);
      const { bytes, ms, longestPauseMs } = (await taking) as {
        readonly bytes: number;
        readonly ms: number;
        readonly longestPauseMs: number;
      };
      const idle = await answerTimes(replayed.url, new Promise((resolve) => setTimeout(resolve, ms)));
      await sendAll(
        replayed.url,
        Array.from({ length: TAIL_EVENTS }, (_, i) => attachLine(WORKLOAD, MAPPINGS + i)),
      );
      await nva.kill();
      const rounds: number[] = [];
      const computed: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        nva = new Started(dataDir);
        rounds.push((await nva.ready()).seconds);
        computed.push(await nva.computed());
        await nva.said('the fold goes on from a snapshot');
        await nva.kill();
      }
      const worst = (times: readonly number[]): string =>
        `${percentile(times, 0.5).toFixed(1)} ms at the median, ${Math.max(...times).toFixed(1)} at most`;
      say(
        `rounds: ${rounds.map((s) => s.toFixed(2)).join(', ')} s, of which the main thread computed ${computed.map((s) => s.toFixed(2)).join(', ')}; the limit is a start by replay of the whole log`,
      );
      say(`a request while the snapshot was taken: ${worst(meanwhile)}; without: ${worst(idle)}`);
      return [
        cost('restart_s', 's', median(rounds), { target: 5, limit: replayed.seconds }),
        cost('snapshot_s', 's', ms / 1_000),
        cost('snapshot_pause_ms', 'ms', longestPauseMs),
        cost('snapshot_bytes_per_mapping', 'bytes', bytes / MAPPINGS),
      ];
    } finally {
      await nva.kill();
    }
  },
};
