import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertCheckpointsWithin } from '@nva/distributor';
import { KafkaFeedWriter } from '@nva/kafka';
import { LogEndLost, LogRefused, type Clock, type EventStore, type Logger, type LogMark } from '@nva/ports';
import { readLineage, type Lineage } from '@nva/replica';
import type { SnapshotDirectory } from '@nva/snapshots';
import type { NvaConfig } from '../config/config.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import { ACCEPT_LOSS, isWholeAgain, type LossFile } from './loss-file.ts';
import { lossRefusal } from './loss-watch.ts';
import { holds } from './snapshots.ts';

/**
 * How long a start waits for the brokers to tell the positions of the feeds. If they do not answer, the start goes on, and the
 * check is made when they answer.
 */
const CHECKPOINTS_WITHIN_MS = 5_000;

/**
 * Refuses a start on a log that is known to have lost its end, or whose renewal is not finished. Removes the file if it is about
 * another log, or if the log is whole again. Throws LogRefused.
 */
export async function assertNoLossKnown(
  file: LossFile,
  store: EventStore,
  { eventStore }: Pick<NvaConfig, 'eventStore'>,
  logger: Logger,
): Promise<Lineage> {
  const lineage = await readLineage(store);
  if (lineage.renewedAs !== null && lineage.renewedAs !== store.logId)
    throw new LogRefused(`the loss of the end of log ${store.logId} was accepted, but that was not finished: run it again: ${ACCEPT_LOSS}`);
  const kept = file.read();
  if (!kept) return lineage;
  const { loss, accepting } = kept;
  if (accepting)
    throw new LogRefused(
      `the loss of the end of the log was being accepted, but that was not finished: run it again: ${ACCEPT_LOSS}; or, if the newer log was put back since, remove ${file.path}`,
    );
  if (!loss) return lineage;
  const about = loss.log === store.logId;
  // Other processes may have written to a shared log; so it proves nothing that the log reaches as far by now.
  if (about && (eventStore !== null || !(await isWholeAgain(loss, store)))) throw lossRefusal(loss, file);
  file.remove();
  logger.info(about ? 'the log is whole again: it holds what was missing' : 'what was lost was of another log than this one', { ...loss });
  return lineage;
}

/**
 * Throws LogEndLost if a snapshot of this log was taken after an event that the log does not hold. Snapshots contain only events
 * that were in the log.
 */
export async function assertSnapshotsWithin(snapshots: SnapshotDirectory, store: EventStore): Promise<void> {
  const { position: head } = await store.head();
  const marks: LogMark[] = [];
  for await (const { path, header } of snapshots.headers()) {
    if (header.logId !== store.logId || (header.position <= head && (await holds(store, header)))) continue;
    marks.push({ where: `snapshot ${path}`, position: header.position, eventId: header.eventId });
  }
  if (marks.length > 0) throw new LogEndLost({ log: store.logId, head, marks });
}

/**
 * Throws LogRefused if DATA_DIR holds no event, but snapshots of another log. In this case the folder of the log was removed or
 * is not mounted, and going on would tell every NVE that all tables are empty (X6).
 */
export async function assertNoOtherLogHere(
  snapshots: SnapshotDirectory,
  store: EventStore,
  { eventStore, dataDir }: Pick<NvaConfig, 'eventStore' | 'dataDir'>,
): Promise<void> {
  if (eventStore !== null || (await store.head()).position > 0) return;
  for await (const { path, header } of snapshots.headers()) {
    if (header.logId === store.logId) continue;
    throw new LogRefused(
      `${join(dataDir, 'log')} holds no event, but ${path} is of log ${header.logId}, at position ${header.position}: that log was removed, or its folder is not mounted. ` +
        `Mount it, or bring ${dataDir} back as a whole. Only to begin a new log, which tells every NVE that there is nothing, move ${join(dataDir, 'snapshots')} away`,
    );
  }
}

/**
 * Works before the feeds are opened. Rejects with LogEndLost if the feeds on Kafka are ahead of the log. Resolves, after a log
 * line, if the brokers do not answer in time.
 */
export async function assertFeedsWithin(config: NvaConfig, store: EventStore, clock: Clock, logger: Logger): Promise<void> {
  if (config.kafkaBrokers.length === 0) return;
  const reader = new KafkaFeedWriter({ ...kafkaConnection(config, clock, logger), owned: config.distributorShards });
  const looked = assertCheckpointsWithin(store, reader).finally(() => reader.close());
  try {
    const limit = new AbortController();
    const late = sleep(CHECKPOINTS_WITHIN_MS, 'late', { signal: limit.signal });
    late.catch(() => undefined);
    looked.catch(() => undefined);
    if ((await Promise.race([looked, late])) === 'late') throw new Error(`they did not answer within ${CHECKPOINTS_WITHIN_MS} ms`);
    limit.abort();
  } catch (error) {
    if (error instanceof LogEndLost) throw error;
    logger.warn('whether the feeds are ahead of the log is not known yet; it is looked at when they answer', { err: error });
  }
}

/** Writes a loss that a check found to the file before the start is refused because of it. */
export async function keptIn<T>(file: LossFile, looked: Promise<T>): Promise<T> {
  try {
    return await looked;
  } catch (error) {
    if (!(error instanceof LogEndLost)) throw error;
    file.add(error.loss);
    throw lossRefusal(error.loss, file);
  }
}
