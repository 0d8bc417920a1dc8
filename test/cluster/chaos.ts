import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaFeedTransport } from '@nva/kafka';
import { NveClient } from '@nva/nve';
import type { Cluster } from './cluster.ts';
import { faults, type Fault } from './faults.ts';
import { Load } from './load.ts';
import { prove, type Proof } from './proofs.ts';
import { restored } from './restore.ts';

const NVES = 6;
const VNIDS = [101, 102, 103, 140, 163, 164];
const LEASE_S = 30;
const HEARTBEAT_MS = 2_000;
/** The load goes on so long after the log was put back. */
const AFTER_RESTORE_MS = 3_000;

export interface ChaosReport extends Proof {
  readonly seed: number;
  readonly rounds: number;
  readonly retries: number;
  /** Whether the log was put back from a backup, and what came after the backup given up. */
  readonly lost: 'restored' | 'not restored';
  /** NVEs whose lease lapsed although they were alive all the time. */
  readonly lapsed: readonly string[];
}

/** NVEs that follow their feeds and renew their leases, whatever happens to the cluster. */
class Nves {
  readonly clients: readonly NveClient[];
  readonly #transports: readonly KafkaFeedTransport[];
  readonly #beat: NodeJS.Timeout;

  constructor(cluster: Cluster, ids: readonly string[]) {
    this.#transports = ids.map((nveId) => new KafkaFeedTransport({ brokers: cluster.kafka.brokers, prefix: cluster.feedPrefix, nveId }));
    this.clients = ids.map((nveId, i) => new NveClient({ nveId, transport: this.#transports[i]! }));
    for (const client of this.clients) client.start();
    const urls = cluster.of('registrar').map(({ url }) => url);
    this.#beat = setInterval(() => {
      for (const client of this.clients) void beat(client, urls);
    }, HEARTBEAT_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all(this.#transports.map((transport) => transport.close()));
  }
}

/** Any registrar will do; the first that takes it ends it. */
async function beat(client: NveClient, urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    try {
      const response = await fetch(`${url}/v1/nves/${client.nveId}/heartbeat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ incarnation: 1, applied: client.applied() }),
        signal: AbortSignal.timeout(HEARTBEAT_MS),
      });
      await response.body?.cancel();
      if (response.ok) return;
    } catch {
      // The next one.
    }
  }
}

/** Kills and stops parts of a running cluster under load, and proves afterwards that nothing was lost, doubled or left different. */
export async function chaos(cluster: Cluster, rounds: number, seed: number, tell: (fault: Fault) => void): Promise<ChaosReport> {
  const ids = Array.from({ length: NVES }, (_, i) => `chaos-nve-${i + 1}`);
  const [registrar] = cluster.of('registrar');
  await put(registrar!.url, ids);
  const nves = new Nves(cluster, ids);
  const loads: Load[] = [];
  const begin = (load: number): Load => {
    const begun = new Load({ registrars: cluster.of('registrar').map(({ url }) => url), nves: ids, vnids: VNIDS, seed, load });
    loads.push(begun);
    return begun;
  };
  const load = begin(0);
  try {
    for await (const fault of faults(cluster, rounds, seed, () => load.nextAcknowledged())) tell(fault);
    await settle(load);
    // An event store of somebody else is not put back.
    const kept = cluster.eventStore ? await restored(cluster, cluster.eventStore, () => begin(1), load.acknowledged) : load.acknowledged;
    const after = begin(2);
    await sleep(AFTER_RESTORE_MS);
    await settle(after);
    if (cluster.endings.length > 0) throw new Error(cluster.endings.join('\n'));
    await noneNobodys(cluster);
    const proof = await prove(cluster, [...kept, ...after.acknowledged], nves.clients);
    return {
      seed,
      rounds,
      retries: load.retries + after.retries,
      lapsed: await lapsedOf(cluster, ids),
      lost: cluster.eventStore ? 'restored' : 'not restored',
      ...proof,
    };
  } finally {
    await Promise.all(loads.map((one) => one.stop()));
    await nves.close();
  }
}

/** Every write under way is answered, and with what may be. */
async function settle(load: Load): Promise<void> {
  await load.stop();
  if (load.unexpected.length > 0)
    throw new Error(`${load.unexpected.length} writes were answered with what cannot be: ${load.unexpected.slice(0, 5).join('; ')}`);
}

/** No rejection was nobody's in any process, since it was started last. */
async function noneNobodys(cluster: Cluster): Promise<void> {
  for (const { url, process } of cluster.instances) {
    const [, count] = /^nva_unhandled_rejections_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text()) ?? [];
    if (count !== '0') throw new Error(`${process.name} counts ${count} rejections that nobody waited for; its log has them`);
  }
}

async function put(url: string, nves: readonly string[]): Promise<void> {
  const lines = [
    ...VNIDS.map((vnid) => ({ command: 'putVn', vnid, tenantId: 'red', name: `VN ${vnid}`, service: 'l3', encapsulation: 'vxlan' })),
    ...nves.map((nveId, i) => ({
      command: 'connectNve',
      nveId,
      siteId: `site-${i}`,
      mac: `02:00:00:00:fe:0${i}`,
      addresses: [`203.0.113.${i + 101}`],
      incarnation: 1,
      leaseS: LEASE_S,
    })),
  ];
  const response = await fetch(`${url}/v1/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  const answers = (await response.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { status: number });
  if (answers.some(({ status }) => status !== 200)) throw new Error(`the stage could not be set: ${JSON.stringify(answers)}`);
}

async function lapsedOf(cluster: Cluster, nves: readonly string[]): Promise<string[]> {
  const [admin] = cluster.of('admin');
  const lapsed: string[] = [];
  for (const nveId of nves) {
    const { items } = (await (await fetch(`${admin!.url}/v1/events?entity=nve-${nveId}`)).json()) as { items: { type: string }[] };
    if (items.some(({ type }) => type === 'NveLeaseLapsed')) lapsed.push(nveId);
  }
  return lapsed;
}
