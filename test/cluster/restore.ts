import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StandInCluster } from '../eventstore/stand-in-cluster.ts';
import type { Cluster } from './cluster.ts';
import type { Acknowledged, Load } from './load.ts';

/** Written after the backup, and lost with it. */
const LOST_FOR_MS = 3_000;
const PUBLISHED_LIMIT_MS = 240_000;

/**
 * Takes a backup of the event store, lets a load go on, and puts the backup back beneath everything. The distributors, which find
 * more on the topics than the log has, must refuse to start; then the loss is accepted, and all go on. Returns the acknowledged
 * writes that still hold.
 */
export async function restored(
  cluster: Cluster,
  eventStore: StandInCluster,
  lostLoad: () => Load,
  acknowledged: readonly Acknowledged[],
): Promise<readonly Acknowledged[]> {
  const [data, backup] = [join(cluster.directory, 'event-store'), join(cluster.directory, 'event-store.backup')];
  await eventStore.stop();
  await cp(data, backup, { recursive: true });
  await begun(cluster, eventStore);
  const load = lostLoad();
  await sleep(LOST_FOR_MS);
  await load.stop();
  if (load.acknowledged.length === 0) throw new Error('nothing was written after the backup, so nothing is lost with it');
  await published(cluster, Math.max(...load.acknowledged.map(({ position }) => position)));

  await Promise.all(cluster.instances.map(({ process }) => process.stop()));
  await eventStore.stop();
  await rm(data, { recursive: true });
  await cp(backup, data, { recursive: true });
  eventStore.start();
  await eventStore.ready();
  for (const { process } of cluster.of('distributor')) {
    process.start();
    const said = await process.untilEnded();
    if (!said.includes('accept-loss')) throw new Error(`a distributor does not say what to do about a log that has lost its end:\n${said}`);
  }
  await cluster.acceptLoss('the backup was put back');
  await begun(cluster, eventStore);
  return acknowledged;
}

/** Everything runs and does its work. */
async function begun(cluster: Cluster, eventStore: StandInCluster): Promise<void> {
  eventStore.start();
  await eventStore.ready();
  for (const { process } of cluster.instances) process.start();
  for (const { process } of cluster.instances) await process.ready();
}

/** The topics have what was acknowledged: at least one distributor's checkpoint or records are beyond the backup when they are stopped. */
async function published(cluster: Cluster, position: number): Promise<void> {
  for (const { url, process } of cluster.of('distributor')) {
    for (const giveUpAt = performance.now() + PUBLISHED_LIMIT_MS; ; await sleep(100)) {
      const { publishedPosition } = (await (await fetch(`${url}/readyz`)).json()) as { publishedPosition?: string };
      if (Number(publishedPosition) >= position) break;
      if (process.ended !== null) throw new Error(process.ended);
      if (performance.now() > giveUpAt)
        throw new Error(`${process.name} has published up to ${publishedPosition}, not ${position}, after ${PUBLISHED_LIMIT_MS} ms`);
    }
  }
}
