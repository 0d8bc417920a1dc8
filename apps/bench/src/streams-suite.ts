import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { cost, percentile, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { follow } from './stream-readers.ts';
import { attachLine, foundationLines, nveIdOf } from './workload.ts';

const MAPPINGS = 100_000;
const WORKLOAD = { vns: 1, nves: 100 };
const SILENT_READERS = 80;
const READERS = 20;
const HEARTBEAT_EVERY_MS = 10;
const QUIET_MS = 5_000;
/** How long the silent readers have to take what their sockets hold. */
const SETTLE_MS = 8_000;

/**
 * Reads whole snapshots as fast as they come, in a separate thread, so that the cost of the readers does not count as the
 * server's.
 */
async function readWhole(url: string): Promise<void> {
  const thread = new Worker(new URL('./stream-readers.ts', import.meta.url), {
    workerData: { url, readers: READERS },
    execArgv: ['--conditions=source'],
  });
  const [code] = (await once(thread, 'exit')) as [number];
  if (code !== 0) throw new Error('a reader did not get a whole snapshot in time');
}

/** Answer times of heartbeats in ms, until `until` settles. */
async function heartbeats(url: string, until: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const over = new AbortController();
  const end = until.finally(() => over.abort());
  while (!over.signal.aborted) {
    const from = performance.now();
    const response = await fetch(`${url}/v1/nves/${nveIdOf(0)}/heartbeat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"incarnation":0}',
    });
    if (!response.ok) throw new Error(`a heartbeat was answered ${response.status}`);
    await response.text();
    times.push(performance.now() - from);
    await sleep(HEARTBEAT_EVERY_MS);
  }
  await end;
  return times;
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

const residentMb = async (url: string): Promise<number> => (await metric(url, 'process_resident_memory_bytes')) / 1e6;

export const streamsSuite: Suite = {
  title: `streams of a VN of ${MAPPINGS.toLocaleString('en')} mappings: ${READERS} readers at once beside heartbeats, and ${SILENT_READERS} that read nothing`,
  figures: ['streams_heartbeat_p99_ms', 'streams_silent_mb'],
  async run({ directory, say }) {
    const nva = await NvaProcess.start(directory);
    const silent: Socket[] = [];
    try {
      await sendAll(nva.url, [...foundationLines(WORKLOAD), ...Array.from({ length: MAPPINGS }, (_, i) => attachLine(WORKLOAD, i))]);
      await nva.ready();
      const quiet = await heartbeats(nva.url, sleep(QUIET_MS));
      const idleMb = await residentMb(nva.url);
      for (let n = 0; n < SILENT_READERS; n++) silent.push(follow(nva.url).pause());
      const meanwhile = await heartbeats(nva.url, sleep(SETTLE_MS));
      const withSilentMb = await residentMb(nva.url);
      for (const socket of silent) socket.destroy();
      const from = performance.now();
      const loaded = await heartbeats(nva.url, readWhole(nva.url));
      const worst = (times: readonly number[]): string =>
        `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)}, at most ${Math.max(...times).toFixed(1)}`;
      say(
        `heartbeats in quiet: ${worst(quiet)}; while ${SILENT_READERS} silent readers came: ${worst(meanwhile)}; while ${READERS} read everything, in ${((performance.now() - from) / 1_000).toFixed(1)} s: ${worst(loaded)}`,
      );
      say(`the longest turn of encoding and sending: ${(1_000 * (await metric(nva.url, 'nva_feed_turn_longest_seconds'))).toFixed(1)} ms`);
      say(`resident: ${idleMb.toFixed(0)} MB idle, ${withSilentMb.toFixed(0)} MB with the silent readers`);
      return [
        cost('streams_heartbeat_p99_ms', 'ms', percentile(loaded, 0.99), { target: 50, limit: percentile(quiet, 0.99) }),
        cost('streams_silent_mb', 'MB', withSilentMb - idleMb, { target: 100 }),
      ];
    } finally {
      for (const socket of silent) socket.destroy();
      await nva.stop();
    }
  },
};
