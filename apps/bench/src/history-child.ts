/**
 * `history-child.ts <directory> <mappings> <vns> <events>`: builds a history in a separate process, so that the heap holds nothing
 * else, and asks it about random instants.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { NvaEvent } from '@nva/codec';
import { Network } from '@nva/fold';
import { History } from '@nva/history';
import { silentLogger } from '@nva/ports';
import { median, percentile } from './figure.ts';
import { attached, foundation, ipOf, nveIdOf, streamOf } from './workload.ts';

export interface HistoryFigures {
  readonly eventsPerS: number;
  readonly foldEventsPerS: number;
  readonly bytesPerEvent: number;
  readonly changes: number;
  readonly tableP50Ms: number;
  readonly tableP99Ms: number;
  readonly resolveP50Ms: number;
  readonly resolveP99Ms: number;
}

const NVES = 500;
/** NVEs that have tenant systems of a VN. */
const NVES_OF_VN = 10;
/** VNs with LARGE entries, from VNID 1 on. */
const LARGE_VNS = 10;
const LARGE = 1_000;
const CHUNK = 20_000;
const QUESTIONS = 2_000;

const [directory, ...numbers] = process.argv.slice(2) as [string, ...string[]];
const [mappings, vns, total] = numbers.map(Number) as [number, number, number];
const workload = { vns, nves: NVES };
const usual = Math.floor(mappings / vns);
const extras = LARGE_VNS * Math.max(0, LARGE - usual);
const everyone = mappings + extras;

let seed = 12_345;
/** A whole number below `bound`; the same ones in every run. */
function below(bound: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * bound);
}

/** Tenant systems beyond the mappings are in the large VNs. */
const vnOf = (i: number): number => (i < mappings ? i % vns : i % LARGE_VNS);
const nveOf = (vn: number, k: number): string => nveIdOf((vn + k * (NVES / NVES_OF_VN)) % NVES);
/** Where each tenant system is, as one of its VN's NVEs. */
const at = new Uint8Array(everyone);

function* events(): Generator<NvaEvent, void> {
  yield* foundation(workload);
  for (let i = 0; i < everyone; i++) {
    at[i] = i % NVES_OF_VN;
    const event = attached(workload, i) as Extract<NvaEvent, { type: 'TenantSystemAttached' }>;
    const vn = vnOf(i);
    const { bindings, attachment } = event.data;
    yield {
      type: event.type,
      data: {
        ...event.data,
        tenantId: `tenant-${vn % 50}`,
        attachment: { ...attachment, nveId: nveOf(vn, i % NVES_OF_VN) },
        bindings: bindings.map((binding) => ({ ...binding, vnid: vn + 1 })),
      },
    };
  }
  for (let mobility = 1; ; mobility++) {
    const i = below(everyone);
    const former = at[i]!;
    const next = (former + 1 + below(NVES_OF_VN - 1)) % NVES_OF_VN;
    at[i] = next;
    yield moved(i, nveOf(vnOf(i), former), nveOf(vnOf(i), next), mobility);
  }
}

function moved(i: number, from: string, to: string, mobility: number): NvaEvent {
  const { audit, tsId } = (attached(workload, i) as Extract<NvaEvent, { type: 'TenantSystemAttached' }>).data;
  return {
    type: 'TenantSystemMoved',
    data: {
      audit,
      tsId,
      from: [from],
      attachment: { nveId: to, logicalInterface: `tap${i}`, state: 'activated' },
      mac: null,
      bindings: null,
      mobility,
      recentMoves: 1,
    },
  };
}

const network = new Network();
const path = join(directory, 'history.sqlite');
const history = History.open({ path, logId: crypto.randomUUID(), logger: silentLogger });
const source = events();
let [changes, tookMs, foldMs] = [0, 0, 0];
for (let before = 0; before < total; before += CHUNK) {
  const chunk = Array.from({ length: Math.min(CHUNK, total - before) }, (_, i) => {
    const event = source.next().value!;
    return { position: before + i + 1, stream: streamOf(event), revision: 0, event };
  });
  const began = performance.now();
  for (const recorded of chunk) {
    const from = performance.now();
    const made = network.apply(recorded);
    foldMs += performance.now() - from;
    history.take(recorded, made, network);
    changes += made.length;
  }
  tookMs += performance.now() - began;
}
history.commit();

function timed(question: (instant: number) => void): readonly number[] {
  return Array.from({ length: QUESTIONS }, () => {
    const instant = 1 + below(total);
    const from = performance.now();
    question(instant);
    return performance.now() - from;
  });
}
const tables = timed((instant) => void history.table({ kind: 'vn', vnid: 1 + below(LARGE_VNS) }, instant));
const resolves = timed((instant) => {
  const i = below(everyone);
  history.resolve(vnOf(i) + 1, { ip: ipOf(i) }, instant);
});
history.close(network);

const figures: HistoryFigures = {
  eventsPerS: (total / tookMs) * 1_000,
  foldEventsPerS: (total / foldMs) * 1_000,
  bytesPerEvent: statSync(path).size / total,
  changes,
  tableP50Ms: median(tables),
  tableP99Ms: percentile(tables, 0.99),
  resolveP50Ms: median(resolves),
  resolveP99Ms: percentile(resolves, 0.99),
};
process.stdout.write(JSON.stringify(figures));
