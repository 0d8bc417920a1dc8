import { setTimeout as sleep } from 'node:timers/promises';
import { Seeded } from '../../libs/event-log/src/testing/seeded.ts';
import type { Cluster } from './cluster.ts';
import type { ManagedProcess } from './managed-process.ts';

const FAULT_MIN_MS = 300;
const FAULT_MAX_MS = 4_000;
/** Between two faults, in which the cluster may show that it works. */
const PAUSE_MS = 500;

/** What was done to the cluster in one round. */
export interface Fault {
  readonly round: number;
  readonly target: string;
  readonly kind: 'killed' | 'stopped';
  readonly forMs: number;
  /** Until everything did its work again. */
  readonly recoveredMs: number;
}

interface Target {
  readonly name: string;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  restart(): Promise<void>;
}

function targetsOf(cluster: Cluster): readonly Target[] {
  const processes = [...cluster.instances.map(({ process }) => process), ...(cluster.eventStore ? [cluster.eventStore] : [])].map(targetOf);
  const brokers = Array.from({ length: cluster.kafka.size }, (_, i) => ({
    name: `kafka-${i + 1}`,
    kill: () => cluster.kafka.kill(i),
    freeze: () => cluster.kafka.freeze(i),
    thaw: () => cluster.kafka.thaw(i),
    restart: () => cluster.kafka.restart(i),
  }));
  return [...processes, ...brokers];
}

const targetOf = (process: ManagedProcess): Target => ({
  name: process.name,
  kill: () => process.kill(),
  freeze: () => process.freeze(),
  thaw: () => process.thaw(),
  restart: async () => process.start(),
});

/**
 * One fault a round, of a random process or broker, killed or stopped, for a random while. The next comes when all are ready again, each
 * process that ended by itself having been started once more, as an orchestrator does.
 */
export async function* faults(cluster: Cluster, rounds: number, seed: number): AsyncGenerator<Fault> {
  const random = new Seeded(seed);
  const targets = targetsOf(cluster);
  for (let round = 1; round <= rounds; round++) {
    const target = targets[random.below(targets.length)]!;
    const kind = random.below(2) === 0 ? 'killed' : 'stopped';
    const forMs = FAULT_MIN_MS + random.below(FAULT_MAX_MS - FAULT_MIN_MS);
    if (kind === 'killed') await target.kill();
    else target.freeze();
    await sleep(forMs);
    const since = performance.now();
    if (kind === 'killed') await target.restart();
    else target.thaw();
    await healthy(cluster);
    yield { round, target: target.name, kind, forMs, recoveredMs: Math.round(performance.now() - since) };
    await sleep(PAUSE_MS);
  }
}

/** Starts what has ended by itself, and waits until everything does its work. */
async function healthy(cluster: Cluster): Promise<void> {
  for (const { process } of cluster.instances) {
    process.start();
    await process.ready();
  }
}
