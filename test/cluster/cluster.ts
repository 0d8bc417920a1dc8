import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '@nva/processes';
import { StandInCluster } from '../eventstore/stand-in-cluster.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { ManagedProcess } from './managed-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const DISTRIBUTOR_SHARDS = ['0-31', '32-63'];
/** How often distributors look whether the topics are the ones that they knew. */
export const FEED_CHECK_EVERY_S = 1;
const FLAGS = ['--disable-warning=TimeoutNegativeWarning', '--max-semi-space-size=32', '--heap-growing-percent=200'];

/** How long the event store's nodes elect a leader where nobody says otherwise. */
const DEFAULT_ELECTION_MS = [500, 1_500] as const;

export type ServiceName = 'registrar' | 'distributor' | 'admin';

/** One process of a service, and where it listens. */
export interface Instance {
  readonly service: ServiceName;
  readonly url: string;
  readonly process: ManagedProcess;
}

export interface ClusterOptions {
  /** Logs and data of everything. */
  readonly directory: string;
  /** How long elections of the stand-in of the event store take, the first one included, and what chooses that. */
  readonly electionMs?: readonly [least: number, most: number];
  readonly seed?: number;
}

/**
 * The whole set on one machine: an event store (EVENTSTORE_URL, or the stand-in of three nodes), three brokers, two
 * registrars of one group, two distributors with half of the shards each, two admins. Everything on loopback.
 */
export class Cluster {
  readonly directory: string;
  readonly kafka: KafkaCluster;
  /** null when the event store is a real one, which is left alone. */
  readonly eventStore: StandInCluster | null;
  readonly eventStoreUrl: string;
  readonly eventStorePrefix: string;
  readonly feedPrefix: string;
  readonly instances: readonly Instance[];

  private constructor(
    directory: string,
    kafka: KafkaCluster,
    eventStore: { nodes: StandInCluster | null; url: string },
    prefix: string,
    instances: readonly Instance[],
  ) {
    this.directory = directory;
    this.kafka = kafka;
    this.eventStore = eventStore.nodes;
    this.eventStoreUrl = eventStore.url;
    this.eventStorePrefix = `${prefix}-`;
    this.feedPrefix = prefix;
    this.instances = instances;
  }

  /** Resolves when every process does its work. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { directory } = options;
    await mkdir(directory, { recursive: true });
    const prefix = `c${Math.floor(performance.timeOrigin + performance.now()).toString(36)}`;
    const [kafka, eventStore] = await Promise.all([KafkaCluster.start(directory), startEventStore(options)]);
    const shared = {
      KAFKA_BROKERS: kafka.brokers.join(','),
      FEED_PREFIX: prefix,
      EVENTSTORE_URL: eventStore.url,
      EVENTSTORE_PREFIX: `${prefix}-`,
      TOKENS_FILE: '',
      LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
      FEED_CHECK_EVERY_S: String(FEED_CHECK_EVERY_S),
    };
    const ports = {
      registrar: [await freePort(), await freePort()],
      distributor: [await freePort(), await freePort()],
      admin: [await freePort(), await freePort()],
    };
    const groups = join(directory, 'groups.json');
    await writeFile(groups, JSON.stringify({ groups: [{ name: 'all', urls: ports.registrar.map(urlOf), rest: true }] }));
    const instances = [
      ...ports.registrar.map((port, i) =>
        instance(directory, 'registrar', i, port, { ...shared, GROUPS_FILE: groups, GROUP: 'all', ADVERTISED_URL: urlOf(port) }),
      ),
      ...ports.distributor.map((port, i) =>
        instance(directory, 'distributor', i, port, { ...shared, DISTRIBUTOR_SHARDS: DISTRIBUTOR_SHARDS[i]! }),
      ),
      ...ports.admin.map((port, i) => instance(directory, 'admin', i, port, shared)),
    ];
    const cluster = new Cluster(directory, kafka, eventStore, prefix, instances);
    try {
      for (const { process } of instances) process.start();
      await Promise.all(instances.map(({ process }) => process.ready()));
    } catch (failure) {
      await cluster.stop();
      throw failure;
    }
    return cluster;
  }

  /** What ended by itself, event store included, and was not expected to: each with the last of what it said. */
  get endings(): readonly string[] {
    return [...this.instances.map(({ process }) => process), ...(this.eventStore?.nodes ?? [])].flatMap(({ endings }) => endings);
  }

  of(service: ServiceName): readonly Instance[] {
    return this.instances.filter((one) => one.service === service);
  }

  /** Accepts on every process's behalf that the log has lost its end; none of them may run. Rejects with what it said if it was refused. */
  async acceptLoss(reason: string): Promise<void> {
    const [registrar] = this.of('registrar');
    await registrar!.process.once(['accept-loss', '--reason', reason]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map(({ process }) => process.stop()));
    await Promise.all([this.kafka.stop(), this.eventStore?.stop()]);
  }
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

function instance(directory: string, service: ServiceName, i: number, port: number, env: Readonly<Record<string, string>>): Instance {
  const main = join(ROOT, `apps/${service}/dist/main.js`);
  if (!existsSync(main)) throw new Error(`There is no ${main}: run «npm run build» first`);
  const name = `${service}-${i + 1}`;
  const url = urlOf(port);
  const process = new ManagedProcess({
    name,
    args: [...FLAGS, main],
    env: { ...env, HOST: '127.0.0.1', PORT: String(port), DATA_DIR: join(directory, name) },
    logFile: join(directory, `${name}.log`),
    ready: () => answers(`${url}/readyz`),
  });
  return { service, url, process };
}

/** The event store to use, and the nodes of it if they are ours. */
async function startEventStore({
  directory,
  electionMs = DEFAULT_ELECTION_MS,
  seed = 1,
}: ClusterOptions): Promise<{ nodes: StandInCluster | null; url: string }> {
  const given = process.env['EVENTSTORE_URL'];
  if (given) return { nodes: null, url: given };
  const nodes = await StandInCluster.start({ data: join(directory, 'event-store'), logs: directory, electionMs, seed });
  return { nodes, url: nodes.url };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
