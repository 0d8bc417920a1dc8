import { setTimeout as sleep } from 'node:timers/promises';
import { Seeded } from '../../libs/event-log/src/testing/seeded.ts';
import type { StandInCluster } from '../eventstore/stand-in-cluster.ts';
import { FEED_CHECK_EVERY_S, type Cluster } from './cluster.ts';
import type { ManagedProcess } from './managed-process.ts';

const FAULT_MIN_MS = 300;
const FAULT_MAX_MS = 4_000;
/** Between two faults, in which the cluster may show that it works. */
const PAUSE_MS = 500;
/**
 * A broker that lost its disks stays away until the others have taken it out of what they replicate to (`broker.session.timeout.ms`
 * and more).
 */
const EMPTIED_MIN_MS = 6_000;
/** Of so many rounds one deletes a topic, one empties a broker's disks, and one takes the event store's leader. */
const ROUNDS_OF_LOSSES = 4;

export type FaultKind = 'killed' | 'stopped' | 'emptied' | 'deleted';

/** What was done to the cluster in one round. */
export interface Fault {
  readonly round: number;
  readonly target: string;
  readonly kind: FaultKind;
  readonly forMs: number;
  /** Until everything did its work again. */
  readonly recoveredMs: number;
  /** Of a leader: until there was the next one, and until a write was acknowledged that was sent after it was lost. */
  readonly electedMs?: number;
  readonly pausedMs?: number;
}

/** Resolves when a write is acknowledged that was sent after the call. */
export type NextAcknowledged = () => Promise<void>;

interface Target {
  readonly name: string;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  restart(): Promise<void>;
}

function targetsOf(cluster: Cluster): readonly Target[] {
  const processes = [...cluster.instances.map(({ process }) => process), ...(cluster.eventStore?.nodes ?? [])].map(targetOf);
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
 * One fault a round, of a random process or broker, killed or stopped, for a random while. The next comes when all are ready again.
 * No process may end by itself: throws at the first that did.
 */
export async function* faults(cluster: Cluster, rounds: number, seed: number, acknowledged: NextAcknowledged): AsyncGenerator<Fault> {
  const random = new Seeded(seed);
  const targets = targetsOf(cluster);
  for (let round = 1; round <= rounds; round++) {
    const forMs = FAULT_MIN_MS + random.below(FAULT_MAX_MS - FAULT_MIN_MS);
    const brokenIn = async (n: number): Promise<Broken> => {
      if (n % ROUNDS_OF_LOSSES === 2) return deletedTopic(cluster, random);
      if (n % ROUNDS_OF_LOSSES === 3 && cluster.eventStore)
        return lostLeader(cluster.eventStore, n % (2 * ROUNDS_OF_LOSSES) === 3 ? 'killed' : 'stopped', forMs, acknowledged);
      if (n % ROUNDS_OF_LOSSES === 0) return emptiedBroker(cluster, random, forMs);
      return broken(targets[random.below(targets.length)]!, random.below(2) === 0 ? 'killed' : 'stopped', forMs);
    };
    const fault = await brokenIn(round);
    const since = performance.now();
    await fault.mend();
    await healthy(cluster);
    if (cluster.endings.length > 0) throw new Error(`round ${round}, ${fault.target} ${fault.kind}: ${cluster.endings.join('\n')}`);
    yield { round, target: fault.target, kind: fault.kind, forMs, recoveredMs: Math.round(performance.now() - since), ...fault.leader };
    await sleep(PAUSE_MS);
  }
}

/** What was broken, and how it is put right where that takes somebody. */
interface Broken {
  readonly target: string;
  readonly kind: FaultKind;
  readonly leader?: Pick<Fault, 'electedMs' | 'pausedMs'>;
  mend(): Promise<void>;
}

/** The leader of the event store, killed or stopped until its followers have elected another one and writes go on. */
async function lostLeader(
  eventStore: StandInCluster,
  kind: 'killed' | 'stopped',
  forMs: number,
  acknowledged: NextAcknowledged,
): Promise<Broken> {
  const { process, term } = await eventStore.leader();
  const target = targetOf(process);
  const since = performance.now();
  const { mend } = await broken(target, kind, 0);
  const [electedMs, pausedMs] = await Promise.all(
    [eventStore.leader(term), acknowledged()].map(async (done) => done.then(() => Math.round(performance.now() - since))),
  );
  await sleep(forMs);
  return { target: `${target.name}, the leader,`, kind, mend, leader: { electedMs: electedMs!, pausedMs: pausedMs! } };
}

async function broken(target: Target, kind: 'killed' | 'stopped', forMs: number): Promise<Broken> {
  if (kind === 'killed') await target.kill();
  else target.freeze();
  await sleep(forMs);
  return { target: target.name, kind, mend: async () => (kind === 'killed' ? target.restart() : target.thaw()) };
}

/** The table of a VN, what an NVE is told, or the schemas: the distributors make it anew, whole. */
async function deletedTopic(cluster: Cluster, random: Seeded): Promise<Broken> {
  const target = await cluster.kafka.deleteTopic(`${cluster.feedPrefix}.`, (count) => random.below(count));
  // Until somebody has noticed, everything says that it is well.
  return { target, kind: 'deleted', mend: () => sleep(2 * FEED_CHECK_EVERY_S * 1_000) };
}

async function emptiedBroker(cluster: Cluster, random: Seeded, forMs: number): Promise<Broken> {
  const i = random.below(cluster.kafka.size);
  await cluster.kafka.empty(i);
  await sleep(EMPTIED_MIN_MS + forMs);
  return { target: `kafka-${i + 1}`, kind: 'emptied', mend: () => cluster.kafka.restart(i) };
}

/** Waits until everything does its work. */
async function healthy(cluster: Cluster): Promise<void> {
  await cluster.eventStore?.ready();
  for (const { process } of cluster.instances) {
    await process.ready();
  }
}
