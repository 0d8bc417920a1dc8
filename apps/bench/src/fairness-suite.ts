import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { cost, median, percentile, type BenchContext, type Figure, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { IDS_PER_CALLER, LOAD_WORKLOAD as WORKLOAD } from './fair-load.ts';
import { attachBody, foundationLines, ipOf, macOf, nveIdOf, tsIdOf } from './workload.ts';

const CALLERS = 16;
/** Number of mappings of the table that is paged, all in VN 1. */
const TABLE = 100_000;
const TABLE_FROM = 12_000_000;
const PROBES_FROM = 16_000_000;
const PROBES = 1_000;
/** Probing ends after this time, however few probes there were. */
const LIMIT_MS = 10_000;
const PAUSE_MS = 5;
const TARGET_MS = 20;
/** A load counts as over when nothing was recorded for this time. */
const SETTLED_MS = 300;

const tokenOf = (caller: string): string => `token-of-${caller}`;
const digest = (token: string): string => createHash('sha256').update(token).digest('hex');

interface Load {
  readonly name: string;
  readonly kind: 'ndjson' | 'paging';
  readonly callers: number;
}

const LOADS: readonly Load[] = [
  { name: 'ndjson_2', kind: 'ndjson', callers: 2 },
  { name: 'ndjson_12', kind: 'ndjson', callers: 12 },
  { name: 'paging_16', kind: 'paging', callers: 16 },
];

/** Durations in milliseconds of calls made one after the other over one connection, by a caller that does nothing else. */
async function probe(calls: readonly { readonly method: string; readonly url: string; readonly body?: object }[]): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took: number[] = [];
  const deadline = performance.now() + LIMIT_MS;
  for (const { method, url, body } of calls) {
    if (performance.now() > deadline) break;
    const from = performance.now();
    await new Promise<void>((resolve, reject) => {
      const call = request(
        url,
        { method, agent, headers: { authorization: `Bearer ${tokenOf('prober')}`, ...(body && { 'content-type': 'application/json' }) } },
        (response) => {
          if (response.statusCode !== 200) reject(new Error(`${method} ${url} was answered with ${response.statusCode}`));
          response.resume().on('end', resolve);
        },
      );
      call.on('error', reject).end(body && JSON.stringify(body));
    });
    took.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  agent.destroy();
  return took;
}

const attaches = (url: string, from: number) =>
  Array.from({ length: PROBES }, (_, i) => ({
    method: 'PUT',
    url: `${url}/v1/nves/${nveIdOf(0)}/tenant-systems/${tsIdOf(from + i)}`,
    body: attachBody(WORKLOAD, from + i),
  }));
const looks = (url: string) => Array.from({ length: PROBES }, () => ({ method: 'GET', url: `${url}/healthz` }));

async function loading(url: string, { kind, callers }: Load, first: number): Promise<ChildProcess> {
  const tokens = Array.from({ length: callers }, (_, c) => tokenOf(`caller-${c}`));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fair-load-child.ts'), kind, url, String(first), ...tokens], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function measure({ directory, say }: BenchContext): Promise<readonly Figure[]> {
  const file = join(directory, 'fair-tokens.json');
  const names = ['prober', ...Array.from({ length: CALLERS }, (_, c) => `caller-${c}`)];
  await writeFile(file, JSON.stringify({ operators: names.map((name) => ({ name, sha256: digest(tokenOf(name)) })) }), { mode: 0o600 });
  const nva = await NvaProcess.start(directory, { TOKENS_FILE: file });
  const figures: Figure[] = [];
  try {
    const headers = { authorization: `Bearer ${tokenOf('prober')}` };
    await sendAll(nva.url, foundationLines(WORKLOAD), headers);
    await sendAll(
      nva.url,
      Array.from({ length: TABLE }, (_, i) =>
        JSON.stringify({
          command: 'attach',
          nveId: nveIdOf(i % WORKLOAD.nves),
          tsId: tsIdOf(TABLE_FROM + i),
          tenantId: 'tenant-0',
          vmId: `vm-${i}`,
          mac: macOf(TABLE_FROM + i),
          bindings: [{ vnid: 1, ip: ipOf(TABLE_FROM + i) }],
        }),
      ),
      headers,
    );
    let probed = PROBES_FROM;
    const probing = async (): Promise<readonly [attach: readonly number[], health: readonly number[]]> => {
      const done = await Promise.all([probe(attaches(nva.url, probed)), probe(looks(nva.url))]);
      probed += PROBES;
      return done;
    };
    const position = async (): Promise<number> =>
      ((await (await fetch(`${nva.url}/readyz`)).json()) as { foldPosition: number }).foldPosition;
    /**
     * Requests that an ended load has left in socket buffers are still handled. Waits until they are done, so that each load is
     * measured alone.
     */
    const settled = async (): Promise<void> => {
      for (let before = -1, now = await position(); before !== now; [before, now] = [now, await position()])
        await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    };
    await probing();
    const [quiet, quietHealth] = await probing();
    for (const [i, load] of LOADS.entries()) {
      await settled();
      const child = await loading(nva.url, load, (i * 12 * IDS_PER_CALLER) / 2);
      const [from, fromMs] = [await position(), performance.now()];
      const [attach, health] = await probing();
      const perS = ((await position()) - from) / ((performance.now() - fromMs) / 1_000);
      child.kill('SIGKILL');
      say(
        `${load.name}: attach p50 ${median(attach).toFixed(1)}, p99 ${percentile(attach, 0.99).toFixed(1)}, max ${Math.max(...attach).toFixed(1)} ms; /healthz p50 ${median(health).toFixed(1)}, p99 ${percentile(health, 0.99).toFixed(1)}, max ${Math.max(...health).toFixed(1)} ms; ${Math.round(perS)} events/s`,
      );
      figures.push(
        cost(`fair_attach_${load.name}_p99_ms`, 'ms', percentile(attach, 0.99), { target: TARGET_MS, limit: percentile(quiet, 0.99) }),
      );
      figures.push(
        cost(`fair_healthz_${load.name}_p99_ms`, 'ms', percentile(health, 0.99), {
          target: TARGET_MS,
          limit: percentile(quietHealth, 0.99),
        }),
      );
    }
  } finally {
    await nva.stop();
  }
  return figures;
}

export const fairnessSuite: Suite = {
  title:
    'an attach of one caller, and /healthz, while others load a standalone NVA as much as it takes; the limit is the same without them',
  figures: LOADS.flatMap(({ name }) => [`fair_attach_${name}_p99_ms`, `fair_healthz_${name}_p99_ms`]),
  run: measure,
};
