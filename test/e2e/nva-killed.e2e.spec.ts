import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Mapping } from '@nva/codec';
import type { FeedName } from '@nva/ports';
import { until } from '@nva/processes';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../libs/kafka/test/kafka-feed.ts';
import { NvaProcess } from './nva-process.ts';
import { sorted, type Entry } from './nve-state.ts';
import { LocalNve } from './nves.ts';

const ROUNDS = 4;
const LINES_PER_REQUEST = 40;
const MAX_LOAD_MS = 900;
const NVES = ['nve1', 'nve2', 'nve3'];
const VNIDS = [1, 2];
const NODE_OK = 200;

/** Numbers below `bound` that follow from the seed alone (xorshift32). */
function chance(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

let feed: KafkaFeedUnderTest;
let dataDir: string;
let nva: NvaProcess | undefined;
let nves: LocalNve[];
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  dataDir = await mkdtemp(join(tmpdir(), 'nva-killed-'));
  nves = NVES.map((nveId) => new LocalNve(feed, nveId));
});
afterEach(async () => {
  await Promise.all(nves.map((nve) => nve.close()));
  await nva?.kill();
  await rm(dataDir, { recursive: true });
  await feed.dispose();
});

const hex = (n: number): string => n.toString(16).padStart(2, '0');
const attachLine = (n: number, nveId: string): object => ({
  command: 'attach',
  nveId,
  tsId: `t${n}`,
  tenantId: 'red',
  vmId: `vm${n}`,
  mac: `02:00:00:00:${hex(n >> 8)}:${hex(n & 255)}`,
  bindings: [{ vnid: VNIDS[n % VNIDS.length]!, ip: `10.0.${n >> 8}.${n & 255}` }],
});

type ListedMapping = Mapping & { readonly position: string };

/** What REST says a VN distributes, all pages of it, keyed as on the topic. */
async function mappings(vnid: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let after = ''; ;) {
    const { items, next } = await nva!.get<{ items: ListedMapping[]; next?: string }>(`/v1/vns/${vnid}/mappings?limit=1000${after}`);
    for (const { position, ...data } of items)
      entries.push([`mapping/${data.tsId}/${data.ip}`, Number(position), { type: 'Mapping', data }]);
    if (next === undefined) return sorted(entries);
    after = `&after=${encodeURIComponent(next)}`;
  }
}

/** Reads the topic from its start; keeps the last record of each mapping. */
async function mappingsOnTopic(name: FeedName): Promise<Entry[]> {
  const table = new Map<string, Entry>();
  for await (const record of feed.writer().read(name)) {
    if ('undecodable' in record) throw record.cause;
    if (!record.key.startsWith('mapping/')) continue;
    if (record.value) table.set(record.key, [record.key, record.position, record.value]);
    else table.delete(record.key);
  }
  return sorted([...table.values()]);
}

it('the whole NVA, killed at random under load, several times: nothing acknowledged is lost, topics equal the tables, digests are the same (X1, R42)', async ({
  annotate,
}) => {
  const seed = Number(process.env['E2E_SEED'] ?? randomInt(1, 2 ** 31));
  await annotate(`E2E_SEED=${seed}`);
  process.stdout.write(`nva-killed: E2E_SEED=${seed}\n`);
  const below = chance(seed);
  const acknowledged = new Set<string>();
  let tenantSystems = 0;

  /** Attaches new tenant systems and moves known ones until the NVA is gone. */
  const load = async (process_: NvaProcess, ended: () => boolean): Promise<void> => {
    while (!ended()) {
      const lines = Array.from({ length: LINES_PER_REQUEST }, () => {
        const n = tenantSystems > 0 && below(3) === 0 ? below(tenantSystems) : tenantSystems++;
        return { n, line: attachLine(n, NVES[below(NVES.length)]!) };
      });
      const statuses = await process_.commands(lines.map(({ line }) => line));
      expect(statuses.filter((status) => status !== NODE_OK)).toEqual([]);
      statuses.forEach((_, i) => acknowledged.add(`t${lines[i]!.n}`));
    }
  };

  for (let round = 0; round < ROUNDS; round++) {
    nva = await NvaProcess.start({ brokers: feed.brokers, prefix: feed.prefix, dataDir });
    // From the second round on sometimes before its feeds are right again: it takes writes as soon as it listens.
    if (round % 2 === 0) await nva.ready();
    else await until('the NVA listens', async () => ((await fetch(`${nva!.url}/healthz`).catch(() => null))?.ok ? null : 'not yet'));
    if (round === 0) {
      const first = [
        ...VNIDS.map((vnid) => ({ command: 'putVn', vnid, tenantId: 'red', name: `VN${vnid}`, service: 'l3', encapsulation: 'vxlan' })),
        ...NVES.map((nveId, i) => ({
          command: 'connectNve',
          nveId,
          siteId: 's',
          mac: `02:00:00:00:ff:0${i}`,
          addresses: [`198.51.100.${i + 1}`],
          incarnation: 1,
        })),
      ];
      expect(await nva.commands(first)).toEqual(first.map(() => NODE_OK));
    }
    let killed = false;
    const loading = load(nva, () => killed);
    await sleep(below(MAX_LOAD_MS));
    killed = true;
    await nva.kill();
    await loading;
  }

  nva = await NvaProcess.start({ brokers: feed.brokers, prefix: feed.prefix, dataDir });
  await nva.ready();
  expect(await nva.commands([attachLine(60_000, 'nve1'), attachLine(60_001, 'nve2')])).toEqual([NODE_OK, NODE_OK]);

  const tables = new Map(await Promise.all(VNIDS.map(async (vnid) => [vnid, await mappings(vnid)] as const)));
  const attached = new Set([...tables.values()].flat().map(([key]) => key.split('/')[1]));
  expect([...acknowledged].filter((tsId) => !attached.has(tsId))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(0);
  for (const vnid of VNIDS) {
    await until(`VN ${vnid} on its topic is what REST says`, async () =>
      JSON.stringify(await mappingsOnTopic({ kind: 'vn', vnid })).length === JSON.stringify(tables.get(vnid)).length ? null : 'not yet',
    );
    expect(await mappingsOnTopic({ kind: 'vn', vnid })).toEqual(tables.get(vnid));
  }
  for (const { nveId, client } of nves) {
    await until(`${nveId} has the NVA's digest in each of its VNs`, async () => {
      const [status] = await nva!.commands([{ command: 'heartbeat', nveId, incarnation: 1, applied: client.applied() }]);
      const { memberships } = await nva!.get<{ memberships: { vnid: number; applied: { verdict: string } | null }[] }>(`/v1/nves/${nveId}`);
      const verdicts = memberships.map(({ vnid, applied }) => `${vnid} ${applied?.verdict}`);
      if (verdicts.some((verdict) => verdict.endsWith('differs'))) throw new Error(`${nveId}: ${verdicts}`);
      return status === NODE_OK && memberships.length > 0 && verdicts.every((verdict) => verdict.endsWith('same'))
        ? null
        : `status ${status}, ${verdicts}`;
    });
  }
}, 300_000);
